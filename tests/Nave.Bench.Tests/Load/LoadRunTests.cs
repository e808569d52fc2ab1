using System.Net;
using System.Net.Sockets;
using Nave.Bench.Floor;
using Nave.Bench.Load;

namespace Nave.Bench.Tests.Load;

/// <summary>The generator against the floor, over real sockets.</summary>
public sealed class LoadRunTests : IDisposable
{
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(
        TestContext.Current.CancellationToken);

    private readonly FloorServer _floor = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly Task _serving;

    public LoadRunTests()
    {
        _serving = Task.Factory.StartNew(
            () => _floor.Run(_stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    [Theory]
    [InlineData(1, 1, 256, 1)]
    [InlineData(1, 7, 0, 2)]
    [InlineData(1, 300, 1024, 1)]
    [InlineData(0, 20, 256, 1)]
    public async Task Everything_sent_is_acknowledged(int qos, int window, int payloadBytes, int threads)
    {
        var report = await RunAsync(Options with
        {
            Qos = qos,
            Window = window,
            PayloadBytes = payloadBytes,
            Threads = threads,
            ServerPid = Environment.ProcessId,
        });

        Assert.Null(report.FirstError);
        Assert.Equal(0, report.Errors);
        Assert.Equal(5, report.Connected);
        Assert.True(report.Acknowledged > 0);
        Assert.InRange(report.MeasuredSeconds, 0.05, 5);
        Assert.True(report.Acknowledgement.P50Ms > 0);
        Assert.True(report.Acknowledgement.P50Ms <= report.Acknowledgement.P999Ms);
        Assert.True(report.Server is { ResidentBytesAtEnd: > 0, CpuSeconds: >= 0 });
    }

    [Fact]
    public async Task A_rate_is_kept()
    {
        var report = await RunAsync(Options with { Rate = 1_000, Duration = TimeSpan.FromMilliseconds(500) });

        Assert.Equal(0, report.Errors);
        Assert.InRange(report.Acknowledged / report.MeasuredSeconds, 200, 1_500); // Flat out it would be 50,000.
    }

    [Fact]
    public async Task Idle_connections_stay_connected_and_publish_nothing()
    {
        var report = await RunAsync(Options with
        {
            Connections = 0,
            IdleConnections = 20,
            Sources = [IPAddress.Parse("127.0.0.2"), IPAddress.Parse("127.0.0.3")],
        });

        Assert.Equal(0, report.Errors);
        Assert.Equal(20, report.Connected);
        Assert.Equal(0, report.Acknowledged);
        Assert.True(report.ConnectsPerSecond > 0);
    }

    [Fact]
    public async Task Churn_connects_again_and_again()
    {
        var report = await RunAsync(Options with { Churn = true, Connections = 2 });

        Assert.Equal(0, report.Errors);
        Assert.True(report.Connect.Count > 2);
        Assert.True(report.ConnectsPerSecond > 0);
    }

    [Fact]
    public async Task A_refused_connect_is_an_error_with_its_reason()
    {
        var port = UnusedPort();

        var report = await RunAsync(Options with { Target = new IPEndPoint(IPAddress.Loopback, port) });

        Assert.Equal(0, report.Connected);
        Assert.Equal(5, report.ConnectErrors);
        Assert.Contains("connect", report.FirstError);
    }

    [Fact]
    public async Task A_server_that_goes_away_leaves_disconnects_and_unanswered_messages()
    {
        var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var closing = AcceptThenCloseAsync(silent, TestContext.Current.CancellationToken);

        var report = await RunAsync(Options with { Connections = 1, Target = (IPEndPoint)silent.LocalEndpoint });
        await closing;
        silent.Stop();

        Assert.Equal(1, report.Connected);
        Assert.Equal(1, report.Disconnects);
        Assert.True(report.Unanswered > 0);
        Assert.Equal(0, report.Acknowledged);
    }

    public void Dispose()
    {
        _stop.Cancel();
#pragma warning disable VSTHRD002 // The loop ends within its own wait of a tenth of a second.
        _serving.Wait();
#pragma warning restore VSTHRD002
        _floor.Dispose();
        _stop.Dispose();
    }

    private LoadOptions Options => new()
    {
        Target = new IPEndPoint(IPAddress.Loopback, _floor.Port),
        Host = "127.0.0.1",
        Connections = 5,
        WarmUp = TimeSpan.Zero,
        Duration = TimeSpan.FromMilliseconds(60),
    };

    private static Task<LoadReport> RunAsync(LoadOptions options) =>
        new LoadRun(options, TimeProvider.System).RunAsync(null, TestContext.Current.CancellationToken);

    private static async Task AcceptThenCloseAsync(TcpListener listener, CancellationToken stopping)
    {
        using var client = await listener.AcceptTcpClientAsync(stopping);
        var buffer = new byte[1024];
        var stream = client.GetStream();
        await stream.ReadAtLeastAsync(buffer, 1, cancellationToken: stopping); // The CONNECT.
        await stream.WriteAsync(new byte[] { 0x20, 2, 0, 0 }, stopping);
        await stream.ReadAtLeastAsync(buffer, 1, cancellationToken: stopping); // The first publishes.
    }

    private static int UnusedPort()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return port;
    }
}
