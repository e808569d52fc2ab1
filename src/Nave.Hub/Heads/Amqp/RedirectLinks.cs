using Amqp.Framing;
using Amqp.Types;
using Nave.Protocol.Access;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// <c>messages/events…</c> on the hub's own address: always a redirect to the events endpoint. The older client takes
/// anything else for a broken connection string (spec/events-endpoint.md 4).
/// </summary>
internal sealed class RedirectLinks(AmqpOptions options, EventsEntity entity) : ILinkHandler
{
    public void Attach(LinkRequest request)
    {
        var path = request.Address!.Path;
        var rest = path.Split('/', 3) is [_, _, var more] ? $"/{more}" : "";
        if (request.Connection.Grants.Allows(AccessRights.ServiceConnect, [$"/{entity.Alias}{rest}", $"/{entity.Name}{rest}"]) is { } refusal)
        {
            request.Refuse(refusal);
            return;
        }

        var host = request.Connection.HostName;
        request.Refuse(new Error(new Symbol("amqp:link:redirect"))
        {
            Description = "Events are read at the event-hub-compatible endpoint.",
            Info = new Fields
            {
                [new Symbol("hostname")] = host,
                [new Symbol("network-host")] = host,
                [new Symbol("port")] = options.RedirectPort,
                [new Symbol("address")] = $"amqps://{host}:{options.RedirectPort}/{entity.Name}{rest}",
            },
        });
    }
}
