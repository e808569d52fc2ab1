using System.Diagnostics.CodeAnalysis;

namespace Nave.Protocol.Identities;

/// <summary>
/// The id of a device identity: 1 to 128 ASCII letters, digits and <c>- : . + % _ # * ? ! ( ) , = @ ; $ '</c>,
/// case-sensitive (spec/service-rest.md 4.1).
/// </summary>
public readonly record struct DeviceId
{
    private readonly string? _value;

    private DeviceId(string value) => _value = value;

    /// <summary>The text as registered.</summary>
    public string Value => _value ?? throw new InvalidOperationException("The default value is no device id.");

    /// <summary>Reads an id; false when a character or the length is not allowed.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out DeviceId id)
    {
        var isValid = IdentityText.IsValid(text);
        id = isValid ? new DeviceId(text!) : default;
        return isValid;
    }

    /// <summary>Reads an id that is known to be valid.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static DeviceId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not a device id: {IdentityText.Rule}");

    /// <inheritdoc/>
    public override string ToString() => Value;
}
