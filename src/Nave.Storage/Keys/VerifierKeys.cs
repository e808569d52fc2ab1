using System.Security.Cryptography;
using System.Text;

namespace Nave.Storage.Keys;

/// <summary>
/// Server keys under which verifiers of secrets are computed, from a master key file: a database of verifiers alone lets
/// nobody guess. Each purpose has a key of its own, derived from the master key; a verifier names the master key, so that
/// a new one can be appended to the file while older verifiers go on working. Any thread may call.
/// </summary>
public sealed class VerifierKeys
{
    private const int KeyBytes = 32;

    private readonly MasterKeys _keys;

    private VerifierKeys(MasterKeys keys) => _keys = keys;

    /// <summary>The key that new verifiers are made with.</summary>
    public uint CurrentId => _keys.CurrentId;

    /// <summary>Reads the key file, or makes one.</summary>
    /// <param name="path">The key file; <see cref="KeyFileRules"/> says where it may lie.</param>
    /// <param name="mayCreate">Whether a missing file is made: never for a database that already holds verifiers.</param>
    /// <exception cref="NotOurDataException">The file is missing or damaged.</exception>
    public static VerifierKeys Open(string path, bool mayCreate) =>
        MasterKeys.Read(path) is { } keys ? new VerifierKeys(keys)
        : mayCreate ? new VerifierKeys(MasterKeys.Create(path))
        : throw new NotOurDataException($"{path} is missing, and the database holds verifiers made with it. Restore the file from a backup.");

    /// <summary>The key of a purpose; null when the master key is not in the file.</summary>
    public byte[]? Find(uint id, string purpose) => _keys.Find(id) is { } master
        ? HKDF.DeriveKey(HashAlgorithmName.SHA256, master, KeyBytes, info: Encoding.UTF8.GetBytes(purpose))
        : null;
}
