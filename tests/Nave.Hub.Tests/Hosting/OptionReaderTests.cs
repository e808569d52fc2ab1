using System.Net;
using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class OptionReaderTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_flag_wins_over_the_environment_and_the_environment_over_the_file()
    {
        var file = Write("Listen:\n  MqttsPort: 1\n  AmqpsPort: 2\n  HttpsPort: 3\n");

        var options = OptionReader.Read(
            file,
            new Dictionary<string, string> { ["NAVE__Listen__AmqpsPort"] = "20", ["NAVE__Listen__HttpsPort"] = "30" },
            [new OptionSetting("Listen:HttpsPort", "300", "--https-port")]);

        Assert.Equal(1, options.Listen.MqttsPort);
        Assert.Equal(20, options.Listen.AmqpsPort);
        Assert.Equal(300, options.Listen.HttpsPort);
        Assert.Equal(8444, options.Listen.OperatorPort);
    }

    [Theory]
    [InlineData("Listen:\n  MqttsPort: 1883\n  HttpPort: 443\n", "line 3", "'Listen:HttpPort'", "Listen:HttpsPort")]
    [InlineData("# remark\nNothing:\n  Known: 1\n", "line 3", "'Nothing:Known'", "docs/operations.md")]
    [InlineData("Access:\n  ClockSkew: soon\n", "line 2", "Access:ClockSkew", "not a duration")]
    [InlineData("Events:\n  Partitions: 33\n", "line 2", "Events:Partitions", "from 1 to 32")]
    [InlineData("Listen:\n  Plain: perhaps\n", "line 2", "Listen:Plain", "neither true nor false")]
    [InlineData("Listen: [1, 2]\n", "line 1", "names with values", "")]
    [InlineData("Listen:\n  Backlog: 1\n  Backlog: 2\n", "line", "Backlog", "")]
    [InlineData("Seed:\n  Devices:\n    - DeviceId: a\n      Colour: red\n", "line 4", "'Colour'", "DeviceId, PrimaryKey")]
    [InlineData("Seed:\n  Policies:\n    - Rights: ServiceConnect\n", "line 3", "Name is missing", "")]
    [InlineData("Seed:\n  Devices:\n    - DeviceId: a\n      PrimaryKey: c2hvcnQ=\n", "line 4", "16 to 64 bytes", "")]
    [InlineData("Listen: {\n", "line", "", "")]
    public void What_the_file_does_not_mean_stops_the_start_and_names_its_line(string yaml, string line, string what, string hint)
    {
        var failure = Assert.Throws<StartFailureException>(() => OptionReader.Read(Write(yaml), new Dictionary<string, string>(), []));

        Assert.True(failure.IsUsage);
        Assert.Contains(line, failure.Message, StringComparison.Ordinal);
        Assert.Contains(what, failure.Message, StringComparison.Ordinal);
        Assert.Contains(hint, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_environment_variable_is_named()
    {
        var failure = Assert.Throws<StartFailureException>(() => OptionReader.Read(
            null, new Dictionary<string, string> { ["NAVE__Listen__HtpsPort"] = "1", ["NAVE_DATA"] = "elsewhere" }, []));

        Assert.Equal("environment variable NAVE__Listen__HtpsPort: there is no option 'Listen:HtpsPort'; did you mean 'Listen:HttpsPort'?", failure.Message);
    }

    [Theory]
    [InlineData("Events:Sync")]
    [InlineData("events:unsynced")]
    public void Nothing_turns_off_the_sync_before_an_acknowledgement(string name)
    {
        var failure = Assert.Throws<StartFailureException>(
            () => OptionReader.Read(null, new Dictionary<string, string>(), [new OptionSetting(name, "false", "--set")]));

        Assert.True(failure.IsUsage);
        Assert.Equal(
            $"--set: there is no option '{name}': each event is on disk before it is acknowledged, and nothing turns that off (./nave bench latency measures what it costs)",
            failure.Message);
        Assert.DoesNotContain(OptionTable.Rows, row => row.Name.Contains("sync", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_missing_file_is_an_error_that_names_it()
    {
        var failure = Assert.Throws<StartFailureException>(
            () => OptionReader.Read(_directory.PathOf("absent.yaml"), new Dictionary<string, string>(), []));

        Assert.Contains("absent.yaml", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_kind_of_value_is_read()
    {
        var file = Write("""
            Hub:
              HostNames: [hub.example, 10.0.0.1]
            Listen: { Address: 127.0.0.2, Plain: true }
            Access: { ClockSkew: 0 }
            Events: { Retention: 12h, RetentionBytes: 10GB, ReserveBytes: 1000 }
            Tls: { HandshakeTimeout: "00:00:05" }
            Log: { Format: json, Level: debug }
            """);

        var options = OptionReader.Read(file, new Dictionary<string, string>(), []);

        Assert.Equal(["hub.example", "10.0.0.1"], options.Hub.HostNames);
        Assert.Equal(IPAddress.Parse("127.0.0.2"), options.Listen.Address);
        Assert.True(options.Listen.Plain);
        Assert.Equal(TimeSpan.Zero, options.Access.ClockSkew);
        Assert.Equal(TimeSpan.FromHours(12), options.Events.Retention);
        Assert.Equal(10L << 30, options.Events.RetentionBytes);
        Assert.Equal(1000, options.Events.ReserveBytes);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Tls.HandshakeTimeout);
        Assert.Equal(ConsoleFormat.Json, options.Log.Format);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Debug, options.Log.Level);
    }

    [Fact]
    public void The_seed_is_read_whole()
    {
        var file = Write("""
            Seed:
              Overwrite: true
              Policies:
                - { Name: iothubowner, Rights: [RegistryWrite, ServiceConnect], PrimaryKey: MDEyMzQ1Njc4OWFiY2RlZg== }
              Devices:
                - DeviceId: pump
                  Enabled: false
                  Modules: [{ ModuleId: motor }]
              ConsumerGroups: [reports]
            """);

        var seed = OptionReader.Read(file, new Dictionary<string, string>(), []).Seed;

        Assert.True(seed.Overwrite);
        Assert.Equal(new SeedPolicy("iothubowner", "RegistryWrite, ServiceConnect", "MDEyMzQ1Njc4OWFiY2RlZg==", null), Assert.Single(seed.Policies));
        var device = Assert.Single(seed.Devices);
        Assert.Equal(("pump", false), (device.DeviceId, device.IsEnabled));
        Assert.Equal("motor", Assert.Single(device.Modules).ModuleId);
        Assert.Equal("reports", Assert.Single(seed.ConsumerGroups));
    }

    [Fact]
    public void A_certificate_without_its_key_is_refused() =>
        Assert.Contains("Tls:KeyFile", Assert.Throws<StartFailureException>(
            () => OptionReader.Read(null, new Dictionary<string, string>(), [new OptionSetting("Tls:CertificateFile", "a.pem", "--cert")])).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Names_flags_and_variables_of_options_are_each_used_once()
    {
        Assert.Distinct(OptionTable.Rows.Select(row => row.Name), StringComparer.OrdinalIgnoreCase);
        Assert.Distinct(OptionTable.Rows.Select(row => row.Flag).OfType<string>());
        Assert.All(OptionTable.Rows, row => Assert.Matches("^[A-Z][A-Za-z]+:[A-Z][A-Za-z]+$", row.Name));
    }

    private string Write(string yaml)
    {
        var path = _directory.PathOf("nave.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }
}
