using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Protocol.Messages;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/quota</c>: the limits, what of them is used, and what was refused.</summary>
internal sealed class QuotaEndpoints(HubMeter meter, DeviceLimits devices)
{
    // Of a day's units or of a burst.
    private const double Near = 0.8;

    /// <summary>Maps it below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root) => root.MapGet("quota", context => OperatorJson.AnswerAsync(context, Describe()));

    private JsonObject Describe() => new()
    {
        ["isOn"] = meter.IsOn,
        ["tier"] = meter.Plan.Tier.ToString(),
        ["units"] = meter.Plan.Units,
        ["day"] = meter.Daily is { } daily ? DescribeDay(daily) : null,
        ["limits"] = new JsonArray([.. MeteredWords.All.Select(DescribeLimit)]),
        ["devices"] = new JsonArray(
            DescribeDevices("connects of a device", "MaxConnectsPerDevice", devices.Options.MaxConnectsPerDevice, "min", devices.ConnectsRefused),
            DescribeDevices("connects from an address", "MaxConnectsPerAddress", devices.Options.MaxConnectsPerAddress, "min", devices.AddressesRefused),
            DescribeDevices("messages of a device", "MaxMessagesPerDevice", devices.Options.MaxMessagesPerDevice, "s", devices.MessagesHeld)),
    };

    private JsonObject DescribeDay(DailyQuota daily)
    {
        var byOperation = daily.Read();
        var used = byOperation.Sum();
        var operations = new JsonObject();
        foreach (var operation in MeteredWords.All.Where(operation => byOperation[(int)operation] > 0))
        {
            operations[operation.Name()] = byOperation[(int)operation];
        }

        return new JsonObject
        {
            ["limit"] = daily.Limit,
            ["used"] = used,
            ["left"] = daily.Limit is { } limit ? Math.Max(0, limit - used) : null,
            ["state"] = daily.Limit is not { } most ? "off" : used >= most ? "exhausted" : used >= most * Near ? "near" : "ok",
            ["blockBytes"] = meter.Plan.BlockBytes,
            ["resetsAt"] = ServiceTime.Write(daily.ResetsAt),
            ["refused"] = meter.ExhaustedRefusals,
            ["unwritten"] = daily.ReadUnsaved().Values.Sum(units => units.Sum()), // What a crash now would forget.
            ["byOperation"] = operations,
        };
    }

    private JsonObject DescribeLimit(Metered operation)
    {
        var description = new JsonObject
        {
            ["operation"] = operation.Name(),
            ["option"] = operation.Option(),
            ["limit"] = meter.Plan.RateOf(operation)?.ToString(),
        };
        if (meter.LimitOf(operation) is { } limit)
        {
            var state = limit.Read();
            description["state"] = state.Waiting > 0 ? "delaying" : state.Used >= Near ? "near" : "ok";
            description["usedPercent"] = (int)Math.Round(state.Used * 100);
            description["waiting"] = (long)Math.Ceiling(state.Waiting);
            description["passed"] = state.Passed;
            description["delayed"] = state.Delayed;
            description["refused"] = state.Refused;
        }
        else
        {
            description["state"] = "off";
        }

        return description;
    }

    private static JsonObject DescribeDevices(string what, string option, int limit, string period, long refused) => new()
    {
        ["limit"] = limit == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{limit}/{period}"),
        ["what"] = what,
        ["option"] = "Access:" + option,
        ["refused"] = refused,
    };
}
