using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Hosting;

/// <summary>
/// TLS on a listener, with a bound on how many handshakes compute at once: each costs about a millisecond of a core
/// (design.md 2), and a fleet that reconnects must not starve the devices that are there. The rest wait in line.
/// </summary>
/// <remarks>
/// A slot is taken when the ClientHello is there and given back with the first bytes of the answer: what is costly, key
/// exchange and signature, is behind the server by then, and the peer is being waited for. A peer that stops in the middle
/// of its handshake therefore holds its socket for the handshake timeout, and a slot not at all.
/// A peer that says nothing at all has the handshake timeout for its first byte, and gets no TLS state before.
/// docs/decisions/0020-hosting.md.
/// </remarks>
internal sealed partial class TlsHandshakes : IDisposable
{
    private readonly SemaphoreSlim _slots;
    private readonly TimeSpan _timeout;
    private readonly HubMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<TlsHandshakes> _logger;

    public TlsHandshakes(HubOptions options, HubMetrics metrics, TimeProvider time, ILogger<TlsHandshakes> logger)
    {
        _logger = logger;
        _slots = new SemaphoreSlim(options.Tls.ConcurrentHandshakes);
        _timeout = options.Tls.HandshakeTimeout;
        _metrics = metrics;
        _time = time;
    }

    /// <summary>
    /// Raised when a handshake has failed: from where, and the versions that the client offered; null where it said no
    /// hello. Handlers return at once and do not throw.
    /// </summary>
    public event Action<EndPoint?, SslProtocols?>? HasFailed;

    /// <summary>Puts TLS on a listener; what is added to the listener afterwards sees the decrypted bytes.</summary>
    /// <param name="listener">Where.</param>
    /// <param name="getOptions">Certificate and rules for the handshake of a connection with these features; called for each, since certificates are renewed.</param>
    public void Use(ListenOptions listener, Func<IFeatureCollection, SslServerAuthenticationOptions> getOptions)
    {
        listener.Use(next => connection => RunAsync(connection, next));
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = _timeout,
            OnConnection = async context =>
            {
                if (context.Connection.Features.Get<Handshake>() is { } handshake)
                {
                    handshake.Offered = context.ClientHelloInfo.SslProtocols;
                    await handshake.BeginComputingAsync(context.CancellationToken);
                }

                return getOptions(context.Connection.Features);
            },
        });
        listener.Use(next => connection =>
        {
            connection.Features.Get<Handshake>()?.Succeeded();
            connection.Features.Set<Handshake>(null);
            OpenSslSettings.TryApply(connection.Features.Get<ISslStreamFeature>()?.SslStream);
            return next(connection);
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (await FirstByte.PeekAsync(connection.Transport.Input, _timeout, _time) is null)
        {
            return;
        }

        var handshake = new Handshake(this, connection.RemoteEndPoint, connection.Transport);
        connection.Transport = handshake;
        connection.Features.Set(handshake);
        try
        {
            await next(connection);
        }
        catch (Exception e) when (!handshake.HasSucceeded)
        {
            // A hello that the TLS library cannot read makes it complain of a missing certificate (NotSupportedException),
            // which Kestrel would report as an error of ours. Whatever it is, a stranger has caused it.
            Log.Failed(_logger, connection.ConnectionId, e.Message);
        }
        finally
        {
            handshake.Failed(); // Unless it has succeeded long ago.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1530, LogLevel.Debug, "Connection {ConnectionId}: the TLS handshake failed: {Problem}")]
        public static partial void Failed(ILogger logger, string connectionId, string problem);
    }

    /// <summary>
    /// One handshake and its slot. Stands between TLS and the transport, since that is where the answer to the hello shows;
    /// afterwards it only passes on.
    /// </summary>
    private sealed class Handshake(TlsHandshakes owner, EndPoint? peer, IDuplexPipe transport) : PipeWriter, IDuplexPipe
    {
        private readonly PipeWriter _output = transport.Output;
        private readonly long _began = owner._time.GetTimestamp();
        private int _hasSlot;
        private int _isOver;

        public PipeReader Input => transport.Input;

        public PipeWriter Output => this;

        public bool HasSucceeded { get; private set; }

        public SslProtocols? Offered { get; set; }

        public override bool CanGetUnflushedBytes => _output.CanGetUnflushedBytes;

        public override long UnflushedBytes => _output.UnflushedBytes;

        public async Task BeginComputingAsync(CancellationToken deadline)
        {
            await owner._slots.WaitAsync(deadline);
            Volatile.Write(ref _hasSlot, 1);
        }

        public void Succeeded()
        {
            HasSucceeded = true;
            Over(succeeded: true);
        }

        public void Failed() => Over(succeeded: false);

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            GiveBack();
            return _output.WriteAsync(source, cancellationToken);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            GiveBack();
            return _output.FlushAsync(cancellationToken);
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _output.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => _output.GetSpan(sizeHint);

        public override void Advance(int bytes) => _output.Advance(bytes);

        public override void CancelPendingFlush() => _output.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => _output.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => _output.CompleteAsync(exception);

        private void Over(bool succeeded)
        {
            if (Interlocked.Exchange(ref _isOver, 1) == 0)
            {
                GiveBack();
                if (!succeeded)
                {
                    owner.HasFailed?.Invoke(peer, Offered);
                }

                owner._metrics.HandshakeDone(succeeded, owner._time.GetElapsedTime(_began));
            }
        }

        private void GiveBack()
        {
            if (Volatile.Read(ref _hasSlot) == 1 && Interlocked.Exchange(ref _hasSlot, 0) == 1)
            {
                owner._slots.Release();
            }
        }
    }
}
