using System.Diagnostics.CodeAnalysis;
using System.Text;
using Nave.Protocol.Identities;

namespace Nave.Protocol.Access;

/// <summary>
/// A connection string in any of the forms of spec/security.md 3: device, module, back end, events endpoint. What
/// <see cref="ToString"/> prints is what the SDKs read, letter case included (Node compares exactly).
/// </summary>
public sealed record ConnectionString
{
    private const string SasPrefix = SasToken.Prefix + " ";

    /// <summary>The hub, perhaps with <c>:port</c>.</summary>
    public required string HostName { get; init; }

    /// <summary>Where to connect instead of <see cref="HostName"/>; tokens are still made for the latter.</summary>
    public string? GatewayHostName { get; init; }

    /// <summary>The identity, for devices and modules.</summary>
    public IdentityId? Identity { get; init; }

    /// <summary>The policy that <see cref="SharedAccessKey"/> belongs to; null for a key of the identity itself.</summary>
    public string? SharedAccessKeyName { get; init; }

    /// <summary>Base64.</summary>
    public string? SharedAccessKey { get; init; }

    /// <summary>A ready-made token.</summary>
    public string? SharedAccessSignature { get; init; }

    /// <summary>Whether the client proves itself by its certificate.</summary>
    public bool UsesX509 { get; init; }

    /// <summary>The event hub's name: makes this the string of an events endpoint (<c>Endpoint=sb://…</c>).</summary>
    public string? EntityPath { get; init; }

    /// <summary>Whether this is of the form <c>Endpoint=sb://…</c>.</summary>
    public bool IsEventsEndpoint { get; init; }

    /// <summary>Event hub clients then use plain AMQP.</summary>
    public bool UsesDevelopmentEmulator { get; init; }

    /// <summary>The host without port.</summary>
    public string Host => HubNames.WithoutPort(HostName);

    /// <summary>The port behind <see cref="HostName"/>, or null.</summary>
    public int? Port =>
        HostName.Length > 0 && HostName.LastIndexOf(':') is var colon and > 0
        && (HostName.IndexOf(':') == colon || HostName[colon - 1] == ']')
        && int.TryParse(HostName.AsSpan(colon + 1), out var port) ? port : null;

    /// <summary>Reads a connection string; when it cannot be read, <paramref name="problem"/> says why and never shows a secret.</summary>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ConnectionString? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        if (string.IsNullOrWhiteSpace(text))
        {
            problem = "The connection string is empty.";
            return false;
        }

        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        problem = ReadFields(text.Trim(), fields) ?? CheckHost(fields) ?? CheckIdentity(fields, out var identity) ?? CheckCredential(fields);
        if (problem is not null)
        {
            return false;
        }

