using System.Globalization;

namespace Nave.Bench.Linux;

/// <summary>What a process had used at one moment: CPU of all its threads, and its resident memory.</summary>
internal readonly record struct ProcessSample(TimeSpan Cpu, long ResidentBytes)
{
    private static readonly long TicksPerSecond = Libc.SystemConfiguration(Libc.ScClockTicks);

    public static ProcessSample? Read(int processId)
    {
        try
        {
            return Parse(File.ReadAllText($"/proc/{processId}/stat"), TicksPerSecond, Environment.SystemPageSize);
        }
        catch (IOException)
        {
            return null; // The process is gone.
        }
    }

    /// <summary>Reads a line of /proc/PID/stat (proc(5)): utime and stime are fields 14 and 15, rss is 24.</summary>
    public static ProcessSample Parse(string line, long ticksPerSecond, int pageBytes)
    {
        // Field 2 is the program's name in brackets and may itself hold spaces and brackets.
        var afterName = line.AsSpan(line.LastIndexOf(')') + 2);
        long userTicks = 0, systemTicks = 0, pages = 0;
        var field = 3;
        foreach (var range in afterName.Split(' '))
        {
            switch (field++)
            {
                case 14:
                    userTicks = Number(afterName[range]);
                    break;
                case 15:
                    systemTicks = Number(afterName[range]);
                    break;
                case 24:
                    pages = Number(afterName[range]);
                    break;
                default:
                    break;
            }
        }

        if (field <= 24)
        {
            throw new FormatException("the line has too few fields");
        }

        return new ProcessSample(
            TimeSpan.FromSeconds((userTicks + systemTicks) / (double)ticksPerSecond),
            pages * pageBytes);
    }

    private static long Number(ReadOnlySpan<char> text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
