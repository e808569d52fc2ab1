using System.Net;
using System.Security.Cryptography;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Limits;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;

namespace Nave.PskGateway.Tls;

/// <summary>
/// Our side of one handshake, as the TLS library asks for it: which version and suites, and which key. Wrong key and
/// unknown identity take the same way and end in the same alert: 51 in TLS 1.3, 20 in TLS 1.2.
/// </summary>
internal sealed class PskPeer(TlsCrypto crypto, ClientHello hello, PskPeerContext context)
    : AbstractTlsServer(crypto), TlsPskIdentityManager
{
    private PskOwner? _claimed;
    private byte[]? _key;
    private byte[]? _identity;

    /// <summary>Whom the client has proven to be; null before the end of the handshake.</summary>
    public PskOwner? Proven { get; private set; }

    /// <summary>What the client called itself, if it came so far.</summary>
    public ReadOnlyMemory<byte>? Identity => _identity;

    /// <summary>Whether the client showed a proof and it was none.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>The alert that we sent.</summary>
    public short? Alert { get; private set; }

    /// <summary>What was negotiated, for the operator.</summary>
    public string Suite => PskSuites.NameOf(m_context.SecurityParameters.CipherSuite);

    /// <summary>What was negotiated, for the operator.</summary>
    public string Version => m_context.SecurityParameters.NegotiatedVersion?.Name ?? "none";

    /// <inheritdoc/>
    public override TlsCredentials? GetCredentials() => null;

    /// <inheritdoc/>
    public override TlsPskIdentityManager GetPskIdentityManager() => this;

    /// <inheritdoc/>
    public byte[]? GetHint() => null;

    /// <summary>TLS 1.2: the key is mixed in before anything is proven, so there is one try.</summary>
    public byte[] GetPsk(byte[] identity)
    {
        _identity = identity;
        var (first, second) = context.Keyring.Find(identity);
        CryptographicOperations.ZeroMemory(second.Key);
        if (first.Owner is null && !context.HideUnknownIdentity)
        {
            throw new TlsFatalAlert(AlertDescription.unknown_psk_identity);
        }

        if (!context.Limits.MayTry(identity, context.Address))
        {
            CryptographicOperations.ZeroMemory(first.Key);
            return PskRules.Generate();
        }

        _claimed = first.Owner;
        return first.Key;
    }

    /// <summary>TLS 1.3: the binders tell which key it is. Asked again after a HelloRetryRequest: the answer stays.</summary>
    public override TlsPskExternal? GetExternalPsk(IList<PskIdentity> identities)
    {
        if (_key is null && !TryChoose())
        {
            return null;
        }

        return new BasicTlsPskExternal(_identity, Crypto.CreateSecret((byte[])_key!.Clone()), PrfAlgorithm.tls13_hkdf_sha256);
    }

    /// <inheritdoc/>
    public override void NotifyAlertRaised(short alertLevel, short alertDescription, string message, Exception cause)
    {
        base.NotifyAlertRaised(alertLevel, alertDescription, message, cause);
        if (alertLevel == AlertLevel.fatal)
        {
            Alert = alertDescription;
            HasFailed = Proven is null && _identity is not null
                && alertDescription is AlertDescription.bad_record_mac or AlertDescription.decrypt_error or AlertDescription.unknown_psk_identity;
        }
    }

    /// <inheritdoc/>
    public override void NotifyHandshakeComplete()
    {
        base.NotifyHandshakeComplete();
        Proven = _claimed;
        Wipe();
    }

    /// <summary>Forgets the key. Safe to call twice.</summary>
    public void Wipe()
    {
        CryptographicOperations.ZeroMemory(_key);
        _key = [];
    }

    /// <inheritdoc/>
    protected override ProtocolVersion[] GetSupportedVersions() =>
        hello.HasTls13Psk ? ProtocolVersion.TLSv13.Only() : ProtocolVersion.TLSv12.Only();

    /// <inheritdoc/>
    protected override int[] GetSupportedCipherSuites() =>
        hello.HasTls13Psk ? PskSuites.Tls13
        : context.AllowNonForwardSecret ? [.. PskSuites.Tls12, .. PskSuites.Tls12NotForwardSecret]
        : PskSuites.Tls12;

    // Every offer costs two keys and two binders, whoever is there and whichever fits.
    private bool TryChoose()
    {
        var offers = hello.Offers.Where(offer => offer.Age == 0).ToList();
        if (offers.Count == 0)
        {
            return false; // Tickets of somebody else.
        }

        var transcript = PskBinder.TranscriptOf(hello);
        foreach (var offer in offers)
        {
            var (first, second) = context.Keyring.Find(offer.Identity);
            var isFirst = PskBinder.IsOf(first.Key, transcript, offer.Binder) && first.Owner is not null;
            var isSecond = PskBinder.IsOf(second.Key, transcript, offer.Binder) && second.Owner is not null;
            var mayTry = context.Limits.MayTry(offer.Identity, context.Address);
            if (_claimed is null && (isFirst || isSecond) && mayTry)
            {
                (_claimed, _key, _identity) = (isFirst ? first.Owner : second.Owner, isFirst ? first.Key : second.Key, offer.Identity);
                CryptographicOperations.ZeroMemory(isFirst ? second.Key : first.Key);
            }
            else
            {
                if (first.Owner is null && !context.HideUnknownIdentity && offers.Count == 1)
                {
                    _identity = offer.Identity;
                    throw new TlsFatalAlert(AlertDescription.unknown_psk_identity);
                }

                CryptographicOperations.ZeroMemory(first.Key);
                CryptographicOperations.ZeroMemory(second.Key);
            }
        }

        if (_claimed is null)
        {
            // The library compares a binder that cannot fit, and aborts.
            (_key, _identity) = (PskRules.Generate(), offers[0].Identity);
        }

        return true;
    }
}

/// <summary>What all handshakes have in common, and the address of this one.</summary>
/// <param name="Keyring">The keys.</param>
/// <param name="Limits">Who has to wait.</param>
/// <param name="Address">From where.</param>
/// <param name="HideUnknownIdentity">An unknown identity is not told from a wrong key.</param>
/// <param name="AllowNonForwardSecret">Plain PSK suites are served too.</param>
internal sealed record PskPeerContext(
    PskKeyring Keyring, HandshakeLimits Limits, IPAddress Address, bool HideUnknownIdentity, bool AllowNonForwardSecret);
