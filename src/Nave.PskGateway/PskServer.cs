using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Nave.Protocol;
using Nave.Protocol.Identities;
using Nave.Protocol.Limits;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Limits;
using Nave.PskGateway.Mqtt;
using Nave.PskGateway.Tls;
using Nave.PskGateway.Upstream;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Tls.Crypto;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Nave.PskGateway;

/// <summary>
/// The gateway's port: accepts, has the handshake done within its time, then runs the device's connection. Owns the
/// table of devices, in which the newer connection of a device has the place, and the sweep by which deadlines pass and
/// revoked keys end what they opened.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source holds neither timer nor handle.")]
internal sealed class PskServer : IAsyncDisposable
{
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(HubLimits.HandshakeTimeoutSeconds);
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TakeOverWait = TimeSpan.FromSeconds(5);
    private const int SweepsBetweenSaves = 30;
    private const int Backlog = 4096;

    private readonly PskGatewayOptions _options;
    private readonly PskKeyring _keyring;
    private readonly PskSignals _signals;
    private readonly TimeProvider _time;
    private readonly HandshakeLimits _limits;
    private readonly DeviceConnectionContext _context;
    private readonly TlsCrypto _crypto = new BcTlsCrypto(new SecureRandom());
    private readonly Socket _listener;
    private readonly ConcurrentDictionary<TlsSocket, long> _handshakes = new();
    private readonly ConcurrentDictionary<string, int> _handshakesFrom = new();
    private readonly ConcurrentDictionary<DeviceConnection, byte> _connections = new();
    private readonly ConcurrentDictionary<DeviceId, DeviceConnection> _places = new();
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;
    private readonly Task _sweeping;

    private PskServer(Socket listener, PskGatewayOptions options, PskKeyring keyring, IHubUpstream upstream, PskSignals signals, TimeProvider time)
    {
        _listener = listener;
        _options = options;
        _keyring = keyring;
        _signals = signals;
        _time = time;
        _limits = new HandshakeLimits(time);
        _context = new DeviceConnectionContext(upstream, options.Topics, signals, time)
        {
            AnyClientId = options.AnyClientId,
            DropUnmapped = options.DropUnmapped,
            TakePlaceAsync = TakePlaceAsync,
        };
        Port = ((IPEndPoint)listener.LocalEndPoint!).Port; // Bound: it has one.
        _accepting = AcceptAsync();
        _sweeping = SweepAsync();
    }

    /// <summary>The port.</summary>
    public int Port { get; }

    /// <summary>Devices that are connected.</summary>
    public int Connections => _connections.Count;

    /// <summary>Opens the port.</summary>
    /// <exception cref="IOException">It cannot be had.</exception>
    public static PskServer Start(PskGatewayOptions options, PskKeyring keyring, IHubUpstream upstream, PskSignals signals, TimeProvider time)
    {
        var listener = new Socket(options.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (options.Address.Equals(IPAddress.IPv6Any))
            {
                listener.DualMode = true;
            }

            listener.Bind(new IPEndPoint(options.Address, options.Port));
            listener.Listen(Backlog);
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new IOException($"{new IPEndPoint(options.Address, options.Port)}: {e.Message}.", e);
        }

        return new PskServer(listener, options, keyring, upstream, signals, time);
    }

    /// <summary>Takes nobody any more, ends every connection and waits for it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        foreach (var handshake in _handshakes.Keys)
        {
            handshake.Abort();
        }

        foreach (var connection in _connections.Keys)
        {
            connection.Close(DeviceEnding.GatewayStopping);
        }

