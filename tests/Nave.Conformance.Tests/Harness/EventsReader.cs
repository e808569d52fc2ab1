using System.Security.Cryptography.X509Certificates;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Types;

namespace Nave.Conformance.Tests.Harness;

/// <summary>Reads the hub's events with an AMQP client of another maker, each partition from where the last look ended.</summary>
internal sealed class EventsReader(OutsideHub hub, int partitions)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly long[] _next = new long[partitions];

    /// <summary>Reads each partition up to its last event as it is now.</summary>
    /// <returns>Device, body and sequence number in partition order.</returns>
    public async Task<List<(string Device, string Body, long Sequence)>> ReadNewAsync()
    {
        var fields = hub.Connection.GetProperty("events").GetString()!
            .Split(';').Select(field => field.Split('=', 2)).ToDictionary(field => field[0], field => field.Length > 1 ? field[1] : "");
        var factory = new ConnectionFactory();
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(hub.CaFile);
        factory.SSL.RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
        {
            chain!.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.CustomTrustStore.AddRange(roots);
            return chain.Build((X509Certificate2)certificate!);
        };
        var address = new Address(hub.Address, 5671, fields["SharedAccessKeyName"], fields["SharedAccessKey"], "/", "amqps");
        var connection = await factory.CreateAsync(address);
        var events = new List<(string, string, long)>();
        try
        {
            var session = new Session(connection);
            for (var partition = 0; partition < _next.Length; partition++)
            {
                await ReadPartitionAsync(session, fields["EntityPath"], partition, events);
            }
        }
        finally
        {
            await connection.CloseAsync();
        }

        return events;
    }

    private async Task ReadPartitionAsync(Session session, string entity, int partition, List<(string, string, long)> events)
    {
        var last = await LastSequenceAsync(session, entity, partition);
        if (last < _next[partition])
        {
            return;
        }

        var filters = new Map
        {
            [new Symbol("apache.org:selector-filter:string")] = new DescribedValue(
                new Symbol("apache.org:selector-filter:string"),
                $"amqp.annotation.x-opt-sequence-number >= '{_next[partition]}'"),
        };
        var source = new Source { Address = $"{entity}/ConsumerGroups/$Default/Partitions/{partition}", FilterSet = filters };
        var receiver = new ReceiverLink(session, $"read-{partition}-{last}", source, null);
        while (_next[partition] <= last)
        {
            var message = await receiver.ReceiveAsync(Quiet)
                ?? throw new TimeoutException($"Partition {partition} ends at {last}, and nothing came behind {_next[partition] - 1}.");
            receiver.Accept(message);
            var sequence = (long)message.MessageAnnotations[new Symbol("x-opt-sequence-number")];
            Assert.Equal(_next[partition], sequence);
            _next[partition]++;
            events.Add((
                (string)message.MessageAnnotations[new Symbol("iothub-connection-device-id")],
                Encoding.UTF8.GetString(((Data)message.BodySection).Binary),
                sequence));
        }

        await receiver.CloseAsync();
    }

    private static async Task<long> LastSequenceAsync(Session session, string entity, int partition)
    {
        var request = new Message
        {
            Properties = new Properties { MessageId = "1", ReplyTo = $"reply-{partition}" },
            ApplicationProperties = new ApplicationProperties
            {
                ["operation"] = "READ",
                ["name"] = entity,
                ["type"] = "com.microsoft:partition",
                ["partition"] = $"{partition}",
            },
        };
        var receiver = new ReceiverLink(
            session, $"in-{partition}", new Attach { Source = new Source { Address = "$management" }, Target = new Target { Address = $"reply-{partition}" } }, null);
        var sender = new SenderLink(session, $"out-{partition}", "$management");
        await sender.SendAsync(request);
        var response = await receiver.ReceiveAsync(Quiet) ?? throw new TimeoutException("$management does not answer.");
        receiver.Accept(response);
        await sender.CloseAsync();
        await receiver.CloseAsync();
        return (long)((Map)response.Body)["last_enqueued_sequence_number"];
    }
}
