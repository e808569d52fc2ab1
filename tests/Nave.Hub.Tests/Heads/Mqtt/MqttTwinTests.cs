using System.Text;
using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>The device side of twins over MQTT (spec/device-mqtt.md 8).</summary>
public sealed class MqttTwinTests
{
    private const string Responses = "$iothub/twin/res/#";
    private const string DesiredFilter = "$iothub/twin/PATCH/properties/desired/#";
    private const string PatchTopic = "$iothub/twin/PATCH/properties/reported/?$rid=";

    [Theory]
    [Conformance("device-mqtt", 23)]
    [Conformance("device-mqtt", 25)]
    [InlineData("a1", " ")]
    [InlineData("65535", "")]
    [InlineData("5d2c6f0e-58a5-4b52-9d9c-4a7a3c7d1f10", "not JSON")]
    public async Task A_get_is_answered_with_both_sections_and_no_metadata(string requestId, string payload)
    {
        await using var hub = await MqttHub.CreateAsync();
        await ChangeAsync(hub, """{"properties":{"desired":{"mode":"eco"}},"tags":{"secret":1}}""");
        var client = await SubscribedAsync(hub, Responses);

        await client.PublishAsync("$iothub/twin/GET/?$rid=" + requestId, payload, qos: 0);

        var answer = await client.ExpectPublishAsync();
        Assert.Equal(($"$iothub/twin/res/200/?$rid={requestId}", 0), (answer.Topic, answer.Qos));
        Assert.Equal("""{"desired":{"mode":"eco","$version":2},"reported":{"$version":1}}""", Text(answer));
    }

