using Amqp.Framing;
using Microsoft.Extensions.Logging;
using Nave.Hub.Commands;
using Nave.Protocol.Access;

namespace Nave.Hub.Heads.Amqp;

/// <summary>The links by which back ends send commands and read feedback (spec/service-amqp.md 4 and 5).</summary>
internal sealed class CommandServiceLinks(CommandSender sender, FeedbackQueue feedback, TimeProvider time, ILogger<CommandServiceLinks> logger) : ILinkFamily
{
    /// <inheritdoc/>
    public IEnumerable<LinkTemplate> Templates =>
    [
        new LinkTemplate("messages/devicebound", new SendLinks(sender, time, logger)),
        new LinkTemplate("messages/servicebound/feedback", new FeedbackLinks(feedback, logger)),
    ];

    private static bool IsRefused(LinkRequest request, bool peerSends, IGrantedLink link)
    {
        if (request.Connection.Grants.Admit(link) is { } failure)
        {
            request.Refuse(failure);
            return true;
        }

        request.Link.AddClosedCallback((_, _) => request.Connection.Grants.Leave(link));
        if (request.PeerSends != peerSends)
        {
            request.Refuse(Protocol.Errors.HubFailures.InvalidOperation.Saying(
                peerSends ? "Messages are sent to this address." : "Messages are received from this address."));
            return true;
        }

        return false;
    }

    private sealed class SendLinks(CommandSender sender, TimeProvider time, ILogger logger) : ILinkHandler
    {
        public void Attach(LinkRequest request)
        {
            var granted = new GrantedLink(request, AccessRights.ServiceConnect, ["/messages/devicebound"]);
            if (!IsRefused(request, peerSends: true, granted))
            {
                new SendCommandsLink(request, sender, time, logger).Accept();
            }
        }
    }

    private sealed class FeedbackLinks(FeedbackQueue feedback, ILogger logger) : ILinkHandler
    {
        public void Attach(LinkRequest request)
        {
            var link = new FeedbackLink(request, feedback, logger);
            if (!IsRefused(request, peerSends: false, link))
            {
                request.AcceptSender(link, request.Attach.Source as Source, isSettledAllowed: false);
                link.Start();
            }
        }
    }
}
