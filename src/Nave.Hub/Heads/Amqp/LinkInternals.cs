using System.Runtime.CompilerServices;
using Amqp.Listener;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Members of AMQPNetLite 2.5.5 that are not public and without which credit cannot be exact: see
/// docs/decisions/0005-amqp.md. The version is pinned; tests fail when one is gone.
/// </summary>
internal static class LinkInternals
{
    /// <summary>Gives the link its endpoint. Public only through the library's own container, which we cannot use.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "InitializeLinkEndpoint")]
    public static extern void Initialize(ListenerLink link, LinkEndpoint endpoint, uint credit);

    /// <summary>The link's credit, which the library sets to 0 on every flow that does not raise it.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "credit")]
    public static extern ref uint Credit(ListenerLink link);

    /// <summary>Whether the library raises a receiving link's credit itself, by what was settled and not by what is in hand.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "autoRestore")]
    public static extern ref bool RestoresCredit(ListenerLink link);
}
