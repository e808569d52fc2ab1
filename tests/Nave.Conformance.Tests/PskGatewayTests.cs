using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>The TLS-PSK gateway with openssl, mosquitto's clients and Node's TLS as devices, before a real hub.</summary>
public sealed class PskGatewayTests
{
    private static readonly TimeSpan DropTimeout = TimeSpan.FromSeconds(5);

    [Fact]
    [Conformance("tls-psk", 1, 2, 6, 8, 9, 12, 16)]
    public async Task Devices_of_mosquitto_reach_the_hub_and_it_reaches_them()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var key = await PskSite.AddAsync(hub, "meter-7", stopping);
        (await NaveTool.RunAsync(hub, stopping, "psk", "add", "ghost", "--key", PskSite.ForeignKey, "--data", PskSite.DataOf(hub))).Done();
        await using (var gateway = await PskSite.StartAsync(hub, stopping))
        {
            // 1. Telemetry, acknowledged by the hub, under the mapped device's id.
            var published = await gateway.PublishAsync("meter-7", key, "devices/meter-7/messages/events/a=1", "by psk", stopping);
            Assert.Contains("received PUBACK", published, StringComparison.Ordinal);
            var events = await new EventsReader(hub, 4).ReadNewAsync();
            Assert.Equal(["meter-7 by psk"], events.Select(e => $"{e.Device} {e.Body}"));

            // 2. A command, which completes.
            using (var subscriber = gateway.Subscribe("meter-7", key, "devices/meter-7/messages/devicebound/#", 1))
            {
                await PskSite.LineAsync(subscriber, "received SUBACK", stopping);
                (await NaveTool.RunAsync(hub, stopping, "c2d", "send", "meter-7", "go", "--data", hub.Data)).Done();
                Assert.EndsWith(" go", await PskSite.LineAsync(subscriber, "GOT ", stopping), StringComparison.Ordinal);
                await subscriber.WaitForExitAsync(stopping);
            }

            await AssertNoCommandsAsync(hub, "meter-7", stopping);

            // 6. A wrong key: refused, and nothing of it reaches the hub.
            var wrong = await gateway.PublishAsync("meter-7", PskSite.ForeignKey, "devices/meter-7/messages/events/", "no", stopping);
            Assert.DoesNotContain("CONNACK", wrong, StringComparison.Ordinal);

            // 8. A right key of a device that the hub does not have.
            Assert.Contains("CONNACK (5)", await gateway.PublishAsync("ghost", PskSite.ForeignKey, "devices/ghost/messages/events/", "no", stopping), StringComparison.Ordinal);

            // 16. The newer connection stays.
            using (var older = gateway.Subscribe("meter-7", key, "devices/meter-7/messages/devicebound/#", 1))
            {
                await PskSite.LineAsync(older, "received SUBACK", stopping);
                Assert.Contains("received PUBACK", await gateway.PublishAsync("meter-7", key, "devices/meter-7/messages/events/", "newer", stopping), StringComparison.Ordinal);

                // It comes back by itself; the hub has it again.
                await PskSite.LineAsync(older, "received SUBACK", stopping);

                // 9. Disabled: out, and kept out.
                var disabled = Stopwatch.GetTimestamp();
                (await NaveTool.RunAsync(hub, stopping, "device", "update", "meter-7", "--disabled", "--data", hub.Data)).Done();
                await PskSite.LineAsync(older, "received CONNACK (5)", stopping);
                Assert.InRange(Stopwatch.GetElapsedTime(disabled), TimeSpan.Zero, DropTimeout + TimeSpan.FromSeconds(2)); // The tool's own start is in it.
                older.Kill();
            }

            Assert.DoesNotContain(key, gateway.Output, StringComparison.OrdinalIgnoreCase);
        }

