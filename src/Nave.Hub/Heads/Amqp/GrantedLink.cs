using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>A plain link that lives as long as something allows it.</summary>
internal sealed class GrantedLink(LinkRequest request, AccessRights right, IReadOnlyList<string> paths) : IGrantedLink
{
    public AccessRights Right => right;

    public IReadOnlyList<string> Paths => paths;

    public void Detach(HubFailure failure) => AmqpConnection.CloseQuietly(request.Link, LinkRequest.ToError(failure));
}
