using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Nave.Hub.Monitoring;

/// <summary>
/// The page at <c>/metrics</c>: adds up what the instruments of a meter report and writes it in the Prometheus text format
/// 0.0.4. Ours, because the OpenTelemetry exporter for Prometheus is only a pre-release.
/// </summary>
public sealed class PrometheusPage : IDisposable
{
    /// <summary>What the page is served as.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly ConcurrentDictionary<Instrument, Family> _families = new();
    private readonly MeterListener _listener = new();

    /// <param name="meter">Whose instruments are shown.</param>
    public PrometheusPage(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == meter)
            {
                listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument, Family.Of));
            }
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((Family)state!).Take(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((Family)state!).Take(value, tags));
        _listener.Start();
    }

    /// <summary>The page as it stands now.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        var page = new StringBuilder(8192);
        foreach (var family in _families.Values.OrderBy(family => family.Name, StringComparer.Ordinal))
        {
            family.Write(page);
        }

        return page.ToString();
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    /// <summary>One instrument with its series.</summary>
    private sealed class Family(string name, string help, string type, bool isAbsolute, double[]? bounds)
    {
        private readonly ConcurrentDictionary<string, Series> _series = new(StringComparer.Ordinal);

        public string Name => name;

        public static Family Of(Instrument instrument) => new(
            instrument.Name,
            instrument.Description ?? "",
            instrument switch
            {
                Histogram<double> => "histogram",
                Counter<long> or ObservableCounter<long> => "counter",
                _ => "gauge",
            },
            isAbsolute: instrument.IsObservable,
            (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries?.ToArray());

        public void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var series = _series.GetOrAdd(LabelsOf(tags), static (_, bounds) => new Series(bounds), bounds);
            series.Take(value, isAbsolute);
        }

        public void Write(StringBuilder page)
        {
            page.Append(CultureInfo.InvariantCulture, $"# HELP {name} {Escape(help)}\n# TYPE {name} {type}\n");
            foreach (var (labels, series) in _series.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                series.Write(page, name, labels);
            }
        }

        private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (tags.IsEmpty)
            {
                return "";
            }

            var labels = new StringBuilder();
            foreach (var (key, value) in tags)
            {
                labels.Append(labels.Length == 0 ? "" : ",").Append(key).Append("=\"")
                    .Append(Escape(value?.ToString() ?? "").Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
            }

            return labels.ToString();
        }

        private static string Escape(string text) =>
            text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
    }

    /// <summary>One set of labels: a number, or a histogram's buckets.</summary>
    private sealed class Series(double[]? bounds)
    {
        private readonly Lock _lock = new();
        private readonly long[] _buckets = bounds is null ? [] : new long[bounds.Length + 1];
        private double _sum;

        public void Take(double value, bool isAbsolute)
        {
            lock (_lock)
            {
                _sum = isAbsolute ? value : _sum + value;
                if (bounds is not null)
                {
                    var bucket = Array.BinarySearch(bounds, value);
                    _buckets[bucket < 0 ? ~bucket : bucket]++;
                }
            }
        }

        public void Write(StringBuilder page, string name, string labels)
        {
            lock (_lock)
            {
                if (bounds is null)
                {
                    Line(page, name, labels, _sum);
                    return;
                }

                long count = 0;
                for (var i = 0; i < _buckets.Length; i++)
                {
                    count += _buckets[i];
                    var bound = i < bounds.Length ? bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
                    Line(page, name + "_bucket", $"{labels}{(labels.Length > 0 ? "," : "")}le=\"{bound}\"", count);
                }

                Line(page, name + "_sum", labels, _sum);
                Line(page, name + "_count", labels, count);
            }
        }

        private static void Line(StringBuilder page, string name, string labels, double value) =>
            page.Append(name).Append(labels.Length == 0 ? "" : "{" + labels + "}").Append(' ')
                .Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }
}
