using System.Globalization;
using System.Text;
using System.Text.Json;
using Nave.Hub.Queries;

namespace Nave.Hub.Tests.Queries;

/// <summary>Random conditions over random twins: SQL finds what the rules say, twin by twin.</summary>
public sealed class QueryPropertyTests
{
    private const int Twins = 60;
    private const int Queries = 1500;

    private static readonly string[] Names = ["a", "b", "A", "site", "floor-2", "x y", "é", "o'k", "q\"t", "b\\s", "0", "$e"];

    private static readonly string[] Paths =
    [
        "deviceId", "moduleId", "etag", "deviceEtag", "version", "status", "statusReason", "statusUpdateTime", "connectionState", "lastActivityTime",
        "cloudToDeviceMessageCount", "authenticationType", "x509Thumbprint.primaryThumbprint", "x509Thumbprint", "modelId", "deviceScope", "parentScopes",
        "parentScopes[0]", "capabilities.iotEdge", "capabilities", "tags", "properties", "properties.desired", "properties.reported.$version",
        "properties.desired.$metadata.$lastUpdated", "properties.reported.$metadata", "configurations", "configurations.[[c-1]].status", "nothing", "STATUS",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(20261125)]
    public async Task Sql_selects_what_the_rules_select(int seed)
    {
        var random = new Random(seed);
        await using var harness = await QueryHarness.CreateAsync();
        for (var i = 0; i < Twins; i++)
        {
            await harness.AddAsync(
                $"d{i:00}", Object(random, 0), Object(random, 0), Object(random, 0), random.Next(1, 4),
                random.Next(3) == 0 ? """{"c-1":{"status":"Applied"}}""" : null);
        }

        var documents = await ReadAsync(harness);
        var interesting = 0;
        for (var i = 0; i < Queries; i++)
        {
            var text = "SELECT deviceId FROM devices WHERE " + Condition(random, 3);
            var query = QueryParser.Parse(text).Value ?? throw new InvalidOperationException($"{text}: {QueryParser.Parse(text).Failure}");
            var expected = string.Join(",", documents.Where(d => QueryOracle.Selects(query.Where, d.RootElement)).Select(d => d.RootElement.GetProperty("deviceId")));

            var found = await harness.IdsAsync(text);

            Assert.True(expected == found, $"seed {seed}, query {i}: {text}\nexpected {expected}\nfound    {found}");
            interesting += expected.Length > 0 && expected.Length < (4 * Twins) - 1 ? 1 : 0;
        }

        Assert.True(interesting > Queries / 6, $"only {interesting} queries selected some twins and not others");
    }

    [Fact]
    public async Task Every_path_projects_what_the_document_has_and_is_defined_where_it_has_it()
    {
        var random = new Random(7);
        await using var harness = await QueryHarness.CreateAsync();
        for (var i = 0; i < 20; i++)
        {
            await harness.AddAsync($"d{i:00}", Object(random, 0), Object(random, 0), Object(random, 0), i, i % 2 == 0 ? """{"c-1":{"status":"Applied"}}""" : null);
        }

        var documents = await ReadAsync(harness);
        foreach (var path in Paths.Concat(Names.Select(name => $"tags.[[{name}]]")))
        {
            var parsed = QueryParser.ParsePath(path).Value!;
            var rows = await harness.RunAsync($"SELECT deviceId, {path} AS v FROM devices");
            var expected = documents.Select(d => QueryRows.Find(d.RootElement, parsed)).ToList();
            var defined = await harness.IdsAsync($"SELECT deviceId FROM devices WHERE IS_DEFINED({path})");

            Assert.Equal(expected.Select(e => e?.GetRawText().Length > 0), rows.Select(row => row.AsObject().ContainsKey("v")));
            Assert.Equal(string.Join(",", documents.Zip(expected).Where(p => p.Second is not null).Select(p => p.First.RootElement.GetProperty("deviceId"))), defined);
            if (expected.OfType<JsonElement>().FirstOrDefault() is { ValueKind: JsonValueKind.String } text)
            {
                Assert.NotEmpty(await harness.RunAsync($"SELECT deviceId FROM devices WHERE {path} = {Quote(text.GetString()!)}"));
            }
        }
    }

    private static async Task<List<JsonDocument>> ReadAsync(QueryHarness harness)
    {
        var documents = new List<JsonDocument>();
        foreach (var row in (await harness.PageAsync("SELECT * FROM devices")).Rows)
        {
            documents.Add(JsonDocument.Parse(row));
        }

        return documents;
    }