    [Fact]
    [Conformance("device-mqtt", 24)]
    public async Task A_patch_is_answered_204_with_the_new_version_and_an_empty_body()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses);

        await client.PublishAsync(PatchTopic + "1", """{"battery":55,"net":{"ip":"1.2.3.4","old":1}}""", qos: 0);
        Assert.Equal(("$iothub/twin/res/204/?$rid=1&$version=2", ""), Answer(await client.ExpectPublishAsync()));
        await client.PublishAsync(PatchTopic + "2", """{"net":{"old":null}}""", qos: 0);
        Assert.Equal(("$iothub/twin/res/204/?$rid=2&$version=3", ""), Answer(await client.ExpectPublishAsync()));

        await client.PublishAsync("$iothub/twin/GET/?$rid=3", qos: 0);
        Assert.Equal(
            """{"desired":{"$version":1},"reported":{"battery":55,"net":{"ip":"1.2.3.4"},"$version":3}}""", Text(await client.ExpectPublishAsync()));
    }

    [Theory]
    [Conformance("device-mqtt", 24)]
    [Conformance("sdk-gotchas", 5)]
    [InlineData("{", 400_004)]
    [InlineData("", 400_004)]
    [InlineData("[1]", 400_004)]
    [InlineData("""{"a.b":1}""", 400_004)]
    [InlineData("""{"$version":1}""", 400_004)]
    [InlineData("""{"a":4503599627370496}""", 400_004)]
    [InlineData("""{"a":1,"a":2}""", 400_004)]
    public async Task A_patch_that_is_none_is_refused_in_json(string patch, int code)
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses);

        await client.PublishAsync(PatchTopic + "1", patch, packetId: 9);

        var answer = await client.ExpectPublishAsync();
        Assert.Equal($"$iothub/twin/res/{code / 1000}/?$rid=1", answer.Topic);
        var body = JsonNode.Parse(answer.Payload)!;
        Assert.Equal(code, (int)body["errorCode"]!);
        Assert.NotEmpty(body["message"]!.ToString());
        await client.ExpectPubAckAsync(9); // Refused for good: to send it again would not help.
    }

    [Fact]
    public async Task A_patch_that_makes_the_section_too_large_is_refused_and_changes_nothing()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses);
        var large = string.Join(',', Enumerable.Range(0, 8).Select(i => $"\"k{i}\":\"{new string('x', 4090)}\""));

        await client.PublishAsync(PatchTopic + "1", "{" + large + "}", qos: 0);
        Assert.Equal("$iothub/twin/res/204/?$rid=1&$version=2", (await client.ExpectPublishAsync()).Topic);
        await client.PublishAsync(PatchTopic + "2", "{\"more\":\"" + new string('y', 100) + "\"}", qos: 0);
        Assert.Equal("$iothub/twin/res/400/?$rid=2", (await client.ExpectPublishAsync()).Topic);
        await client.PublishAsync(PatchTopic + "3", "{\"a\":\"" + new string(' ', 129 * 1024) + "\"}", qos: 0);
        Assert.Equal("$iothub/twin/res/413/?$rid=3", (await client.ExpectPublishAsync()).Topic);

        await client.PublishAsync("$iothub/twin/GET/?$rid=4", qos: 0);
        Assert.Contains("\"$version\":2}}", Text(await client.ExpectPublishAsync()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1", "204/?$rid=1&$version=2")]
    [InlineData("2", "412/?$rid=1")]
    [InlineData("x", "412/?$rid=1")]
    public async Task A_patch_may_name_the_version_that_it_was_made_for(string version, string answer)
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses);

        await client.PublishAsync(PatchTopic + "1&$version=" + version, """{"a":1}""", qos: 0);

        Assert.Equal("$iothub/twin/res/" + answer, (await client.ExpectPublishAsync()).Topic);
    }

    [Fact]
    public async Task A_patch_with_qos_1_is_acknowledged_when_it_is_durable_without_a_subscription_too()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync();

        await client.PublishAsync(PatchTopic + "1", """{"a":1}""", packetId: 3);
        await client.PublishAsync("$iothub/twin/GET/?$rid=2", packetId: 4);
        await client.PublishAsync(PatchTopic + "3", """{"a":2}""", packetId: 5);

        await client.ExpectPubAckAsync(3);
        await client.ExpectPubAckAsync(4);
        await client.ExpectPubAckAsync(5);
        Assert.Equal("""{"a":2}""", await ReportedAsync(hub));
    }

    [Fact]
    public async Task Hundreds_of_patches_sent_at_once_are_all_answered_in_order()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses);

        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < 300; i++)
            {
                await client.PublishAsync(PatchTopic + i, $$"""{"n":{{i}}}""", packetId: (ushort)(i + 1));
            }
        });

        // PUBACK and response come by two ways: each in its own order.
        var (acknowledged, answered) = (0, 0);
        while (acknowledged < 300 || answered < 300)
        {
            var (packetId, topic) = await client.ExpectPubAckOrPublishAsync();
            if (topic is null)
            {
                Assert.Equal(++acknowledged, packetId);
            }
            else
            {
                Assert.Equal($"$iothub/twin/res/204/?$rid={answered}&$version={answered + 2}", topic);
                answered++;
            }
        }

        await sending;
        Assert.Equal("""{"n":299}""", await ReportedAsync(hub));
    }

    [Fact]
    [Conformance("device-mqtt", 26)]
    public async Task A_subscribed_client_is_told_of_each_desired_change_once_and_in_order()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, DesiredFilter);

        await ChangeAsync(hub, """{"properties":{"desired":{"rate":5,"old":1}}}""");
        await ChangeAsync(hub, """{"tags":{"a":1}}""");
        await ChangeAsync(hub, """{"properties":{"desired":{"old":null}}}""");
        await ChangeAsync(hub, """{"properties":{"desired":{"pace":{"x":1}}}}""", isReplace: true);

        const string Topic = "$iothub/twin/PATCH/properties/desired/?$version=";
        Assert.Equal((Topic + "2", """{"rate":5,"old":1,"$version":2}"""), Answer(await client.ExpectPublishAsync()));
        Assert.Equal((Topic + "3", """{"old":null,"$version":3}"""), Answer(await client.ExpectPublishAsync()));
        var last = await client.ExpectPublishAsync();
        Assert.Equal((Topic + "4", """{"pace":{"x":1},"$version":4}"""), Answer(last));
        Assert.Equal(0, last.Qos);
        client.ExpectNothing();
    }

    [Fact]
    [Conformance("device-mqtt", 7)]
    [Conformance("device-mqtt", 26)]
    [Conformance("sdk-gotchas", 4)]
    public async Task After_a_reconnect_without_subscribing_no_change_is_missed_and_none_was_queued()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await SubscribedAsync(hub, Responses, DesiredFilter);
        await first.DisconnectAsync();
        await hub.WaitForServedAsync(first);
        await ChangeAsync(hub, """{"properties":{"desired":{"while":"away"}}}""");

        var second = await hub.AcceptAsync();
        await ChangeAsync(hub, """{"properties":{"desired":{"while":"back"}}}"""); // From the CONNACK on.

        Assert.Equal("""{"while":"back","$version":3}""", Text(await second.ExpectPublishAsync()));
        await second.PublishAsync("$iothub/twin/GET/?$rid=1", qos: 0);
        Assert.StartsWith("""{"desired":{"while":"back","$version":3}""", Text(await second.ExpectPublishAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_has_unsubscribed_or_was_taken_over_is_told_nothing()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, DesiredFilter);
        await client.UnsubscribeAsync(2, DesiredFilter);
        await client.ExpectUnsubAckAsync(2);
        await ChangeAsync(hub, """{"properties":{"desired":{"n":1}}}""");
        await client.SubscribeAsync(3, (DesiredFilter, 0));
        await client.ExpectSubAckAsync(3);

        var taker = await hub.AcceptAsync();
        await ChangeAsync(hub, """{"properties":{"desired":{"n":2}}}""");

        await client.ExpectCloseAsync();
        Assert.Equal("""{"n":2,"$version":3}""", Text(await taker.ExpectPublishAsync())); // It resumed the subscriptions.
    }

    [Fact]
    public async Task Answers_never_go_back_behind_what_was_told()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await SubscribedAsync(hub, Responses, DesiredFilter);

        var changing = Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await ChangeAsync(hub, $$$"""{"properties":{"desired":{"n":{{{i}}} } } }""");
            }
        });
        var asking = Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await client.PublishAsync($"$iothub/twin/GET/?$rid={i}", qos: 0);
            }
        });

        var (told, answers, heard) = (1L, 0, 1L);
        while (told < 101 || answers < 100)
        {
            var message = await client.ExpectPublishAsync();
            var json = JsonNode.Parse(message.Payload)!;
            if (message.Topic.StartsWith("$iothub/twin/res/200/", StringComparison.Ordinal))
            {
                answers++;
                var version = (long)json["desired"]!["$version"]!;
                Assert.True(version >= heard, $"Version {version} after {heard}.");
                heard = version;
            }
            else
            {
                Assert.Equal(++told, (long)json["$version"]!);
                heard = Math.Max(heard, told);
            }
        }

        await Task.WhenAll(changing, asking);
    }

    [Fact]
    public async Task A_module_has_its_own_twin()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("dev/mod");
        var client = await hub.AcceptAsync("dev/mod");
        await client.SubscribeAsync(1, (Responses, 0), (DesiredFilter, 0));
        await client.ExpectSubAckAsync(1);

        await ChangeAsync(hub, """{"properties":{"desired":{"of":"device"}}}""");
        await ChangeAsync(hub, """{"properties":{"desired":{"of":"module"}}}""", "dev/mod");
        Assert.Equal("""{"of":"module","$version":2}""", Text(await client.ExpectPublishAsync()));
        await client.PublishAsync(PatchTopic + "1", """{"a":1}""", qos: 0);

        Assert.Equal("$iothub/twin/res/204/?$rid=1&$version=2", (await client.ExpectPublishAsync()).Topic);
        Assert.Equal("{}", await ReportedAsync(hub));
        Assert.Equal("""{"a":1}""", await ReportedAsync(hub, "dev/mod"));
    }

    [Fact]
    [Conformance("device-mqtt", 2)]
    public async Task The_model_that_a_client_announces_is_kept_in_the_twin()
    {
        await using var hub = await MqttHub.CreateAsync();
        var userName = $"{MqttHub.Host}/dev/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=x";

        var (first, _, _) = await hub.ConnectAsync(hub.Connect(userName: userName));
        await first.DisconnectAsync();
        await hub.WaitForServedAsync(first);
        var version = (await RowAsync(hub)).Version;
        await hub.ConnectAsync(hub.Connect(userName: userName));

        var row = await RowAsync(hub);
        Assert.Equal(("dtmi:a:b;1", 3L, 3L), (row.ModelId, version, row.Version)); // Written once.
    }

    private static async Task<MqttTestClient> SubscribedAsync(MqttHub hub, params string[] filters)
    {
        var client = await hub.AcceptAsync();
        await client.SubscribeAsync(1, [.. filters.Select(filter => (filter, (byte)1))]);
        await client.ExpectSubAckAsync(1);
        return client;
    }

    private static async Task ChangeAsync(MqttHub hub, string body, string id = "dev", bool isReplace = false)
    {
        using var document = System.Text.Json.JsonDocument.Parse(body);
        var update = TwinUpdate.Read(document.RootElement, isReplace).Value!;
        var outcome = await hub.Directory.Of(RegistryHarness.Id(id)).ChangeTwinAsync(update, ETagCondition.Any);
        Assert.Null(outcome.Failure);
    }

    private static Task<TwinRow> RowAsync(MqttHub hub, string id = "dev") =>
        hub.Registry.Database.ReadAsync(session => TwinWriter.FindRow(session, RegistryHarness.Id(id))!, default);

    private static async Task<string> ReportedAsync(MqttHub hub, string id = "dev") => Encoding.UTF8.GetString((await RowAsync(hub, id)).Reported);

    private static (string Topic, string Body) Answer(ReceivedPublish message) => (message.Topic, Text(message));

    private static string Text(ReceivedPublish message) => Encoding.UTF8.GetString(message.Payload);
}
