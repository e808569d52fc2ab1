using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Cli.Hubs;
using Nave.Protocol.Access;

namespace Nave.Cli.Events;

/// <summary>
/// A hub's own connection string does not name its events endpoint: the hub tells by redirecting a link to
/// <c>messages/events</c> (spec/events-endpoint.md 4).
/// </summary>
internal static class EventsRedirect
{
    private static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    /// <summary>The connection string of the endpoint, with the policy of the hub's.</summary>
    public static async Task<ConnectionString> FollowAsync(HubTarget hub, TimeProvider time)
    {
        var service = hub.Service;
        if (service is not { SharedAccessKeyName: { } policy, SharedAccessKey: { } key })
        {
            throw new CommandFailedException("Reading events needs the connection string of a policy with ServiceConnect, or of the events endpoint.", isUsage: true);
        }

        var user = $"{policy}@sas.root.{service.Host.Split('.')[0]}";
        var token = SasToken.Mint(service.Host, key, time.GetUtcNow() + TokenLife, policy);
        var connection = await EventsClient.OpenAsync(hub, service.Host, sasl: null, user, token);
        try
        {
            var redirected = new TaskCompletionSource<Error?>(TaskCreationOptions.RunContinuationsAsynchronously);
            var link = new ReceiverLink(new Session(connection), "nave-redirect", "messages/events/");
            link.AddClosedCallback((_, error) => redirected.TrySetResult(error));
            link.SetCredit(1);
            var error = await redirected.Task.WaitAsync(Timeout, time);
            return error?.Condition?.ToString() is "amqp:link:redirect" && error.Info is { } info
                ? new ConnectionString
                {
                    HostName = info[new Symbol("hostname")]?.ToString() ?? service.Host,
                    IsEventsEndpoint = true,
                    EntityPath = EntityOf(info[new Symbol("address")]?.ToString()),
                    SharedAccessKeyName = policy,
                    SharedAccessKey = key,
                }
                : throw new CommandFailedException($"{hub.Host} does not tell where its events are read: {error?.Description ?? error?.Condition?.ToString()}");
        }
        finally
        {
            await connection.CloseAsync(TimeSpan.FromSeconds(2), null);
        }
    }

    // amqps://{host}:5671/{entity}/…
    private static string EntityOf(string? address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Segments.Length > 1
            ? uri.Segments[1].Trim('/')
            : throw new CommandFailedException($"The hub redirects to '{address}', which names no event hub.");
}
