using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The hub's half of SASL before the AMQP header (spec/device-amqp.md 2, spec/events-endpoint.md 2). The engine's own
/// cannot tell connections apart and allows 512 bytes, less than a token. A client that begins with the AMQP header
/// skips it.
/// </summary>
internal static class SaslExchange
{
    // A PLAIN response holds a token of 4 KB and two names.
    private const int MaxFrameBytes = 8 * 1024;

    private static readonly byte[] Mechanisms = EncodeMechanisms("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL");

    private static ReadOnlySpan<byte> SaslHeader => "AMQP\x03\x01\x00\x00"u8;

    private static ReadOnlySpan<byte> AmqpHeader => "AMQP\x00\x01\x00\x00"u8;

    /// <summary>Runs the exchange; afterwards the AMQP header is the next thing in the pipe.</summary>
    /// <param name="pipe">The connection's bytes.</param>
    /// <param name="judge">Decides on a credential; null for a refusal.</param>
    /// <param name="stopping">Ends the exchange when its time is over.</param>
    /// <returns>What the client presented, or null when the connection must end; everything has been said to the client then.</returns>
    public static async Task<SaslResult?> RunAsync(
        IDuplexPipe pipe, Func<SaslCredential, CancellationToken, ValueTask<SaslResult?>> judge, CancellationToken stopping)
    {
        if (await ReadAsync(pipe.Input, 8, consume: false, stopping) is not { } header)
        {
            return null;
        }

        if (header.AsSpan().SequenceEqual(AmqpHeader))
        {
            return SaslResult.None;
        }

        // AMQP 1.0 part 2.2: an unknown protocol is answered with one that is served, then the end.
        pipe.Output.Write(SaslHeader);
        if (!header.AsSpan().SequenceEqual(SaslHeader))
        {
            await pipe.Output.FlushAsync(stopping);
            return null;
        }

        await ReadAsync(pipe.Input, 8, consume: true, stopping);
        pipe.Output.Write(Mechanisms);
        await pipe.Output.FlushAsync(stopping);

        var credential = await ReadCredentialAsync(pipe, stopping);
        var result = credential is null ? null : await judge(credential, stopping);
        // Outcome codes: 0 ok, 1 authentication failed.
        byte[] outcome = [0, 0, 0, 16, 2, 1, 0, 0, 0x00, 0x53, 0x44, 0xc0, 3, 1, 0x50, (byte)(result is null ? 1 : 0)];
        pipe.Output.Write(outcome);
        await pipe.Output.FlushAsync(stopping);

        // Not a byte more until the client's AMQP header is there: rhea loses what comes in one piece with the outcome.
        return result is not null && await ReadAsync(pipe.Input, 8, consume: false, stopping) is { } next
            && next.AsSpan().SequenceEqual(AmqpHeader) ? result : null;
    }

    private static async Task<SaslCredential?> ReadCredentialAsync(IDuplexPipe pipe, CancellationToken stopping)
    {
        if (await ReadFrameAsync(pipe.Input, stopping) is not { } init
            || !TryReadFields(init, Performative.SaslInit, out var mechanism, out var response))
        {
            return null;
        }

        var name = Encoding.ASCII.GetString(mechanism);
        if (name == "PLAIN" && response is null)
        {
            // RFC 4616: the client speaks first; one that waits is asked with an empty challenge.
            byte[] challenge = [0, 0, 0, 16, 2, 1, 0, 0, 0x00, 0x53, 0x42, 0xc0, 3, 1, 0xa0, 0];
            pipe.Output.Write(challenge);
            await pipe.Output.FlushAsync(stopping);
            if (await ReadFrameAsync(pipe.Input, stopping) is not { } answer
                || !TryReadFields(answer, Performative.SaslResponse, out response, out _))
            {
                return null;
            }
        }

        return name switch
        {
            "MSSBCBS" or "ANONYMOUS" => new SaslCredential(SaslMechanism.Deferred), // A response is a name for logs: Event Hubs clients send "\0{policy}".
            "EXTERNAL" => new SaslCredential(SaslMechanism.External),
            "PLAIN" when TryReadPlain(response ?? [], out var user, out var password) =>
                new SaslCredential(SaslMechanism.Plain, user, password),
            _ => null,
        };
    }