        await Task.WhenAll(_running.Keys);
        await _sweeping;
        await SaveAsync();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stopping.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException) when (!_stopping.IsCancellationRequested)
            {
                // The peer was gone before it was accepted, or descriptors have run out: the next second is another one.
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, _stopping.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
                continue;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }

            // Never faults; stopping waits for it.
            _ = RunTrackedAsync(socket);
        }
    }

    private async Task RunTrackedAsync(Socket socket)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _running[done.Task] = 0;
        await Task.Yield(); // The accept loop goes on.
        try
        {
            await RunAsync(socket);
        }
        finally
        {
            _running.TryRemove(done.Task, out _);
            done.SetResult();
        }
    }

    private async Task RunAsync(Socket socket)
    {
        IPEndPoint from;
        try
        {
            from = (IPEndPoint)socket.RemoteEndPoint!; // Accepted: it has one.
            socket.NoDelay = true;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return;
        }

        if (ProblemOf(from) is { } problem)
        {
            _signals.TooMany(from, problem);
            socket.Dispose();
            return;
        }

        await using var transport = new TlsSocket(socket, _crypto, new PskPeerContext(_keyring, _limits, from.Address, _options.HideUnknownIdentity, _options.AllowNonForwardSecret));
        try
        {
            if (await HandshakeAsync(transport, from) is { } owner)
            {
                await ServeAsync(transport, owner, from);
            }
        }
        catch (Exception e)
        {
            _signals.Failed(from, e);
        }
    }

    private string? ProblemOf(IPEndPoint from) =>
        _handshakes.Count >= _options.MostHandshakes ? "too many handshakes are under way"
        : _connections.Count >= _options.MostConnections ? "too many devices are connected"
        : !_limits.MayConnect(from.Address) ? "too many wrong keys came from this address"
        : null;

    private async Task<PskOwner?> HandshakeAsync(TlsSocket transport, IPEndPoint from)
    {
        HandshakeResult result;
        var place = AddressPlace.Of(from.Address);
        try
        {
            // Counted, then looked at: two that come at once are both seen.
            if (_handshakesFrom.AddOrUpdate(place, 1, static (_, count) => count + 1) > _options.MostHandshakesPerAddress)
            {
                _signals.TooMany(from, "too many handshakes from this address are under way");
                return null;
            }

            _handshakes[transport] = _time.GetTimestamp();
            result = await transport.HandshakeAsync();
        }
        finally
        {
            _handshakes.TryRemove(transport, out _);
            if (_handshakesFrom.AddOrUpdate(place, 0, static (_, count) => count - 1) is 0)
            {
                _handshakesFrom.TryRemove(new KeyValuePair<string, int>(place, 0));
            }
        }

        if (result.HasFailedProof)
        {
            _limits.Failed(result.Identity!.Value.Span, from.Address); // A proof is somebody's.
        }

        if (result.Owner is not { } owner)
        {
            _signals.Refused(from, result);
            return null;
        }

        _limits.Succeeded(result.Identity!.Value.Span, from.Address);
        _keyring.Used(owner);
        _signals.Connected(owner, from, result);
        return owner;
    }

    private async Task ServeAsync(TlsSocket transport, PskOwner owner, IPEndPoint from)
    {
        var connection = new DeviceConnection(transport, owner, _context);
        _connections[connection] = 0;
        var ending = DeviceEnding.GatewayStopping;
        try
        {
            // Both may have changed between the look-up and here.
            if (!_stopping.IsCancellationRequested && _keyring.IsCurrent(owner))
            {
                ending = await connection.RunAsync();
            }
        }
        finally
        {
            await connection.FinishAsync(ending);
            _places.TryRemove(new(owner.Device, connection));
            _connections.TryRemove(connection, out _);
            _signals.Ended(owner, from, ending, connection.Detail);
        }
    }

    // spec/tls-psk.md checklist 16: as in the hub, the newer connection stays.
    private async Task TakePlaceAsync(DeviceConnection newer)
    {
        DeviceConnection? older = null;
        _places.AddOrUpdate(newer.Owner.Device, newer, (_, there) =>
        {
            older = there;
            return newer;
        });
        if (older is not null && older != newer)
        {
            older.Close(DeviceEnding.TakenOver);
            await Task.WhenAny(older.Ended, Task.Delay(TakeOverWait, _time, _stopping.Token));
        }
    }

    private async Task SweepAsync()
    {
        using var timer = new PeriodicTimer(SweepPeriod, _time);
        var sweeps = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                foreach (var (handshake, since) in _handshakes)
                {
                    if (_time.GetElapsedTime(since) >= HandshakeTimeout)
                    {
                        handshake.Abort();
                    }
                }

                await RefreshAsync();
                foreach (var connection in _connections.Keys)
                {
                    connection.CloseIfSilent();
                    if (!_keyring.IsCurrent(connection.Owner))
                    {
                        connection.Close(DeviceEnding.KeyRevoked);
                    }
                }

                if (++sweeps % SweepsBetweenSaves == 0)
                {
                    await SaveAsync();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async Task RefreshAsync()
    {
        try
        {
            if (await _keyring.RefreshAsync(_stopping.Token))
            {
                _signals.KeysChanged(_keyring.Count);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException) // A row that cannot be read, too: deadlines must go on passing.
        {
            _signals.StoreFailed(e);
        }
    }

    private async Task SaveAsync()
    {
        try
        {
            await _keyring.SaveUsedAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _signals.StoreFailed(e);
        }
    }
}
