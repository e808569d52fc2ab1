using System.Buffers;
using System.Net.Sockets;
using Nave.PskGateway.Keys;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;

namespace Nave.PskGateway.Tls;

/// <summary>
/// One accepted socket with TLS on it: bytes in, bytes out, no thread of its own, and no buffer while nothing comes. One
/// reader; any thread may write. Owns the socket.
/// </summary>
internal sealed class TlsSocket(Socket socket, TlsCrypto crypto, PskPeerContext context) : IAsyncDisposable
{
    // Each piece has the hello read from its start again: what comes byte by byte must not cost its square.
    private const int MaxHelloPieces = 64;

    private const int ReceiveBytes = 16 * 1024;

    // What a device has not read of what was sent to it. Beyond it nobody reads there.
    private const int MaxUnsentBytes = 8 * 1024 * 1024;
    private const int CongestedBytes = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly TlsServerProtocol _tls = new();
    private PskPeer? _peer;
    private byte[]? _plain;
    private int _plainStart;
    private int _plainEnd;
    private ArrayBufferWriter<byte> _staged = new();
    private Task _flushing = Task.CompletedTask;
    private bool _isFlushing;
    private bool _isClosed;

    /// <summary>Whom the client has proven to be; null before the end of the handshake.</summary>
    public PskOwner? Proven => _peer?.Proven;

    /// <summary>Decrypted and not consumed yet. Valid until the next call.</summary>
    public ReadOnlySequence<byte> Unread => _plain is null ? default : new ReadOnlySequence<byte>(_plain, _plainStart, _plainEnd - _plainStart);

    /// <summary>Whether the device leaves unread what it is sent.</summary>
    public bool IsCongested
    {
        get
        {
            lock (_lock)
            {
                return _staged.WrittenCount > CongestedBytes;
            }
        }
    }