        // 12. The key is nowhere that it could be read.
        var raw = Convert.FromHexString(key);
        foreach (var file in Directory.EnumerateFiles(PskSite.DataOf(hub), "*", SearchOption.AllDirectories))
        {
            var bytes = await File.ReadAllBytesAsync(file, stopping);
            Assert.Equal(-1, bytes.AsSpan().IndexOf(raw.AsSpan(0, 8)));
            Assert.Equal(-1, bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(key[..16])));
        }

        var audit = await File.ReadAllTextAsync(Path.Combine(PskSite.DataOf(hub), "audit.jsonl"), stopping);
        Assert.Single(audit.Split('\n'), line => line.Contains("wrong key", StringComparison.Ordinal));
        Assert.DoesNotContain(key, hub.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    [Conformance("tls-psk", 3, 4, 5, 7, 15)]
    public async Task Handshakes_of_openssl_end_as_the_spec_has_them()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var key = await PskSite.AddAsync(hub, "dev", stopping);
        string[] dev = ["-psk_identity", "dev", "-psk", key];
        await using (var gateway = await PskSite.StartAsync(hub, stopping))
        {
            // 3. and 5.: by default OpenSSL offers a SHA-384 suite first.
            Assert.Contains("TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256", await gateway.HandshakeAsync(stopping, dev), StringComparison.Ordinal);
            Assert.Contains("TLSv1.2, Cipher is ECDHE-PSK-CHACHA20-POLY1305", await gateway.HandshakeAsync(stopping, [.. dev, "-tls1_2"]), StringComparison.Ordinal);
            Assert.Contains("alert number 40", await gateway.HandshakeAsync(stopping, [.. dev, "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"]), StringComparison.Ordinal);

            // 4.
            foreach (var suite in (string[])["ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-PSK-AES128-CBC-SHA256"])
            {
                Assert.Contains($"Cipher is {suite}", await gateway.HandshakeAsync(stopping, [.. dev, "-tls1_2", "-cipher", $"{suite}@SECLEVEL=0"]), StringComparison.Ordinal);
            }

            foreach (var suite in (string[])["PSK-AES128-GCM-SHA256", "PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256", "PSK-AES256-CBC-SHA", "DHE-PSK-AES128-GCM-SHA256"])
            {
                Assert.Contains("alert number 40", await gateway.HandshakeAsync(stopping, [.. dev, "-tls1_2", "-cipher", $"{suite}@SECLEVEL=0"]), StringComparison.Ordinal);
            }

            // 7.
            foreach (var (version, alert) in (string[])["-tls1_2", "-tls1_3"] is var versions ? versions.Zip([20, 51]) : [])
            {
                var wrong = await gateway.HandshakeAsync(stopping, "-psk_identity", "dev", "-psk", PskSite.ForeignKey, version);
                var unknown = await gateway.HandshakeAsync(stopping, "-psk_identity", "nobody", "-psk", PskSite.ForeignKey, version);
                Assert.All([wrong, unknown], output => Assert.Contains($"alert number {alert}", output, StringComparison.Ordinal));
            }

            // 15.
            Assert.Contains("alert number 40", await gateway.HandshakeAsync(stopping), StringComparison.Ordinal);
            Assert.Contains("alert number 40", await gateway.HandshakeAsync(stopping, "-tls1_2"), StringComparison.Ordinal);
            Assert.Contains("no PSK offered", gateway.Output, StringComparison.Ordinal);
        }

        await using var legacy = await PskSite.StartAsync(hub, stopping, "--allow-non-forward-secret");
        foreach (var suite in (string[])["PSK-AES128-GCM-SHA256", "PSK-AES128-CCM", "PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256"])
        {
            Assert.Contains($"Cipher is {suite}", await legacy.HandshakeAsync(stopping, [.. dev, "-tls1_2", "-cipher", $"{suite}@SECLEVEL=0"]), StringComparison.Ordinal);
        }

        Assert.Contains("alert number 40", await legacy.HandshakeAsync(stopping, [.. dev, "-tls1_2", "-cipher", "PSK-AES256-CBC-SHA@SECLEVEL=0"]), StringComparison.Ordinal);
    }

    [Fact]
    [Conformance("tls-psk", 1, 2)]
    public async Task Telemetry_commands_twins_and_methods_work_with_the_service_SDKs_on_the_other_side()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var key = await PskSite.AddAsync(hub, "psk-dev", stopping);
        await using var gateway = await PskSite.StartAsync(hub, stopping);

        var rows = await NodeClient.RunAsync(
            hub, "psk-device.mjs", TimeSpan.FromMinutes(2),
            new Dictionary<string, string> { ["NAVE_PSK_HOST"] = hub.Address, ["NAVE_PSK_KEY"] = key },
            stopping);

        NodeClient.AssertRows(rows, null, 1, 2, 3, 4);
    }

    [Theory]
    [InlineData("service")]
    [InlineData("iothubowner")]
    public async Task The_gateway_does_not_start_with_a_policy_that_may_do_more(string policy)
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var run = await NaveTool.RunAsync(hub, stopping, "psk", "run", "--hub-data", hub.Data, "--policy", policy, "--data", PskSite.DataOf(hub));

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("DeviceConnect and nothing more", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_move_in_and_out_by_the_tool()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var file = Path.Combine(hub.Data, "psk_file");
        await File.WriteAllTextAsync(file, "# mosquitto's\nAA:BB:00112233445566778899aabbccddeeff:meter-1\nmeter-2:00112233445566778899aabbccddeef0\nshort:00\n", stopping);
        string[] data = ["--data", PskSite.DataOf(hub)];

        var imported = await NaveTool.RunAsync(hub, stopping, ["psk", "import", file, .. data]);
        var exported = (await NaveTool.RunAsync(hub, stopping, ["psk", "export", .. data])).Done();
        var listed = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, ["psk", "list", "--json", .. data])).Done())!.AsArray();
        (await NaveTool.RunAsync(hub, stopping, ["psk", "revoke", "meter-2", .. data])).Done();
        var again = await NaveTool.RunAsync(hub, stopping, ["psk", "revoke", "meter-2", .. data]);

        Assert.Equal(1, imported.ExitCode);
        Assert.Contains("line 4", imported.Errors, StringComparison.Ordinal);
        Assert.Equal("AA:BB:00112233445566778899aabbccddeeff:meter-1\nmeter-2:00112233445566778899aabbccddeef0", exported.Trim());
        Assert.Equal(["AA:BB", "meter-2"], listed.Select(row => (string?)row!["identity"]));
        Assert.DoesNotContain("00112233", listed.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(1, again.ExitCode);
    }

    private static async Task AssertNoCommandsAsync(OutsideHub hub, string device, CancellationToken stopping)
    {
        using var client = hub.CreateHttpClient("iothubowner");
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var i = 0; i < 50; i++)
        {
            var identity = await client.GetFromJsonAsync<JsonNode>($"/devices/{device}?api-version=2021-04-12", stopping);
            if ((int?)identity!["cloudToDeviceMessageCount"] == 0)
            {
                return;
            }

            await poll.WaitForNextTickAsync(stopping);
        }

        Assert.Fail("The command did not complete.");
    }
}
