using System.Text.Json;
using Nave.Conformance.Tests.Harness;

namespace Nave.Conformance.Tests;

/// <summary>The token service with clients that know nothing of Nave, and its table in a real PostgreSQL.</summary>
public sealed class TokenServiceTests
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task A_device_that_only_knows_a_password_in_PostgreSQL_connects_is_cut_renews_and_is_shut_out()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var postgres = await PostgresServer.StartAsync(stopping);
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "Access:ClockSkew=0");
        await hub.CreateDeviceAsync("token-dev", stopping);
        await hub.CreateDeviceAsync("token-other", stopping);
        var data = Path.Combine(hub.Data, "tokens");
        var settings = new Dictionary<string, string> { ["NAVE_TOKENS__Secrets__Postgres"] = postgres.ConnectionString };
        string[] table = ["--set", $"Secrets:Postgres={postgres.ConnectionString}", "--data", data];
        (await NaveTool.RunAsync(hub, Password + "\n", stopping, ["tokens", "secret", "add", "pump-7", "-d", "token-dev", "--password", .. table])).Done();
        var added = (await NaveTool.RunAsync(hub, stopping, ["tokens", "secret", "add", "pump-7", "-d", "token-dev", "--json", .. table])).Done();
        var secret = JsonDocument.Parse(added).RootElement.GetProperty("secret").GetString()!;

        await using var service = await OutsideTokenService.StartAsync(hub, data, settings, stopping, "--log-level", "debug");
        var authorities = Path.Combine(hub.Data, "authorities.pem");
        await File.WriteAllTextAsync(
            authorities,
            await File.ReadAllTextAsync(hub.CaFile, stopping) + "\n" + await File.ReadAllTextAsync(Path.Combine(data, "certs", "ca.pem"), stopping),
            stopping);
        var rows = await NodeClient.RunAsync(
            hub, "token-service.mjs", TimeSpan.FromMinutes(3),
            new Dictionary<string, string>
            {
                ["NODE_EXTRA_CA_CERTS"] = authorities,
                ["NAVE_TOKENS"] = service.Url,
                ["NAVE_TOKENS_PASSWORD"] = Password,
                ["NAVE_TOKENS_SECRET"] = secret,
            },
            stopping);

        NodeClient.AssertRows(rows, null, 1, 2, 3, 4, 5);
        Assert.All([Password, secret, "sig="], text => Assert.DoesNotContain(text, service.Output, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("service")]
    [InlineData("iothubowner")]
    public async Task The_token_service_does_not_start_with_a_policy_that_may_do_more(string policy)
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var data = Path.Combine(hub.Data, "tokens");

        // By the operator's side of a hub on this machine, and by probing one that can only be probed.
        var local = await NaveTool.RunAsync(hub, stopping, "tokens", "run", "--hub-data", hub.Data, "--policy", policy, "--sqlite", Path.Combine(data, "t", "s.db"), "--data", data);
        var remote = await NaveTool.RunAsync(
            hub, stopping, "tokens", "run", "--set", $"Hub:ConnectionString={hub.PolicyString(policy)}", "--hub-ca-file", hub.CaFile,
            "--policy-has-only-device-connect", "--sqlite", Path.Combine(data, "t", "s.db"), "--data", data);

        Assert.Equal((1, 1), (local.ExitCode, remote.ExitCode));
        Assert.Contains("DeviceConnect and nothing more", local.Errors, StringComparison.Ordinal);
        Assert.Contains("was not refused", remote.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hub_that_cannot_be_asked_needs_the_operators_word()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var refused = await NaveTool.RunAsync(
            hub, stopping, "tokens", "run", "--set", $"Hub:ConnectionString={hub.PolicyString("device")}", "--hub-ca-file", hub.CaFile, "--sqlite", Path.Combine(hub.Data, "t", "s.db"));

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("--policy-has-only-device-connect", refused.Errors, StringComparison.Ordinal);
    }
}