    /// <summary>The handshake, from the first byte. Who wants it to end sooner closes the socket with <see cref="Abort"/>.</summary>
    public async Task<HandshakeResult> HandshakeAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReceiveBytes);
        try
        {
            var received = 0;
            var pieces = 0;
            ClientHello? hello;
            while (true)
            {
                var count = await ReceiveAsync(buffer.AsMemory(received));
                if (count == 0)
                {
                    return HandshakeResult.Refused("the connection ended before a ClientHello was whole");
                }

                received += count;
                var status = ClientHello.Read(buffer.AsSpan(0, received), out hello);
                if (status is HelloStatus.Complete)
                {
                    break;
                }

                if (status is not HelloStatus.Incomplete || received >= ClientHello.MaxBytes + 1024 || ++pieces == MaxHelloPieces)
                {
                    return Refuse(status is HelloStatus.NoTls ? "no TLS" : "a ClientHello that is malformed or too large", AlertDescription.decode_error);
                }
            }

            if (ProblemOf(hello!) is { } problem) // Complete: there is one.
            {
                return Refuse(problem, AlertDescription.handshake_failure);
            }

            return await HandshakeAsync(hello!, buffer, received);
        }
        finally
        {
            _peer?.Wipe();
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>Waits for more bytes from the device.</summary>
    /// <returns>False when none will come.</returns>
    public async ValueTask<bool> ReadAsync()
    {
        // Nothing is held while a device is silent.
        await socket.ReceiveAsync(Memory<byte>.Empty);
        var buffer = ArrayPool<byte>.Shared.Rent(ReceiveBytes);
        try
        {
            var count = await ReceiveAsync(buffer);
            return count > 0 && Take(buffer, count);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Gives back the front of <see cref="Unread"/>.</summary>
    public void Consume(long count)
    {
        _plainStart += (int)count;
        if (_plain is not null && _plainStart == _plainEnd)
        {
            ArrayPool<byte>.Shared.Return(_plain, clearArray: true);
            (_plain, _plainStart, _plainEnd) = (null, 0, 0);
        }
    }

    /// <summary>Encrypts and sends; does not wait for it. Nothing after the end.</summary>
    public void Write(ReadOnlySpan<byte> plain)
    {
        lock (_lock)
        {
            if (_isClosed || plain.IsEmpty)
            {
                return;
            }

            try
            {
                _tls.WriteApplicationData(plain);
                Stage();
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                AbortLocked(); // The connection has ended under us.
                return;
            }

            if (_staged.WrittenCount > MaxUnsentBytes)
            {
                AbortLocked();
            }
        }
    }

    /// <summary>Ends the connection at once: a pending read returns or throws.</summary>
    public void Abort()
    {
        lock (_lock)
        {
            AbortLocked();
        }
    }

    /// <summary>Says goodbye where there is somebody, waits until it is sent, but not for long, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        Task flushing;
        lock (_lock)
        {
            if (!_isClosed && Proven is not null)
            {
                try
                {
                    _tls.Close();
                    Stage();
                }
                catch (Exception e) when (e is IOException or InvalidOperationException)
                {
                    // It has ended under us.
                }
            }

            flushing = _flushing;
        }

        await Task.WhenAny(flushing, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System));
        Abort();
        Consume(_plainEnd - _plainStart);
    }

    private async Task<HandshakeResult> HandshakeAsync(ClientHello hello, byte[] buffer, int received)
    {
        var peer = _peer = new PskPeer(crypto, hello, context);
        lock (_lock)
        {
            _tls.Accept(peer);
        }

        while (Take(buffer, received) && peer.Proven is null)
        {
            received = await ReceiveAsync(buffer);
            if (received == 0)
            {
                break;
            }
        }

        return peer.Proven is { } owner
            ? new HandshakeResult(owner, null, peer.Identity, $"{peer.Version} {peer.Suite}", null)
            : new HandshakeResult(null, peer.HasFailed ? "wrong key or unknown identity" : "the handshake was not completed", peer.Identity, null, peer.Alert) { HasFailedProof = peer.HasFailed };
    }

    private static string? ProblemOf(ClientHello hello) =>
        hello.HasTls13Psk ? null
        : hello.Suites.Any(PskSuites.IsTls12Psk) ? null
        : hello.Offers.Count > 0 ? "a PSK without an ephemeral key exchange (psk_ke) was offered"
        : "no PSK offered: the client expects a certificate";

    private HandshakeResult Refuse(string problem, short alert)
    {
        lock (_lock)
        {
            if (alert == AlertDescription.handshake_failure)
            {
                _staged.Write<byte>([(byte)ContentType.alert, 3, 3, 0, 2, (byte)AlertLevel.fatal, (byte)alert]);
                Flush();
            }
        }

        return HandshakeResult.Refused(problem) with { Alert = alert };
    }

    // False when the connection has ended; what there is to be said is on its way then.
    private bool Take(byte[] buffer, int count)
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                return false;
            }

            try
            {
                _tls.OfferInput(buffer, 0, count);
                var isMore = Unwrap();
                return isMore || !_tls.IsClosed; // A goodbye may follow the last packet at once.
            }
            catch (Exception e) when (e is IOException or InvalidOperationException or ArgumentException)
            {
                // The library has said why, as an alert.
                return false;
            }
            finally
            {
                Stage();
            }
        }
    }

    /// <returns>Whether there was something.</returns>
    private bool Unwrap()
    {
        var available = _tls.IsHandshaking ? 0 : _tls.GetAvailableInputBytes();
        if (available == 0)
        {
            return false;
        }

        var held = _plainEnd - _plainStart;
        if (_plain is null || _plain.Length - _plainEnd < available)
        {
            var larger = ArrayPool<byte>.Shared.Rent(held + available);
            if (_plain is not null)
            {
                _plain.AsSpan(_plainStart, held).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_plain, clearArray: true);
            }

            (_plain, _plainStart, _plainEnd) = (larger, 0, held);
        }

        _plainEnd += _tls.ReadInput(_plain, _plainEnd, available);
        return true;
    }

    private void Stage()
    {
        var count = _tls.GetAvailableOutputBytes();
        if (count > 0)
        {
            var bytes = ArrayPool<byte>.Shared.Rent(count);
            count = _tls.ReadOutput(bytes, 0, count);
            _staged.Write(bytes.AsSpan(0, count));
            ArrayPool<byte>.Shared.Return(bytes);
        }

        Flush();
    }

    private void Flush()
    {
        if (!_isFlushing && !_isClosed && _staged.WrittenCount > 0)
        {
            _isFlushing = true;
            _flushing = FlushAsync();
        }
    }

    // Never faults. One at a time.
    private async Task FlushAsync()
    {
        await Task.Yield(); // Not under the caller's lock.
        while (true)
        {
            ArrayBufferWriter<byte> taken;
            lock (_lock)
            {
                if (_staged.WrittenCount == 0 || _isClosed)
                {
                    _isFlushing = false;
                    return;
                }

                (taken, _staged) = (_staged, new ArrayBufferWriter<byte>());
            }

            try
            {
                var rest = taken.WrittenMemory;
                while (!rest.IsEmpty)
                {
                    rest = rest[await socket.SendAsync(rest, SocketFlags.None)..];
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                Abort();
            }
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            return await socket.ReceiveAsync(buffer, SocketFlags.None);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0; // A reset is how devices usually leave.
        }
    }

    private void AbortLocked()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            socket.Dispose();
        }
    }
}

/// <summary>How a handshake ended.</summary>
/// <param name="Owner">Whom the client has proven to be, or null.</param>
/// <param name="Problem">Why not, for the operator.</param>
/// <param name="Identity">What it called itself, if it came so far.</param>
/// <param name="Protocol">Version and suite.</param>
/// <param name="Alert">The alert that we sent.</param>
internal sealed record HandshakeResult(PskOwner? Owner, string? Problem, ReadOnlyMemory<byte>? Identity, string? Protocol, short? Alert)
{
    /// <summary>Whether a proof was shown and was none.</summary>
    public bool HasFailedProof { get; init; }

    /// <summary>It ended before anybody was named.</summary>
    public static HandshakeResult Refused(string problem) => new(null, problem, null, null, null);
}
