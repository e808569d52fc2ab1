using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;

namespace Nave.Cli.Tokens;

/// <summary>Everything that can be set on a token service; names and meanings are in <see cref="TokenOptionTable"/>.</summary>
internal sealed class TokenRunOptions
{
    public IReadOnlyList<string> HostNames { get; set; } = [];

    public string DataDirectory { get; set; } = "nave-tokens";

    public IPAddress Address { get; set; } = IPAddress.Loopback;

    public int HttpsPort { get; set; } = 8450;

    public int MetricsPort { get; set; } = 8451;

    public string? CertificateFile { get; set; }

    public string? KeyFile { get; set; }

    public string? HubDataDirectory { get; set; }

    public string HubPolicy { get; set; } = "device";

    public string? HubConnectionString { get; set; }

    public string? HubCaFile { get; set; }

    /// <summary>The operator's word that the policy of <see cref="HubConnectionString"/> has DeviceConnect alone.</summary>
    public bool HubPolicyHasOnlyDeviceConnect { get; set; }

    public TimeSpan Life { get; set; } = TimeSpan.FromHours(1);

    public TimeSpan LongestLife { get; set; } = TimeSpan.FromHours(24);

    public string? Sqlite { get; set; }

    public string? Postgres { get; set; }

    public string? SecretKeyFile { get; set; }

    public string? OidcIssuer { get; set; }

    public string? OidcAudience { get; set; }

    public string? OidcJwksUrl { get; set; }

    public string OidcDeviceId { get; set; } = "{sub}";

    public string? OidcCaFile { get; set; }

    public string? CallbackUrl { get; set; }

    public string? CallbackAuthorization { get; set; }

    public string? CallbackCaFile { get; set; }

    public int RequestsPerMinutePerAddress { get; set; } = 600;

    public int TokensPerHourPerDevice { get; set; } = 120;

    public bool Audit { get; set; } = true;

    public ConsoleFormat LogFormat { get; set; }

    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
