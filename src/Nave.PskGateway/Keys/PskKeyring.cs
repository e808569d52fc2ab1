using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Nave.Protocol.Identities;

namespace Nave.PskGateway.Keys;

/// <summary>
/// The keys as handshakes ask for them: an immutable snapshot of the store, sealed in memory too, swapped whole when the
/// store has changed. A look-up always opens two rows, dummies where there are none: an identity that is not there costs
/// what one that is costs (spec/tls-psk.md 6).
/// </summary>
internal sealed class PskKeyring
{
    private const string DummyContext = "psk-dummy";
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly PskStore _store;
    private readonly TimeProvider _time;
    private readonly Regex? _pattern;
    private readonly byte[] _dummy;
    private readonly ConcurrentDictionary<(string Identity, string Slot), byte> _used = new();
    private volatile Snapshot _current = Snapshot.Empty;
    private long _revision = -1;

    private PskKeyring(PskStore store, Regex? pattern, TimeProvider time)
    {
        _store = store;
        _pattern = pattern;
        _time = time;
        _dummy = store.Seal.Seal(PskRules.Generate(), DummyContext);
    }

    /// <summary>Reads the store.</summary>
    /// <param name="store">The keys.</param>
    /// <param name="pattern">Takes the device id out of identities that have none of their own; null where identities are device ids.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="stopping">Stops it.</param>
    public static async Task<PskKeyring> OpenAsync(PskStore store, Regex? pattern, TimeProvider time, CancellationToken stopping)
    {
        var keyring = new PskKeyring(store, pattern, time);
        await keyring.RefreshAsync(stopping);
        return keyring;
    }

    /// <summary>How many keys there are.</summary>
    public int Count => _current.Count;

    /// <summary>Reads the store again if it has changed.</summary>
    /// <returns>Whether it had.</returns>
    public async Task<bool> RefreshAsync(CancellationToken stopping)
    {
        var revision = await _store.RevisionAsync(stopping);
        if (revision == _revision)
        {
            return false;
        }

        _current = Snapshot.Of(await _store.ListAsync(stopping), await _store.ListGroupsAsync(stopping));
        _revision = revision;
        return true;
    }

    /// <summary>Writes down which keys were proven since the last call.</summary>
    public async Task SaveUsedAsync(CancellationToken stopping)
    {
        var used = _used.Keys.ToList();
        if (used.Count > 0)
        {
            used.ForEach(key => _used.TryRemove(key, out _));
            await _store.UsedAsync(used, _time.GetUtcNow(), stopping);
        }
    }

    /// <summary>The two keys to be tried for what a stranger calls himself.</summary>
    public (PskKey First, PskKey Second) Find(ReadOnlySpan<byte> identity)
    {
        var text = Read(identity);
        var current = _current;
        var now = _time.GetUtcNow();
        var rows = text is null ? [] : current.Rows.GetValueOrDefault(text, []);
        var group = text is null || rows.Length > 0 ? null : current.Groups.FirstOrDefault(each => each.Pattern.IsMatch(text));
        return (OpenAt(0), group is null ? OpenAt(1) : Dummy());

        PskKey OpenAt(int index)
        {
            if (group is not null)
            {
                return OfGroup(group, text!); // A group matched a text.
            }

            var valid = rows.Where(row => row.IsValidAt(now)).ElementAtOrDefault(index);
            return valid is not null && DeviceOf(valid) is { } device && _store.Seal.TryOpen(valid.Sealed.Span, valid.Context, out var key)
                ? new PskKey(key, new PskOwner(valid.Identity, valid.Slot, device, valid))
                : Dummy();
        }
    }

    /// <summary>Whether the key that a connection has proven still stands.</summary>
    public bool IsCurrent(PskOwner owner)
    {
        var current = _current;
        return owner.Record is { } record
            ? current.Rows.GetValueOrDefault(owner.Identity, []).Any(row =>
                row.Slot == record.Slot && row.Device == record.Device && row.IsValidAt(_time.GetUtcNow()) && row.Sealed.Span.SequenceEqual(record.Sealed.Span))
            : !current.Rows.ContainsKey(owner.Identity) // A key of its own takes the place of the group's.
                && current.Groups.FirstOrDefault(group => group.Pattern.IsMatch(owner.Identity))?.Record.Name == owner.Slot;
    }

    /// <summary>A key was proven.</summary>
    public void Used(PskOwner owner)
    {
        if (owner.Record is { } record)
        {
            _used.TryAdd((record.Identity, record.Slot), 0);
        }
    }

    private PskKey OfGroup(CompiledGroup group, string identity)
    {
        if (!_store.Seal.TryOpen(group.Record.Sealed.Span, group.Record.Context, out var groupKey)
            || DeviceOf(group.Pattern, identity) is not { } device)
        {
            return Dummy();
        }

        var key = PskRules.Derive(groupKey, identity);
        CryptographicOperations.ZeroMemory(groupKey);
        return new PskKey(key, new PskOwner(identity, group.Record.Name, device, null));
    }

    private PskKey Dummy() => new(_store.Seal.TryOpen(_dummy, DummyContext, out var key) ? key : PskRules.Generate(), null);

    private DeviceId? DeviceOf(PskRecord row) =>
        row.Device ?? (_pattern is null ? OfText(row.Identity) : DeviceOf(_pattern, row.Identity));

    private static DeviceId? DeviceOf(Regex pattern, string identity)
    {
        var match = pattern.Match(identity);
        return match.Groups["device"] is { Success: true } device ? OfText(device.Value)
            : match.Success ? OfText(identity)
            : null;
    }

    private static DeviceId? OfText(string text) => DeviceId.TryParse(text, out var id) ? id : null;

    private static string? Read(ReadOnlySpan<byte> identity)
    {
        if (identity.Length is 0 or > PskRules.MaxIdentityBytes)
        {
            return null;
        }

        try
        {
            return Strict.GetString(identity);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private sealed record CompiledGroup(PskGroup Record, Regex Pattern);

    private sealed record Snapshot(FrozenDictionary<string, PskRecord[]> Rows, IReadOnlyList<CompiledGroup> Groups, int Count)
    {
        public static Snapshot Empty { get; } = new(FrozenDictionary<string, PskRecord[]>.Empty, [], 0);

        public static Snapshot Of(List<PskRecord> rows, List<PskGroup> groups) => new(
            rows.GroupBy(row => row.Identity, StringComparer.Ordinal).ToFrozenDictionary(group => group.Key, group => group.ToArray(), StringComparer.Ordinal),
            [.. groups.Select(group => PskRules.TryReadPattern(group.Pattern, out var pattern) ? new CompiledGroup(group, pattern) : null).OfType<CompiledGroup>()],
            rows.Count);
    }
}

/// <summary>A key to try.</summary>
/// <param name="Key">Its bytes; the caller wipes them.</param>
/// <param name="Owner">Whom it proves; null for a dummy.</param>
internal readonly record struct PskKey(byte[] Key, PskOwner? Owner);

/// <summary>Whom a key proves.</summary>
/// <param name="Identity">What the device calls itself.</param>
/// <param name="Slot">Which of its keys, or the name of the group that derives it.</param>
/// <param name="Device">The device that it stands for.</param>
/// <param name="Record">The row; null for a derived key.</param>
internal sealed record PskOwner(string Identity, string Slot, DeviceId Device, PskRecord? Record);
