using Nave.Bench.RoundTrips;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.RoundTrips;

public sealed class RoundTripTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("nave-round-trips").FullName;

    [Fact]
    public async Task Commands_reach_their_devices_and_the_feedback_comes_back()
    {
        var peer = new NavePeer(program: null, isUnsynced: true);
        var setting = new PeerSetting(_directory, 2, Tls: false, MayInstall: false, TimeProvider.System);
        await using var hub = await peer.StartAsync(setting, CancellationToken.None);

        var figures = await new RoundTripCommand().RunAsync(
            hub, 2, TimeSpan.Zero, TimeSpan.FromSeconds(0.3), TimeProvider.System, CancellationToken.None);

        Assert.Equal((0, null), (figures.Errors, figures.FirstError));
        Assert.InRange(figures.Values[RoundTripCommand.Rate], 0.1, double.MaxValue);
        Assert.InRange(figures.Values["feedback p50"], 0.001, 60_000);
    }

    [Fact]
    public void A_device_acknowledges_a_command_by_its_packet_id()
    {
        byte[] publish = [0x32, 7, 0, 1, (byte)'t', 0x12, 0x34, 1, 2];

        Assert.Equal([0x40, 2, 0x12, 0x34], CommandDevice.Answer(publish));
        Assert.Equal([0x40, 2, 0x12, 0x34], CommandDevice.Answer([0x3a, .. publish[1..]]));
        Assert.Null(CommandDevice.Answer([0x30, .. publish[1..]]));
        Assert.Null(CommandDevice.Answer([0x90, 3, 0, 1, 1]));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
