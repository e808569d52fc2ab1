using Org.BouncyCastle.Tls;

namespace Nave.PskGateway.Tls;

/// <summary>
/// The cipher suites of spec/tls-psk.md 4. TLS 1.3: only those of SHA-256, the hash of an external key; with a SHA-384 one
/// every OpenSSL client aborts. Never: NULL, RC4, 3DES, SHA-1, finite-field DHE (26 ms a handshake).
/// </summary>
internal static class PskSuites
{
    /// <summary>Of TLS 1.3.</summary>
    public static int[] Tls13 { get; } =
        [CipherSuite.TLS_CHACHA20_POLY1305_SHA256, CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_AES_128_CCM_SHA256];

    /// <summary>Of TLS 1.2, forward secret.</summary>
    public static int[] Tls12 { get; } =
    [
        CipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
    ];

    /// <summary>Of TLS 1.2, for devices that have no other: whoever learns the key later reads what was recorded before.</summary>
    public static int[] Tls12NotForwardSecret { get; } =
    [
        CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_PSK_WITH_AES_128_CCM,
        CipherSuite.TLS_PSK_WITH_AES_128_CCM_8,
        CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256,
    ];

    /// <summary>Whether the suite, served or not, is one of TLS 1.2 with a pre-shared key.</summary>
    public static bool IsTls12Psk(int suite) =>
        suite <= 0xFFFF && !TlsUtilities.IsTlsV13(TlsUtilities.GetMinimumVersion(suite)) && TlsUtilities.GetKeyExchangeAlgorithm(suite) is
            KeyExchangeAlgorithm.PSK or KeyExchangeAlgorithm.DHE_PSK or KeyExchangeAlgorithm.RSA_PSK or KeyExchangeAlgorithm.ECDHE_PSK;

    /// <summary>The suite's name for the operator.</summary>
    public static string NameOf(int suite) =>
        Enum.GetName((System.Net.Security.TlsCipherSuite)suite) ?? $"0x{suite:X4}";
}
