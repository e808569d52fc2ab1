using Nave.Hub.Faults;

namespace Nave.Hub.Tests.Faults;

/// <summary>How a device words its wish (spec/sdk-gotchas.md 6).</summary>
public sealed class FaultRequestTests
{
    [Fact]
    public void A_wish_of_the_suites_is_read()
    {
        var request = Read(
            ("AzIoTHub_FaultOperationType", "KillAmqpD2CLink"), ("AzIoTHub_FaultOperationCloseReason", " severed. "),
            ("AzIoTHub_FaultOperationDelayInSecs", "2"), ("AzIoTHub_FaultOperationDurationInSecs", "20"), ("other", "x"));

        Assert.Equal(new FaultRequest(FaultKind.KillAmqpD2CLink, " severed. ", TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(20)), request);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("soon")]
    public void A_duration_that_is_missing_is_five_seconds(string? text) =>
        Assert.Equal(
            TimeSpan.FromSeconds(5),
            Read(("AzIoTHub_FaultOperationType", "InvokeThrottling"), ("AzIoTHub_FaultOperationDurationInSecs", text))!.Duration);

    [Theory]
    [InlineData("Explode")]
    [InlineData("3")]
    [InlineData("KillTcp,KillTcp,")]
    [InlineData("")]
    public void What_is_no_known_type_is_no_wish(string type) => Assert.Null(Read(("AzIoTHub_FaultOperationType", type)));

    [Fact]
    public void Nothing_that_a_stranger_writes_is_kept_without_a_bound()
    {
        var request = Read(
            ("AzIoTHub_FaultOperationType", "KillTcp"), ("AzIoTHub_FaultOperationDelayInSecs", "1e300"),
            ("AzIoTHub_FaultOperationCloseReason", new string('r', 5000)))!;

        Assert.Equal((FaultRequest.MaxTime, FaultRequest.MaxReasonLength), (request.Delay, request.Reason.Length));
    }

    private static FaultRequest? Read(params (string Name, string? Value)[] properties) =>
        FaultRequest.TryRead([.. properties.Select(property => new KeyValuePair<string, string?>(property.Name, property.Value))]);
}
