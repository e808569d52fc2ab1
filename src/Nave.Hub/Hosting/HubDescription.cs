using Microsoft.Extensions.DependencyInjection;
using Nave.Hub.Access;
using Nave.Hub.Hosting.Certificates;
using Nave.Protocol.Access;

namespace Nave.Hub.Hosting;

/// <summary>Writes the files by which others find the hub: <c>operator.json</c>, then <c>connection.json</c>, last.</summary>
internal static class HubDescription
{
    private static readonly string[] PrintedPolicies = ["iothubowner", "service", "device", "registryRead", "registryReadWrite"];

    /// <summary>Writes both.</summary>
    public static ConnectionFile Write(IServiceProvider services, DataDirectory data)
    {
        var names = services.GetRequiredService<HubNames>();
        var listeners = services.GetRequiredService<Listeners>();
        var policies = services.GetRequiredService<PolicyRegistry>();
        var options = services.GetRequiredService<HubOptions>();

        // With the operator's own certificate the file to trust is the operator's to name: its chain may be public.
        var ca = services.GetRequiredService<ServerCertificates>().AuthorityFile ?? Path.GetFullPath(options.Tls.CertificateFile!);
        new OperatorFile(
            $"https://{OperatorHost(options, names)}:{listeners.NumberOf(HubPort.Operator)}/$nave/v1/",
            services.GetRequiredService<OperatorCredential>().Token,
            ca).Write(data.Root);

        var connection = new ConnectionFile
        {
            HostName = names.Primary,
            ProcessId = Environment.ProcessId,
            CaCertificate = ca,
            Policies = policies.All
                .Where(policy => PrintedPolicies.Contains(policy.Name, StringComparer.OrdinalIgnoreCase))
                .OrderBy(policy => Array.FindIndex(PrintedPolicies, name => name.Equals(policy.Name, StringComparison.OrdinalIgnoreCase)))
                .ToDictionary(policy => policy.Name, policy => StringOf(names, policy).ToString()),
            Events = EventsOf(names, policies, services.GetRequiredService<AccessOptions>()),
            Ports = new ConnectionPorts
            {
                Mqtts = listeners.NumberOf(HubPort.Mqtts) ?? 0,
                Amqps = listeners.NumberOf(HubPort.Amqps) ?? 0,
                Https = listeners.NumberOf(HubPort.Https) ?? 0,
                Operator = listeners.NumberOf(HubPort.Operator) ?? 0,
                Mqtt = listeners.NumberOf(HubPort.Mqtt),
                Amqp = listeners.NumberOf(HubPort.Amqp),
            },
        };
        connection.Write(data.Root);
        return connection;
    }

    private static ConnectionString StringOf(HubNames names, SharedAccessPolicy policy) => new()
    {
        HostName = names.Primary,
        SharedAccessKeyName = policy.Name,
        SharedAccessKey = policy.PrimaryKey,
    };

    private static string EventsOf(HubNames names, PolicyRegistry policies, AccessOptions access) =>
        policies.Find("service") is { } service
            ? (StringOf(names, service) with { IsEventsEndpoint = true, EntityPath = access.EventHubName }).ToString()
            : "";

    // The operator port may have an address of its own.
    private static string OperatorHost(HubOptions options, HubNames names)
    {
        var address = options.Listen.OperatorAddress ?? options.Listen.OwnLoopback;
        return address.Equals(options.Listen.Address) ? names.Primary
            : address.Equals(System.Net.IPAddress.Any) || address.Equals(System.Net.IPAddress.IPv6Any) ? names.Primary
            : address.AddressFamily is System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]"
            : address.ToString();
    }
}
