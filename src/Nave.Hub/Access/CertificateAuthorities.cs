using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Nave.Protocol.Errors;

namespace Nave.Hub.Access;

/// <summary>
/// The certificate authorities of devices: upload, proof of possession, and the search for the one that a client's
/// certificate chains to. Reads are from a snapshot, swapped whole; writes go to the store first.
/// </summary>
internal sealed partial class CertificateAuthorities(IAuthorityStore store, TimeProvider time, ILogger<CertificateAuthorities> logger) : IDisposable
{
    /// <summary>The service's limit.</summary>
    public const int MaxAuthorities = 25;

    /// <summary>Certificates of a client that are looked at beside its own; a longer chain is a mistake or an attack.</summary>
    public const int MaxChain = 8;

    private const int CodeBytes = 24;

    // Only what an authority of ours has signed gets in, so a stranger cannot fill it.
    private const int MaxIntermediates = 128;

    private readonly SemaphoreSlim _writer = new(1, 1);
    private CertificateAuthority[] _authorities = [];

    // A resumed TLS session knows the client's own certificate, not the intermediates that came with it the first time.
    // Those that have led to an authority are remembered for as long as tickets can live: this process. They are no
    // anchors: an authority that is gone takes them with it.
    private readonly ConcurrentDictionary<string, X509Certificate2> _intermediates = new();

    /// <summary>Raised when an authority was deleted or replaced.</summary>
    public event Action? Changed;

    /// <summary>The authorities as they are now, by name.</summary>
    public IReadOnlyList<CertificateAuthority> All => Volatile.Read(ref _authorities);

