using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// What the peer of a connection has proven, and which links stand on what. Tokens for different resources add up; a new
/// token for the same resource takes the old one's place without touching links (spec/device-amqp.md 3.4).
/// </summary>
internal sealed class ConnectionGrants(AmqpConnection connection, IAmqpAccess access, TimeProvider time) : IDisposable
{
    /// <summary>Tokens of one connection (spec/device-amqp.md 3.4).</summary>
    public const int MaxGrants = 5000;

    // Order: this lock is never held while a link is closed or Access is called.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, StandingGrant> _grants = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<IGrantedLink, StandingGrant> _links = [];
    private bool _isDisposed;

    /// <summary>Whether the peer has proven nothing, or nothing that still stands.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_lock)
            {
                return _grants.Count == 0;
            }
        }
    }

    /// <summary>Takes a grant in.</summary>
    /// <param name="grant">What was proven.</param>
    /// <param name="isConnectionWide">Whether the connection ends with it (SASL PLAIN).</param>
    /// <returns>A failure when there are too many.</returns>
    public HubFailure? Add(AccessGrant grant, bool isConnectionWide = false)
    {
        var key = $"{grant.Scope}\n{grant.PolicyName}\n{grant.Identity}";
        StandingGrant standing;
        lock (_lock)
        {
            if (_grants.TryGetValue(key, out var known))
            {
                known.Grant = grant;
                standing = known;
            }
            else if (_grants.Count >= MaxGrants || _isDisposed)
            {
                return HubFailures.TooManyTokens;
            }
            else
            {
                _grants.Add(key, standing = new StandingGrant(this, key, grant, isConnectionWide));
            }
        }

        // Also when renewed: the new token may end earlier, and may no longer stand.
        standing.Watch(access);
        connection.OnAuthenticated();
        return null;
    }

    /// <summary>
    /// Puts the link on a grant that allows what it does; a failure when there is none. The link is told by
    /// <see cref="IGrantedLink.Detach"/> when no grant holds it any more.
    /// </summary>
    public HubFailure? Admit(IGrantedLink link)
    {
        if (Find(link) is not { } standing)
        {
            return HubFailures.Unauthorized;
        }

        lock (_lock)
        {
            if (_isDisposed || !_grants.ContainsValue(standing))
            {
                return HubFailures.Unauthorized;
            }

            _links[link] = standing;
        }

        return null;
    }

    /// <summary>Whether something the peer has proven allows this.</summary>
    public HubFailure? Allows(AccessRights right, IReadOnlyList<string> paths) =>
        Snapshot().Any(standing => IsAllowed(standing.Grant, right, paths)) ? null : HubFailures.Unauthorized;

    /// <summary>The grant that allows this the longest, or null.</summary>
    public AccessGrant? Find(AccessRights right, string path) => Snapshot()
        .Select(standing => standing.Grant)
        .Where(grant => IsAllowed(grant, right, [path]))
        .MaxBy(grant => grant.ExpiresAt);

    /// <summary>The link is gone.</summary>
    public void Leave(IGrantedLink link)
    {
        lock (_lock)
        {
            _links.Remove(link);
        }
    }

    public void Dispose()
    {
        StandingGrant[] all;
        lock (_lock)
        {
            _isDisposed = true;
            all = [.. _grants.Values];
            _grants.Clear();
            _links.Clear();
        }

        foreach (var standing in all)
        {
            standing.Dispose();
        }
    }

    private void OnRevoked(StandingGrant revoked, CloseReason reason)
    {
        // A token that was renewed while the sweep looked at the old one still stands.
        if (reason is CloseReason.TokenExpired && revoked.Grant.ExpiresAt > time.GetUtcNow())
        {
            revoked.Watch(access);
            return;
        }

        IGrantedLink[] orphans;
        bool isLast;
        lock (_lock)
        {
            if (!_grants.Remove(revoked.Key))
            {
                return;
            }

            orphans = [.. _links.Where(pair => pair.Value == revoked).Select(pair => pair.Key)];
            foreach (var link in orphans)
            {
                _links.Remove(link);
            }

            isLast = _grants.Count == 0;
        }

        revoked.Dispose();
        foreach (var link in orphans.Where(link => Admit(link) is not null))
        {
            link.Detach(HubFailures.Unauthorized);
        }

        if (revoked.IsConnectionWide)
        {
            connection.Close(reason, LinkRequest.ToError(HubFailures.Unauthorized));
        }
        else if (isLast)
        {
            connection.OnUnauthenticated();
        }
    }

    private StandingGrant? Find(IGrantedLink link) =>
        Snapshot().Where(standing => IsAllowed(standing.Grant, link.Right, link.Paths)).MaxBy(standing => standing.Grant.ExpiresAt);

    private bool IsAllowed(AccessGrant grant, AccessRights right, IReadOnlyList<string> paths) =>
        grant.ExpiresAt > time.GetUtcNow() && paths.Any(path => access.Allows(grant, right, path) is null);

    private StandingGrant[] Snapshot()
    {
        lock (_lock)
        {
            return [.. _grants.Values];
        }
    }

    /// <summary>One grant, watched while the connection lives.</summary>
    private sealed class StandingGrant(ConnectionGrants owner, string key, AccessGrant grant, bool isConnectionWide) : ILiveAccess, IDisposable
    {
        private AccessGrant _grant = grant;
        private IDisposable? _watch;

        public string Key { get; } = key;

        public bool IsConnectionWide { get; } = isConnectionWide;

        public AccessGrant Grant
        {
            get => Volatile.Read(ref _grant);
            set => Volatile.Write(ref _grant, value);
        }

        public void Watch(IAmqpAccess access) => Interlocked.Exchange(ref _watch, access.Watch(this))?.Dispose();

        public void Revoke(CloseReason reason) => owner.OnRevoked(this, reason);

        public void Dispose() => Interlocked.Exchange(ref _watch, null)?.Dispose();
    }
}

/// <summary>A link that needs a grant for as long as it is open. Compared by reference.</summary>
internal interface IGrantedLink
{
    /// <summary>The right that it needs.</summary>
    AccessRights Right { get; }

    /// <summary>What it uses, in every spelling by which a token may be scoped to it; one is enough.</summary>
    IReadOnlyList<string> Paths { get; }

    /// <summary>No grant holds it any more. Must return at once.</summary>
    void Detach(HubFailure failure);
}
