using System.Globalization;

namespace Nave.Bench.Linux;

/// <summary>CPU that the whole machine had used at one moment, stolen time included.</summary>
internal readonly record struct MachineSample(TimeSpan Busy)
{
    private static readonly long TicksPerSecond = Libc.SystemConfiguration(Libc.ScClockTicks);

    public static MachineSample Read()
    {
        using var lines = new StreamReader("/proc/stat");
        return Parse(lines.ReadLine() ?? string.Empty, TicksPerSecond);
    }

    /// <summary>Reads the first line of /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal.</summary>
    public static MachineSample Parse(string line, long ticksPerSecond)
    {
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 9 || fields[0] is not "cpu")
        {
            throw new FormatException("not the cpu line of /proc/stat");
        }

        var busyTicks = fields[1..4].Concat(fields[6..9]).Sum(field => long.Parse(field, NumberStyles.None, CultureInfo.InvariantCulture));
        return new MachineSample(TimeSpan.FromSeconds(busyTicks / (double)ticksPerSecond));
    }
}
