using System.Net;
using System.Net.Sockets;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Tests.Harness;
using Nave.Tests;
using Org.BouncyCastle.Tls;

namespace Nave.PskGateway.Tests.Tls;

public sealed class HandshakeTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_right_key_opens(bool isTls13)
    {
        await using var desk = await PskDesk.StartAsync();

        using var device = await PskDevice.OpenAsync(desk.Server.Port, isTls13: isTls13);

        Assert.Equal(0, await device.ConnectAsync("dev"));
    }

    [Theory]
    [Conformance("tls-psk", 6, 7)]
    [InlineData(true, AlertDescription.decrypt_error)]
    [InlineData(false, AlertDescription.bad_record_mac)]
    public async Task A_wrong_key_and_an_unknown_identity_meet_the_same_alert(bool isTls13, short alert)
    {
        await using var desk = await PskDesk.StartAsync();

        var (wrong, isWrongOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, isTls13, ("dev", PskDevice.OtherKey));
        var (unknown, isUnknownOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, isTls13, ("nobody", PskDevice.Key));

        using (wrong)
        using (unknown)
        {
            // TLS 1.2's client has finished before the server looks: only what comes then tells.
            Assert.Equal((false, false), (isWrongOpen, isUnknownOpen));
            Assert.Equal((alert, alert), (wrong.Alert, unknown.Alert));
        }

        Assert.Equal(0, desk.Hub.Openings);
        var audit = await desk.AuditAsync();
        Assert.Equal(2, audit.Split("\"refused\"").Length - 1);
        Assert.Contains("\"identity\":\"dev\"", audit, StringComparison.Ordinal);
        Assert.Contains("\"identity\":\"nobody\"", audit, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_operator_may_have_unknown_identities_told(bool isTls13)
    {
        await using var desk = await PskDesk.StartAsync(options => options with { HideUnknownIdentity = false });

        var (device, isOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, isTls13, ("nobody", PskDevice.Key));

        using (device)
        {
            Assert.Equal((false, AlertDescription.unknown_psk_identity), (isOpen, device.Alert));
        }
    }

    [Fact]
    [Conformance("tls-psk", 10)]
    public async Task Both_keys_of_a_rotated_identity_open_in_TLS_1_3()
    {
        await using var desk = await PskDesk.StartAsync(fill: async store =>
        {
            await PskDesk.AddAsync(store, "dev", PskDevice.Key);
            await PskDesk.AddAsync(store, "dev", PskDevice.OtherKey, slot: PskRecord.Secondary);
        });

        using var old = await PskDevice.OpenAsync(desk.Server.Port, key: PskDevice.Key);
        using var next = await PskDevice.OpenAsync(desk.Server.Port, key: PskDevice.OtherKey);

        Assert.Equal(0, await old.ConnectAsync("dev"));
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(5, false)]
    public async Task Four_offered_identities_are_tried(int place, bool isTried)
    {
        await using var desk = await PskDesk.StartAsync();
        var offers = Enumerable.Range(1, place - 1).Select(i => ($"nobody-{i}", PskDevice.OtherKey)).Append(("dev", PskDevice.Key)).ToArray();

        var (device, isOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, true, offers);

        using (device)
        {
            Assert.Equal(isTried, isOpen);
        }
    }

    [Fact]
    public async Task Failures_of_one_identity_from_one_address_meet_a_growing_delay_and_then_the_right_key_opens()
    {
        await using var desk = await PskDesk.StartAsync();
        for (var i = 0; i < 4; i++)
        {
            (await PskDevice.TryOpenAsync(desk.Server.Port, true, ("dev", PskDevice.OtherKey))).Device.Dispose();
        }

        var (early, isEarlyOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, true, ("dev", PskDevice.Key));
        early.Dispose();
        Assert.Equal((false, AlertDescription.decrypt_error), (isEarlyOpen, early.Alert));

        desk.Time.Advance(TimeSpan.FromSeconds(2));
        using var device = await PskDevice.OpenAsync(desk.Server.Port);
        Assert.Equal(0, await device.ConnectAsync("dev"));
    }

    [Theory]
    [Conformance("tls-psk", 14)]
    [InlineData("")]
    [InlineData("160301020001")]
    public async Task A_handshake_that_does_not_go_on_is_cut_after_ten_seconds(string begun)
    {
        await using var desk = await PskDesk.StartAsync();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, desk.Server.Port);
        await socket.SendAsync(Convert.FromHexString(begun));
        var end = socket.ReceiveAsync(new byte[1]);

        // Each step is a sweep; the connection may be taken between two of them.
        for (var i = 0; i < 9; i++)
        {
            desk.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.False(end.IsCompleted);
        await EndAsync(desk, end);
    }

    [Fact]
    public async Task A_silent_host_holds_its_share_of_the_handshakes_and_no_more()
    {
        await using var desk = await PskDesk.StartAsync(options => options with { MostHandshakesPerAddress = 2 });
        using var first = await FromAsync(desk, "127.61.9.2");
        using var second = await FromAsync(desk, "127.61.9.2");
        using var third = await FromAsync(desk, "127.61.9.2");

        // Which of the three is one too many is the scheduler's to say.
        Task<int>[] ends = [EndOfAsync(first.ReceiveAsync(new byte[1])), EndOfAsync(second.ReceiveAsync(new byte[1])), EndOfAsync(third.ReceiveAsync(new byte[1]))];
        Assert.Equal(0, await await Task.WhenAny(ends));
        (await PskDevice.ConnectAsync(desk.Server.Port)).Dispose(); // From another address.
        Assert.Equal(1, ends.Count(end => end.IsCompleted));
    }

    [Theory]
    [InlineData("474554202f20485454502f312e310d0a")]
    [InlineData("16030100050200000100")]
    [InlineData("1603014000010040000303")]
    [InlineData("160301000401000002aabb")]
    public async Task What_is_no_ClientHello_ends_the_connection_at_once(string bytes)
    {
        await using var desk = await PskDesk.StartAsync();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, desk.Server.Port);

        await socket.SendAsync(Convert.FromHexString(bytes));

        Assert.Equal(0, await EndOfAsync(socket.ReceiveAsync(new byte[1])));
    }

    private static async Task EndAsync(PskDesk desk, Task<int> end)
    {
        for (var i = 0; i < 60 && !end.IsCompleted; i++)
        {
            desk.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(end, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, TestContext.Current.CancellationToken));
        }

        Assert.Equal(0, await EndOfAsync(end));
    }

    private static async Task<Socket> FromAsync(PskDesk desk, string address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        await socket.ConnectAsync(IPAddress.Loopback, desk.Server.Port);
        return socket;
    }

    // A reset is an end too.
    private static async Task<int> EndOfAsync(Task<int> end)
    {
        try
        {
            return await end.WaitAsync(PskDesk.Patience);
        }
        catch (SocketException)
        {
            return 0;
        }
    }
}
