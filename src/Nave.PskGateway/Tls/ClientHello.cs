using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Nave.PskGateway.Tls;

/// <summary>
/// What the first message of a connection offers, read before the TLS library sees a byte of it: sizes and counts are
/// bounded here, and which of the offered keys is the client's is found out here, since the library asks for one by
/// identity alone and a rotated identity has two (spec/tls-psk.md 6).
/// </summary>
internal sealed class ClientHello
{
    /// <summary>Longest message, header included: hellos with post-quantum shares have about 2 KB.</summary>
    public const int MaxBytes = 8 * 1024;

    /// <summary>Identities that are tried; what is offered beyond them is not looked at (issue 5 item 2).</summary>
    public const int MaxOffers = 4;

    private const int RecordHeaderBytes = 5;
    private const int MessageHeaderBytes = 4;
    private const byte HandshakeRecord = 22;
    private const byte ClientHelloMessage = 1;
    private const int PreSharedKey = 41;
    private const int SupportedVersions = 43;
    private const int KeyExchangeModes = 45;
    private const int Tls13 = 0x0304;
    private const byte PskWithDhe = 1;

    private bool _hasDheMode;

    private ClientHello(byte[] message) => Message = message;

    /// <summary>The handshake message with its header.</summary>
    public byte[] Message { get; }

    /// <summary>The suites in the client's order.</summary>
    public IReadOnlyList<int> Suites { get; private set; } = [];

    /// <summary>TLS 1.3 is offered.</summary>
    public bool HasTls13 { get; private set; }

    /// <summary>The first few identities of TLS 1.3.</summary>
    public IReadOnlyList<PskOffer> Offers { get; private set; } = [];

    /// <summary>A TLS 1.3 key can be agreed on: with an ephemeral exchange, never without.</summary>
    public bool HasTls13Psk => HasTls13 && _hasDheMode && Offers.Count > 0;

    /// <summary>The list of binders at the message's end, its length included; binders are computed over what is before.</summary>
    public int BindersBytes { get; private set; }

    /// <summary>Reads the message off the front of what was received.</summary>
    /// <param name="received">Whole or broken records.</param>
    /// <param name="hello">The message, once it is there.</param>
    public static HelloStatus Read(ReadOnlySpan<byte> received, out ClientHello? hello)
    {
        hello = null;
        var status = Gather(received, out var message);
        if (status is not HelloStatus.Complete)
        {
            return status;
        }

        var read = new ClientHello(message);
        if (!read.TryParse())
        {
            return HelloStatus.Malformed;
        }

        hello = read;
        return HelloStatus.Complete;
    }

    // The message may be cut into several records.
    private static HelloStatus Gather(ReadOnlySpan<byte> received, out byte[] message)
    {
        message = [];
        var gathered = new MemoryStream();
        while (received.Length >= RecordHeaderBytes)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(received[3..]);
            if (received[0] != HandshakeRecord || received[1] != 3 || length == 0)
            {
                return HelloStatus.NoTls;
            }

            var body = received[RecordHeaderBytes..];
            gathered.Write(body[..Math.Min(length, body.Length)]);
            var all = gathered.GetBuffer().AsSpan(0, (int)gathered.Length);
            if (all.Length > 0 && all[0] != ClientHelloMessage)
            {
                return HelloStatus.NoTls;
            }

            if (all.Length >= MessageHeaderBytes)
            {
                var whole = MessageHeaderBytes + (all[1] << 16 | all[2] << 8 | all[3]);
                if (whole > MaxBytes)
                {
                    return HelloStatus.TooLarge;
                }

                if (all.Length >= whole)
                {
                    message = all[..whole].ToArray();
                    return HelloStatus.Complete;
                }
            }

            if (body.Length < length)
            {
                return HelloStatus.Incomplete;
            }

            received = body[length..];
        }