        value = Build(fields);
        return true;
    }

    /// <summary>Reads a connection string.</summary>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static ConnectionString Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    /// <summary>The string as the SDKs read it. Holds the secret.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(IsEventsEndpoint ? $"Endpoint=sb://{HostName}/" : $"HostName={HostName}");
        if (Identity is { } id)
        {
            Append("DeviceId", id.Device.Value);
            Append("ModuleId", id.Module?.Value);
        }

        Append("SharedAccessKeyName", SharedAccessKeyName);
        Append("SharedAccessKey", SharedAccessKey);
        Append("SharedAccessSignature", SharedAccessSignature);
        Append("x509", UsesX509 ? "true" : null);
        Append("EntityPath", EntityPath);
        Append("UseDevelopmentEmulator", UsesDevelopmentEmulator ? "true" : null);
        Append("GatewayHostName", GatewayHostName);
        return text.ToString();

        void Append(string name, string? fieldValue)
        {
            if (fieldValue is not null)
            {
                text.Append(';').Append(name).Append('=').Append(fieldValue);
            }
        }
    }

    private static string? ReadFields(string text, Dictionary<string, string> fields)
    {
        string? last = null;
        foreach (var part in text.Split(';'))
        {
            var equals = part.IndexOf('=');
            if (equals > 0)
            {
                last = part[..equals].Trim();
                if (!fields.TryAdd(last, part[(equals + 1)..]))
                {
                    return $"The connection string has '{last}' twice.";
                }
            }
            else if (last is not null && IsIdField(last) && part.Length > 0)
            {
                // ';' is a legal character of ids.
                fields[last] += ";" + part;
            }
            else if (part.Trim().Length > 0)
            {
                return "A part of the connection string is not of the form Name=Value.";
            }
        }

        return null;
    }

    private static bool IsIdField(string name) =>
        name.Equals("DeviceId", StringComparison.OrdinalIgnoreCase) || name.Equals("ModuleId", StringComparison.OrdinalIgnoreCase);

    private static string? CheckHost(Dictionary<string, string> fields)
    {
        var hasHost = fields.TryGetValue("HostName", out var host);
        var hasEndpoint = fields.TryGetValue("Endpoint", out var endpoint);
        return hasHost == hasEndpoint ? $"The connection string needs HostName or Endpoint; it has {Names(fields)}."
            : hasHost && !IsHost(host!) ? $"HostName '{host}' is not a host name."
            : hasEndpoint && ReadEndpoint(endpoint!) is null ? $"Endpoint '{endpoint}' is not of the form sb://host/."
            : null;
    }

    private static string? CheckIdentity(Dictionary<string, string> fields, out IdentityId? identity)
    {
        identity = null;
        fields.TryGetValue("DeviceId", out var device);
        fields.TryGetValue("ModuleId", out var module);
        if (device is null)
        {
            return module is null ? null : "ModuleId needs DeviceId beside it.";
        }

        if (!Identities.DeviceId.TryParse(device, out var deviceId))
        {
            return $"DeviceId '{device}' is not allowed: {IdentityText.Rule}.";
        }

        if (module is null)
        {
            identity = new IdentityId(deviceId);
            return null;
        }

        if (!Identities.ModuleId.TryParse(module, out var moduleId))
        {
            return $"ModuleId '{module}' is not allowed: {IdentityText.Rule}.";
        }

        identity = new IdentityId(deviceId, moduleId);
        return null;
    }

    private static string? CheckCredential(Dictionary<string, string> fields)
    {
        var hasKey = fields.TryGetValue("SharedAccessKey", out var key);
        var hasToken = fields.TryGetValue("SharedAccessSignature", out var token);
        var usesX509 = ReadsX509(fields);
        var isIdentity = fields.ContainsKey("DeviceId");
        var hasPolicy = fields.TryGetValue("SharedAccessKeyName", out var policy);
        return (hasKey ? 1 : 0) + (hasToken ? 1 : 0) + (usesX509 ? 1 : 0) != 1
                ? $"The connection string needs exactly one of SharedAccessKey, SharedAccessSignature and x509=true; it has {Names(fields)}."
            : hasKey && !IsBase64(key!) ? "SharedAccessKey is not base64."
            : hasToken && !token!.StartsWith(SasPrefix, StringComparison.Ordinal) ? $"SharedAccessSignature does not begin with '{SasPrefix}'."
            : usesX509 && !isIdentity ? "x509=true needs DeviceId."
            : hasKey && !isIdentity && !hasPolicy ? "SharedAccessKey needs DeviceId or SharedAccessKeyName to say whose key it is."
            : hasPolicy && !IsPolicyName(policy!) ? "SharedAccessKeyName may hold letters, digits and _ @ . - only."
            : null;
    }

    private static ConnectionString Build(Dictionary<string, string> fields)
    {
        var endpoint = fields.GetValueOrDefault("Endpoint");
        CheckIdentity(fields, out var identity);
        return new ConnectionString
        {
            HostName = endpoint is null ? fields["HostName"] : ReadEndpoint(endpoint)!,
            GatewayHostName = fields.GetValueOrDefault("GatewayHostName"),
            Identity = identity,
            SharedAccessKeyName = fields.GetValueOrDefault("SharedAccessKeyName"),
            SharedAccessKey = fields.GetValueOrDefault("SharedAccessKey"),
            SharedAccessSignature = fields.GetValueOrDefault("SharedAccessSignature"),
            UsesX509 = ReadsX509(fields),
            EntityPath = fields.GetValueOrDefault("EntityPath"),
            IsEventsEndpoint = endpoint is not null,
            UsesDevelopmentEmulator = IsTrue(fields.GetValueOrDefault("UseDevelopmentEmulator")),
        };
    }

    private static bool ReadsX509(Dictionary<string, string> fields) =>
        IsTrue(fields.GetValueOrDefault("x509")) || IsTrue(fields.GetValueOrDefault("X509Cert"));

    private static bool IsTrue(string? text) => "true".Equals(text, StringComparison.OrdinalIgnoreCase);

    private static string? ReadEndpoint(string endpoint)
    {
        var scheme = endpoint.IndexOf("://", StringComparison.Ordinal);
        var host = endpoint[(scheme < 0 ? 0 : scheme + 3)..].TrimEnd('/');
        return scheme > 0 && IsHost(host) ? host : null;
    }

    // Letters, digits and what separates labels, ports and IPv6 groups.
    private static bool IsHost(string host) =>
        host.Length is > 0 and <= 260 && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '[' or ']');

    private static bool IsPolicyName(string name) =>
        name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '@' or '.' or '-');

    private static bool IsBase64(string key) =>
        key.Length > 0 && Convert.TryFromBase64String(key, new byte[key.Length], out var count) && count > 0;

    private static string Names(Dictionary<string, string> fields) =>
        fields.Count == 0 ? "nothing" : string.Join(", ", fields.Keys);
}
