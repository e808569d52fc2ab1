using System.Net;

namespace Nave.Hub.Monitoring;

/// <summary>
/// The last decisions about every identity and address, for <c>nave why</c>: in memory, bounded, newest first. Refusals
/// are one entry for each (id, reason, address) with a count, and have rings of their own, so that a flood neither evicts
/// a device's successes nor grows the log; names that no identity has share a smaller place. Any thread may call.
/// </summary>
internal sealed class DecisionLog(Func<string, bool> isKnown, TimeProvider time)
{
    /// <summary>Identities whose decisions are kept.</summary>
    public const int MaxKnown = 10_000;

    /// <summary>Names without an identity, and addresses: strangers choose them.</summary>
    public const int MaxStrangers = 2_000;

    private const int MaxRecent = 200;
    private const int MaxText = 400;

    private readonly Lock _gate = new();
    private readonly Shelf<string> _known = new(MaxKnown, StringComparer.Ordinal);
    private readonly Shelf<string> _unknown = new(MaxStrangers, StringComparer.Ordinal);
    private readonly Shelf<IPAddress> _addresses = new(MaxStrangers, EqualityComparer<IPAddress>.Default);
    private Decision[] _recent = [];

    /// <summary>Keeps a decision.</summary>
    public void Add(Decision decision)
    {
        var now = time.GetUtcNow();
        decision = decision with { FirstAt = now, LastAt = now, Explanation = Cut(decision.Explanation), Device = decision.Device is { } name ? Cut(name) : null };
        lock (_gate)
        {
            if (decision.Device is { } device)
            {
                (isKnown(DeviceOf(device)) ? _known : _unknown).Add(device, decision);
            }

            if (decision.Address is { } address)
            {
                _addresses.Add(Plain(address), decision);
            }

            if (decision.Kind is DecisionKind.Refused or DecisionKind.HandshakeFailed)
            {
                Put(ref _recent, decision, MaxRecent);
            }
        }
    }

    /// <summary>Decisions about an identity or a name that none has, the newest first.</summary>
    public IReadOnlyList<Decision> About(string device)
    {
        lock (_gate)
        {
            return Sorted([.. _known.Find(device), .. _unknown.Find(device)]);
        }
    }

    /// <summary>Decisions about an address, the newest first.</summary>
    public IReadOnlyList<Decision> From(IPAddress address)
    {
        lock (_gate)
        {
            return Sorted(_addresses.Find(Plain(address)));
        }
    }

    /// <summary>The last refusals, the newest first.</summary>
    public IReadOnlyList<Decision> Recent()
    {
        lock (_gate)
        {
            return Sorted(_recent);
        }
    }

    private static List<Decision> Sorted(IEnumerable<Decision> decisions) => [.. decisions.OrderByDescending(decision => decision.LastAt)];

    private static string DeviceOf(string id) => id.IndexOf('/') is var slash and > 0 ? id[..slash] : id;

    private static string Cut(string text) => text.Length <= MaxText ? text : text[..MaxText] + "…";

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    // A few decisions, each of them once, the oldest first. An array of just that many: most subjects have one or two.
    private static void Put(ref Decision[] decisions, Decision decision, int capacity)
    {
        var same = Array.FindIndex(decisions, decision.IsSame);
        if (same < 0 && decisions.Length < capacity)
        {
            decisions = [.. decisions, decision];
            return;
        }

        if (same >= 0)
        {
            decision = decision with { FirstAt = decisions[same].FirstAt, Count = decisions[same].Count + 1 };
        }

        var gone = Math.Max(same, 0);
        decisions.AsSpan(gone + 1).CopyTo(decisions.AsSpan(gone));
        decisions[^1] = decision;
    }

    /// <summary>Some subjects; the one that was longest without a decision makes room.</summary>
    private sealed class Shelf<TKey>(int capacity, IEqualityComparer<TKey> comparer)
        where TKey : notnull
    {
        private readonly Dictionary<TKey, Subject<TKey>> _subjects = new(comparer);
        private Subject<TKey>? _oldest;
        private Subject<TKey>? _newest;

        public void Add(TKey name, Decision decision)
        {
            if (_subjects.TryGetValue(name, out var subject))
            {
                Unlink(subject);
            }
            else
            {
                subject = new Subject<TKey>(name);
                _subjects[name] = subject;
                if (_subjects.Count > capacity && _oldest is { } oldest)
                {
                    Unlink(oldest);
                    _subjects.Remove(oldest.Name);
                }
            }

            Link(subject);
            subject.Add(decision);
        }

        public IEnumerable<Decision> Find(TKey name) => _subjects.TryGetValue(name, out var subject) ? subject.All : [];

        private void Link(Subject<TKey> subject)
        {
            subject.Older = _newest;
            if (_newest is not null)
            {
                _newest.Newer = subject;
            }

            _newest = subject;
            _oldest ??= subject;
        }

        private void Unlink(Subject<TKey> subject)
        {
            if (subject.Older is { } older)
            {
                older.Newer = subject.Newer;
            }
            else
            {
                _oldest = subject.Newer;
            }

            if (subject.Newer is { } newer)
            {
                newer.Older = subject.Older;
            }
            else
            {
                _newest = subject.Older;
            }

            subject.Older = subject.Newer = null;
        }
    }

    /// <summary>One subject: what went well, and what did not. Its neighbours are the shelf's.</summary>
    private sealed class Subject<TKey>(TKey name)
    {
        private const int Kept = 6;

        private Decision[] _refusals = [];
        private Decision[] _others = [];

        public TKey Name { get; } = name;

        public Subject<TKey>? Older { get; set; }

        public Subject<TKey>? Newer { get; set; }

        public IEnumerable<Decision> All => [.. _refusals, .. _others];

        public void Add(Decision decision)
        {
            if (decision.Kind is DecisionKind.Refused or DecisionKind.HandshakeFailed)
            {
                Put(ref _refusals, decision, Kept);
            }
            else
            {
                Put(ref _others, decision, Kept);
            }
        }
    }
}