    /// <summary>RFC 4616: [authzid] NUL authcid NUL passwd.</summary>
    private static bool TryReadPlain(byte[] response, out string user, out string password)
    {
        user = "";
        password = "";
        var first = Array.IndexOf(response, (byte)0);
        var second = first < 0 ? -1 : Array.IndexOf(response, (byte)0, first + 1);
        if (second < 0)
        {
            return false;
        }

        user = Encoding.UTF8.GetString(response, first + 1, second - first - 1);
        password = Encoding.UTF8.GetString(response, second + 1, response.Length - second - 1);
        return user.Length > 0 && password.Length > 0;
    }

    private static async Task<byte[]?> ReadFrameAsync(PipeReader input, CancellationToken stopping)
    {
        if (await ReadAsync(input, 4, consume: false, stopping) is not { } prefix)
        {
            return null;
        }

        var size = BinaryPrimitives.ReadUInt32BigEndian(prefix);
        return size is < AmqpFrame.HeaderBytes or > MaxFrameBytes
            ? null
            : await ReadAsync(input, (int)size, consume: true, stopping);
    }

    /// <summary>Reads the first two fields of a SASL frame as bytes; null for an absent second one.</summary>
    private static bool TryReadFields(byte[] bytes, Performative expected, out byte[] first, out byte[]? second)
    {
        first = [];
        second = null;
        if (!AmqpFrame.TryRead(bytes, type: 1, out var frame) || frame.Performative != expected
            || ReadVariable(frame.Field(0, out _)) is not { } required)
        {
            return false;
        }

        first = required;
        second = ReadVariable(frame.Field(1, out _));
        return true;
    }

    private static byte[]? ReadVariable(ReadOnlySpan<byte> value) => value switch
    {
        [0xa0 or 0xa1 or 0xa3, _, ..] => value[2..].ToArray(),
        [0xb0 or 0xb1 or 0xb3, _, _, _, _, ..] => value[5..].ToArray(),
        _ => null,
    };

    /// <summary>Waits for so many bytes and copies them; null when the peer leaves first.</summary>
    private static async Task<byte[]?> ReadAsync(PipeReader input, int count, bool consume, CancellationToken stopping)
    {
        while (true)
        {
            var result = await input.ReadAsync(stopping);
            if (result.Buffer.Length >= count)
            {
                var part = result.Buffer.Slice(0, count);
                var bytes = part.ToArray();
                if (consume)
                {
                    input.AdvanceTo(part.End);
                }
                else
                {
                    // Nothing is marked as examined: the next read returns at once.
                    input.AdvanceTo(result.Buffer.Start);
                }

                return bytes;
            }

            input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted || result.IsCanceled)
            {
                return null;
            }
        }
    }

    private static byte[] EncodeMechanisms(params string[] names)
    {
        // sasl-mechanisms: a list of one array of sym8.
        var items = names.SelectMany(name => (byte[])[(byte)name.Length, .. Encoding.ASCII.GetBytes(name)]).ToArray();
        byte[] array = [0xe0, (byte)(items.Length + 2), (byte)names.Length, 0xa3, .. items];
        byte[] body = [0x00, 0x53, 0x40, 0xc0, (byte)(array.Length + 1), 1, .. array];
        var size = AmqpFrame.HeaderBytes + body.Length;
        return [0, 0, 0, (byte)size, 2, 1, 0, 0, .. body];
    }
}

/// <summary>What a client presents in SASL.</summary>
/// <param name="Mechanism">How.</param>
/// <param name="User">PLAIN: the authentication identity.</param>
/// <param name="Password">PLAIN: a token or a key. Never logged.</param>
internal sealed record SaslCredential(SaslMechanism Mechanism, string User = "", string Password = "")
{
    public override string ToString() => $"{Mechanism} {User}";
}

/// <summary>Mechanisms as far as they differ for us.</summary>
internal enum SaslMechanism
{
    /// <summary>ANONYMOUS and MSSBCBS: a token follows by put-token.</summary>
    Deferred,

    /// <summary>A name with a token or a key.</summary>
    Plain,

    /// <summary>The TLS client certificate.</summary>
    External,
}
