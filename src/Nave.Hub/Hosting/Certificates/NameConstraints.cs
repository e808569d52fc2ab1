using System.Formats.Asn1;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// The name constraints of the hub's own authority (RFC 5280 4.2.1.10): a stolen key of ours signs for our names only.
/// DNS names permit what lies below them too, addresses are single or networks.
/// </summary>
internal sealed class NameConstraints
{
    private const string ExtensionOid = "2.5.29.30";

    // Not critical, though the RFC wants it: mbedTLS, in most microcontrollers, refuses critical extensions that it does
    // not know. Those who know this one (OpenSSL, so Node and .NET on Linux, Windows, macOS) honour it either way.
    private const bool IsCritical = false;

    private static readonly Asn1Tag PermittedTag = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag DnsTag = new(TagClass.ContextSpecific, 2);
    private static readonly Asn1Tag AddressTag = new(TagClass.ContextSpecific, 7);

    private readonly List<string> _dnsNames = [];
    private readonly List<IPNetwork> _networks = [];

    private NameConstraints()
    {
    }

    /// <summary>The hub's names, and this machine to itself, whatever the hub is called now.</summary>
    public static NameConstraints For(IEnumerable<string> names)
    {
        var constraints = new NameConstraints();
        foreach (var name in names.Append("localhost"))
        {
            if (IPAddress.TryParse(name, out var address))
            {
                constraints._networks.Add(new IPNetwork(address, address.AddressFamily is AddressFamily.InterNetwork ? 32 : 128));
            }
            else if (!constraints._dnsNames.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                constraints._dnsNames.Add(name.ToLowerInvariant());
            }
        }

        constraints._networks.Add(IPNetwork.Parse("127.0.0.0/8"));
        constraints._networks.Add(IPNetwork.Parse("::1/128"));
        return constraints;
    }

    /// <summary>What a certificate is constrained to; null when it has no such extension.</summary>
    public static NameConstraints? Of(X509Certificate2 certificate)
    {
        if (certificate.Extensions.FirstOrDefault(extension => extension.Oid?.Value == ExtensionOid) is not { } extension)
        {
            return null;
        }

        var constraints = new NameConstraints();
        var permitted = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence().ReadSequence(PermittedTag);
        while (permitted.HasData)
        {
            var subtree = permitted.ReadSequence();
            if (subtree.PeekTag().HasSameClassAndValue(DnsTag))
            {
                constraints._dnsNames.Add(subtree.ReadCharacterString(UniversalTagNumber.IA5String, DnsTag));
            }
            else
            {
                constraints._networks.Add(ReadNetwork(subtree.ReadOctetString(AddressTag)));
            }
        }

        return constraints;
    }

    /// <summary>Whether a certificate for the name would be accepted below the authority.</summary>
    public bool Permit(string name) => IPAddress.TryParse(name, out var address)
        ? _networks.Any(network => network.Contains(address))
        : _dnsNames.Any(permitted =>
            name.Equals(permitted, StringComparison.OrdinalIgnoreCase)
            || name.EndsWith("." + permitted, StringComparison.OrdinalIgnoreCase));

    /// <summary>The extension for a new authority.</summary>
    public X509Extension ToExtension()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence(PermittedTag))
        {
            foreach (var name in _dnsNames)
            {
                using (writer.PushSequence())
                {
                    writer.WriteCharacterString(UniversalTagNumber.IA5String, name, DnsTag);
                }
            }

            foreach (var network in _networks)
            {
                using (writer.PushSequence())
                {
                    writer.WriteOctetString(WriteNetwork(network), AddressTag);
                }
            }
        }

        return new X509Extension(new Oid(ExtensionOid), writer.Encode(), IsCritical);
    }

    // An address followed by its mask.
    private static byte[] WriteNetwork(IPNetwork network)
    {
        var address = network.BaseAddress.GetAddressBytes();
        var mask = new byte[address.Length];
        for (var bit = 0; bit < network.PrefixLength; bit++)
        {
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        return [.. address, .. mask];
    }

    private static IPNetwork ReadNetwork(byte[] bytes)
    {
        var half = bytes.Length / 2;
        var prefix = bytes.AsSpan(half).ToArray().Sum(part => System.Numerics.BitOperations.PopCount(part));
        return new IPNetwork(new IPAddress(bytes.AsSpan(0, half)), prefix);
    }
}
