using Nave.Hub.Devices;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Tests.Monitoring;

public sealed class PrometheusPageTests
{
    [Fact]
    public void Counters_gauges_and_histograms_are_written_in_the_text_format()
    {
        using var metrics = new HubMetrics();
        using var page = new PrometheusPage(metrics.Meter);
        metrics.ObserveGauge("nave_devices_connected", "Devices.", () => 7);
        metrics.ConnectionOpened("mqtts");
        metrics.ConnectionOpened("mqtts");
        metrics.ConnectionClosed("mqtts");
        metrics.Refused("DeviceNotFound");
        metrics.SessionClosed(CloseReason.TakenOver);
        metrics.Acknowledged(3, TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(40));

        var text = page.Write();

        Assert.Contains("# TYPE nave_connections gauge\nnave_connections{port=\"mqtts\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE nave_connections_opened_total counter\nnave_connections_opened_total{port=\"mqtts\"} 2\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_refusals_total{reason=\"DeviceNotFound\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_sessions_closed_total{reason=\"TakenOver\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_devices_connected 7\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_messages_acknowledged_total 3\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE nave_append_duration_seconds histogram\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_append_duration_seconds_bucket{le=\"0.001\"} 0\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_append_duration_seconds_bucket{le=\"0.0025\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_append_duration_seconds_bucket{le=\"+Inf\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("nave_acknowledgement_duration_seconds_sum 0.04\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_hubs_in_one_process_do_not_mix()
    {
        using var ours = new HubMetrics();
        using var theirs = new HubMetrics();
        using var page = new PrometheusPage(ours.Meter);

        theirs.Refused("DeviceNotFound");

        Assert.DoesNotContain("DeviceNotFound", page.Write(), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_are_escaped()
    {
        using var metrics = new HubMetrics();
        using var page = new PrometheusPage(metrics.Meter);

        metrics.Refused("a\"b\\c\nd");

        Assert.Contains("""nave_refusals_total{reason="a\"b\\c\nd"} 1""", page.Write(), StringComparison.Ordinal);
    }
}
