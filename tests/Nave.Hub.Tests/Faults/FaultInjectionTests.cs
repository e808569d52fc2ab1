using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Faults;

/// <summary>When faults come and when they end, on a clock of the test's own.</summary>
public sealed class FaultInjectionTests : IDisposable
{
    private static readonly IdentityId Pump = new(DeviceId.Parse("pump"), null);
    private static readonly IdentityId Other = new(DeviceId.Parse("other"), null);

    private readonly FakeTimeProvider _time = new();
    private readonly FaultInjection _faults;
    private readonly Channel _channel = new();

    public FaultInjectionTests() => _faults = new FaultInjection(isOn: true, _time, NullLogger<FaultInjection>.Instance);

    public void Dispose() => _faults.Dispose();

    [Fact]
    public void A_cut_comes_when_its_delay_is_over_and_not_before()
    {
        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 2), "1"u8);

        _time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.Empty(_channel.Injected);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal([FaultKind.KillTcp], _channel.Injected);
    }

    [Fact]
    [Conformance("sdk-gotchas", 11)]
    public void A_wish_that_is_sent_again_is_not_carried_out_again()
    {
        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 1), "1"u8);
        _time.Advance(TimeSpan.FromSeconds(58));
        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 1), "1"u8);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(_channel.Injected);

        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 1), "2"u8); // Another message.
        _time.Advance(TimeSpan.FromSeconds(2));
        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 1), "1"u8); // Forgotten by now.
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(3, _channel.Injected.Count);
    }

    [Fact]
    public void The_acknowledgement_has_time_to_leave_before_the_cut()
    {
        _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 0), "1"u8);

        Assert.Empty(_channel.Injected);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(_channel.Injected);
    }

    [Theory]
    [InlineData(FaultKind.InvokeThrottling, HubErrorCode.ThrottlingException)]
    [InlineData(FaultKind.InvokeMaxMessageQuota, HubErrorCode.IotHubQuotaExceeded)]
    [InlineData(FaultKind.InvokeAuthError, HubErrorCode.IotHubUnauthorizedAccess)]
    internal void A_refusal_lasts_for_its_duration_and_is_that_devices_alone(FaultKind kind, HubErrorCode code)
    {
        _faults.Take(Pump, _channel, Wish(kind, delay: 2, duration: 5), "1"u8);
        Assert.Null(_faults.FindRefusal(Pump));

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(code, _faults.FindRefusal(Pump)?.Code);
        Assert.Null(_faults.FindRefusal(Other));
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.NotNull(_faults.FindRefusal(Pump));
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Null(_faults.FindRefusal(Pump));
        Assert.Empty(_channel.Injected);
    }

    [Fact]
    public void A_flood_of_wishes_is_bounded()
    {
        for (var i = 0; i < 20_000; i++)
        {
            _faults.Take(Pump, _channel, Wish(FaultKind.KillTcp, delay: 600), BitConverter.GetBytes(i));
        }

        _time.Advance(TimeSpan.FromSeconds(600));
        Assert.Equal(1_000, _channel.Injected.Count);
    }

    private static FaultRequest Wish(FaultKind kind, int delay, int duration = 5) =>
        new(kind, "test", TimeSpan.FromSeconds(delay), TimeSpan.FromSeconds(duration));

    private sealed class Channel : IDeviceChannel
    {
        public List<FaultKind> Injected { get; } = [];

        public void Deliver(CommandDelivery delivery) => throw new NotSupportedException();

        public void InvokeMethod(MethodInvocation invocation) => throw new NotSupportedException();

        public void DesiredChanged(DesiredChange change) => throw new NotSupportedException();

        public void Close(CloseReason reason) => throw new NotSupportedException();

        public void Inject(FaultKind fault, string reason) => Injected.Add(fault);
    }
}
