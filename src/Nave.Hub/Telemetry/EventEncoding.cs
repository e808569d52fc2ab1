using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Nave.EventLog;
using Nave.Protocol.Messages;

namespace Nave.Hub.Telemetry;

/// <summary>
/// How an event lies in the log: as its reader gets it (design.md, "Stored as it is read"; spec/events-endpoint.md 6).
/// A record is a sender block (<see cref="SenderBlock"/>), a message block and the body's data section. The message block
/// starts with the number and the length of its message annotations, already encoded; behind them stand the properties and
/// application-properties sections.
/// </summary>
/// <remarks>
/// message block: annotation count (1), annotation bytes (2, big-endian), annotations, sections.
/// sender block of version 1, which is read only: version (1 byte), annotation count (1), annotation bytes (2), annotations.
/// </remarks>
internal static class EventEncoding
{
    /// <summary>Longest header of a data section.</summary>
    public const int MaxDataHeaderBytes = 8;

    private const byte Version1 = 1;
    private const int Version1HeadBytes = 4;
    private const int MessageHeadBytes = 3;

    // Stamped by the hub: whatever a sender writes under these names is dropped (spec/security.md 9).
    private static readonly HashSet<string> StampedNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "iothub-connection-device-id", "iothub-connection-module-id", "iothub-connection-auth-method",
        "iothub-connection-auth-generation-id", "iothub-enqueuedtime", "iothub-message-source",
        "x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time",
    };

    /// <summary>What the sender chose; see <see cref="TelemetryProperties"/>.</summary>
    public static byte[] EncodeMessageBlock(MessageProperties properties)
    {
        var writer = new ArrayBufferWriter<byte>(256);
        writer.GetSpan(MessageHeadBytes)[..MessageHeadBytes].Clear();
        writer.Advance(MessageHeadBytes);
        var count = 0;
        count += Annotate(writer, "iothub-interface-id", properties.InterfaceId);
        count += Annotate(writer, "dt-subject", properties.Component);
        count += Annotate(writer, "Diagnostic-Id", properties.DiagnosticId);
        count += Annotate(writer, "Correlation-Context", properties.DiagnosticContext);
        var annotationBytes = writer.WrittenCount - MessageHeadBytes;
        WriteProperties(writer, properties);
        WriteApplicationProperties(writer, properties);
        var block = writer.WrittenSpan.ToArray();
        block[0] = (byte)count;
        BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan(1), (ushort)annotationBytes);
        return block;
    }

    /// <summary>Writes the head of a data section for a body of that length.</summary>
    /// <returns>The bytes written, at most <see cref="MaxDataHeaderBytes"/>.</returns>
    public static int WriteDataHeader(Span<byte> destination, long bodyBytes)
    {
        destination[0] = 0x00;
        destination[1] = 0x53;
        destination[2] = 0x75;
        if (bodyBytes <= byte.MaxValue)
        {
            destination[3] = 0xa0;
            destination[4] = (byte)bodyBytes;
            return 5;
        }

        destination[3] = 0xb0;
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], (uint)bodyBytes);
        return 8;
    }

    /// <summary>
    /// Writes a stored event as the AMQP message that a reader gets: message annotations from the record's header and
    /// constants, then the stored sections as they are. Delivery annotations, where asked for, go in front by the caller.
    /// </summary>
    public static void WriteMessage(in LogRecord record, IBufferWriter<byte> destination)
    {
        var bytes = record.Bytes.Span;
        var version = bytes.Length > 0 ? bytes[0] : -1;
        int senderCount;
        int senderBytes;
        var blockBytes = version switch
        {
            SenderBlock.Version => SenderBlock.Measure(bytes, out senderCount, out senderBytes),
            Version1 => MeasureVersion1(bytes, out senderCount, out senderBytes),
            _ => throw new LogCorruptException(
                $"Record {record.SequenceNumber} has event encoding version {version}, known are {Version1} and {SenderBlock.Version}."),
        };
        var message = bytes[blockBytes..];
        var messageCount = message[0];
        var annotations = message.Slice(MessageHeadBytes, BinaryPrimitives.ReadUInt16BigEndian(message[1..]));
        var sections = message[(MessageHeadBytes + annotations.Length)..];

        Span<byte> stamps = stackalloc byte[160];
        var stampBytes = WriteStamps(stamps, record);
        var entries = 4 + senderCount + messageCount;
        AmqpWriter.MapSection(destination, 0x72, entries * 2, stampBytes + senderBytes + annotations.Length);

        // One piece: a reader takes hundreds of thousands of these a second.
        var front = destination.GetSpan(stampBytes + senderBytes + annotations.Length);
        stamps[..stampBytes].CopyTo(front);
        if (version is Version1)
        {
            bytes[Version1HeadBytes..blockBytes].CopyTo(front[stampBytes..]);
        }
        else
        {
            SenderBlock.WriteAnnotations(bytes[..blockBytes], front[stampBytes..]);
        }

        annotations.CopyTo(front[(stampBytes + senderBytes)..]);
        destination.Advance(stampBytes + senderBytes + annotations.Length);
        destination.Write(sections);
    }

    /// <summary>Body bytes of a record's data section, for tools that read the log itself.</summary>
    public static int CountBytes(MessageProperties properties)
    {
        var count = Length(properties.MessageId) + Length(properties.CorrelationId) + Length(properties.UserId)
            + Length(properties.To) + Length(properties.ContentType) + Length(properties.ContentEncoding)
            + (properties.ExpiryTime is null ? 0 : 8) + Length(properties.CreationTime) + Length(properties.InterfaceId)
            + Length(properties.Component) + Length(properties.OutputName) + Length(properties.Schema)
            + Length(properties.DiagnosticId) + Length(properties.DiagnosticContext);
        foreach (var (name, value) in properties.Application)
        {
            count += Length(name) + Length(value);
        }

        return count;

        static int Length(string? text) => text is null ? 0 : Encoding.UTF8.GetByteCount(text);
    }

    private static int MeasureVersion1(ReadOnlySpan<byte> record, out int annotations, out int annotationBytes)
    {
        annotations = record[1];
        annotationBytes = BinaryPrimitives.ReadUInt16BigEndian(record[2..]);
        return Version1HeadBytes + annotationBytes;
    }

    private static int WriteStamps(Span<byte> destination, in LogRecord record)
    {
        var at = 0;
        at += AmqpWriter.Symbol(destination[at..], "x-opt-sequence-number"u8);
        at += AmqpWriter.Long(destination[at..], record.SequenceNumber);
        at += AmqpWriter.Symbol(destination[at..], "x-opt-offset"u8);
        at += AmqpWriter.DecimalString(destination[at..], record.SequenceNumber);
        at += AmqpWriter.Symbol(destination[at..], "x-opt-enqueued-time"u8);
        at += AmqpWriter.Timestamp(destination[at..], record.EnqueuedTime);
        at += AmqpWriter.Symbol(destination[at..], "iothub-enqueuedtime"u8);
        at += AmqpWriter.Timestamp(destination[at..], record.EnqueuedTime);
        return at;
    }

    private static int Annotate(ArrayBufferWriter<byte> writer, string name, string? value)
    {
        if (value is null)
        {
            return 0;
        }

        AmqpWriter.Symbol(writer, name);
        AmqpWriter.String(writer, value);
        return 1;
    }

    private static void WriteProperties(ArrayBufferWriter<byte> writer, MessageProperties properties)
    {
        // Fields in the order of AMQP 1.0 part 3.2.4, up to the last one set.
        Action<IBufferWriter<byte>>?[] fields =
        [
            Text(properties.MessageId),
            properties.UserId is { } user ? w => AmqpWriter.Binary(w, Encoding.UTF8.GetBytes(user)) : null,
            Text(properties.To),
            null, // subject
            null, // reply-to
            Text(properties.CorrelationId),
            Name(properties.ContentType),
            Name(properties.ContentEncoding),
            properties.ExpiryTime is { } expiry ? w => AmqpWriter.Timestamp(w, expiry.ToUnixTimeMilliseconds()) : null,
        ];
        var used = Array.FindLastIndex(fields, field => field is not null) + 1;
        if (used == 0)
        {
            return;
        }

        var body = new ArrayBufferWriter<byte>(128);
        foreach (var field in fields.AsSpan(0, used))
        {
            if (field is null)
            {
                AmqpWriter.Null(body);
            }
            else
            {
                field(body);
            }
        }

        AmqpWriter.ListSection(writer, 0x73, used, body.WrittenCount);
        writer.Write(body.WrittenSpan);

        static Action<IBufferWriter<byte>>? Text(string? value) => value is null ? null : w => AmqpWriter.String(w, value);
        static Action<IBufferWriter<byte>>? Name(string? value) => value is null ? null : w => AmqpWriter.Symbol(w, value);
    }

    private static void WriteApplicationProperties(ArrayBufferWriter<byte> writer, MessageProperties properties)
    {
        var body = new ArrayBufferWriter<byte>(128);
        var count = 0;
        foreach (var (name, value) in properties.Application)
        {
            if (StampedNames.Contains(name))
            {
                continue;
            }

            AmqpWriter.String(body, name);
            AmqpWriter.String(body, value ?? "");
            count++;
        }

        count += Add(body, "iothub-creation-time-utc", properties.CreationTime);
        count += Add(body, "iothub-outputname", properties.OutputName);
        count += Add(body, "iothub-message-schema", properties.Schema);
        if (count > 0)
        {
            AmqpWriter.MapSection(writer, 0x74, count * 2, body.WrittenCount);
            writer.Write(body.WrittenSpan);
        }

        static int Add(ArrayBufferWriter<byte> body, string name, string? value)
        {
            if (value is null)
            {
                return 0;
            }

            AmqpWriter.String(body, name);
            AmqpWriter.String(body, value);
            return 1;
        }
    }
}
