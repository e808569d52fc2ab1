namespace Nave.Protocol.Access;

/// <summary>Rights as text: flag names, comma-separated (spec/security.md 4).</summary>
public static class AccessRightsText
{
    /// <summary><c>RegistryRead, ServiceConnect</c>.</summary>
    public static string Format(AccessRights rights) => rights.ToString();

    /// <summary>Reads flag names in any case; <see cref="AccessRights.RegistryWrite"/> brings <see cref="AccessRights.RegistryRead"/> along.</summary>
    public static bool TryParse(string? text, out AccessRights rights)
    {
        rights = AccessRights.None;
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            // Numbers would pass for flags.
            if (!char.IsAsciiLetter(part[0]) || !Enum.TryParse<AccessRights>(part, ignoreCase: true, out var right))
            {
                return false;
            }

            rights |= right;
        }

        rights = Complete(rights);
        return rights is not AccessRights.None;
    }

    /// <summary>Adds what is implied: who may write the registry may read it.</summary>
    public static AccessRights Complete(AccessRights rights) =>
        rights.HasFlag(AccessRights.RegistryWrite) ? rights | AccessRights.RegistryRead : rights;
}
