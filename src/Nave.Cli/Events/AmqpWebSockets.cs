using Amqp;
using Nave.Cli.Hubs;

namespace Nave.Cli.Events;

/// <summary>AMQP over WebSocket for the client engine, which has TCP and TLS of its own only (spec/device-amqp.md 1).</summary>
internal sealed class AmqpWebSockets : TransportProvider
{
    /// <summary>The scheme of addresses that this serves.</summary>
    public const string Scheme = "wss";

    private const string SubProtocol = "AMQPWSB10";
    private readonly HubTarget _hub;
    private readonly CancellationToken _deadline;

    /// <param name="hub">Where to.</param>
    /// <param name="deadline">Gives the opening up.</param>
    public AmqpWebSockets(HubTarget hub, CancellationToken deadline)
    {
        _hub = hub;
        _deadline = deadline;
        AddressSchemes = [Scheme];
    }

    /// <inheritdoc/>
    public override async Task<IAsyncTransport> CreateAsync(Address address) =>
        new StreamTransport(await HubStreams.OpenWebSocketAsync(_hub, SubProtocol, _deadline));

    /// <summary>The engine's transport over a stream; it sends one list of buffers at a time.</summary>
    private sealed class StreamTransport(Stream stream) : IAsyncTransport
    {
        public void SetConnection(Connection connection)
        {
        }

        public async Task SendAsync(IList<ByteBuffer> bufferList, int listSize)
        {
            // One message of the WebSocket, however many buffers.
            var bytes = new byte[listSize];
            var at = 0;
            foreach (var buffer in bufferList)
            {
                buffer.Buffer.AsSpan(buffer.Offset, buffer.Length).CopyTo(bytes.AsSpan(at));
                at += buffer.Length;
            }

            await stream.WriteAsync(bytes);
        }

        public async Task<int> ReceiveAsync(byte[] buffer, int offset, int count) => await stream.ReadAsync(buffer.AsMemory(offset, count));

        public void Send(ByteBuffer buffer) => stream.Write(buffer.Buffer, buffer.Offset, buffer.Length);

        public int Receive(byte[] buffer, int offset, int count) => stream.Read(buffer, offset, count);

        public void Close() => stream.Dispose();
    }
}
