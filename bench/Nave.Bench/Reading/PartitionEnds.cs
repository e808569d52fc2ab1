using System.Globalization;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Reading;

/// <summary>Asks a hub's management node how far its partitions have come.</summary>
internal static class PartitionEnds
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <returns>For each partition the number that its next event will have.</returns>
    public static async Task<IReadOnlyList<long>> ReadAsync(HubConnection hub, int partitions)
    {
        var (user, key) = HubLogins.Service(hub);
        var connection = await Connection.Factory.CreateAsync(
            new Address("127.0.0.1", hub.Ports.Amqp, user, key, "/", "amqp"), new Open { ContainerId = "nave-bench", HostName = hub.HostName }, null);
        var session = new Session(connection);
        var requests = new SenderLink(session, "ends", "$management");
        var answers = new ReceiverLink(
            session, "answers", new Attach { Source = new Source { Address = "$management" }, Target = new Target { Address = "answers" } }, null);
        answers.SetCredit(partitions);
        var ends = new long[partitions];
        for (var number = 0; number < partitions; number++)
        {
            using var request = new Message
            {
                Properties = new Properties { MessageId = Text(number), ReplyTo = "answers" },
                ApplicationProperties = new ApplicationProperties
                {
                    Map = { ["operation"] = "READ", ["name"] = "messages/events", ["type"] = "com.microsoft:partition", ["partition"] = Text(number) },
                },
            };
            await requests.SendAsync(request);
            using var answer = await answers.ReceiveAsync(Patience)
                ?? throw new PeerUnavailableException("the hub did not say how far a partition has come");
            answers.Accept(answer);
            ends[number] = answer.Body is Map body ? (long)body["last_enqueued_sequence_number"] + 1
                : throw new PeerUnavailableException($"the hub did not say how far a partition has come: {answer.ApplicationProperties["status-description"]}");
        }

        await connection.CloseAsync();
        return ends;
    }

    /// <summary>As the reading role takes them.</summary>
    public static string Line(IEnumerable<long> ends) => string.Join(',', ends.Select(end => Text(end)));

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
