using Microsoft.Extensions.Logging;
using Nave.Cli.Commands;
using Nave.Hub.Hosting;
using Nave.Tokens;
using static Nave.Hub.Hosting.OptionValue;

namespace Nave.Cli.Tokens;

/// <summary>Every option of <c>nave tokens</c>.</summary>
internal static class TokenOptionTable
{
    /// <summary>All options in the order of the documentation.</summary>
    public static RoleOptionTable<TokenRunOptions> All { get; } = new("NAVE_TOKENS__",
    [
        new("Service:HostNames", "--host", "localhost, the machine's name and the bound address", "Names that devices use for the service; its certificate is for them",
            (o, text) => o.HostNames = Names(text)),
        new("Service:DataDirectory", "--data", "./nave-tokens", "Data directory: certificates, server key, audit trail", (o, text) => o.DataDirectory = text),
        new("Listen:Address", "--bind", "127.0.0.1", "Address to listen on; 0.0.0.0 for all", (o, text) => o.Address = Address(text)),
        new("Listen:HttpsPort", "--https-port", "8450", "The service", (o, text) => o.HttpsPort = Port(text)),
        new("Listen:MetricsPort", "--metrics-port", "8451", "Metrics, plain, on loopback only", (o, text) => o.MetricsPort = Port(text)),
        new("Tls:CertificateFile", "--cert", "its own", "Server certificate with its chain (PEM)", (o, text) => o.CertificateFile = text),
        new("Tls:KeyFile", "--key", "its own", "Key of the server certificate (PEM)", (o, text) => o.KeyFile = text),
        new("Hub:DataDirectory", "--hub-data", "./nave-data, unless Hub:ConnectionString is set", "Data directory of the hub on this machine", (o, text) => o.HubDataDirectory = text),
        new("Hub:Policy", "--policy", "device", "Policy of that hub to sign with: DeviceConnect and nothing more", (o, text) => o.HubPolicy = text),
        new("Hub:ConnectionString", null, "none", "Policy of any other hub, Azure's included; a secret: set it in the environment or a file of mode 0600",
            (o, text) => o.HubConnectionString = text),
        new("Hub:PolicyHasOnlyDeviceConnect", "--policy-has-only-device-connect", "false", "Your word for it, needed with Hub:ConnectionString: that hub cannot be asked, only probed",
            (o, text) => o.HubPolicyHasOnlyDeviceConnect = Flag(text)) { IsSwitch = true },
        new("Hub:CaFile", "--hub-ca-file", "the local hub's, or the system's", "Authority to trust for the hub (PEM)", (o, text) => o.HubCaFile = text),
        new("Tokens:Life", "--life", "1h", "Life of a token for which none is asked", (o, text) => o.Life = Duration(text, TokenLife.Floor)),
        new("Tokens:LongestLife", null, "24h", "The longest life that may be asked for, 24h at most", (o, text) => o.LongestLife = Life(text)),
        new("Secrets:Sqlite", "--sqlite", "none", "SQLite file with the table of secrets; made if absent", (o, text) => o.Sqlite = text),
        new("Secrets:Postgres", null, "none", "Connection string of the PostgreSQL database with the table of secrets; a secret as a rule",
            (o, text) => o.Postgres = text),
        new("Secrets:KeyFile", "--key-file", "DATA/keys/secrets.key", "Server key of the table: not beside the table, and of mode 0600", (o, text) => o.SecretKeyFile = text),
        new("Oidc:Issuer", "--oidc-issuer", "none", "Issuer (iss) of the bearer tokens that are accepted", (o, text) => o.OidcIssuer = text),
        new("Oidc:Audience", "--oidc-audience", "none", "Audience (aud) that they must name", (o, text) => o.OidcAudience = text),
        new("Oidc:JwksUrl", "--oidc-jwks", "none", "The issuer's keys (https)", (o, text) => o.OidcJwksUrl = Https(text)),
        new("Oidc:DeviceId", "--oidc-device-id", "{sub}", "How claims make a device id, such as meter-{sub}", (o, text) => o.OidcDeviceId = text),
        new("Oidc:CaFile", null, "the system's", "Authority to trust for Oidc:JwksUrl (PEM)", (o, text) => o.OidcCaFile = text),
        new("Callback:Url", "--callback", "none", "Your service that judges identity and secret (https)", (o, text) => o.CallbackUrl = Https(text)),
        new("Callback:Authorization", null, "none", "Authorization header that your service knows this one by; a secret", (o, text) => o.CallbackAuthorization = text),
        new("Callback:CaFile", null, "the system's", "Authority to trust for Callback:Url (PEM)", (o, text) => o.CallbackCaFile = text),
        new("Limits:RequestsPerMinutePerAddress", null, "600", "Requests of one address a minute; 0 lifts it",
            (o, text) => o.RequestsPerMinutePerAddress = Number(text, 0, 1_000_000)),
        new("Limits:TokensPerHourPerDevice", null, "120", "Tokens for one device an hour; 0 lifts it",
            (o, text) => o.TokensPerHourPerDevice = Number(text, 0, 1_000_000)),
        new("Audit:Trail", null, "true", "Write DATA/audit.jsonl", (o, text) => o.Audit = Flag(text)),
        new("Log:Format", "--log", "text", "Console log: text or json", (o, text) => o.LogFormat = Choice<ConsoleFormat>(text)),
        new("Log:Level", "--log-level", "information", "Least level shown: trace, debug, information, warning, error",
            (o, text) => o.LogLevel = Choice<LogLevel>(text)),
    ]);

    private static TimeSpan Life(string text) =>
        Duration(text, TokenLife.Floor) is var life && life <= TokenLife.Ceiling
            ? life
            : throw new FormatException($"'{text}' is more than {TokenLife.Ceiling.TotalHours:F0} h");

    private static string Https(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "https" && url.UserInfo.Length == 0
            ? text
            : throw new FormatException("it is not an https URL");
}