    private static string Object(Random random, int depth)
    {
        var members = Names.Where(_ => random.Next(3) == 0).Select(name => $"{JsonSerializer.Serialize(name)}:{Any(random, depth + 1)}");
        return $"{{{string.Join(',', members)}}}";
    }

    private static string Any(Random random, int depth) => random.Next(depth > 2 ? 7 : 10) switch
    {
        0 or 1 => JsonSerializer.Serialize(Text(random)),
        2 or 3 => Number(random),
        4 => "true",
        5 => "false",
        6 => random.Next(2) == 0 ? "null" : "5",
        7 or 8 => Object(random, depth),
        _ => $"[{string.Join(',', Enumerable.Range(0, random.Next(3)).Select(_ => Any(random, depth + 1)))}]",
    };

    private static string Text(Random random)
    {
        string[] texts = ["", "a", "A", "ab", "b", "5", "true", "x y", "é", "\uffee", "\U0001F600", "it's", "[1]", "{}", "a\"b", "a\\b"];
        return texts[random.Next(texts.Length)];
    }

    private static string Number(Random random)
    {
        string[] numbers = ["0", "1", "-1", "5", "5.0", "0.5", "2", "3", "-2.5", "1e2", "100", "4503599627370495", "1e308", "31"];
        return numbers[random.Next(numbers.Length)];
    }

    private static string Path(Random random)
    {
        if (random.Next(4) == 0)
        {
            return Paths[random.Next(Paths.Length)];
        }

        string[] sections = ["tags", "properties.desired", "properties.reported"];
        var path = new StringBuilder(sections[random.Next(sections.Length)]);
        for (var steps = random.Next(1, 4); steps > 0; steps--)
        {
            _ = random.Next(6) == 0
                ? path.Append(CultureInfo.InvariantCulture, $"[{random.Next(3)}]")
                : path.Append(CultureInfo.InvariantCulture, $".[[{Names[random.Next(Names.Length)]}]]");
            if (random.Next(3) > 0)
            {
                break;
            }
        }

        return path.ToString();
    }

    private static string Quote(string text) => "'" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal) + "'";

    private static string Literal(Random random) => random.Next(8) switch
    {
        0 or 1 or 2 => Quote(Text(random)),
        3 or 4 => random.Next(5) == 0 ? "0x1F" : Number(random),
        5 => random.Next(2) == 0 ? "true" : "false",
        6 => "null",
        _ => random.Next(4) == 0 ? "undefined" : "5",
    };

    private static string Operand(Random random, int depth) => random.Next(depth > 0 ? 8 : 5) switch
    {
        < 4 => Path(random),
        4 => Literal(random),
        5 => $"({Operand(random, depth - 1)} {"+-*/%"[random.Next(5)]} {Operand(random, depth - 1)})",
        6 => $"- {Operand(random, depth - 1)}",
        _ => $"({Condition(random, depth - 1)})",
    };

    private static string Condition(Random random, int depth)
    {
        string[] signs = ["=", "!=", "<>", "<", "<=", ">", ">="];
        string[] tests = ["IS_DEFINED", "IS_NULL", "IS_BOOL", "IS_NUMBER", "IS_STRING", "IS_OBJECT", "IS_ARRAY", "IS_PRIMITIVE"];
        return random.Next(depth > 0 ? 12 : 6) switch
        {
            0 or 1 => $"{Operand(random, depth - 1)} {signs[random.Next(signs.Length)]} {Operand(random, depth - 1)}",
            2 => $"{Path(random)} {signs[random.Next(signs.Length)]} {Literal(random)}",
            3 => $"{Operand(random, depth - 1)} {(random.Next(2) == 0 ? "IN" : "NIN")} [{string.Join(", ", Enumerable.Range(0, random.Next(4)).Select(_ => Literal(random)))}]",
            4 => $"{tests[random.Next(tests.Length)]}({Path(random)})",
            5 => $"{(random.Next(2) == 0 ? "STARTSWITH" : "ENDSWITH")}({Path(random)}, {(random.Next(3) == 0 ? Path(random) : Quote(Text(random)))})",
            6 or 7 => $"NOT ({Condition(random, depth - 1)})",
            8 or 9 => $"({Condition(random, depth - 1)} AND {Condition(random, depth - 1)})",
            10 => $"({Condition(random, depth - 1)} OR {Condition(random, depth - 1)} OR {Condition(random, depth - 1)})",
            _ => Path(random),
        };
    }
}
