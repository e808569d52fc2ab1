using System.Buffers;
using System.Diagnostics;
using System.Text;
using Nave.Mqtt;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A connection to a PSK gateway that <c>openssl s_client</c> keeps: the bytes are the test's, the TLS is OpenSSL's.</summary>
internal sealed class PskStream : Stream
{
    private const int MaxPacketBytes = 512 * 1024;

    private readonly Process _client;
    private byte[] _unread = [];

    private PskStream(Process client) => _client = client;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Whether the program is there.</summary>
    public static bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "openssl")));

    /// <summary>Opens TLS.</summary>
    public static PskStream Open(OutsidePskGateway gateway, string identity, string key, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            "openssl",
            ["s_client", "-quiet", "-connect", $"{gateway.Address}:{OutsidePskGateway.Port}", "-psk_identity", identity, "-psk", key, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var client = Process.Start(start)!;
        client.ErrorDataReceived += (_, _) => { }; // Drained, or a long complaint would stop it.
        client.BeginErrorReadLine();
        return new PskStream(client);
    }

    /// <summary>Opens TLS and connects a device.</summary>
    public static async Task<(PskStream Line, byte Code)> ConnectAsync(
        OutsidePskGateway gateway, string identity, string key, string device, CancellationToken stopping)
    {
        var line = Open(gateway, identity, key);
        var output = new ArrayBufferWriter<byte>();
        new ConnectPacket { ClientId = device, CleanSession = true, KeepAliveSeconds = 60 }.Write(output);
        await line.WriteAsync(output.WrittenMemory, stopping);
        var answer = new byte[4];
        await line.ReadExactlyAsync(answer, stopping).AsTask().WaitAsync(TimeSpan.FromSeconds(20), stopping);
        Assert.Equal([0x20, 2], answer[..2]);
        return (line, answer[3]);
    }

    /// <summary>Reads packets up to the next PUBLISH.</summary>
    public async Task<(string Topic, string Body)> ReadPublishAsync(CancellationToken stopping)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var unread = new ReadOnlySequence<byte>(_unread);
            while (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
            {
                if (frame.Type is PacketType.Publish)
                {
                    var publish = PublishPacket.Read(frame, MqttVersion.V311);
                    var read = (Encoding.UTF8.GetString(publish.Topic), Encoding.UTF8.GetString(publish.Payload.ToArray()));
                    _unread = unread.ToArray();
                    return read;
                }
            }

            var rest = unread.ToArray();
            var more = new byte[4096];
            var count = await ReadAsync(more, deadline.Token);
            Assert.True(count > 0, "The gateway closed the connection.");
            _unread = [.. rest, .. more.AsSpan(0, count)];
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await _client.StandardInput.BaseStream.WriteAsync(buffer, cancellationToken);
        await _client.StandardInput.BaseStream.FlushAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _client.StandardOutput.BaseStream.ReadAsync(buffer, cancellationToken);

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (!_client.HasExited)
            {
                _client.Kill();
            }

            _client.Dispose();
        }

        base.Dispose(disposing);
    }
}
