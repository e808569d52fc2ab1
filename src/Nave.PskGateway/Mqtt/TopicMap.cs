using System.Globalization;
using System.Text;
using Nave.Mqtt;
using Nave.Protocol.Identities;

namespace Nave.PskGateway.Mqtt;

/// <summary>
/// The operator's table for devices that cannot be changed (spec/tls-psk.md 5): topics of theirs that stand for the hub's,
/// in both directions. The hub's own topics work beside it. Immutable; any thread may call.
/// </summary>
/// <remarks>
/// One rule a line. <c>up FILTER HUB-TOPIC</c>: what the device publishes; <c>{device}</c> and <c>{1}</c>, <c>{2}</c>, …
/// (what stood for the filter's wildcards) may be used in the hub's topic. <c>down FEED TOPIC</c>: what the device gets;
/// FEED is <c>commands</c>, <c>desired</c>, <c>twin</c> or <c>methods</c>, and the topic may use <c>{device}</c>,
/// <c>{properties}</c>, <c>{version}</c>, <c>{status}</c>, <c>{rid}</c>, <c>{method}</c>.
/// </remarks>
public sealed class TopicMap
{
    private const string Sample = "x";

    private readonly List<UpRule> _up = [];
    private readonly List<DownRule> _down = [];

    private TopicMap()
    {
    }

    /// <summary>No rules.</summary>
    public static TopicMap None { get; } = new();

    /// <summary>Reads the table.</summary>
    /// <exception cref="FormatException">A line cannot be read; the message names it.</exception>
    public static TopicMap Parse(IEnumerable<string> lines)
    {
        var map = new TopicMap();
        var number = 0;
        foreach (var line in lines)
        {
            number++;
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
            {
                continue;
            }

            if (words.Length != 3 || !map.TryAdd(words))
            {
                throw new FormatException(
                    $"line {number}: a rule is 'up FILTER HUB-TOPIC' or 'down commands|desired|twin|methods TOPIC', and a topic has no wildcards");
            }
        }

        return map;
    }

    /// <summary>The hub's topic for what a device publishes; null where no rule says one.</summary>
    internal byte[]? Up(DeviceId device, ReadOnlySpan<byte> topic)
    {
        if (_up.Count == 0)
        {
            return null;
        }

        var levels = Encoding.UTF8.GetString(topic).Split('/');
        foreach (var rule in _up)
        {
            var matched = new List<string>();
            if (Matches(rule.Filter, levels, device, matched))
            {
                return Encoding.UTF8.GetBytes(Fill(rule.Target, name =>
                    name == "device" ? device.Value
                    : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at >= 1 && at <= matched.Count ? Uri.EscapeDataString(matched[at - 1])
                    : ""));
            }
        }

        return null;
    }

    /// <summary>What a device's own filter asks for by the rules.</summary>
    internal DeviceFeeds FeedsOf(DeviceId device, string filter)
    {
        var levels = filter.Split('/');
        return _down
            .Where(rule => Matches(levels, Fill(rule.Topic, name => name == "device" ? device.Value : Sample).Split('/'), device, []))
            .Aggregate(DeviceFeeds.None, (feeds, rule) => feeds | rule.Feed);
    }

    /// <summary>The device's own topic for what the hub has for it; null where no rule says one.</summary>
    internal string? Down(DeviceFeeds feed, DeviceId device, IReadOnlyDictionary<string, string> values) =>
        _down.Find(rule => rule.Feed == feed) is { } found
            ? Fill(found.Topic, name => name == "device" ? device.Value : values.GetValueOrDefault(name, ""))
            : null;

    private bool TryAdd(string[] words)
    {
        if (words[0] is "up")
        {
            // Judged with everything filled in: the hub's topic must be one for any device.
            var device = DeviceId.Parse(Sample);
            var sample = Encoding.UTF8.GetBytes(Fill(words[2], _ => Sample));
            _up.Add(new UpRule(words[1].Split('/'), words[2]));
            return TopicFilter.FindFault(Encoding.UTF8.GetBytes(words[1]), MqttVersion.V311) is null
                && (IsMethodResult(words[2]) || HubTopics.Read(device, sample).Kind is not DevicePublishKind.None);
        }

        var feed = words[1] switch
        {
            "commands" => DeviceFeeds.Commands,
            "desired" => DeviceFeeds.Desired,
            "twin" => DeviceFeeds.TwinAnswers,
            "methods" => DeviceFeeds.Methods,
            _ => DeviceFeeds.None,
        };
        _down.Add(new DownRule(feed, words[2]));
        return words[0] is "down" && feed is not DeviceFeeds.None && TopicName.FindFault(Encoding.UTF8.GetBytes(words[2])) is null;
    }

    // Its status is a number that the device says.
    private static bool IsMethodResult(string target) => target.StartsWith("$iothub/methods/res/{", StringComparison.Ordinal);

    // {device} in a filter is the device's own id: a topic of another's matches no rule.
    private static bool Matches(string[] filter, string[] topic, DeviceId device, List<string> matched)
    {
        for (var i = 0; i < filter.Length; i++)
        {
            if (filter[i] is "#")
            {
                matched.Add(string.Join('/', topic.Skip(i)));
                return true;
            }

            if (i >= topic.Length)
            {
                return false;
            }

            if (filter[i] is "+")
            {
                matched.Add(topic[i]);
            }
            else if (filter[i].Replace("{device}", device.Value, StringComparison.Ordinal) != topic[i])
            {
                return false;
            }
        }

        return filter.Length == topic.Length;
    }

    private static string Fill(string template, Func<string, string> valueOf)
    {
        var text = new StringBuilder();
        var rest = template.AsSpan();
        while (rest.IndexOf('{') is var open and >= 0 && rest[open..].IndexOf('}') is var length and > 0)
        {
            text.Append(rest[..open]).Append(valueOf(rest.Slice(open + 1, length - 1).ToString()));
            rest = rest[(open + length + 1)..];
        }

        return text.Append(rest).ToString();
    }

    private sealed record UpRule(string[] Filter, string Target);

    private sealed record DownRule(DeviceFeeds Feed, string Topic);
}
