namespace Nave.Cli.Events;

/// <summary>Which events a person wants to see. What is null or empty lets all pass.</summary>
internal sealed record EventFilter
{
    /// <summary>Device ids, with <c>*</c> for any characters.</summary>
    public string? Device { get; init; }

    /// <summary>Module id.</summary>
    public string? Module { get; init; }

    /// <summary>Properties that must be there with that value.</summary>
    public IReadOnlyList<(string Name, string Value)> Properties { get; init; } = [];

    /// <summary>Text that the body must hold.</summary>
    public string? Contains { get; init; }

    /// <summary>Whether the event passes.</summary>
    public bool Passes(ReceivedEvent e) =>
        (Device is null || (e.DeviceId is { } device && Matches(Device, device)))
        && (Module is null || e.ModuleId == Module)
        && Properties.All(wanted => Has(e.Properties, wanted) || Has(e.System, wanted))
        && (Contains is null || (e.BodyText?.Contains(Contains, StringComparison.OrdinalIgnoreCase) ?? false));

    private static bool Has(IReadOnlyDictionary<string, object?> values, (string Name, string Value) wanted) =>
        values.TryGetValue(wanted.Name, out var value) && value?.ToString() == wanted.Value;

    private static bool Matches(string pattern, string text)
    {
        var parts = pattern.Split('*');
        if (parts.Length == 1)
        {
            return pattern == text;
        }

        if (!text.StartsWith(parts[0], StringComparison.Ordinal) || !text.AsSpan(parts[0].Length).EndsWith(parts[^1]))
        {
            return false;
        }

        var rest = text.AsSpan(parts[0].Length, text.Length - parts[0].Length - parts[^1].Length);
        foreach (var part in parts.AsSpan(1, parts.Length - 2))
        {
            var at = rest.IndexOf(part, StringComparison.Ordinal);
            if (at < 0)
            {
                return false;
            }

            rest = rest[(at + part.Length)..];
        }

        return true;
    }
}
