using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>Links that the service has and this version of the hub has not: a documented refusal, never silence (design.md 4).</summary>
internal sealed class UnbuiltLinks(string what) : ILinkHandler
{
    public void Attach(LinkRequest request) => request.Refuse(
        request.Connection.Grants.IsEmpty
            ? HubFailures.Unauthorized
            : HubFailures.NotImplemented.Saying($"This version of the hub does not offer {what} over AMQP."));
}
