using System.Data.Common;
using Nave.Storage;

namespace Nave.Hub.Access;

/// <summary>Certificate authorities in SQL.</summary>
internal sealed class SqlAuthorityStore(HubDatabase database) : IAuthorityStore
{
    private const string ListAll = """
        SELECT name, certificate, subject, not_after, is_verified, verification_code, version, created, updated FROM authorities
        """;

    private const string InsertOne = """
        INSERT INTO authorities (name_key, name, certificate, subject, not_after, is_verified, verification_code, version, created, updated)
        VALUES (@key, @name, @certificate, @subject, @end, @verified, @code, @version, @created, @updated)
        ON CONFLICT (name_key) DO NOTHING
        """;

    // The certificate of an authority never changes: another one is another authority.
    private const string UpdateOne = """
        UPDATE authorities SET is_verified = @verified, verification_code = @code, version = @version, updated = @updated
        WHERE name_key = @key AND version = @from
        """;

    private const string DeleteOne = "DELETE FROM authorities WHERE name_key = @key AND version = @from";

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CertificateAuthority>> ListAsync(CancellationToken stopping) =>
        await database.ReadAsync(session => session.List(ListAll, Read), stopping);

    /// <inheritdoc/>
    public Task<bool> AddAsync(CertificateAuthority authority, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(
            InsertOne,
            ("@key", KeyOf(authority.Name)),
            ("@name", authority.Name),
            ("@certificate", authority.Certificate.ToArray()),
            ("@subject", authority.Subject),
            ("@end", authority.NotAfter.UtcTicks),
            ("@verified", authority.IsVerified ? 1 : 0),
            ("@code", authority.VerificationCode),
            ("@version", authority.Version),
            ("@created", authority.CreatedAt.UtcTicks),
            ("@updated", authority.UpdatedAt.UtcTicks)) == 1,
        stopping);

    /// <inheritdoc/>
    public Task<bool> ReplaceAsync(CertificateAuthority authority, long expectedVersion, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(
            UpdateOne,
            ("@key", KeyOf(authority.Name)),
            ("@from", expectedVersion),
            ("@verified", authority.IsVerified ? 1 : 0),
            ("@code", authority.VerificationCode),
            ("@version", authority.Version),
            ("@updated", authority.UpdatedAt.UtcTicks)) == 1,
        stopping);

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(string name, long expectedVersion, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(DeleteOne, ("@key", KeyOf(name)), ("@from", expectedVersion)) == 1, stopping);

    private static CertificateAuthority Read(DbDataReader row) => new()
    {
        Name = row.GetString(0),
        Certificate = (byte[])row[1],
        Subject = row.GetString(2),
        NotAfter = new DateTimeOffset(row.GetInt64(3), TimeSpan.Zero),
        IsVerified = row.GetInt64(4) != 0,
        VerificationCode = row.IsDBNull(5) ? null : row.GetString(5),
        Version = row.GetInt64(6),
        CreatedAt = new DateTimeOffset(row.GetInt64(7), TimeSpan.Zero),
        UpdatedAt = new DateTimeOffset(row.GetInt64(8), TimeSpan.Zero),
    };

    private static string KeyOf(string name) => name.ToLowerInvariant();
}
