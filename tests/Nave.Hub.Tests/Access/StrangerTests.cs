using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Protocol.Access;
using static Nave.Hub.Tests.Access.AccessHarness;

namespace Nave.Hub.Tests.Access;

/// <summary>What somebody without a credential can cause in the log: Debug and no more, and no secret.</summary>
public sealed class StrangerTests
{
    [Fact]
    public async Task Nothing_that_a_stranger_presents_is_logged_above_debug_or_with_a_secret()
    {
        using var hub = await CreateAsync(new AccessOptions { MaxFailuresPerAddress = 20 });
        var log = new Notes();
        var access = new AccessControl(hub.Identities, hub.Policies, hub.Authorities, new HubNames(Host, []), hub.Options, hub.Time, log);
        using var certificate = TestCertificates.CreateSelfSigned("dev1");
        hub.Identities.CreateWithKeys("dev1", KeyA, KeyB);
        string?[] tokens =
        [
            null, "", "nonsense", "SharedAccessSignature sr=a&sig=b&se=c", hub.Token(Host, KeyC), hub.Token(Host + "/devices/dev1", KeyC),
            hub.Token(Host + "/devices/dev1\n\u001b[2J", KeyC), hub.Token(new string('x', 3000), KeyC), hub.Token(Host, KeyA, policy: "service"),
            hub.Token(Host, KeyA, policy: "no\r\nsuch"), hub.Token("other", hub.Policies.Find("service")!.PrimaryKey, policy: "service"),
            hub.PolicyToken("device", validFor: TimeSpan.FromDays(-1)),
        ];

        foreach (var token in tokens)
        {
            await access.AdmitDeviceAsync(Id("dev1"), new DeviceProof(token, null, null, Peer), default);
            await access.AdmitDeviceAsync(Id("nobody"), new DeviceProof(token, certificate, [certificate], Peer), default);
            await access.AdmitTokenAsync(token ?? "", eventHubsSigning: true, Peer, default);
            access.AdmitPolicyKey("service", token ?? "", Peer);
        }

        Assert.True(log.Lines.Count >= tokens.Length * 4, $"{log.Lines.Count} lines");
        Assert.All(log.Lines, line => Assert.Equal(LogLevel.Debug, line.Level));
        Assert.All(log.Lines, line => Assert.DoesNotContain(line.Text, char.IsControl));
        Assert.All(log.Lines, line => Assert.InRange(line.Text.Length, 1, 1000));
        Assert.All(log.Lines, line => Assert.DoesNotContain("sig=", line.Text));
        Assert.All(log.Lines, line => Assert.DoesNotContain(KeyA, line.Text));
        Assert.Contains(log.Lines, line => line.Text.Contains("not looked at", StringComparison.Ordinal));
    }

    private sealed class Notes : ILogger<AccessControl>
    {
        public List<(LogLevel Level, string Text)> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add((logLevel, formatter(state, exception)));
    }
}
