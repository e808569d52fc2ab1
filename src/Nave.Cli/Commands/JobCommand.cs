using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave job</c>: work on every device that a condition selects.</summary>
internal static class JobCommand
{
    // How often a job that is waited for is asked about.
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <summary><c>nave job list|show|create-twin-update|create-method|cancel</c>.</summary>
    public static Command Create() => new("job", "Twin updates and method calls on many devices")
    {
        ListCommand(),
        ShowCommand(),
        CreateTwinUpdate(),
        CreateMethod(),
        CancelCommand(),
    };

    private static Command ListCommand()
    {
        var command = new Command("list", "List jobs, the youngest first");
        var hub = HubArguments.AddTo(command);
        var type = new Option<string?>("--type") { Description = "Only scheduleUpdateTwin or scheduleDeviceMethod" };
        var status = new Option<string?>("--status") { Description = "Only scheduled, queued, running, completed, failed or cancelled" };
        var json = Output.JsonOption();
        command.Options.Add(type);
        command.Options.Add(status);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var query = $"?jobType={Uri.EscapeDataString(parsed.GetValue(type) ?? "")}&jobStatus={Uri.EscapeDataString(parsed.GetValue(status) ?? "")}&pageSize=1000";
            var jobs = await rest.GetAsync("/jobs/v2/query" + query, stopping) as JsonArray ?? [];
            if (parsed.GetValue(json))
            {
                Output.Json(jobs);
                return Tool.Done;
            }

            Output.Table(
                ["job", "type", "status", "devices", "succeeded", "failed", "pending", "condition"],
                jobs.Select(job => new[]
                {
                    Output.TextOf(job, "jobId"), Output.TextOf(job, "type"), Output.TextOf(job, "status"), Count(job, "deviceCount"), Count(job, "succeededCount"),
                    Count(job, "failedCount"), Count(job, "pendingCount"), Output.TextOf(job, "queryCondition"),
                }));
            return Tool.Done;
        });
        return command;
    }

    private static Command ShowCommand() => OneJob(
        "show", "Show a job and its progress", (rest, path, stopping) => rest.GetAsync(path, stopping));

    private static Command CancelCommand() => OneJob(
        "cancel", "Cancel a job: devices that have not begun never will",
        (rest, path, stopping) => rest.PostAsync(path + "/cancel", new JsonObject(), stopping));

    private static Command OneJob(string name, string description, Func<HubRest, string, CancellationToken, Task<JsonNode?>> ask)
    {
        var command = new Command(name, description);
        var hub = HubArguments.AddTo(command);
        var id = new Argument<string>("JOB") { Description = "The job's id" };
        command.Arguments.Add(id);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            Show(await ask(rest, PathOf(parsed.GetValue(id)!), stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command CreateTwinUpdate()
    {
        var command = new Command("create-twin-update", "Merge tags and desired properties into twins");
        var tags = new Option<string?>("--tags") { Description = "JSON object; null removes a tag", HelpName = "JSON" };
        var desired = new Option<string?>("--desired") { Description = "JSON object; null removes a property", HelpName = "JSON" };
        command.Options.Add(tags);
        command.Options.Add(desired);
        command.Validators.Add(result =>
        {
            if (result.GetValue(tags) is null && result.GetValue(desired) is null)
            {
                result.AddError("Say what to change: --tags or --desired.");
            }
        });
        tags.Validators.Add(CheckJson);
        desired.Validators.Add(CheckJson);
        return Submit(command, parsed =>
        {
            var update = new JsonObject { ["etag"] = "*" };
            if (parsed.GetValue(tags) is { } tagsText)
            {
                update["tags"] = Json(tagsText, "--tags");
            }

            if (parsed.GetValue(desired) is { } desiredText)
            {
                update["properties"] = new JsonObject { ["desired"] = Json(desiredText, "--desired") };
            }

            return new JsonObject { ["type"] = "scheduleUpdateTwin", ["updateTwin"] = update };
        });
    }

    private static Command CreateMethod()
    {
        var command = new Command("create-method", "Call a direct method");
        var name = new Option<string>("--name") { Description = "The method", Required = true };
        var payload = new Option<string?>("--payload") { Description = "Its payload", HelpName = "JSON" };
        var timeout = new Option<int>("--response-timeout") { Description = "Seconds that a device may take", DefaultValueFactory = _ => 30 };
        var connect = new Option<int>("--connect-timeout") { Description = "Seconds to wait for a device that is away", DefaultValueFactory = _ => 0 };
        command.Options.Add(name);
        command.Options.Add(payload);
        command.Options.Add(timeout);
        command.Options.Add(connect);
        return Submit(command, parsed => new JsonObject
        {
            ["type"] = "scheduleDeviceMethod",
            ["cloudToDeviceMethod"] = new JsonObject
            {
                ["methodName"] = parsed.GetValue(name),
                ["payload"] = parsed.GetValue(payload) is { } text ? Json(text, "--payload") : null,
                ["responseTimeoutInSeconds"] = parsed.GetValue(timeout),
                ["connectTimeoutInSeconds"] = parsed.GetValue(connect),
            },
        });
    }

    private static Command Submit(Command command, Func<ParseResult, JsonObject> read)
    {
        var hub = HubArguments.AddTo(command);
        var id = new Argument<string>("JOB") { Description = "The job's id: up to 64 letters, digits, - _ . :" };
        var where = new Option<string>("--where") { Description = "Which devices, as the WHERE of a query", DefaultValueFactory = _ => "*", HelpName = "CONDITION" };
        var start = new Option<DateTimeOffset?>("--start") { Description = "Not before (ISO 8601) [now]" };
        var max = new Option<long>("--max-seconds") { Description = "How long after the start devices may begin", DefaultValueFactory = _ => 3600 };
        var wait = new Option<bool>("--wait") { Description = "Wait until it is over; exit code 1 when it or a device failed" };
        var json = Output.JsonOption();
        command.Arguments.Add(id);
        command.Options.Add(where);
        command.Options.Add(start);
        command.Options.Add(max);
        command.Options.Add(wait);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            var body = read(parsed);
            body["jobId"] = parsed.GetValue(id);
            body["queryCondition"] = parsed.GetValue(where);
            body["maxExecutionTimeInSeconds"] = parsed.GetValue(max);
            if (parsed.GetValue(start) is { } at)
            {
                body["startTime"] = at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
            }

            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var job = await rest.PutAsync(PathOf(parsed.GetValue(id)!), body, ifMatch: null, stopping);
            if (!parsed.GetValue(wait))
            {
                Show(job, parsed.GetValue(json));
                return Tool.Done;
            }

            job = await WaitAsync(rest, parsed.GetValue(id)!, isQuiet: parsed.GetValue(json), stopping);
            Show(job, parsed.GetValue(json));
            return Output.TextOf(job, "status") == "completed" && Count(job, "failedCount") == "0" ? Tool.Done : Tool.Failed;
        });
        return command;
    }

    private static async Task<JsonNode?> WaitAsync(HubRest rest, string id, bool isQuiet, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(Poll);
        while (true)
        {
            var job = await rest.GetAsync(PathOf(id), stopping);
            if (Output.TextOf(job, "status") is "completed" or "failed" or "cancelled")
            {
                return job;
            }

            if (!isQuiet)
            {
                await Console.Error.WriteLineAsync(
                    $"{Output.TextOf(job, "status")}: {Count(job, "succeededCount")} done, {Count(job, "failedCount")} failed of {Count(job, "deviceCount")}");
            }

            await timer.WaitForNextTickAsync(stopping);
        }
    }

    private static string PathOf(string id) => $"/jobs/v2/{Uri.EscapeDataString(id)}";

    // Before anything is asked of a hub: a slip of the keyboard is wrong usage.
    private static void CheckJson(System.CommandLine.Parsing.OptionResult result)
    {
        try
        {
            JsonNode.Parse(result.GetValueOrDefault<string?>() ?? "null");
        }
        catch (JsonException e)
        {
            result.AddError($"{result.Option.Name} is not JSON: {e.Message}");
        }
    }

    private static JsonNode? Json(string text, string option)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException e)
        {
            throw new CommandFailedException($"{option} is not JSON: {e.Message}", isUsage: true);
        }
    }

    private static void Show(JsonNode? job, bool asJson)
    {
        if (asJson)
        {
            Output.Json(job);
            return;
        }

        Output.Fields(
        [
            ("job", Output.TextOf(job, "jobId")),
            ("type", Output.TextOf(job, "type")),
            ("status", Output.TextOf(job, "status")),
            ("condition", Output.TextOf(job, "queryCondition")),
            ("created", Output.TextOf(job, "createdTime")),
            ("start", Output.TextOf(job, "startTime")),
            ("end", Output.TextOf(job, "endTime")),
            ("failure", Output.TextOf(job, "failureReason")),
            ("devices", Count(job, "deviceCount")),
            ("succeeded", Count(job, "succeededCount")),
            ("failed", Count(job, "failedCount")),
            ("running", Count(job, "runningCount")),
            ("pending", Count(job, "pendingCount")),
        ]);
    }

    private static string? Count(JsonNode? job, string member) => job?["deviceJobStatistics"]?[member]?.ToString();
}
