using Amqp.Framing;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>Partition receivers: <c>{eh}/ConsumerGroups/{group}/Partitions/{n}</c> (spec/events-endpoint.md 3).</summary>
internal sealed class EventsLinks(EventsEntity entity, ConsumerGroups groups, AmqpHead head) : ILinkHandler
{
    private const string EpochProperty = "com.microsoft:epoch";
    private const string ReceiverNameProperty = "com.microsoft:receiver-name";
    private const string MetricsCapability = "com.microsoft:enable-receiver-runtime-metric";

    public void Attach(LinkRequest request)
    {
        var address = request.Address!;
        var group = address.Name(2);
        var number = address.Name(4);
        var link = new EventsLink(request, head, entity.Readers, entity.Paths($"ConsumerGroups/{group}/Partitions/{number}"));

        // 1. May the peer read at all? Before anything else: a stranger learns nothing of groups and partitions.
        if (request.Connection.Grants.Admit(link) is { } refusal)
        {
            request.Refuse(refusal.Saying($"Unauthorized access. 'Listen' claim(s) are required to perform this operation on '{address.Path}'."));
            return;
        }

        // 2. Is there such a thing? 3. Does the position make sense? 4. Is there a place?
        if (Open(request, link, group, number) is { } failure)
        {
            request.Connection.Grants.Leave(link);
            request.Refuse(failure);
        }
    }

    private HubFailure? Open(LinkRequest request, EventsLink link, string group, string number)
    {
        if (request.PeerSends)
        {
            return HubFailures.InvalidOperation.Saying("Events are read here. Devices send them.");
        }

        if (!groups.Contains(group) || !int.TryParse(number, out var index) || entity.Readers.Find(index) is not { } partition)
        {
            return HubFailures.AddressNotFound.Saying($"The messaging entity '{request.Address!.Path}' could not be found.");
        }

        var source = (Source)request.Attach.Source;
        if (!EventsFilter.TryRead(source, out var position))
        {
            return HubFailures.ArgumentInvalid.Saying("The filter of the source is not one that a receiver may have.");
        }

        var state = entity.Readers.GetState(partition);
        if (!position.TryResolve(state, out var from))
        {
            return HubFailures.ArgumentInvalid.Saying(BeyondTheEnd(position, state));
        }

        if (!TryReadOwnerLevel(request.Property(EpochProperty), out var level))
        {
            return HubFailures.ArgumentInvalid.Saying($"{EpochProperty} is not a number.");
        }

        var name = request.Property(ReceiverNameProperty) as string is { Length: > 0 and <= 128 } given ? given : request.Attach.LinkName;
        var slot = new ReaderSlot(name, level, by => link.Detach(LinkRequest.ToError(Displaced(name, level, by))));
        var outcome = entity.Readers.Slots.TryEnter(partition, group, slot, out var displaced);
        if (outcome.Refusal is not SlotRefusal.None)
        {
            return Refused(outcome, name, level);
        }

        link.Prepare(partition, group, slot, request.Desires(MetricsCapability));
        foreach (var loser in displaced)
        {
            loser.Displace(slot);
        }

        request.AcceptSender(link, EventsFilter.Echo(source));
        link.Start(from);
        return null;
    }

    private static string BeyondTheEnd(ReadPosition position, PartitionState state) =>
        position.Kind is ReadPositionKind.Offset
            ? $"The supplied offset '{position.Value}' is invalid. The last offset in the system is '{state.NextSequenceNumber - 1}'."
            : $"The supplied sequence number '{position.Value}' is invalid. The last sequence number in the system is '{state.NextSequenceNumber - 1}'.";

    private static HubFailure Displaced(string name, long? level, ReaderSlot by) => HubFailures.TakenOver.Saying(
        $"New receiver '{by.Name}' with higher epoch of '{by.OwnerLevel}' is created hence current receiver '{name}' "
        + $"with epoch '{level ?? -1}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.");

    private static HubFailure Refused(SlotOutcome outcome, string name, long? level) => outcome.Refusal switch
    {
        SlotRefusal.LowerOwnerLevel => HubFailures.TakenOver.Saying(
            $"Receiver '{outcome.Owner!.Name}' with a higher epoch '{outcome.Owner.OwnerLevel}' already exists. "
            + $"Receiver '{name}' with epoch {level} cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, "
            + "or ensure all old epoch receivers are closed or disconnected."),
        SlotRefusal.OwnedPartition => HubFailures.TakenOver.Saying(
            $"At least one receiver for the endpoint is created with epoch of '{outcome.Owner!.OwnerLevel}', and so non-epoch receiver is not allowed. "
            + "Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."),
        _ => HubFailures.QuotaExceeded.Saying(
            $"Exceeded the maximum number of allowed receivers per partition in a consumer group which is {HubLimits.MaxReadersPerPartition}."),
    };

    /// <summary>Arrives as int, long or smaller (spec/events-endpoint.md 3.2).</summary>
    private static bool TryReadOwnerLevel(object? value, out long? level)
    {
        level = value switch
        {
            sbyte number => number,
            byte number => number,
            short number => number,
            ushort number => number,
            int number => number,
            uint number => number,
            long number => number,
            ulong number and <= long.MaxValue => (long)number,
            _ => null,
        };
        return value is null || level is not null;
    }
}