        return received.Length > 0 && received[0] != HandshakeRecord ? HelloStatus.NoTls : HelloStatus.Incomplete;
    }

    private bool TryParse()
    {
        var reader = new Fields(Message.AsSpan(MessageHeaderBytes));
        if (!reader.TrySkip(2 + 32) || !reader.TryTake8(out _) || !reader.TryTake16(out var suites) || suites.Length % 2 != 0 || !reader.TryTake8(out _))
        {
            return false;
        }

        var list = new int[suites.Length / 2];
        for (var i = 0; i < list.Length; i++)
        {
            list[i] = BinaryPrimitives.ReadUInt16BigEndian(suites[(2 * i)..]);
        }

        Suites = list;
        if (reader.IsAtEnd)
        {
            return true; // TLS 1.2 without extensions.
        }

        if (!reader.TryTake16(out var extensions) || !reader.IsAtEnd)
        {
            return false;
        }

        var each = new Fields(extensions);
        while (!each.IsAtEnd)
        {
            if (!each.TryTakeNumber(out var type) || !each.TryTake16(out var body) || !TryReadExtension(type, body, each.IsAtEnd))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadExtension(int type, ReadOnlySpan<byte> body, bool isLast)
    {
        var reader = new Fields(body);
        switch (type)
        {
            case SupportedVersions:
                if (!reader.TryTake8(out var versions) || versions.Length % 2 != 0)
                {
                    return false;
                }

                for (var i = 0; i < versions.Length; i += 2)
                {
                    HasTls13 |= BinaryPrimitives.ReadUInt16BigEndian(versions[i..]) == Tls13;
                }

                return true;
            case KeyExchangeModes:
                if (!reader.TryTake8(out var modes))
                {
                    return false;
                }

                _hasDheMode = modes.Contains(PskWithDhe);
                return true;
            case PreSharedKey:
                // RFC 8446 4.2.11: it is the last extension.
                return isLast && TryReadOffers(reader);
            default:
                return true;
        }
    }

    private bool TryReadOffers(Fields reader)
    {
        if (!reader.TryTake16(out var identities))
        {
            return false;
        }

        BindersBytes = reader.Left;
        if (!reader.TryTake16(out var binders) || !reader.IsAtEnd)
        {
            return false;
        }

        var offers = new List<PskOffer>(MaxOffers);
        var identity = new Fields(identities);
        var binder = new Fields(binders);
        while (!identity.IsAtEnd && offers.Count < MaxOffers)
        {
            if (!identity.TryTake16(out var name) || !identity.TryTakeAge(out var age) || !binder.TryTake8(out var proof))
            {
                return false;
            }

            offers.Add(new PskOffer(name.ToArray(), age, proof.ToArray()));
        }

        Offers = offers;
        return true;
    }

    private ref struct Fields(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public readonly int Left => _rest.Length;

        public bool TrySkip(int count) => TryTake(count, out _);

        public bool TryTake8(out ReadOnlySpan<byte> field)
        {
            field = default;
            return TryTake(1, out var length) && TryTake(length[0], out field);
        }

        public bool TryTake16(out ReadOnlySpan<byte> field)
        {
            field = default;
            return TryTake(2, out var length) && TryTake(BinaryPrimitives.ReadUInt16BigEndian(length), out field);
        }

        public bool TryTakeNumber(out int number)
        {
            var isThere = TryTake(2, out var field);
            number = isThere ? BinaryPrimitives.ReadUInt16BigEndian(field) : 0;
            return isThere;
        }

        public bool TryTakeAge(out uint age)
        {
            var isThere = TryTake(4, out var field);
            age = isThere ? BinaryPrimitives.ReadUInt32BigEndian(field) : 0;
            return isThere;
        }

        private bool TryTake(int count, out ReadOnlySpan<byte> field)
        {
            field = default;
            if (count > _rest.Length)
            {
                return false;
            }

            field = _rest[..count];
            _rest = _rest[count..];
            return true;
        }
    }
}

/// <summary>One offered key of TLS 1.3.</summary>
/// <param name="Identity">What the client calls itself.</param>
/// <param name="Age">Not 0 for a ticket, of which we give none.</param>
/// <param name="Binder">Proves that the client has the key.</param>
[SuppressMessage("Performance", "CA1819", Justification = "Internal, and never changed.")]
internal sealed record PskOffer(byte[] Identity, uint Age, byte[] Binder);

/// <summary>How far a ClientHello is.</summary>
internal enum HelloStatus
{
    /// <summary>More bytes are needed.</summary>
    Incomplete,

    /// <summary>It is whole.</summary>
    Complete,

    /// <summary>What comes is no TLS.</summary>
    NoTls,

    /// <summary>It announces more than it may have.</summary>
    TooLarge,

    /// <summary>Its fields do not fit together.</summary>
    Malformed,
}
