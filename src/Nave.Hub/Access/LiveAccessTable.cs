namespace Nave.Hub.Access;

/// <summary>
/// Everything alive that stands on a grant. Looks once a second for tokens whose time is over, and at once when an
/// identity, policy or certificate authority changes; revokes within a second (design.md 4).
/// </summary>
internal sealed class LiveAccessTable
{
    /// <summary>Watches until the returned registration is disposed of.</summary>
    public IDisposable Watch(ILiveAccess live) => throw new NotImplementedException();
}
