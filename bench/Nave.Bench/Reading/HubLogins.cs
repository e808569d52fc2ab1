using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Reading;

/// <summary>Who connects to a hub over AMQP, as files for the AMQP roles.</summary>
internal static class HubLogins
{
    private const string Policy = "service";

    /// <summary>User and key of the policy that reads events.</summary>
    public static (string User, string Key) Service(HubConnection hub) => (Policy, hub.Policies[Policy].Split("SharedAccessKey=")[1]);

    /// <summary>Writes the file for readers.</summary>
    public static string WriteReader(RunningPeer server, string directory)
    {
        var (user, key) = Service(server.Hub!);
        return Write(directory, "amqp-reader.jsonl", [new DeviceCredential(user, user, key)]);
    }

    /// <summary>Writes the file for devices: the generator's credentials with user names as SASL PLAIN wants them.</summary>
    public static string WriteDevices(RunningPeer server, string directory)
    {
        var mqtt = server.LoadArguments.SkipWhile(argument => argument is not "--credentials").ElementAt(1);
        return Write(
            directory, "amqp-devices.jsonl",
            DeviceCredential.ReadAll(mqtt).Select(one => one with { Username = $"{one.Id}@sas.{server.Hub!.HostName}" }));
    }

    private static string Write(string directory, string name, IEnumerable<DeviceCredential> credentials)
    {
        var file = Path.Combine(directory, name);
        DeviceCredential.WriteAll(file, credentials);
        return file;
    }
}
