using System.CommandLine;
using System.Text.Json;
using Nave.Bench.Linux;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary><c>bench million</c> with some tens of devices, and what it reads of the machine.</summary>
public sealed class MillionTests
{
    [Fact]
    public async Task All_that_were_asked_for_are_held_and_watched()
    {
        var report = await RunAsync("--devices 25 --step 10 --hold 1 --source 127.61.5.1,127.61.5.2");

        Assert.Equal((25, 25), (report.GetProperty("registered").GetInt32(), report.GetProperty("held").GetInt32()));
        Assert.Equal([10, 20, 25], report.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("held").GetInt32()));
        Assert.Equal(25, report.GetProperty("tracked").GetProperty("online").GetInt64());
        Assert.Equal(14, report.GetProperty("demands")[0].GetProperty("row").GetInt32());
        Assert.False(report.GetProperty("demands")[0].GetProperty("must").GetProperty("isMet").GetBoolean());
    }

    [Fact]
    public async Task It_stops_while_there_is_memory_left()
    {
        var report = await RunAsync("--devices 5 --hold 0 --reserve 100000000");

        Assert.Equal(0, report.GetProperty("held").GetInt32());
        Assert.Contains("memory", report.GetProperty("endedBy").GetString());
    }

    [Fact]
    public void A_setting_that_is_too_low_is_named_with_what_it_must_be()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "1048576\n");

            Assert.Null(MachineLimits.Problem("fs.nr_open", 1_048_576, file));
            Assert.Equal("sysctl fs.nr_open=1048577 (it is 1048576)", MachineLimits.Problem("fs.nr_open", 1_048_577, file));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Memory_is_read_from_both_files()
    {
        var memory = KernelMemory.Parse(
            ["MemTotal:       24000000 kB", "MemAvailable:   22000000 kB", "Slab:             100000 kB"],
            ["sockets: used 2027", "TCP: inuse 2007 orphan 0 tw 1978 alloc 2007 mem 46", "UDP: inuse 0 mem 0"],
            4096);

        Assert.Equal(new KernelMemory(22_000_000L * 1024, 100_000 * 1024, 46 * 4096), memory);
    }

    [Fact]
    public void A_kernel_that_tells_nothing_of_its_sockets_is_not_said_to_use_no_memory() =>
        Assert.Null(KernelMemory.Parse(["MemTotal:       24000000 kB", "MemAvailable:   22000000 kB"], null, 4096).Sockets);

    [Fact]
    public void Source_addresses_are_as_many_as_ports_need() =>
        Assert.Equal(
            ("127.0.1.1", 101, "127.0.1.101"),
            (Loopback.Sources(5000), Loopback.Sources(1_000_000).Split(',').Length, Loopback.Sources(1_000_000).Split(',')[^1]));

    private static async Task<JsonElement> RunAsync(string arguments)
    {
        var root = new RootCommand { MillionCommand.Create() };
        var (output, errors) = (new StringWriter(), new StringWriter());
        await root.Parse($"million --json {arguments}").InvokeAsync(
            new InvocationConfiguration { Output = output, Error = errors }, TestContext.Current.CancellationToken);
        return output.ToString() is { Length: > 0 } json ? JsonDocument.Parse(json).RootElement : throw new InvalidOperationException(errors.ToString());
    }
}
