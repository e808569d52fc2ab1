using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Nave.Conformance.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>
/// Who may no longer connect is cut off within a second, over MQTT and AMQP, and refused over HTTPS: measured from
/// outside, with clients that only wait for their end (design.md 4, spec/security.md 7).
/// </summary>
public sealed class SeveringTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TokenLife = TimeSpan.FromSeconds(6);

    [Fact]
    [Conformance("device-http", 13)]
    public async Task Disabling_rolling_the_key_deleting_and_expiry_cut_off_within_a_second()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "Access:ClockSkew=0s");
        using var registry = hub.CreateHttpClient("iothubowner");

        await CutAsync(hub, "disable", TimeSpan.FromHours(1), device => ChangeAsync(registry, device, status: "disabled", roll: false, stopping), stopping);
        await CutAsync(hub, "roll", TimeSpan.FromHours(1), device => ChangeAsync(registry, device, status: "enabled", roll: true, stopping), stopping);
        await CutAsync(hub, "delete", TimeSpan.FromHours(1), device => DeleteAsync(registry, device, stopping), stopping);
        await CutAsync(hub, "expire", TokenLife, _ => Task.CompletedTask, stopping);
    }

    /// <summary>A device on MQTT and one on AMQP, and the tokens of both over HTTPS.</summary>
    private static async Task CutAsync(OutsideHub hub, string cause, TimeSpan life, Func<string, Task> change, CancellationToken stopping)
    {
        string[] ids = [$"{cause}-mqtt", $"{cause}-amqp"];
        var keys = new List<string>();
        foreach (var id in ids)
        {
            keys.Add((await hub.CreateDeviceAsync(id, stopping)).Split("SharedAccessKey=")[1]);
        }

        var expiry = DateTimeOffset.FromUnixTimeSeconds((TimeProvider.System.GetUtcNow() + life).ToUnixTimeSeconds());
        var tokens = ids.Zip(keys, (id, key) => SasToken.Mint($"{hub.Address}/devices/{id}", key, expiry)).ToList();
        await using var mqtt = await MqttDoor.OpenAsync(hub, stopping);
        await MqttDoor.ConnectAsync(hub, mqtt, ids[0], tokens[0], stopping);
        await using var amqp = await AmqpDoor.OpenAsync(hub, ids[1], tokens[1]);
        await amqp.SendAsync("before");
        var detached = amqp.Ended;
        Assert.Equal(HttpStatusCode.NoContent, await PostAsync(hub, ids[0], tokens[0], stopping));

        var cut = WaitForEndAsync(mqtt, stopping);
        var clock = Stopwatch.StartNew();
        foreach (var id in ids)
        {
            await change(id);
        }

        if (life == TokenLife)
        {
            Assert.False(cut.IsCompleted || detached.IsCompleted, "Cut before its token had expired.");
            await cut.WaitAsync(life + (2 * Second), stopping);
            await detached.WaitAsync(life + (2 * Second), stopping);
            var late = TimeProvider.System.GetUtcNow() - expiry;
            Assert.InRange(late, TimeSpan.FromMilliseconds(-50), Second);
        }
        else
        {
            // From the moment the change is acknowledged.
            var acknowledged = clock.Elapsed;
            await cut.WaitAsync(Second, stopping);
            await detached.WaitAsync(Second, stopping);
            Assert.InRange(clock.Elapsed - acknowledged, TimeSpan.Zero, Second);
        }

        Assert.Equal(cause is "delete" ? "amqp:not-found" : "amqp:unauthorized-access", (await detached)?.Condition.ToString());
        Assert.All(
            await Task.WhenAll(ids.Zip(tokens, (id, token) => PostAsync(hub, id, token, stopping))),
            status => Assert.Equal(HttpStatusCode.Unauthorized, status));
    }

    private static async Task WaitForEndAsync(Stream stream, CancellationToken stopping)
    {
        var buffer = new byte[64];
        try
        {
            while (await stream.ReadAsync(buffer, stopping) > 0)
            {
                // Nothing is subscribed: nothing comes.
            }
        }
        catch (IOException)
        {
            // A reset is an end too.
        }
    }

    private static async Task<HttpStatusCode> PostAsync(OutsideHub hub, string device, string token, CancellationToken stopping)
    {
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = MqttDoor.TrustOf(hub);
        using var client = new HttpClient(handler) { BaseAddress = new Uri($"https://{hub.Address}/") };
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", token);
        using var body = new ByteArrayContent([1]);
        using var answer = await client.PostAsync($"devices/{device}/messages/events?api-version=2021-04-12", body, stopping);
        return answer.StatusCode;
    }

    private static async Task ChangeAsync(HttpClient registry, string device, string status, bool roll, CancellationToken stopping)
    {
        var known = await registry.GetFromJsonAsync<JsonElement>($"devices/{device}?api-version=2021-04-12", stopping);
        var keys = known.GetProperty("authentication").GetProperty("symmetricKey");
        var primary = roll ? Convert.ToBase64String(new byte[32]) : keys.GetProperty("primaryKey").GetString();
        using var request = new HttpRequestMessage(HttpMethod.Put, $"devices/{device}?api-version=2021-04-12")
        {
            Content = JsonContent.Create(new
            {
                deviceId = device,
                status,
                authentication = new { type = "sas", symmetricKey = new { primaryKey = primary, secondaryKey = keys.GetProperty("secondaryKey").GetString() } },
            }),
        };
        request.Headers.TryAddWithoutValidation("If-Match", "*");
        using var answer = await registry.SendAsync(request, stopping);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(stopping));
    }

    private static async Task DeleteAsync(HttpClient registry, string device, CancellationToken stopping)
    {
        using var answer = await registry.DeleteAsync($"devices/{device}?api-version=2021-04-12", stopping);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
    }
}
