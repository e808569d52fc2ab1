using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Amqp.Types;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The <c>$management</c> node: READ of the event hub and of a partition (spec/events-endpoint.md 5). Types matter: the
/// .NET client casts each value.
/// </summary>
internal sealed class ManagementLinks(IReadOnlyList<EventsEntity> entities, DateTimeOffset createdAt) : ILinkHandler
{
    private const int RequestCredit = 100;
    private const string EventHubType = "com.microsoft:eventhub";
    private const string PartitionType = "com.microsoft:partition";

    // What an empty partition shows (spec/events-endpoint.md 5): the first moment that .NET knows.
    private static readonly DateTime Never = DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc);

    private readonly string[] _paths =
        ["/$management", .. entities.SelectMany(entity => entity.Paths("$management")), .. entities.SelectMany(entity => entity.Paths("ConsumerGroups"))];

    public void Attach(LinkRequest request)
    {
        var link = new GrantedLink(request, AccessRights.ServiceConnect, _paths);
        if (request.Connection.Grants.Admit(link) is { } refusal)
        {
            request.Refuse(refusal);
            return;
        }

        if (request.PeerSends)
        {
            request.AcceptReceiver(RequestCredit, AmqpFrame.MaxBytes, (receiver, message) => OnRequest(receiver, request, message));
        }
        else
        {
            request.Connection.ManagementReplies.Attach(request);
        }

        request.Link.AddClosedCallback((_, _) => request.Connection.Grants.Leave(link));
    }

    private void OnRequest(ListenerLink link, LinkRequest request, Message message)
    {
        var decoded = request.Connection.IsAborted ? null : ((RawMessage)message).TryDecode();
        link.DisposeMessage(message, decoded is null ? new Released() : new Accepted(), settled: true);
        message.Dispose();
        if (decoded is null || request.Connection.ManagementReplies.Find(request.Session, decoded.Properties?.ReplyTo) is not { } reply)
        {
            return;
        }

        var answer = Answer(decoded);
        if (decoded.Properties?.GetMessageId() is { } id)
        {
            answer.Properties.SetCorrelationId(id);
        }

        if (!reply.TrySend(answer))
        {
            reply.Detach(LinkRequest.ToError(HubFailures.QuotaExceeded.Saying("Too many answers are waiting for credit.")));
        }
    }

    private Message Answer(Message request)
    {
        var asked = request.ApplicationProperties?.Map;
        if (!string.Equals(asked?["operation"] as string, "READ", StringComparison.OrdinalIgnoreCase))
        {
            return Status(400, "The operation is not known.");
        }

        var name = asked?["name"] as string ?? "";
        if (entities.FirstOrDefault(entity => entity.IsNamed(name)) is not { Readers: var readers })
        {
            return NotFound(name);
        }

        switch (asked?["type"] as string)
        {
            case EventHubType:
                return Status(200, "OK", EventHub(name, readers));
            case PartitionType:
                var text = asked["partition"]?.ToString();
                return int.TryParse(text, out var number) && readers.Find(number) is { } partition
                    ? Status(200, "OK", Partition(name, text, readers.GetState(partition)))
                    : NotFound($"{name}/Partitions/{text}");
            default:
                return Status(400, "The type is not known.");
        }
    }

    private Map EventHub(string name, EventReaders readers) => new()
    {
        ["name"] = name,
        ["type"] = EventHubType,
        ["created_at"] = createdAt.UtcDateTime,
        ["partition_count"] = readers.Partitions,
        ["partition_ids"] = Enumerable.Range(0, readers.Partitions).Select(number => number.ToString()).ToArray(),
        ["georeplication_factor"] = 1,
    };

    private static Map Partition(string name, string partition, in PartitionState state) => new()
    {
        ["name"] = name,
        ["type"] = PartitionType,
        ["partition"] = partition,
        ["begin_sequence_number"] = state.FirstSequenceNumber,
        ["last_enqueued_sequence_number"] = state.NextSequenceNumber - 1,
        ["last_enqueued_offset"] = (state.NextSequenceNumber - 1).ToString(),
        ["last_enqueued_time_utc"] = state.LastEnqueuedTime?.UtcDateTime ?? Never,
        ["is_partition_empty"] = state.IsEmpty,
        ["begin_sequence_number_epoch"] = -1,
        ["last_enqueued_sequence_number_epoch"] = -1,
        ["partition_epoch"] = -1,
    };

    private static Message NotFound(string entity) =>
        Status(404, $"The messaging entity '{entity}' could not be found.", condition: HubFailures.AddressNotFound.AmqpCondition);

    private static Message Status(int code, string description, Map? body = null, string? condition = null)
    {
        var answer = new Message
        {
            Properties = new Properties(),
            ApplicationProperties = new ApplicationProperties(),
            BodySection = new AmqpValue { Value = body },
        };

        // Both spellings: the .NET client reads one, the JavaScript client either (spec/events-endpoint.md 5).
        answer.ApplicationProperties["status-code"] = code;
        answer.ApplicationProperties["statusCode"] = code;
        answer.ApplicationProperties["status-description"] = description;
        answer.ApplicationProperties["statusDescription"] = description;
        if (condition is not null)
        {
            answer.ApplicationProperties["error-condition"] = new Symbol(condition);
        }

        return answer;
    }
}
