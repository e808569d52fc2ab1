using Microsoft.Extensions.DependencyInjection;
using Nave.Hub.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Nave.Hub.Monitoring;

/// <summary>Sends the hub's metrics to a collector with OTLP, where an option or the usual environment variables name one.</summary>
internal static class MetricsExport
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Adds the exporter, if there is anywhere to export to; nothing of it is loaded otherwise.</summary>
    public static void AddMetricsExport(this IServiceCollection services, HubOptions options, HubSurroundings surroundings)
    {
        if (options.Metrics.OtlpEndpoint is not null || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EndpointVariable)))
        {
            Add(services, options.Metrics.OtlpEndpoint, surroundings);
        }
    }

    private static void Add(IServiceCollection services, string? endpoint, HubSurroundings surroundings) => services
        .AddOpenTelemetry()
        .ConfigureResource(resource => resource.AddService("nave", serviceVersion: surroundings.Version))
        .WithMetrics(metrics => metrics
            .AddMeter(HubMetrics.MeterName, "Nave.EventLog", "System.Runtime")
            .AddOtlpExporter(exporter =>
            {
                // Everything else (protocol, headers, interval) is read from the usual OTEL_… variables.
                if (endpoint is not null)
                {
                    exporter.Endpoint = new Uri(endpoint);
                }
            }));
}
