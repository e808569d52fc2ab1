using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Hosting;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Tests.Monitoring;

public sealed class ConsoleLogTests : IDisposable
{
    private readonly StringWriter _output = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public void A_line_is_short_and_has_no_colour_off_a_terminal()
    {
        Write(ConsoleFormat.Text, logger => logger.LogWarning("disk at {Percent} %", 91));

        Assert.EndsWith(" warn  disk at 91 %", _output.ToString().TrimEnd(), StringComparison.Ordinal);
        Assert.DoesNotContain('\x1b', _output.ToString());
    }

    [Fact]
    public void Text_of_strangers_cannot_write_lines_or_colours()
    {
        Write(ConsoleFormat.Text, logger => logger.LogInformation("{DeviceId} refused", "a\r\n12:00 info  all is well\x1b[31m"));

        Assert.Single(_output.ToString().TrimEnd().Split('\n'));
        Assert.Contains(@"a\u000d\u000a12:00", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\x1b', _output.ToString());
    }

    [Fact]
    public void A_long_text_is_cut()
    {
        Write(ConsoleFormat.Text, logger => logger.LogInformation("{Text}", new string('x', 100_000)));

        Assert.InRange(_output.ToString().Length, 1000, 3000);
    }

    [Fact]
    public void Machines_get_one_object_a_line_with_its_holes()
    {
        Write(ConsoleFormat.Json, logger => logger.Log(LogLevel.Information, new EventId(1234), "{DeviceId} came", "pump"));

        using var json = JsonDocument.Parse(_output.ToString());
        Assert.Equal("pump came", json.RootElement.GetProperty("message").GetString());
        Assert.Equal("pump", json.RootElement.GetProperty("DeviceId").GetString());
        Assert.Equal(1234, json.RootElement.GetProperty("event").GetInt32());
        Assert.Equal("Information", json.RootElement.GetProperty("level").GetString());
    }

    [Fact]
    public void Frameworks_below_the_hub_are_heard_from_warning_on()
    {
        Write(ConsoleFormat.Text, logger => logger.LogInformation("chatter"), "Microsoft.AspNetCore.Server.Kestrel");

        Assert.Empty(_output.ToString());
    }

    private void Write(ConsoleFormat format, Action<ILogger> write, string category = "Nave.Hub.Test")
    {
        using var log = new ConsoleLog(_output, format, isTerminal: false, LogLevel.Information, new FakeTimeProvider());
        write(log.CreateLogger(category));
    }
}
