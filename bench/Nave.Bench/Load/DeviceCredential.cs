using System.Text.Json;

namespace Nave.Bench.Load;

/// <summary>One line of a credentials file: what a device calls itself and how it proves that. Null where not needed.</summary>
internal sealed record DeviceCredential(string Id, string? Username = null, string? Password = null)
{
    /// <summary>Reads JSON lines of <c>{"id":"...","username":"...","password":"..."}</c>; empty lines are skipped.</summary>
    public static IReadOnlyList<DeviceCredential> ReadAll(string path)
    {
        var credentials = new List<DeviceCredential>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            credentials.Add(Parse(line) ?? throw new FormatException($"{path}, line {number}: not a JSON object with an id"));
        }

        return credentials;
    }

    public static void WriteAll(string path, IEnumerable<DeviceCredential> credentials) =>
        File.WriteAllLines(path, credentials.Select(one => JsonSerializer.Serialize(one, BenchJson.Lines.DeviceCredential)));

    private static DeviceCredential? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, BenchJson.Lines.DeviceCredential) is { Id.Length: > 0 } one ? one : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
