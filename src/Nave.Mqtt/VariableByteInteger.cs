namespace Nave.Mqtt;

/// <summary>Lengths and numbers of one to four bytes, seven bits each, lowest first (MQTT 2.2.3; MQTT 5 1.5.5).</summary>
internal static class VariableByteInteger
{
    public const int Max = 268_435_455;

    public static int Measure(int value) => value switch
    {
        < 0x80 => 1,
        < 0x4000 => 2,
        < 0x20_0000 => 3,
        <= Max => 4,
        _ => throw new ArgumentOutOfRangeException(nameof(value), value, "MQTT counts to 268,435,455."),
    };

    /// <returns>How many bytes were written.</returns>
    public static int Write(Span<byte> destination, int value)
    {
        var length = Measure(value);
        for (var i = 0; i < length; i++)
        {
            var more = i < length - 1 ? 0x80 : 0;
            destination[i] = (byte)((value & 0x7F) | more);
            value >>= 7;
        }

        return length;
    }
}
