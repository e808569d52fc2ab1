namespace Nave.Hub.Heartbeats;

/// <summary>
/// Where a session notes that its device lives: one byte of <see cref="HeartbeatTable"/>, read by the next scan. For the
/// hot path: a load and a store.
/// </summary>
internal readonly struct HeartbeatMark(byte[]? heard, int index)
{
    /// <summary>Nobody looks.</summary>
    public static HeartbeatMark None => default;

    /// <summary>The device was heard. Any thread.</summary>
    public void Heard(HeardBits how)
    {
        if (heard is not null)
        {
            // Not atomic: two at once may lose a bit to each other, never to the scan, which exchanges.
            ref var place = ref heard[index];
            var was = Volatile.Read(ref place);
            if ((was & (byte)how) != (byte)how)
            {
                Volatile.Write(ref place, (byte)(was | (byte)how));
            }
        }
    }
}
