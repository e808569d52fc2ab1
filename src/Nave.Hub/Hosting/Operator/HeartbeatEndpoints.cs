using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Heartbeats;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/heartbeats</c>: who is silent, by which rule, and what happens now.</summary>
internal sealed class HeartbeatEndpoints(
    HeartbeatTable table, HeartbeatMonitor monitor, HeartbeatStore store, HeartbeatFeed feed, HeartbeatWebhooks webhooks, HeartbeatSilences silences,
    Presence presence, Deliverability deliverability, TimeProvider time)
{
    private const int DefaultPage = 100;
    private const int MaxPage = 10_000;
    private const int MaxRules = 1_000;

    // A proxy closes what is silent for a minute.
    private static readonly TimeSpan StreamKeepAlive = TimeSpan.FromSeconds(15);

    /// <summary>Maps them below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root)
    {
        root.MapGet("heartbeats/summary", SummaryAsync);
        root.MapGet("heartbeats/devices", ListAsync);
        root.MapGet("heartbeats/devices/{name}", GetAsync);
        root.MapGet("heartbeats/devices/{name}/history", HistoryAsync);
        root.MapGet("heartbeats/rules", ListRulesAsync);
        root.MapPut("heartbeats/rules/{name}", PutRuleAsync);
        root.MapDelete("heartbeats/rules/{name}", DeleteRuleAsync);
        root.MapGet("heartbeats/silences", ListSilencesAsync);
        root.MapPut("heartbeats/silences/{name}", PutSilenceAsync);
        root.MapDelete("heartbeats/silences/{name}", EndSilenceAsync);
        root.MapPost("heartbeats/devices/{name}/deliverable", DeliverableAsync);
        root.MapGet("heartbeats/stream", StreamAsync);
        root.MapGet("heartbeats/webhooks", ListWebhooksAsync);
        root.MapPut("heartbeats/webhooks/{name}", PutWebhookAsync);
        root.MapDelete("heartbeats/webhooks/{name}", DeleteWebhookAsync);
    }

    private Task SummaryAsync(HttpContext context)
    {
        var states = new JsonObject();
        var counts = table.Counts;
        foreach (var state in Enum.GetValues<HeartbeatState>())
        {
            states[HeartbeatWords.Of(state)] = counts[(int)state];
        }

        return OperatorJson.AnswerAsync(context, new JsonObject
        {
            ["devices"] = table.Count,
            ["states"] = states,
            ["isLoaded"] = monitor.Loaded.IsCompleted,
            ["isDeaf"] = monitor.IsDeaf,
            ["default"] = HeartbeatJson.Describe(monitor.Rules.Default),
        });
    }

    private Task ListAsync(HttpContext context)
    {
        var query = context.Request.Query;
        HeartbeatState? state = null;
        if (query["state"].ToString() is { Length: > 0 } name && (state = HeartbeatWords.Parse(name)) is null)
        {
            return RefuseAsync(context, "'state' is none of unknown, online, late, offline, failing, disabled, sleeping.");
        }

        if (!TryNumber(query["top"], DefaultPage, 1, MaxPage, out var top) || !TryNumber(query["continuation"], 0, 0, int.MaxValue, out var after))
        {
            return RefuseAsync(context, $"'top' is a number from 1 to {MaxPage}, and 'continuation' what the last page gave.");
        }

        var group = query["group"].ToString() is { Length: > 0 } wanted ? wanted : null;
        var page = table.List(state, group, after, top, out var next);
        return OperatorJson.AnswerAsync(context, new JsonObject
        {
            ["devices"] = new JsonArray([.. page.Select(record => (JsonNode)HeartbeatJson.Describe(record))]),
            ["continuation"] = next?.ToString(CultureInfo.InvariantCulture),
        });
    }

    private async Task GetAsync(HttpContext context)
    {
        var name = OperatorJson.Name(context);
        if (!DeviceId.TryParse(name, out var id) || table.Find(name) is not { } record)
        {
            await OperatorJson.RefuseAsync(context, HubFailures.DeviceNotFound);
            return;
        }

        var device = HeartbeatJson.Describe(record);
        device["terms"] = HeartbeatJson.Describe(record.Terms);
        device["presence"] = HeartbeatJson.Describe(await presence.GetAsync(new IdentityId(id), context.RequestAborted));
        await OperatorJson.AnswerAsync(context, device);
    }

    private async Task HistoryAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (!TryTime(query["from"], DateTimeOffset.MinValue, out var from) || !TryTime(query["to"], DateTimeOffset.MaxValue, out var to)
            || !TryNumber(query["top"], HeartbeatStore.HistoryPerDevice, 1, HeartbeatStore.HistoryPerDevice, out var top))
        {
            await RefuseAsync(context, "'from' and 'to' are times in ISO 8601, and 'top' a number.");
            return;
        }

        var history = await store.ListHistoryAsync(OperatorJson.Name(context), from, to, top, context.RequestAborted);
        await OperatorJson.AnswerAsync(context, new JsonArray([.. history.Select(body => JsonNode.Parse(body))]));
    }

    private Task ListRulesAsync(HttpContext context) =>
        OperatorJson.AnswerAsync(context, new JsonArray([.. monitor.Rules.All.Select(rule => (JsonNode)rule.ToJson())]));

    private async Task PutRuleAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        using var json = JsonDocument.Parse(body.ToJsonString());
        if (!HeartbeatRule.TryRead(OperatorJson.Name(context), json.RootElement, out var rule, out var problem))
        {
            await RefuseAsync(context, $"The rule cannot be read: {problem}.");
            return;
        }

        if (monitor.Rules.All.Count >= MaxRules)
        {
            await RefuseAsync(context, $"There are {MaxRules} rules already.");
            return;
        }

        await store.PutRuleAsync(rule, context.RequestAborted);
        await monitor.ReadRulesAsync(context.RequestAborted);
        await OperatorJson.AnswerAsync(context, rule.ToJson());
    }

    private async Task DeleteRuleAsync(HttpContext context)
    {
        if (!await store.DeleteRuleAsync(OperatorJson.Name(context), context.RequestAborted))
        {
            await OperatorJson.RefuseAsync(context, HubFailures.AddressNotFound.Saying($"There is no rule named '{OperatorJson.Name(context)}'."));
            return;
        }

        await monitor.ReadRulesAsync(context.RequestAborted);
        await OperatorJson.DoneAsync(context);
    }

    private Task ListSilencesAsync(HttpContext context)
    {
        var now = time.GetUtcNow();
        return OperatorJson.AnswerAsync(context, new JsonArray([.. silences.All.Where(silence => silence.Until > now).Select(silence => (JsonNode)Describe(silence, now))]));
    }

    private async Task PutSilenceAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        var now = time.GetUtcNow();
        if (!HeartbeatSilence.TryRead(OperatorJson.Name(context), body, now, out var silence, out var problem))
        {
            await RefuseAsync(context, $"The silence cannot be read: {problem}.");
            return;
        }

        await (await silences.PutAsync(silence, context.RequestAborted)
            ? OperatorJson.AnswerAsync(context, Describe(silence, now))
            : RefuseAsync(context, $"There are {HeartbeatSilences.Most} silences already."));
    }

    private async Task EndSilenceAsync(HttpContext context) => await (await silences.EndAsync(OperatorJson.Name(context), context.RequestAborted)
        ? OperatorJson.DoneAsync(context)
        : OperatorJson.RefuseAsync(context, HubFailures.AddressNotFound.Saying($"There is no silence named '{OperatorJson.Name(context)}' that is not over.")));

    private static JsonObject Describe(HeartbeatSilence silence, DateTimeOffset now)
    {
        var json = silence.ToJson();
        json["isInForce"] = silence.HoldsAt(now);
        return json;
    }

    private async Task DeliverableAsync(HttpContext context)
    {
        if (!DeviceId.TryParse(OperatorJson.Name(context), out var device)
            || !TryNumber(context.Request.Query["timeout"], Deliverability.DefaultSeconds, 1, Deliverability.MaxSeconds, out var seconds))
        {
            await RefuseAsync(context, $"'timeout' is a number of seconds from 1 to {Deliverability.MaxSeconds}.");
            return;
        }

        var outcome = await deliverability.AskAsync(new IdentityId(device), TimeSpan.FromSeconds(seconds), context.RequestAborted);
        await (outcome.TryGet(out var answer, out var failure)
            ? OperatorJson.AnswerAsync(context, new JsonObject { ["deviceId"] = device.Value, ["result"] = answer.Result, ["milliseconds"] = (long)answer.Took.TotalMilliseconds })
            : OperatorJson.RefuseAsync(context, failure));
    }

    // Server-sent events: the kind is the event's name, the body its data.
    private async Task StreamAsync(HttpContext context)
    {
        using var listener = feed.Listen();
        if (listener is null)
        {
            await OperatorJson.RefuseAsync(context, HubFailures.Throttled.Saying($"{HeartbeatFeed.MaxListeners} others listen already."));
            return;
        }

        var only = context.Request.Query["kind"].ToString();
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.WriteAsync(": listening\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        try
        {
            while (true)
            {
                if (!await MoreAsync(listener, context.RequestAborted))
                {
                    await context.Response.WriteAsync(":\n\n", context.RequestAborted);
                }

                while (listener.Notices.TryRead(out var notice))
                {
                    if (only.Length == 0 || only == notice.Kind)
                    {
                        await context.Response.WriteAsync($"event: {notice.Kind}\ndata: {Encoding.UTF8.GetString(notice.Body)}\n\n", context.RequestAborted);
                    }
                }

                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener has gone, or the hub stops.
        }
    }

    // False when nothing came for a while.
    private async Task<bool> MoreAsync(HeartbeatListener listener, CancellationToken stopping)
    {
        using var patience = new CancellationTokenSource(StreamKeepAlive, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stopping);
        try
        {
            return await listener.Notices.WaitToReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task ListWebhooksAsync(HttpContext context) => await OperatorJson.AnswerAsync(
        context, new JsonArray([.. (await webhooks.ListAsync(context.RequestAborted)).Select(hook => (JsonNode)hook)]));

    private async Task PutWebhookAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is not { } body)
        {
            return;
        }

        var outcome = await webhooks.PutAsync(OperatorJson.Name(context), OperatorJson.Text(body, "url") ?? "", context.RequestAborted);
        await (outcome.TryGet(out var hook, out var failure) ? OperatorJson.AnswerAsync(context, hook) : OperatorJson.RefuseAsync(context, failure));
    }

    private async Task DeleteWebhookAsync(HttpContext context) => await (await webhooks.DeleteAsync(OperatorJson.Name(context), context.RequestAborted)
        ? OperatorJson.DoneAsync(context)
        : OperatorJson.RefuseAsync(context, HubFailures.AddressNotFound.Saying($"There is no webhook named '{OperatorJson.Name(context)}'.")));

    private static Task RefuseAsync(HttpContext context, string problem) =>
        OperatorJson.RefuseAsync(context, HubFailures.ArgumentInvalid.Saying(problem));

    private static bool TryNumber(string? text, int absent, int least, int most, out int number)
    {
        number = absent;
        return string.IsNullOrEmpty(text)
            || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= least && number <= most);
    }

    private static bool TryTime(string? text, DateTimeOffset absent, out DateTimeOffset when)
    {
        when = absent;
        return string.IsNullOrEmpty(text) || DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out when);
    }
}
