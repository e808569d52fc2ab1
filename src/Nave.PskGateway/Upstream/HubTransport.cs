using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using Amqp;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// Opens TCP and TLS to the hub for the AMQP engine, whose own transport knows neither a deadline nor a private authority.
/// One instance serves one connection.
/// </summary>
internal sealed class HubTransportProvider : TransportProvider
{
    private readonly HubAddress _hub;
    private readonly CancellationToken _deadline;

    /// <param name="hub">Where to, and whom to trust.</param>
    /// <param name="deadline">Gives the opening up.</param>
    public HubTransportProvider(HubAddress hub, CancellationToken deadline)
    {
        _hub = hub;
        _deadline = deadline;
        AddressSchemes = ["amqps"];
    }

    /// <summary>The transport, once it is open.</summary>
    public HubTransport? Opened { get; private set; }

    /// <inheritdoc/>
    public override async Task<IAsyncTransport> CreateAsync(Address address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(_hub.ConnectTo, _hub.Port, _deadline);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = _hub.HostName, CertificateChainPolicy = _hub.Trust?.Clone() }, _deadline);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }

        return Opened = new HubTransport(tls);
    }
}

/// <summary>The engine's transport over a stream; the engine sends one list of buffers at a time.</summary>
internal sealed class HubTransport(Stream stream) : IAsyncTransport
{
    /// <inheritdoc/>
    public void SetConnection(Connection connection)
    {
    }

    /// <inheritdoc/>
    public async Task SendAsync(IList<ByteBuffer> bufferList, int listSize)
    {
        if (bufferList is [var only])
        {
            await stream.WriteAsync(only.Buffer.AsMemory(only.Offset, only.Length));
            return;
        }

        // One TLS record for what gathered, instead of one a frame.
        var bytes = ArrayPool<byte>.Shared.Rent(listSize);
        try
        {
            var at = 0;
            foreach (var buffer in bufferList)
            {
                buffer.Buffer.AsSpan(buffer.Offset, buffer.Length).CopyTo(bytes.AsSpan(at));
                at += buffer.Length;
            }

            await stream.WriteAsync(bytes.AsMemory(0, at));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <inheritdoc/>
    public async Task<int> ReceiveAsync(byte[] buffer, int offset, int count) => await stream.ReadAsync(buffer.AsMemory(offset, count));

    /// <inheritdoc/>
    public void Send(ByteBuffer buffer) => stream.Write(buffer.Buffer, buffer.Offset, buffer.Length);

    /// <inheritdoc/>
    public int Receive(byte[] buffer, int offset, int count) => stream.Read(buffer, offset, count);

    /// <inheritdoc/>
    public void Close() => stream.Dispose();
}
