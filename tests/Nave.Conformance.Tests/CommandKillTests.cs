using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Amqp;
using Amqp.Framing;
using Nave.Conformance.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>
/// SIGKILL in the middle of accepting, delivering and settling commands: none that was accepted is lost, none comes again
/// whose completion the hub had confirmed.
/// </summary>
public sealed class CommandKillTests
{
    private const int Kills = 3;
    private const int AcceptedBeforeEachKill = 120;
    private const int ConfirmedBeforeEachKill = 60;

    // Commands that a device has not got yet, at most: far below its queue's limit.
    private const int Ahead = 25;
    private static readonly string[] Devices = ["http-1", "http-2", "amqp-1", "amqp-2", "mqtt-1", "mqtt-2"];

    [Fact]
    [Conformance("messaging-semantics", 10)]
    public async Task Accepted_commands_survive_each_kill_and_completed_ones_do_not_come_again()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        foreach (var device in Devices)
        {
            await hub.CreateDeviceAsync(device, stopping);
        }

        var ledger = new CommandLedger();
        var next = 0;
        for (var kill = 0; kill < Kills; kill++)
        {
            var (accepted, confirmed) = (ledger.Accepted + AcceptedBeforeEachKill, ledger.CountConfirmed() + ConfirmedBeforeEachKill);
            var enough = ledger.ReachAsync(() => ledger.Accepted >= accepted && ledger.CountConfirmed() >= confirmed);
            using var round = new Round(hub, ledger, () => Interlocked.Increment(ref next), stopping);
            var running = round.RunAsync(sends: true);
            await Task.WhenAny(enough, running).WaitAsync(TimeSpan.FromSeconds(30), stopping);
            Assert.True(enough.IsCompleted, $"All clients were cut before the kill: {ledger.Accepted} accepted, {ledger.CountConfirmed()} confirmed.\n{hub.Output}");
            await hub.KillAsync(stopping);
            await round.EndAsync(running);
            await hub.StartAgainAsync(stopping);
            Assert.Empty(ledger.Repeated);
        }

        using var last = new Round(hub, ledger, () => 0, stopping);
        var draining = last.RunAsync(sends: false);
        var all = ledger.ReachAsync(() => ledger.Missing.Count == 0);
        await Task.WhenAny(all, Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, stopping));
        await last.EndAsync(draining);

        Assert.Empty(ledger.Missing);
        Assert.Empty(ledger.Repeated);
        Assert.True(ledger.Accepted >= Kills * AcceptedBeforeEachKill);
        Assert.All(["204", "the disposition", "feedback"], how => Assert.True(ledger.CountConfirmed(how) > Kills, $"only {ledger.CountConfirmed(how)} by {how}"));
    }

    /// <summary>All clients between two kills.</summary>
    private sealed class Round(OutsideHub hub, CommandLedger ledger, Func<int> next, CancellationToken stopping) : IDisposable
    {
        private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        private readonly HttpClient _owner = hub.CreateHttpClient("iothubowner");
        private readonly ConcurrentDictionary<string, SemaphoreSlim> _ahead = new(
            Devices.Select(device => KeyValuePair.Create(device, new SemaphoreSlim(Ahead))));

        public Task RunAsync(bool sends) => Task.WhenAll(
            Devices.Select(device => UntilCutAsync(() => TakeAsync(device)))
                .Concat(sends ? Devices.Select((device, i) => UntilCutAsync(() => i % 2 == 0 ? SendOverHttpAsync(device) : SendOverAmqpAsync(device))) : [])
                .Append(UntilCutAsync(() => CommandTakers.FeedbackAsync(_owner, ledger, _over.Token))));

        public async Task EndAsync(Task running)
        {
            await _over.CancelAsync();
            await running;
        }

        public void Dispose()
        {
            _owner.Dispose();
            _over.Dispose();
        }

        private static async Task UntilCutAsync(Func<Task> client)
        {
            try
            {
                await client();
            }
            catch (Exception e) when (CommandTakers.IsCut(e))
            {
                // The kill.
            }
        }

        private Task TakeAsync(string device)
        {
            var token = Token("device", $"/devices/{device}");
            return device.Split('-')[0] switch
            {
                "http" => CommandTakers.OverHttpAsync(_owner, device, ledger, Delivered, _over.Token),
                "amqp" => CommandTakers.OverAmqpAsync(hub, device, Token("device", ""), ledger, Delivered, _over.Token),
                _ => CommandTakers.OverMqttAsync(hub, device, token, ledger, Delivered, _over.Token),
            };

            void Delivered() => _ahead[device].Release();
        }

        private async Task SendOverHttpAsync(string device)
        {
            while (true)
            {
                await _ahead[device].WaitAsync(_over.Token);
                var name = $"{device} {next()}";
                using var request = new HttpRequestMessage(HttpMethod.Post, $"devices/{device}/messages/deviceBound?api-version=2021-04-12")
                {
                    Content = new StringContent(name),
                };
                request.Headers.Add("iothub-messageid", name);
                request.Headers.Add("iothub-ack", "full");
                using var answer = await _owner.SendAsync(request, _over.Token);
                Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
                ledger.HasAccepted(name);
            }
        }

        private async Task SendOverAmqpAsync(string device)
        {
            var connection = await AmqpDoor.ConnectAsync(hub, $"service@sas.root.{hub.Address.Split('.')[0]}", Token("service", ""));
            var link = new SenderLink(new Session(connection), "commands", "/messages/devicebound");
            try
            {
                while (true)
                {
                    await _ahead[device].WaitAsync(_over.Token);
                    var name = $"{device} {next()}";
                    await link.SendAsync(new Message
                    {
                        Properties = new Properties { MessageId = name, To = $"/devices/{device}/messages/devicebound" },
                        ApplicationProperties = new ApplicationProperties { ["iothub-ack"] = "full" },
                        BodySection = new Data { Binary = Encoding.UTF8.GetBytes(name) },
                    }).WaitAsync(_over.Token);
                    ledger.HasAccepted(name);
                }
            }
            finally
            {
                await AmqpDoor.CloseAsync(connection);
            }
        }

        private string Token(string policy, string path)
        {
            var key = hub.PolicyString(policy).Split("SharedAccessKey=")[1];
            return SasToken.Mint(hub.Address + path, key, TimeProvider.System.GetUtcNow().AddHours(1), policy);
        }
    }
}