    /// <summary>The authority of that name, or null.</summary>
    public CertificateAuthority? Find(string name) => All.FirstOrDefault(authority => authority.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a verified authority has this digest.</summary>
    public bool IsVerified(string digest) => All.Any(authority => authority.IsVerified && authority.Digest == digest);

    /// <summary>Reads the store, at the start and after another node has written to it.</summary>
    public async Task LoadAsync(CancellationToken stopping)
    {
        var stored = await store.ListAsync(stopping);
        var before = All;
        Volatile.Write(ref _authorities, [.. stored.OrderBy(authority => authority.Name, StringComparer.OrdinalIgnoreCase)]);
        if (before.Any(authority => authority.IsVerified && !IsVerified(authority.Digest)))
        {
            Changed?.Invoke();
        }
    }

    /// <summary>Takes an authority's certificate, PEM or DER. An operator who knows whose it is may declare it verified.</summary>
    public async Task<Outcome<CertificateAuthority>> UploadAsync(string name, ReadOnlyMemory<byte> certificate, bool isVerified, CancellationToken stopping)
    {
        using var parsed = Read(certificate);
        var problem = !SharedAccessPolicy.IsName(name) ? $"An authority's name has 1 to {SharedAccessPolicy.MaxNameLength} letters, digits and _ @ . -"
            : parsed is null ? "This is not a certificate in PEM or DER form."
            : !IsAuthority(parsed) ? "The certificate is not that of an authority (basic constraints)."
            : All.Count >= MaxAuthorities ? $"A hub has at most {MaxAuthorities} certificate authorities."
            : null;
        if (problem is not null)
        {
            return HubFailures.ArgumentInvalid.Saying(problem);
        }

        var authority = new CertificateAuthority
        {
            Name = name,
            Certificate = parsed!.RawData,
            Subject = parsed.Subject,
            NotAfter = parsed.NotAfter,
            IsVerified = isVerified,
            CreatedAt = time.GetUtcNow(),
            UpdatedAt = time.GetUtcNow(),
        };
        await _writer.WaitAsync(stopping);
        try
        {
            if (All.Any(known => known.Digest == authority.Digest) || !await store.AddAsync(authority, stopping))
            {
                return HubFailures.InvalidOperation.Saying($"An authority named '{name}' or with this certificate exists already.");
            }

            await LoadAsync(stopping);
        }
        finally
        {
            _writer.Release();
        }

        Log.Uploaded(logger, name, isVerified);
        return authority;
    }

    /// <summary>Makes the code that a proof of possession must carry as its common name; a new one replaces the old.</summary>
    public Task<Outcome<CertificateAuthority>> RequestCodeAsync(string name, CancellationToken stopping) => ReplaceAsync(
        name,
        authority => authority with { VerificationCode = Convert.ToHexString(RandomNumberGenerator.GetBytes(CodeBytes)) },
        stopping);

    /// <summary>Takes the proof of possession: a certificate signed by the authority whose common name is the code.</summary>
    public Task<Outcome<CertificateAuthority>> VerifyAsync(string name, ReadOnlyMemory<byte> proof, CancellationToken stopping) => ReplaceAsync(
        name,
        authority => CheckProof(authority, proof) is { } problem
            ? HubFailures.ArgumentInvalid.Saying(problem)
            : authority with { IsVerified = true, VerificationCode = null },
        stopping);

    /// <summary>Deletes an authority and ends the sessions of its devices.</summary>
    public async Task<HubFailure?> DeleteAsync(string name, CancellationToken stopping)
    {
        await _writer.WaitAsync(stopping);
        try
        {
            if (Find(name) is not { } authority)
            {
                return NotFound(name);
            }

            var isDeleted = await store.DeleteAsync(authority.Name, authority.Version, stopping);
            await LoadAsync(stopping);
            return isDeleted ? null : HubFailures.PreconditionFailed;
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>The verified authority that signed the leaf, directly or through certificates that the client sent; null with the reason when there is none.</summary>
    public CertificateAuthority? FindIssuer(X509Certificate2 leaf, X509Certificate2Collection? others, out string problem)
    {
        var verified = All.Where(authority => authority.IsVerified).ToArray();
        X509Certificate2[] candidates = [.. (others ?? []).Take(MaxChain), .. _intermediates.Values];
        var authority = CertificateChain.FindAnchor(leaf, candidates, verified, time.GetUtcNow(), out var between, out problem);
        foreach (var intermediate in authority is null ? [] : between)
        {
            Remember(intermediate);
        }

        return authority;
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private void Remember(byte[] intermediate)
    {
        var digest = Convert.ToHexString(SHA256.HashData(intermediate));
        if (_intermediates.Count < MaxIntermediates && !_intermediates.ContainsKey(digest))
        {
            _intermediates.TryAdd(digest, X509CertificateLoader.LoadCertificate(intermediate));
        }
    }

    private async Task<Outcome<CertificateAuthority>> ReplaceAsync(
        string name, Func<CertificateAuthority, Outcome<CertificateAuthority>> change, CancellationToken stopping)
    {
        await _writer.WaitAsync(stopping);
        try
        {
            if (Find(name) is not { } authority)
            {
                return NotFound(name);
            }

            if (!change(authority).TryGet(out var changed, out var failure))
            {
                return failure;
            }

            var written = changed with { Version = authority.Version + 1, UpdatedAt = time.GetUtcNow() };
            var isWritten = await store.ReplaceAsync(written, authority.Version, stopping);
            await LoadAsync(stopping);
            return isWritten ? written : HubFailures.PreconditionFailed;
        }
        finally
        {
            _writer.Release();
        }
    }

    private string? CheckProof(CertificateAuthority authority, ReadOnlyMemory<byte> proof)
    {
        if (authority.VerificationCode is not { } code)
        {
            return "Request a verification code first.";
        }

        using var certificate = Read(proof);
        return certificate is null ? "The proof is not a certificate in PEM or DER form."
            : CertificateRules.CommonNameOf(certificate) != code ? "The common name of the proof is not the verification code."
            : CertificateChain.FindAnchor(certificate, [], [authority], time.GetUtcNow(), out _, out var problem) is null ? $"The authority did not sign the proof: {problem}"
            : null;
    }

    private static X509Certificate2? Read(ReadOnlyMemory<byte> text)
    {
        try
        {
            // The loader reads one certificate, PEM or DER, and no keys.
            return text.Length is > 0 and <= 64 * 1024 ? X509CertificateLoader.LoadCertificate(text.Span) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool IsAuthority(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(constraints => constraints.CertificateAuthority);

    private static HubFailure NotFound(string name) => HubFailures.AddressNotFound.Saying($"There is no certificate authority named '{name}'.");

    private static partial class Log
    {
        [LoggerMessage(1020, LogLevel.Information, "The certificate authority {Authority} was uploaded, verified: {IsVerified}")]
        public static partial void Uploaded(ILogger logger, string authority, bool isVerified);
    }
}
