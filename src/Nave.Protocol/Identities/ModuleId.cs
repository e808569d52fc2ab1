using System.Diagnostics.CodeAnalysis;

namespace Nave.Protocol.Identities;

/// <summary>The id of a module identity within its device; the same characters as a <see cref="DeviceId"/>.</summary>
public readonly record struct ModuleId
{
    private readonly string? _value;

    private ModuleId(string value) => _value = value;

    /// <summary>The text as registered.</summary>
    public string Value => _value ?? throw new InvalidOperationException("The default value is no module id.");

    /// <summary>Reads an id; false when a character or the length is not allowed.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out ModuleId id)
    {
        var isValid = IdentityText.IsValid(text);
        id = isValid ? new ModuleId(text!) : default;
        return isValid;
    }

    /// <summary>Reads an id that is known to be valid.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static ModuleId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not a module id: {IdentityText.Rule}");

    /// <inheritdoc/>
    public override string ToString() => Value;
}
