using System.Data.Common;
using System.Net;
using System.Text;
using Nave.Protocol.Access;
using Nave.Storage;
using Nave.Storage.Keys;

namespace Nave.Hub.Access;

/// <summary>Policies in SQL, their keys wrapped for their row.</summary>
internal sealed class SqlPolicyStore(HubDatabase database, KeyWrapping wrapping) : IPolicyStore
{
    private const string ListAll = """
        SELECT name, rights, primary_key, secondary_key, device_pattern, addresses, version, created, updated FROM policies
        """;

    private const string InsertOne = """
        INSERT INTO policies (name_key, name, rights, primary_key, secondary_key, device_pattern, addresses, version, created, updated)
        VALUES (@key, @name, @rights, @primary, @secondary, @pattern, @addresses, @version, @created, @updated)
        ON CONFLICT (name_key) DO NOTHING
        """;

    private const string UpdateOne = """
        UPDATE policies SET rights = @rights, primary_key = @primary, secondary_key = @secondary, device_pattern = @pattern,
            addresses = @addresses, version = @version, updated = @updated
        WHERE name_key = @key AND version = @from
        """;

    private const string DeleteOne = "DELETE FROM policies WHERE name_key = @key AND version = @from";

    /// <inheritdoc/>
    public async Task<IReadOnlyList<SharedAccessPolicy>> ListAsync(CancellationToken stopping) =>
        await database.ReadAsync(session => session.List(ListAll, Read), stopping);

    /// <inheritdoc/>
    public async Task<bool> AddAsync(IReadOnlyList<SharedAccessPolicy> policies, CancellationToken stopping)
    {
        try
        {
            await database.WriteAsync(session => policies.ToList().ForEach(policy => Insert(session, policy)), stopping);
            return true;
        }
        catch (NameTakenException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public Task<bool> ReplaceAsync(SharedAccessPolicy policy, long expectedVersion, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(
            UpdateOne,
            ("@key", KeyOf(policy.Name)),
            ("@from", expectedVersion),
            ("@rights", AccessRightsText.Format(policy.Rights)),
            ("@primary", Wrap(policy.Name, policy.PrimaryKey, "primary")),
            ("@secondary", Wrap(policy.Name, policy.SecondaryKey, "secondary")),
            ("@pattern", policy.DevicePattern),
            ("@addresses", string.Join(' ', policy.Addresses)),
            ("@version", policy.Version),
            ("@updated", policy.UpdatedAt.UtcTicks)) == 1,
        stopping);

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(DeleteOne, ("@key", KeyOf(name)), ("@from", expectedVersion)) == 1, stopping);

    // An exception undoes the whole unit: all of them or none.
    private void Insert(SqlSession session, SharedAccessPolicy policy)
    {
        var rows = session.Execute(
            InsertOne,
            ("@key", KeyOf(policy.Name)),
            ("@name", policy.Name),
            ("@rights", AccessRightsText.Format(policy.Rights)),
            ("@primary", Wrap(policy.Name, policy.PrimaryKey, "primary")),
            ("@secondary", Wrap(policy.Name, policy.SecondaryKey, "secondary")),
            ("@pattern", policy.DevicePattern),
            ("@addresses", string.Join(' ', policy.Addresses)),
            ("@version", policy.Version),
            ("@created", policy.CreatedAt.UtcTicks),
            ("@updated", policy.UpdatedAt.UtcTicks));
        if (rows == 0)
        {
            throw new NameTakenException();
        }
    }

    private SharedAccessPolicy Read(DbDataReader row)
    {
        var name = row.GetString(0);
        return new SharedAccessPolicy
        {
            Name = name,
            Rights = AccessRightsText.TryParse(row.GetString(1), out var rights)
                ? rights
                : throw new NotOurDataException($"The policy '{name}' has the unknown rights '{row.GetString(1)}'."),
            PrimaryKey = Unwrap(name, (byte[])row[2], "primary"),
            SecondaryKey = Unwrap(name, (byte[])row[3], "secondary"),
            DevicePattern = row.IsDBNull(4) ? null : row.GetString(4),
            Addresses = [.. row.GetString(5).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(network => IPNetwork.Parse(network))],
            Version = row.GetInt64(6),
            CreatedAt = new DateTimeOffset(row.GetInt64(7), TimeSpan.Zero),
            UpdatedAt = new DateTimeOffset(row.GetInt64(8), TimeSpan.Zero),
        };
    }

    private byte[] Wrap(string name, string key, string which) => wrapping.Wrap(Encoding.ASCII.GetBytes(key), Context(name, which));

    private string Unwrap(string name, byte[] wrapped, string which) => Encoding.ASCII.GetString(wrapping.Unwrap(wrapped, Context(name, which)));

    private static string Context(string name, string which) => $"policy/{KeyOf(name)}/{which}";

    // Names are ASCII: the invariant lower case is the only one.
    private static string KeyOf(string name) => name.ToLowerInvariant();

    private sealed class NameTakenException : Exception;
}
