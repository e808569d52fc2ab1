using System.Data.Common;
using System.Globalization;
using Nave.Protocol.Identities;

namespace Nave.PskGateway.Keys;

/// <summary>A row of the key store. Its key is sealed: a record may be kept and listed.</summary>
/// <param name="Identity">What the device sends in the handshake.</param>
/// <param name="Slot"><see cref="Primary"/> or <see cref="Secondary"/>.</param>
/// <param name="Device">The device that it stands for; null: the pattern or the identity itself says.</param>
/// <param name="Sealed">The key, sealed for identity and slot.</param>
/// <param name="CreatedAt">When it was added.</param>
public sealed record PskRecord(string Identity, string Slot, DeviceId? Device, ReadOnlyMemory<byte> Sealed, DateTimeOffset CreatedAt)
{
    /// <summary>The first key of an identity.</summary>
    public const string Primary = "primary";

    /// <summary>The second, for rotation.</summary>
    public const string Secondary = "secondary";

    internal const string Columns = "identity, slot, device_id, sealed, created_at, not_before, not_after, last_used";

    /// <summary>From when it is good; null for always.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Until when it is good; null for ever.</summary>
    public DateTimeOffset? NotAfter { get; init; }

    /// <summary>About when a device last proved it; null for never.</summary>
    public DateTimeOffset? LastUsed { get; init; }

    /// <summary>
    /// What seals the key to its place, its device and its time: who can write the file makes no key good for another
    /// device, or for longer. A length before each name: none can be made to look like another's.
    /// </summary>
    internal string Context => ContextOf(Identity, Slot, Device, NotBefore, NotAfter);

    internal static string ContextOf(string identity, string slot, DeviceId? device, DateTimeOffset? notBefore, DateTimeOffset? notAfter) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"psk/{identity.Length}:{identity}/{slot}/{device?.Value.Length ?? 0}:{device?.Value}/{notBefore?.ToUnixTimeSeconds()}/{notAfter?.ToUnixTimeSeconds()}");

    internal bool IsValidAt(DateTimeOffset now) => (NotBefore is not { } from || now >= from) && (NotAfter is not { } until || now < until);

    internal static PskRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : DeviceId.Parse(row.GetString(2)), (byte[])row[3], Time(row.GetInt64(4)))
    {
        NotBefore = row.IsDBNull(5) ? null : Time(row.GetInt64(5)),
        NotAfter = row.IsDBNull(6) ? null : Time(row.GetInt64(6)),
        LastUsed = row.IsDBNull(7) ? null : Time(row.GetInt64(7)),
    };

    private static DateTimeOffset Time(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);
}

/// <summary>
/// A group of identities whose keys are derived: key = HMAC-SHA256(group key, identity), as device provisioning derives
/// the keys of a group (spec/tls-psk.md 5). No key of a device is stored; one device is revoked in the hub's registry.
/// </summary>
/// <param name="Name">Names it to the operator.</param>
/// <param name="Pattern">A regular expression that matches whole identities; its group <c>device</c>, or else the identity, is the device id.</param>
/// <param name="Sealed">The group key, sealed.</param>
/// <param name="CreatedAt">When it was added.</param>
public sealed record PskGroup(string Name, string Pattern, ReadOnlyMemory<byte> Sealed, DateTimeOffset CreatedAt)
{
    internal const string Columns = "name, pattern, sealed, created_at";

    /// <summary>What seals the key to its group and to the identities that this matches.</summary>
    internal string Context => ContextOf(Name, Pattern);

    internal static string ContextOf(string name, string pattern) =>
        string.Create(CultureInfo.InvariantCulture, $"psk-group/{name.Length}:{name}/{pattern}");

    internal static PskGroup Read(DbDataReader row) =>
        new(row.GetString(0), row.GetString(1), (byte[])row[2], DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(3)));
}
