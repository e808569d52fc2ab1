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
    private readonly Shelf _known = new(MaxKnown);
    private readonly Shelf _unknown = new(MaxStrangers);
    private readonly Shelf _addresses = new(MaxStrangers);
    private readonly Ring _recent = new(MaxRecent);

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
                _addresses.Add(Plain(address).ToString(), decision);
            }

            if (decision.Kind is DecisionKind.Refused or DecisionKind.HandshakeFailed)
            {
                _recent.Add(decision);
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
            return Sorted(_addresses.Find(Plain(address).ToString()));
        }
    }

    /// <summary>The last refusals, the newest first.</summary>
    public IReadOnlyList<Decision> Recent()
    {
        lock (_gate)
        {
            return Sorted(_recent.All);
        }
    }

    private static List<Decision> Sorted(IEnumerable<Decision> decisions) => [.. decisions.OrderByDescending(decision => decision.LastAt)];

    private static string DeviceOf(string id) => id.IndexOf('/') is var slash and > 0 ? id[..slash] : id;

    private static string Cut(string text) => text.Length <= MaxText ? text : text[..MaxText] + "…";

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>Some subjects; the one that was longest without a decision makes room.</summary>
    private sealed class Shelf(int capacity)
    {
        private readonly Dictionary<string, LinkedListNode<(string Name, Subject Subject)>> _subjects = new(StringComparer.Ordinal);
        private readonly LinkedList<(string Name, Subject Subject)> _inOrder = new();

        public void Add(string name, Decision decision)
        {
            if (_subjects.TryGetValue(name, out var node))
            {
                _inOrder.Remove(node);
            }
            else
            {
                node = new LinkedListNode<(string, Subject)>((name, new Subject()));
                _subjects[name] = node;
                if (_subjects.Count > capacity && _inOrder.First is { } oldest)
                {
                    _inOrder.RemoveFirst();
                    _subjects.Remove(oldest.Value.Name);
                }
            }

            _inOrder.AddLast(node);
            node.Value.Subject.Add(decision);
        }

        public IEnumerable<Decision> Find(string name) => _subjects.TryGetValue(name, out var node) ? node.Value.Subject.All : [];
    }

    /// <summary>One subject: what went well, and what did not.</summary>
    private sealed class Subject
    {
        private readonly Ring _refusals = new(6);
        private readonly Ring _others = new(6);

        public IEnumerable<Decision> All => [.. _refusals.All, .. _others.All];

        public void Add(Decision decision) => (decision.Kind is DecisionKind.Refused or DecisionKind.HandshakeFailed ? _refusals : _others).Add(decision);
    }

    /// <summary>A few decisions, each of them once.</summary>
    private sealed class Ring(int capacity)
    {
        private readonly List<Decision> _decisions = [];

        public IReadOnlyList<Decision> All => _decisions;

        public void Add(Decision decision)
        {
            var same = _decisions.FindIndex(decision.IsSame);
            if (same >= 0)
            {
                decision = decision with { FirstAt = _decisions[same].FirstAt, Count = _decisions[same].Count + 1 };
                _decisions.RemoveAt(same);
            }
            else if (_decisions.Count == capacity)
            {
                _decisions.RemoveAt(0);
            }

            _decisions.Add(decision);
        }
    }
}
