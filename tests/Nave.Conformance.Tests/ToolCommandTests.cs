using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary><c>nave c2d</c> from both ends, as processes of their own.</summary>
public sealed class ToolCommandTests
{
    private static readonly string[] Protocols = ["mqtt", "mqtt-ws", "amqp", "amqp-ws", "https"];

    [Fact]
    public async Task A_command_goes_out_comes_in_and_its_sender_hears_what_became_of_it()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        await hub.CreateDeviceAsync("pump#1", stopping);

        // Queued while away; body from standard input.
        var id = (await NaveTool.RunAsync(
            hub, """{"speed":"größer"}""", stopping,
            "c2d", "send", "pump#1", "--ack", "full", "--property", "level=high", "--correlation-id", "c-1", "--expiry", "10m", "--content-type", "application/json"))
            .Done();

        var received = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, "c2d", "receive", "pump#1", "--complete", "--json")).Done())!;
        Assert.Equal(id, (string?)received["messageId"]);
        Assert.Equal("größer", (string?)received["body"]!["speed"]);
        Assert.Equal("high", (string?)received["properties"]!["level"]);
        Assert.Equal("c-1", (string?)received["correlationId"]);
        Assert.Equal("application/json", (string?)received["contentType"]);
        Assert.NotNull(received["expiry"]);

        var feedback = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, "c2d", "feedback", "--count", "1", "--timeout", "20s", "--json")).Done())!;
        Assert.Equal((id, "Success"), ((string?)feedback["originalMessageId"], (string?)feedback["statusCode"]));
    }

    [Fact]
    [Conformance("service-rest", 31)]
    public async Task A_sender_waits_for_a_rejection_and_a_purge_counts()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        await hub.CreateDeviceAsync("valve", stopping);

        var sending = NaveTool.RunAsync(hub, stopping, "c2d", "send", "valve", "open", "--wait-feedback", "--timeout", "60s", "--message-id", "m-1");
        var rejected = await NaveTool.RunAsync(hub, stopping, "c2d", "receive", "valve", "--reject", "--timeout", "60s", "--count", "1");
        Assert.Contains("m-1", rejected.Done());
        var sent = await sending;
        Assert.Equal((1, "m-1\nRejected"), (sent.ExitCode, sent.Output));

        for (var i = 0; i < 2; i++)
        {
            (await NaveTool.RunAsync(hub, stopping, "c2d", "send", "valve", $"{i}")).Done();
        }

        Assert.Equal("2", (await NaveTool.RunAsync(hub, stopping, "c2d", "purge", "valve")).Done());
        var nothing = await NaveTool.RunAsync(hub, stopping, "c2d", "receive", "valve");
        Assert.Equal((0, ""), (nothing.ExitCode, nothing.Output));
        Assert.Contains("Nothing is queued", nothing.Errors);
    }

    [Fact]
    public async Task What_cannot_be_done_says_how_to_mend_it()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        await hub.CreateDeviceAsync("known", stopping);

        var unknown = await NaveTool.RunAsync(hub, stopping, "c2d", "send", "unknown", "x");
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("nave device create unknown", unknown.Errors);

        var asService = await NaveTool.RunAsync(
            hub, stopping, "c2d", "receive", "known", "--login", hub.PolicyString("service"), "--ca-file", hub.CaFile);
        Assert.Equal(1, asService.ExitCode);
        Assert.Contains("DeviceConnect", asService.Errors);

        var twice = await NaveTool.RunAsync(hub, stopping, "c2d", "send", "known", "x", "--file", "y");
        Assert.Equal(2, twice.ExitCode);
    }

    [Fact]
    public async Task Simulated_devices_send_and_answer_commands_on_every_protocol()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        foreach (var protocol in Protocols)
        {
            await hub.CreateDeviceAsync($"{protocol}-1", stopping);
            await hub.CreateDeviceAsync($"{protocol}-2", stopping);
        }

        await Parallel.ForEachAsync(
            Protocols, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = stopping }, async (protocol, stop) =>
            {
                (await NaveTool.RunAsync(hub, stop, "c2d", "send", $"{protocol}-2", "go", "--ack", "full")).Done();
                var summary = JsonNode.Parse((await NaveTool.RunAsync(
                    hub, stop, "simulate", "--existing", "--prefix", $"{protocol}-", "--devices", "2", "--rate", "10", "--messages", "40",
                    "--protocol", protocol, "--answer-commands", "--json")).Done())!;
                Assert.Equal((protocol, 2, 40, 40, 1),
                    ((string?)summary["protocol"], (int)summary["connected"]!, (int)summary["sent"]!, (int)summary["acknowledged"]!, (int)summary["commandsAnswered"]!));
            });

        var feedback = await NaveTool.RunAsync(hub, stopping, "c2d", "feedback", "--count", "5", "--timeout", "40s");
        Assert.Equal(5, feedback.Done().Split('\n').Count(line => line.EndsWith("Success", StringComparison.Ordinal)));
    }
}
