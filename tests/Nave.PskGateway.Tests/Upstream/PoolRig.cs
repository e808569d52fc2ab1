using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>A hub in this process, a line to it, and a pool that uses the line.</summary>
internal sealed class PoolRig : IAsyncDisposable
{
    private readonly LoggerFactory _loggers;

    private PoolRig(TestHub hub, CuttableLine line, HubPool pool, LoggerFactory loggers)
    {
        Hub = hub;
        Line = line;
        Pool = pool;
        _loggers = loggers;
    }

    public TestHub Hub { get; }

    public CuttableLine Line { get; }

    public HubPool Pool { get; }

    public static async Task<PoolRig> StartAsync(Func<UpstreamOptions, UpstreamOptions>? change = null, Action<global::Nave.Hub.Hosting.HubOptions>? configure = null)
    {
        var hub = await DeviceHub.StartAsync(configure);
        var line = new CuttableLine(hub.Connection.Ports.Amqps);
        var options = new UpstreamOptions
        {
            ConnectionString = hub.Connection.Policies["device"],
            ConnectTo = "127.0.0.1",
            Port = line.Port,
            CaFile = hub.Connection.CaCertificate,
            EmptyFor = TimeSpan.Zero,
            LongestBackoff = TimeSpan.FromMilliseconds(50),
        };
        var loggers = new LoggerFactory([hub.Log]);
        Assert.True(HubPool.TryCreate(change?.Invoke(options) ?? options, TimeProvider.System, loggers, out var pool, out var problem), problem);
        return new PoolRig(hub, line, pool, loggers);
    }

    public async Task<IReadOnlyList<DeviceIdentity>> CreateAsync(int count) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(i => Hub.CreateAsync($"dev-{i}")));

    public async Task<(IHubDevice Device, RecordedEvents Events)> OpenAsync(string id)
    {
        var events = new RecordedEvents();
        var opening = await Pool.OpenAsync(DeviceId.Parse(id), events, TestContext.Current.CancellationToken);
        Assert.True(opening.Device is not null, $"{id}: {opening.Refusal}, {opening.Detail}");
        return (opening.Device, events);
    }

    public static async Task<SendResult> SendAsync(IHubDevice device, string body = "{}", MessageProperties? properties = null) =>
        await device.SendTelemetryAsync(properties ?? MessageProperties.Empty, System.Text.Encoding.UTF8.GetBytes(body), TestContext.Current.CancellationToken)
            .AsTask().WaitAsync(RecordedEvents.Patience);

    public async ValueTask DisposeAsync()
    {
        await Pool.DisposeAsync();
        await Line.DisposeAsync();
        await Hub.DisposeAsync();
        _loggers.Dispose();
    }
}
