using System.CommandLine;

namespace Nave.Cli.Tests;

public sealed class ToolTests
{
    [Theory]
    [InlineData("up --data d --host a --host b --bind 127.0.0.2 --config c.yaml --dev")]
    [InlineData("up --https-port 8443 --set Events:Partitions=8 --log json")]
    [InlineData("demo")]
    [InlineData("device create pump --primary-key a --secondary-key b")]
    [InlineData("device list --json --data d")]
    [InlineData("module create pump motor")]
    [InlineData("connection-string pump --module motor")]
    [InlineData("connection-string --events --json")]
    [InlineData("token pump --ttl 5m --policy device")]
    [InlineData("policy create gateway --rights DeviceConnect --devices a-* --addresses 10.0.0.0/8")]
    [InlineData("policy roll gateway primary")]
    [InlineData("ca add plant ca.pem --verified")]
    [InlineData("consumer-group create reports")]
    [InlineData("events monitor --device a-* --property k=v --from start --count 3 --json")]
    [InlineData("c2d send pump on --ack full --expiry 5m --property k=v --message-id 1 --correlation-id 2 --wait-feedback")]
    [InlineData("c2d send pump --module motor --file - --content-type application/json --json")]
    [InlineData("c2d receive pump --complete --follow --json")]
    [InlineData("c2d receive pump --abandon --count 3 --timeout 5s")]
    [InlineData("c2d purge pump")]
    [InlineData("c2d feedback --follow --json")]
    [InlineData("method invoke pump reboot")]
    [InlineData("method invoke pump reboot --module motor --payload {\"delay\":5} --timeout 10s --connect-timeout 1m --json")]
    [InlineData("configuration create c --target * --priority 3 --set fan.speed=3 --label team=plant --metric n=q --json")]
    [InlineData("configuration create c --content c.json")]
    [InlineData("configuration update c --target * --priority 4")]
    [InlineData("configuration list --json")]
    [InlineData("query SELECT --top 5 --json")]
    [InlineData("query - --top 0")]
    [InlineData("configuration show c")]
    [InlineData("configuration delete c")]
    [InlineData("job create-twin-update wave-2 --where tags.site='north' --tags {} --start 2026-11-25T10:00:00Z --max-seconds 60 --wait --json")]
    [InlineData("job create-method reboot-all --name reboot --payload {} --response-timeout 10 --connect-timeout 5")]
    [InlineData("job list --type scheduleUpdateTwin --status running --json")]
    [InlineData("job show wave-2 --json")]
    [InlineData("job cancel wave-2")]
    [InlineData("simulate --devices 5 --rate 10 --duration 5s")]
    [InlineData("tokens run --hub-data d --policy device --sqlite s.db --bind 0.0.0.0 --https-port 8450 --life 1h --set Limits:TokensPerHourPerDevice=10")]
    [InlineData("tokens secret add pump-7 --device-id dev1 --label new --expires-in 90d --sqlite s.db --json")]
    [InlineData("tokens secret remove pump-7 --label old --sqlite s.db")]
    [InlineData("simulate --protocol amqp-ws --answer-commands --existing --prefix sim-")]
    [InlineData("simulate --protocol mqtt-ws --answer-methods")]
    [InlineData("health --login HostName=h;SharedAccessKeyName=p;SharedAccessKey=a2V5")]
    public void What_the_documentation_shows_is_understood(string line) => Assert.Empty(Parse(line).Errors);

    [Theory]
    [InlineData("device create")]
    [InlineData("device create a/b")]
    [InlineData("device create pump --primary-key a --ca-signed")]
    [InlineData("device update pump --enabled --disabled")]
    [InlineData("policy roll gateway third")]
    [InlineData("c2d send")]
    [InlineData("c2d send a/b x")]
    [InlineData("c2d send pump x --ack sometimes")]
    [InlineData("c2d receive pump --complete --reject")]
    [InlineData("c2d receive pump --abandon --follow")]
    [InlineData("c2d receive pump --lock 4")]
    [InlineData("method invoke pump")]
    [InlineData("method invoke a/b reboot")]
    [InlineData("configuration create c --set a=1 --content c.json")]
    [InlineData("configuration update c --set a=1")]
    [InlineData("job create-method j")]
    [InlineData("job create-twin-update j")]
    [InlineData("job create-twin-update j --tags {")]
    [InlineData("simulate --protocol amqp --answer-methods")]
    [InlineData("query")]
    [InlineData("query SELECT --top -1")]
    [InlineData("simulate --devices 0")]
    [InlineData("simulate --rate 0")]
    [InlineData("simulate --protocol coap")]
    [InlineData("up --colour red")]
    [InlineData("nothing")]
    public async Task Wrong_usage_is_exit_code_2(string line)
    {
        Assert.NotEmpty(Parse(line).Errors);
        Assert.Equal(Tool.WrongUsage, await Tool.RunAsync(line.Split(' ')));
    }

    [Fact]
    public async Task Without_a_hub_a_command_fails_with_1() =>
        Assert.Equal(Tool.Failed, await Tool.RunAsync(["health", "--data", "/nowhere"]));

    [Fact]
    public async Task A_login_that_is_no_connection_string_is_wrong_usage() =>
        Assert.Equal(Tool.WrongUsage, await Tool.RunAsync(["health", "--login", "HostName=h"]));

    [Fact]
    public void Every_command_and_option_says_what_it_is()
    {
        var silent = Commands(Tool.BuildRoot())
            .SelectMany(command => command.Options.Cast<Symbol>().Concat(command.Arguments).Append(command))
            .Where(symbol => string.IsNullOrWhiteSpace(symbol.Description))
            .Select(symbol => symbol.Name);

        Assert.Empty(silent);
    }

    private static IEnumerable<Command> Commands(Command command) => command.Subcommands.SelectMany(Commands).Prepend(command);

    private static ParseResult Parse(string line) => Tool.BuildRoot().Parse(line.Split(' '));
}
