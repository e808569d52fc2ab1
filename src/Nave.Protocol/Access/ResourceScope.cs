using Nave.Protocol.Identities;

namespace Nave.Protocol.Access;

/// <summary>
/// What a token is for: a host and a path below it, decoded once (spec/security.md 2.3, 2.4). Strict where the key would
/// open more than one identity, lenient where the key itself proves who it is.
/// </summary>
public sealed class ResourceScope
{
    private static readonly string[] Schemes = ["sb://", "amqps://", "amqp://", "https://", "http://"];

    // What lies behind these is an id, in which case counts.
    private static readonly string[] Collections = ["devices", "modules", "twins", "digitaltwins", "jobs", "configurations"];

    // Paths that mean the same (spec/security.md 2.4), longest first.
    private static readonly (string[] From, string[] To)[] Synonyms =
    [
        (["messages", "servicebound", "fileuploadnotifications"], ["messages", "servicebound", "filenotifications"]),
        (["servicebound", "fileuploadnotifications"], ["messages", "servicebound", "filenotifications"]),
        (["servicebound", "filenotifications"], ["messages", "servicebound", "filenotifications"]),
        (["servicebound", "feedback"], ["messages", "servicebound", "feedback"]),
    ];

    private readonly string[] _segments;

    private ResourceScope(string host, string[] segments)
    {
        Host = host;
        _segments = segments;
    }

    /// <summary>The host, without scheme and port.</summary>
    public string Host { get; }

    /// <summary>The path's segments; empty when the whole host is meant.</summary>
    public IReadOnlyList<string> Segments => _segments;

    /// <summary>Reads a resource that has been percent-decoded once. Any text gives a scope; a strange one covers nothing.</summary>
    public static ResourceScope Parse(string decoded)
    {
        var rest = decoded;
        foreach (var scheme in Schemes)
        {
            if (rest.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            {
                rest = rest[scheme.Length..];
                break;
            }
        }

        var parts = rest.TrimEnd('/').Split('/');
        return new ResourceScope(HubNames.WithoutPort(parts[0]), parts[1..]);
    }

    /// <summary>
    /// For a token that was signed with this very identity's key: whether it names the identity or something below it,
    /// however the client spelled it: encoded twice, or in lower case.
    /// </summary>
    public bool NamesIdentity(IdentityId id)
    {
        if (_segments.Length < 2 || !IsLiteral(_segments[0], "devices") || !IsSpellingOf(_segments[1], id.Device.Value))
        {
            return false;
        }

        var namesModule = _segments.Length > 2 && IsLiteral(_segments[2], "modules");
        return id.Module is { } module
            ? namesModule && _segments.Length > 3 && IsSpellingOf(_segments[3], module.Value)
            : !namesModule;
    }

    /// <summary>
    /// The identities that a token signed with an identity's key may mean, the likeliest first; none when it names none.
    /// Case is taken as it is.
    /// </summary>
    public IEnumerable<IdentityId> PossibleIdentities()
    {
        if (_segments.Length < 2 || !IsLiteral(_segments[0], "devices"))
        {
            return [];
        }

        var isModule = _segments.Length > 2 && IsLiteral(_segments[2], "modules");
        return isModule && _segments.Length < 4 ? [] : SpellingsOf(isModule).Distinct();
    }

    /// <summary>
    /// For a token that was signed with a policy's key: whether the scope is a prefix, by segments, of the path. Ids must
    /// be the same to the letter.
    /// </summary>
    /// <param name="path">Nothing encoded: <c>/devices/dev1/messages/events</c>.</param>
    /// <param name="eventHubName">The name that event hub clients use for <c>/messages/events</c>; null when there is none.</param>
    public bool Covers(string path, string? eventHubName = null)
    {
        var wanted = Normalise(path.Trim('/').Split('/'), eventHubName);
        var granted = Normalise(_segments, eventHubName);
        if (granted.Length > wanted.Length)
        {
            return false;
        }

        for (var i = 0; i < granted.Length; i++)
        {
            var comparison = IsIdAt(wanted, i) ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;
            if (!granted[i].Equals(wanted[i], comparison))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary><c>{host}[/path]</c>.</summary>
    public override string ToString() => _segments.Length == 0 ? Host : $"{Host}/{string.Join('/', _segments)}";

    private IEnumerable<IdentityId> SpellingsOf(bool isModule)
    {
        foreach (var device in Spellings(_segments[1]))
        {
            if (!DeviceId.TryParse(device, out var deviceId))
            {
                continue;
            }

            if (!isModule)
            {
                yield return new IdentityId(deviceId);
                continue;
            }

            foreach (var module in Spellings(_segments[3]))
            {
                if (ModuleId.TryParse(module, out var moduleId))
                {
                    yield return new IdentityId(deviceId, moduleId);
                }
            }
        }
    }

    // Form-decoding adds nothing to percent-decoding here: it differs only in making blanks, which no id has.
    private static string[] Spellings(string segment) => [segment, Uri.UnescapeDataString(segment)];

    private static bool IsSpellingOf(string segment, string id) =>
        Spellings(segment).Any(spelling => spelling.Equals(id, StringComparison.OrdinalIgnoreCase));

    private static bool IsLiteral(string segment, string literal) => segment.Equals(literal, StringComparison.OrdinalIgnoreCase);

    private static bool IsIdAt(string[] segments, int index) =>
        index % 2 == 1 && Collections.Contains(segments[index - 1], StringComparer.OrdinalIgnoreCase);

    private static string[] Normalise(string[] segments, string? eventHubName)
    {
        if (eventHubName is not null && segments.Length > 0 && IsLiteral(segments[0], eventHubName))
        {
            return ["messages", "events", .. segments[1..]];
        }

        foreach (var (from, to) in Synonyms)
        {
            if (segments.Length >= from.Length && from.Zip(segments).All(pair => IsLiteral(pair.Second, pair.First)))
            {
                return [.. to, .. segments[from.Length..]];
            }
        }

        return segments;
    }
}
