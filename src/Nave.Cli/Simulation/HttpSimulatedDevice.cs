using Nave.Cli.CloudToDevice;
using Nave.Protocol.Identities;

namespace Nave.Cli.Simulation;

/// <summary>
/// A device over HTTPS: each message is a request of its own, a few at a time; commands are asked for once a second and
/// until there are no more, as the Node SDK does (spec/device-http.md 2 and 4).
/// </summary>
internal sealed class HttpSimulatedDevice : ISimulatedDevice
{
    // Requests under way of one device; a hub that is slow makes the next one wait.
    private const int Window = 10;
    private const int LockSeconds = 60;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    private static readonly KeyValuePair<string, string>[] Properties =
    [
        new("iothub-contenttype", "application/json"), new("iothub-contentencoding", "utf-8"), new("iothub-app-source", "simulate"),
    ];

    private readonly HttpClient _http;
    private readonly DeviceHttp _device;
    private readonly SimulationTally _tally;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _free = new(Window, Window);
    private readonly CancellationTokenSource _over = new();
    private readonly Task _polling;
    private Task _posting = Task.CompletedTask;

    private HttpSimulatedDevice(DeviceSetup setup, string id, string key)
    {
        _http = DeviceHttp.CreateClient(setup.Hub);
        _device = new DeviceHttp(_http, setup.Hub, new IdentityId(DeviceId.Parse(id)), new DeviceKey(key), setup.Time);
        _tally = setup.Tally;
        _time = setup.Time;
        _polling = setup.AnswersCommands ? AnswerAsync() : Task.CompletedTask;
    }

    /// <inheritdoc/>
    public bool IsConnected => true; // Each request stands for itself.

    /// <summary>A device with its own key. Whether the hub knows it shows with its first request.</summary>
    public static HttpSimulatedDevice Create(DeviceSetup setup, string id, string key)
    {
        var device = new HttpSimulatedDevice(setup, id, key);
        setup.Tally.DeviceConnected();
        return device;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        await _free.WaitAsync(stopping);
        var post = PostAsync(body);
        _posting = _posting.IsCompleted ? post : Task.WhenAll(_posting, post);
        return true;
    }

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken stopping) => _posting.WaitAsync(stopping);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _polling;
        await _posting;
        _http.Dispose();
        _over.Dispose();
        _tally.DeviceGone();
    }

    private async Task PostAsync(ReadOnlyMemory<byte> body)
    {
        var began = _time.GetTimestamp();
        _tally.MessageSent();
        try
        {
            await _device.SendEventAsync(body, Properties, CancellationToken.None);
            _tally.MessageAcknowledged(_time.GetElapsedTime(began));
        }
        catch (CommandFailedException e)
        {
            _tally.Failed(e.Message);
        }
        finally
        {
            _free.Release();
        }
    }

    private async Task AnswerAsync()
    {
        try
        {
            while (true)
            {
                try
                {
                    while (await _device.ReceiveAsync(LockSeconds, _over.Token) is { } command)
                    {
                        await _device.SettleAsync(command.LockToken, CommandAnswer.Complete, _over.Token);
                        _tally.CommandAnswered();
                    }
                }
                catch (CommandFailedException e)
                {
                    _tally.Failed(e.Message);
                }

                await Task.Delay(Poll, _time, _over.Token);
            }
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            // The simulation is over.
        }
    }
}
