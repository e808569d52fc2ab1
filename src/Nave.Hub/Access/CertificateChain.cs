using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Hub.Access;

/// <summary>
/// Whether a certificate was issued below one of our authorities, root or intermediate. Nothing else is trusted and
/// nothing is fetched: no system roots, no revocation lists, no issuer addresses (spec/security.md 6.3).
/// </summary>
internal static class CertificateChain
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    // An intermediate as anchor has no root above it, and a root of ours is none of the system's.
    private const X509ChainStatusFlags Tolerated = X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot;

    /// <summary>The authority nearest to the leaf that its chain passes; null with the reason when there is none.</summary>
    /// <param name="leaf">The certificate in question.</param>
    /// <param name="others">Certificates that may lie between it and an authority.</param>
    /// <param name="authorities">Who is trusted.</param>
    /// <param name="now">For the validity of all of them.</param>
    /// <param name="between">The certificates between the leaf and the authority found, DER.</param>
    /// <param name="problem">Why there is none, for the operator.</param>
    public static CertificateAuthority? FindAnchor(
        X509Certificate2 leaf,
        IReadOnlyList<X509Certificate2> others,
        IReadOnlyList<CertificateAuthority> authorities,
        DateTimeOffset now,
        out IReadOnlyList<byte[]> between,
        out string problem)
    {
        between = [];
        if (authorities.Count == 0)
        {
            problem = "there is no verified authority";
            return null;
        }

        var loaded = authorities.Select(authority => X509CertificateLoader.LoadCertificate(authority.Certificate.Span)).ToArray();
        using var chain = new X509Chain();
        try
        {
            Configure(chain.ChainPolicy, loaded, others, now);
            chain.Build(leaf);
            return Walk(chain, loaded, authorities, out between, out problem);
        }
        catch (CryptographicException e)
        {
            problem = e.Message;
            return null;
        }
        finally
        {
            foreach (var element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }

            foreach (var certificate in loaded)
            {
                certificate.Dispose();
            }
        }
    }

    private static void Configure(X509ChainPolicy policy, X509Certificate2[] anchors, IReadOnlyList<X509Certificate2> others, DateTimeOffset now)
    {
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.AddRange(anchors);
        policy.ExtraStore.AddRange(anchors);
        policy.ExtraStore.AddRange(others.ToArray());
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        policy.VerificationTime = now.UtcDateTime;
    }

    // Up from the leaf: every certificate on the way to the first of ours must be without fault.
    private static CertificateAuthority? Walk(
        X509Chain chain,
        X509Certificate2[] loaded,
        IReadOnlyList<CertificateAuthority> authorities,
        out IReadOnlyList<byte[]> between,
        out string problem)
    {
        between = [];
        for (var depth = 0; depth < chain.ChainElements.Count; depth++)
        {
            var element = chain.ChainElements[depth];
            var faults = element.ChainElementStatus.Where(status => (status.Status & ~Tolerated) != 0).Select(status => status.Status).ToList();
            if (faults.Count > 0)
            {
                problem = $"{OperatorText.Quote(element.Certificate.Subject)}: {string.Join(", ", faults)}";
                return null;
            }

            // The leaf itself may not be its own authority: an authority is no device.
            var index = depth == 0 ? -1 : Array.FindIndex(loaded, anchor => anchor.RawDataMemory.Span.SequenceEqual(element.Certificate.RawDataMemory.Span));
            if (index >= 0)
            {
                between = [.. chain.ChainElements.Take(depth).Skip(1).Select(passed => passed.Certificate.RawData)];
                problem = "";
                return authorities[index];
            }
        }

        problem = $"the chain ends at {OperatorText.Quote(chain.ChainElements[^1].Certificate.Issuer)}";
        return null;
    }
}
