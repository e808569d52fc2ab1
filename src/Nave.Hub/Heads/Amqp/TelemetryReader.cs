using System.Buffers;
using Amqp;
using Nave.Hub.Telemetry;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>Reads a transfer on an events link: one event, or a batch of them in the format of the service (spec/device-amqp.md 5).</summary>
internal static class TelemetryReader
{
    /// <summary>Message format of a batch: each data section is an encoded message.</summary>
    public const uint BatchFormat = 0x80013700;

    /// <summary>Events in a batch (spec/device-amqp.md 5 rule 6).</summary>
    public const int MaxBatch = 500;

    /// <summary>The events, or why all of them are refused.</summary>
    public static Outcome<TelemetryItem[]> Read(RawMessage raw, IdentityId sender)
    {
        // Before it is decoded: nothing in a transfer this long could be an event.
        if (raw.Encoded.Length > TelemetryLink.MaxMessageBytes)
        {
            return HubFailures.MessageTooLarge;
        }

        if (raw.TryDecode() is not { } message)
        {
            return Malformed;
        }

        if (raw.Format == BatchFormat)
        {
            return ReadBatch(message, sender);
        }

        var outcome = ReadOne(message, sender);
        return outcome.TryGet(out var item, out var failure) ? new[] { item } : failure;
    }

    private static HubFailure Malformed => HubFailures.FormatError.Saying("The message is not encoded as AMQP 1.0 says.");

    private static Outcome<TelemetryItem[]> ReadBatch(Message batch, IdentityId sender)
    {
        if (IncomingMessage.DataSections(batch) is not { Count: > 0 and <= MaxBatch } sections)
        {
            return HubFailures.ArgumentInvalid.Saying($"A batch has 1 to {MaxBatch} data sections.");
        }

        var items = new TelemetryItem[sections.Count];
        long bytes = 0;
        for (var i = 0; i < items.Length; i++)
        {
            if (new RawMessage(sections[i]).TryDecode() is not { } message)
            {
                return Malformed;
            }

            if (!ReadOne(message, sender).TryGet(out var item, out var failure))
            {
                return failure;
            }

            items[i] = item;
            bytes += item.Body.Length + item.Properties.CountedBytes;
        }

        return bytes > HubLimits.MaxTelemetryBytes
            ? HubFailures.MessageTooLarge.Saying($"The batch has {bytes} bytes, {HubLimits.MaxTelemetryBytes} are allowed.")
            : items;
    }

    private static Outcome<TelemetryItem> ReadOne(Message message, IdentityId sender)
    {
        if (!IncomingMessage.Read(message).TryGet(out var read, out var failure))
        {
            return failure;
        }

        if (read.Properties.To is { Length: > 0 } to && NamesAnother(to, sender))
        {
            return HubFailures.InvalidOperation.Saying("Properties.To must contain the device identifier of the sender.");
        }

        var item = new TelemetryItem(TelemetryProperties.From(read.Properties), new ReadOnlySequence<byte>(read.Body));
        return item.Body.Length + item.Properties.CountedBytes > HubLimits.MaxTelemetryBytes ? HubFailures.MessageTooLarge : item;
    }

    // Any spelling of the sender's own address will do; what names no device at all is no spoofing.
    private static bool NamesAnother(string to, IdentityId sender)
    {
        if (LinkAddress.TryParse(to) is not { } address || address.Segments.Count < 2 || !address.Is(0, "devices"))
        {
            return false;
        }

        var module = address.Segments.Count > 3 && address.Is(2, "modules") ? address.Segments[3] : null;
        return !DeviceAddress.ReadIds(address.Segments[1], module).Contains(sender);
    }
}
