namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A link's address taken apart: <c>/a/b</c>, <c>a/b</c>, <c>amqps://host:5671/a/b</c> and <c>amqp:a/b</c> are the same
/// (spec/device-amqp.md 4.1, spec/service-amqp.md 1).
/// </summary>
internal sealed class LinkAddress
{
    // 64 KB of slashes would otherwise become as many strings.
    private const int MaxLength = 1024;

    private LinkAddress(string text, string path, string[] segments)
    {
        Text = text;
        Path = path;
        Segments = segments;
    }

    /// <summary>As the peer wrote it.</summary>
    public string Text { get; }

    /// <summary>Without scheme, host, query and leading slash, as written otherwise.</summary>
    public string Path { get; }

    /// <summary>The parts of <see cref="Path"/>, percent-encoded as they came; no empty ones.</summary>
    public IReadOnlyList<string> Segments { get; }

    /// <summary>Reads an address; null when it is none.</summary>
    public static LinkAddress? TryParse(string? text)
    {
        if (string.IsNullOrEmpty(text) || text.Length > MaxLength)
        {
            return null;
        }

        var path = text.AsSpan();
        var scheme = path.IndexOf("://");
        if (scheme > 0 && !path[..scheme].Contains('/'))
        {
            path = path[(scheme + 3)..];
            var slash = path.IndexOf('/');
            path = slash < 0 ? default : path[slash..];
        }
        else if (path.StartsWith("amqp:", StringComparison.OrdinalIgnoreCase))
        {
            path = path[5..];
        }

        var query = path.IndexOf('?');
        path = (query < 0 ? path : path[..query]).TrimStart('/');
        return path.IsEmpty
            ? null
            : new LinkAddress(text, path.ToString(), path.ToString().Split('/', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>A segment as a name.</summary>
    public string Name(int index) => Uri.UnescapeDataString(Segments[index]);

    /// <summary>Whether the segment is the fixed word; those are compared without case.</summary>
    public bool Is(int index, string word) =>
        index < Segments.Count && string.Equals(Name(index), word, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
