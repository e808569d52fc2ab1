namespace Nave.Hub.Devices;

/// <summary>The wire's words for what identities are (spec/service-rest.md 4.1): exact on output, any case on input.</summary>
internal static class IdentityWords
{
    public static string Of(AuthenticationType type) => type switch
    {
        AuthenticationType.Sas => "sas",
        AuthenticationType.SelfSigned => "selfSigned",
        AuthenticationType.CertificateAuthority => "certificateAuthority",
        _ => "none",
    };

    public static AuthenticationType? ParseType(string text) => text.ToLowerInvariant() switch
    {
        "sas" => AuthenticationType.Sas,
        "selfsigned" => AuthenticationType.SelfSigned,
        "certificateauthority" => AuthenticationType.CertificateAuthority,
        "none" => AuthenticationType.None,
        _ => null,
    };

    public static string OfStatus(bool isEnabled) => isEnabled ? "enabled" : "disabled";

    public static bool? ParseStatus(string text) => text.ToLowerInvariant() switch
    {
        "enabled" => true,
        "disabled" => false,
        _ => null,
    };
}
