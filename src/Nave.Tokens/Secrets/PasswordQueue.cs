using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Nave.Tokens.Secrets;

/// <summary>
/// Runs password hashes, one a core at most; others wait in a queue of fixed length, of which one address has a share
/// only. What does not fit is told when to come back, and costs nothing.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore without a wait handle holds nothing, and lives as long as the process.")]
internal sealed class PasswordQueue
{
    // Two to three seconds' work: who waits longer has given up.
    private const int WaitingPerCore = 32;

    private readonly int _cores;
    private readonly int _most;
    private readonly SemaphoreSlim _running;
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private readonly TimeProvider _time;
    private int _inside;
    private double _hashSeconds = 0.05; // Until the first ones are measured; only for the Retry-After.

    /// <param name="cores">Hashes at once.</param>
    /// <param name="time">Measures hashes.</param>
    public PasswordQueue(int cores, TimeProvider time)
    {
        _time = time;
        _cores = cores;
        _most = cores * (1 + WaitingPerCore);
        _running = new SemaphoreSlim(cores);
    }

    /// <summary>Hashes that run or wait.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _inside;
            }
        }
    }

    /// <summary>Runs the hash in its turn. False: there is no room; come back after <paramref name="retryAfter"/>.</summary>
    public bool TryEnter(IPAddress address, out TimeSpan retryAfter)
    {
        lock (_lock)
        {
            retryAfter = TimeSpan.FromSeconds(Math.Ceiling(Math.Max(1, _hashSeconds * _inside / _cores)));
            var own = _byAddress.GetValueOrDefault(address);
            if (_inside >= _most || own >= _most / 4)
            {
                return false;
            }

            _inside++;
            _byAddress[address] = own + 1;
            return true;
        }
    }

    /// <summary>Runs the work once a core is free, and gives the place back. Only after <see cref="TryEnter"/>.</summary>
    public async Task<T> RunAsync<T>(
        IPAddress address, string identity, string secret, Func<string, string, CancellationToken, Task<T>> work, CancellationToken stopping)
    {
        try
        {
            await _running.WaitAsync(stopping);
            var started = _time.GetTimestamp();
            try
            {
                return await Task.Run(() => work(identity, secret, stopping), stopping);
            }
            finally
            {
                _running.Release();
                _hashSeconds += (_time.GetElapsedTime(started).TotalSeconds - _hashSeconds) / 16;
            }
        }
        finally
        {
            Leave(address);
        }
    }

    private void Leave(IPAddress address)
    {
        lock (_lock)
        {
            _inside--;
            if (--_byAddress[address] is var left && left == 0)
            {
                _byAddress.Remove(address);
            }
            else
            {
                _byAddress[address] = left;
            }
        }
    }
}
