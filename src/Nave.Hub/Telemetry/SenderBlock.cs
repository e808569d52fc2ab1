using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Nave.EventLog;

namespace Nave.Hub.Telemetry;

/// <summary>
/// What every event of a session has in common (who sent it, how that was proven), as it lies at the front of a record:
/// without the names of the annotations, and the usual values as a number. It is most of a small event otherwise.
/// </summary>
/// <remarks>
/// version 2 (1 byte), which annotations there are (1 byte, bit n for the n-th of <see cref="Names"/>), their values.
/// A value is its length (1 byte) and UTF-8; or 254 and a number of <see cref="UsualValues"/>; or 255, length (2,
/// big-endian) and UTF-8.
/// </remarks>
internal static class SenderBlock
{
    /// <summary>First byte of the record.</summary>
    public const byte Version = 2;

    private const int HeadBytes = 2;
    private const byte Usual = 254;
    private const byte Long = 255;
    private const int ShortStringHeadBytes = 2;
    private const int LongStringHeadBytes = 5;

    // The place is on disk: only add.
    private static readonly byte[][] Names = Encoded(AmqpWriter.Symbol,
    [
        "iothub-connection-device-id",
        "iothub-connection-module-id",
        "iothub-connection-auth-method",
        "iothub-connection-auth-generation-id",
        "iothub-message-source",
        "dt-dataschema",
    ]);

    // The place is on disk, and so is the text: only add, also where what is stamped today changes.
    private static readonly string[] UsualTexts =
    [
        "Telemetry",
        """{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        """{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        """{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        """{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}""",
        """{"scope":"device","type":"x509CertificateAuthority","issuer":"external","acceptingIpFilterRule":null}""",
    ];

    private static readonly byte[][] UsualValues = Encoded(AmqpWriter.String, UsualTexts);

    /// <summary>Encodes a block; what is null is not there.</summary>
    public static byte[] Encode(
        string? deviceId, string? moduleId, string? generationId, string? authMethod, string source, string? modelId)
    {
        var writer = new ArrayBufferWriter<byte>(128);
        Append(writer, Version, 0);
        var present = 0;
        string?[] values = [deviceId, moduleId, authMethod, generationId, source, modelId];
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] is { } value)
            {
                present |= 1 << i;
                WriteValue(writer, value);
            }
        }

        var block = writer.WrittenSpan.ToArray();
        block[1] = (byte)present;
        return block;
    }

    /// <summary>Measures the block at the front of a record and the annotations that it stands for.</summary>
    /// <returns>How long the block is.</returns>
    /// <exception cref="LogCorruptException">A later version has written it.</exception>
    public static int Measure(ReadOnlySpan<byte> record, out int annotations, out int annotationBytes)
    {
        (annotations, annotationBytes) = (0, 0);
        var at = HeadBytes;
        for (int i = 0, present = record[1]; present != 0; i++, present >>= 1)
        {
            if ((present & 1) != 0)
            {
                annotations++;
                annotationBytes += NameOf(i).Length + ReadValue(record, ref at, out _, out _);
            }
        }

        return at;
    }

    /// <summary>Writes the annotations of a block that <see cref="Measure"/> has measured, encoded for AMQP.</summary>
    public static void WriteAnnotations(ReadOnlySpan<byte> block, Span<byte> destination)
    {
        var at = HeadBytes;
        for (int i = 0, present = block[1]; present != 0; i++, present >>= 1)
        {
            if ((present & 1) == 0)
            {
                continue;
            }

            var name = NameOf(i);
            name.CopyTo(destination);
            destination = destination[name.Length..];
            var length = ReadValue(block, ref at, out var usual, out var value);
            if (usual is not null)
            {
                usual.CopyTo(destination);
            }
            else
            {
                AmqpWriter.String(destination, value);
            }

            destination = destination[length..];
        }
    }

    /// <returns>How long the value is as an AMQP string.</returns>
    private static int ReadValue(ReadOnlySpan<byte> block, ref int at, out byte[]? usual, out ReadOnlySpan<byte> value)
    {
        int length = block[at++];
        usual = null;
        value = default;
        switch (length)
        {
            case Usual:
                var number = block[at++];
                usual = number < UsualValues.Length
                    ? UsualValues[number]
                    : throw new LogCorruptException($"A record has the usual value {number}, known are {UsualValues.Length}: a later version has written it.");
                return usual.Length;
            case Long:
                length = BinaryPrimitives.ReadUInt16BigEndian(block[at..]);
                at += sizeof(ushort);
                break;
        }

        value = block.Slice(at, length);
        at += length;
        return length + (length <= byte.MaxValue ? ShortStringHeadBytes : LongStringHeadBytes);
    }

    private static byte[] NameOf(int place) => place < Names.Length
        ? Names[place]
        : throw new LogCorruptException($"A record has the annotation {place}, known are {Names.Length}: a later version has written it.");

    private static void WriteValue(ArrayBufferWriter<byte> writer, string value)
    {
        if (Array.IndexOf(UsualTexts, value) is var number and >= 0)
        {
            Append(writer, Usual, (byte)number);
            return;
        }

        var bytes = Encoding.UTF8.GetBytes(value);
        if (bytes.Length < Usual)
        {
            Append(writer, (byte)bytes.Length);
        }
        else
        {
            Append(writer, Long, (byte)(bytes.Length >> 8), (byte)bytes.Length);
        }

        Append(writer, bytes);
    }

    private static void Append(ArrayBufferWriter<byte> writer, params ReadOnlySpan<byte> bytes) => writer.Write(bytes);

    private static byte[][] Encoded(Action<IBufferWriter<byte>, string> write, string[] texts) =>
    [
        .. texts.Select(text =>
        {
            var writer = new ArrayBufferWriter<byte>();
            write(writer, text);
            return writer.WrittenSpan.ToArray();
        }),
    ];
}
