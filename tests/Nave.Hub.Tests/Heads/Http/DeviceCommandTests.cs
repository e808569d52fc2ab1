using System.Text;
using System.Text.Json.Nodes;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Amqp;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>Commands over HTTPS, from both ends, against a whole hub whose clock is put forward (spec/device-http.md 4).</summary>
public sealed class DeviceCommandTests : IAsyncLifetime
{
    private readonly ShiftedTime _time = new();
    private TestHub _hub = null!;
    private DeviceIdentity _identity = null!;
    private HttpDevice _device = null!;
    private HttpDevice _owner = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await TestHub.StartAsync(options => options.Events.Partitions = 1, _time);
        _identity = await _hub.CreateAsync("dev-1");
        _device = new HttpDevice(_hub, _identity);
        _owner = new HttpDevice(_hub, _hub.PolicyToken("iothubowner"));
    }

    public async ValueTask DisposeAsync()
    {
        _device.Dispose();
        _owner.Dispose();
        await _hub.DisposeAsync();
    }

    [Fact]
    [Conformance("device-http", 5)]
    public async Task A_received_command_is_invisible_for_its_lock_and_comes_back_under_another()
    {
        await QueueAsync("one");
        var first = await _device.ReceiveAsync();
        Assert.NotNull(first);
        _time.Advance(TimeSpan.FromSeconds(55));
        Assert.Null(await _device.ReceiveAsync());

        _time.Advance(TimeSpan.FromSeconds(6));
        var second = await _device.ReceiveAsync();
        Assert.Equal(("one", 0), (second?.Body, second?.DeliveryCount)); // By the rule of today a lost lock does not count.
        Assert.NotEqual(first.Value.Token, second?.Token);
        using var late = await _device.SendAsync(HttpMethod.Delete, $"devicebound/{first.Value.Token}");
        Assert.Equal(412, (int)late.StatusCode);
    }

    [Fact]
    public async Task The_lock_lasts_as_long_as_was_asked_for()
    {
        await QueueAsync("one");
        using var answer = await _device.SendAsync(HttpMethod.Get, "devicebound?iothub-messagelocktimeout=200");
        Assert.Equal(200, (int)answer.StatusCode);
        _time.Advance(TimeSpan.FromSeconds(195));
        Assert.Null(await _device.ReceiveAsync());
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.NotNull(await _device.ReceiveAsync());
    }

    [Theory]
    [Conformance("device-http", 9)]
    [InlineData("deviceBound")]
    [InlineData("devicebound")]
    [InlineData("DEVICEBOUND")]
    public async Task The_path_is_read_without_case_and_the_device_id_with_it(string spelling)
    {
        await QueueAsync("one");
        using var received = await _device.SendAsync(HttpMethod.Get, spelling);
        Assert.Equal(200, (int)received.StatusCode);
        using var completed = await _device.SendAsync(HttpMethod.Delete, $"{spelling}/{received.Headers.ETag!.Tag.Trim('"')}");
        Assert.Equal(204, (int)completed.StatusCode);

        using var asPolicy = new HttpDevice(_hub, _hub.PolicyToken("device"));
        using var other = await asPolicy.SendToAsync(HttpMethod.Get, $"devices/DEV-1/messages/{spelling}");
        Assert.Equal(404, (int)other.StatusCode);
    }

    [Fact]
    [Conformance("device-http", 10)]
    public async Task An_expired_command_is_never_received_and_its_sender_hears_of_it()
    {
        await QueueAsync("late", life: TimeSpan.FromMinutes(2));
        _time.Advance(TimeSpan.FromMinutes(2) + TimeSpan.FromSeconds(1));
        Assert.Null(await _device.ReceiveAsync());

        await _hub.Get<IDeviceDirectory>().Of(_identity.Id).SweepCommandsAsync();
        using var answer = await _owner.SendToAsync(HttpMethod.Get, "messages/serviceBound/feedback");
        var record = Assert.Single(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsArray());
        Assert.Equal(("late", "Expired"), ((string?)record!["originalMessageId"], (string?)record["statusCode"]));
    }

    [Fact]
    [Conformance("messaging-semantics", 13)]
    public async Task A_command_of_64_KB_is_queued_and_one_byte_more_is_not()
    {
        foreach (var (bytes, status) in new[] { (65_536, 204), (65_537, 413) })
        {
            using var answer = await _owner.SendToAsync(
                HttpMethod.Post, "devices/dev-1/messages/deviceBound", new ByteArrayContent(new byte[bytes]));
            Assert.Equal(status, (int)answer.StatusCode);
        }
    }

    [Fact]
    [Conformance("messaging-semantics", 32)]
    public async Task A_device_that_was_disabled_for_a_while_gets_what_still_lives()
    {
        await QueueAsync("short", life: TimeSpan.FromMinutes(2));
        await QueueAsync("long", life: TimeSpan.FromMinutes(20));
        await _hub.SetEnabledAsync(_identity, isEnabled: false);
        using var refused = await _device.SendAsync(HttpMethod.Get, "devicebound");
        Assert.Equal(401, (int)refused.StatusCode);
        _time.Advance(TimeSpan.FromMinutes(10));

        await _hub.SetEnabledAsync(_identity, isEnabled: true);
        Assert.Equal("long", (await _device.ReceiveAsync())?.Body);
        Assert.Null(await _device.ReceiveAsync());
    }

    [Fact]
    public async Task The_registry_counts_what_is_queued_and_locked()
    {
        await _hub.CreateAsync("dev-2");
        await _hub.CreateAsync("dev-1", "mod");
        await QueueAsync("one");
        await QueueAsync("two");
        await QueueAsync("for the module", module: "mod");
        var locked = await _device.ReceiveAsync();
        Assert.Equal(2, await CountAsync("devices/dev-1"));
        Assert.Equal(1, await CountAsync("devices/dev-1/modules/mod"));
        Assert.Equal(0, await CountAsync("devices/dev-2"));

        using var all = await _owner.SendToAsync(HttpMethod.Get, "devices");
        var listed = JsonNode.Parse(await all.Content.ReadAsStringAsync())!.AsArray();
        Assert.Equal([("dev-1", 2), ("dev-2", 0)], listed.Select(device => ((string)device!["deviceId"]!, (int)device["cloudToDeviceMessageCount"]!)));

        using var completed = await _device.SendAsync(HttpMethod.Delete, $"devicebound/{locked!.Value.Token}");
        Assert.Equal(1, await CountAsync("devices/dev-1"));
    }

    private async Task<int> CountAsync(string path)
    {
        using var answer = await _owner.SendToAsync(HttpMethod.Get, path);
        return (int)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["cloudToDeviceMessageCount"]!;
    }

    private async Task QueueAsync(string text, TimeSpan? life = null, string? module = null)
    {
        var id = new IdentityId(DeviceId.Parse("dev-1"), module is null ? null : ModuleId.Parse(module));
        var message = new CloudToDeviceMessage(
            new MessageProperties { MessageId = text, ExpiryTime = life is { } span ? _time.GetUtcNow() + span : null },
            Encoding.UTF8.GetBytes(text),
            AcknowledgementRequest.Full);
        Assert.Null(await _hub.Get<CommandSender>().SendAsync(id, message, TestContext.Current.CancellationToken));
    }
}
