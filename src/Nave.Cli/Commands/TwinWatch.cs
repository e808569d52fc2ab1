using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary><c>nave twin watch</c>: shows what changes in a twin, path by path, until it is stopped.</summary>
internal static class TwinWatch
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("watch", "Show what changes in a twin, as it changes");
        var hub = HubArguments.AddTo(command);
        var target = DeviceTarget.AddTo(command);
        var interval = new Option<string>("--interval") { Description = "How often to look: 500ms, 1s, 5s", HelpName = "DURATION", DefaultValueFactory = _ => "1s" };
        var count = new Option<int?>("--count", "-c") { Description = "Stop after so many versions", HelpName = "N" };
        var json = Output.JsonOption();
        foreach (var option in new Option[] { interval, count, json })
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, stopping) =>
        {
            var pause = OptionTable.TryReadDuration(parsed.GetValue(interval)!) is { Ticks: > 0 } duration
                ? duration
                : throw new CommandFailedException($"--interval: '{parsed.GetValue(interval)}' is not a duration.", isUsage: true);
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var path = HubRest.TwinPathOf(target.Read(parsed));
            await WatchAsync(rest, path, pause, parsed.GetValue(count), parsed.GetValue(json), stopping);
            return Tool.Done;
        });
        return command;
    }

    /// <summary>What differs between two versions of a twin: the path, before and after; null where there was or is nothing.</summary>
    public static IEnumerable<(string Path, JsonNode? Before, JsonNode? After)> Differences(JsonNode? before, JsonNode? after) =>
        Differences("tags", TwinCommand.ValuesOf(before?["tags"]), TwinCommand.ValuesOf(after?["tags"]))
            .Concat(Section("desired", before, after))
            .Concat(Section("reported", before, after))
            .Concat(Differences("connection", before?["connectionState"], after?["connectionState"]))
            .Concat(Differences("model", before?["modelId"], after?["modelId"]))
            .Concat(Differences("configurations", before?["configurations"], after?["configurations"]));

    private static IEnumerable<(string Path, JsonNode? Before, JsonNode? After)> Section(string name, JsonNode? before, JsonNode? after) =>
        Differences(name, TwinCommand.ValuesOf(before?["properties"]?[name]), TwinCommand.ValuesOf(after?["properties"]?[name]));

    private static IEnumerable<(string Path, JsonNode? Before, JsonNode? After)> Differences(string path, JsonNode? before, JsonNode? after)
    {
        if (JsonNode.DeepEquals(before, after))
        {
            yield break;
        }

        if (before is not JsonObject left || after is not JsonObject right)
        {
            yield return (path, before, after);
            yield break;
        }

        foreach (var name in left.Select(member => member.Key).Union(right.Select(member => member.Key)))
        {
            foreach (var difference in Differences($"{path}.{name}", left[name], right[name]))
            {
                yield return difference;
            }
        }
    }

    private static async Task WatchAsync(HubRest rest, string path, TimeSpan pause, int? count, bool asJson, CancellationToken stopping)
    {
        var last = await rest.GetAsync(path, stopping);
        if (!asJson)
        {
            Output.Screen().MarkupLineInterpolated($"[grey]{last?["deviceId"]?.ToString()} at version {last?["version"]?.ToString()}; Ctrl+C ends the watch[/]");
        }

        try
        {
            using var timer = new PeriodicTimer(pause, TimeProvider.System);
            for (var seen = 0; count is null || seen < count;)
            {
                await timer.WaitForNextTickAsync(stopping);
                var twin = await rest.GetAsync(path, stopping);
                var differences = Differences(last, twin).ToList();
                if (differences.Count == 0 && last?["version"]?.ToString() == twin?["version"]?.ToString())
                {
                    continue;
                }

                Show(differences, twin, asJson);
                last = twin;
                seen++;
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // That is how a watch ends.
        }
    }

    private static void Show(IEnumerable<(string Path, JsonNode? Before, JsonNode? After)> differences, JsonNode? twin, bool asJson)
    {
        foreach (var (path, before, after) in differences)
        {
            if (asJson)
            {
                Output.JsonLine(new JsonObject
                {
                    ["version"] = twin?["version"]?.DeepClone(),
                    ["path"] = path,
                    ["before"] = before?.DeepClone(),
                    ["after"] = after?.DeepClone(),
                });
                continue;
            }

            Output.Screen().WriteLine(Output.Printable($"version {twin?["version"]}  {path}: {Text(before)} -> {Text(after)}"));
        }
    }

    private static string Text(JsonNode? value) => value is null ? "(nothing)" : Output.OneLineOf(value);
}
