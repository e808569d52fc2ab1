using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Quotas;

/// <summary>The units that each day has used, added up over nodes and lives.</summary>
internal sealed class QuotaStore(HubDatabase database)
{
    // As long as the service keeps figures.
    private const int DaysKept = 31;

    /// <summary>The table and how it came to be.</summary>
    public static readonly SchemaPart Schema = new(
        "quota",
        ["""
        CREATE TABLE quota_usage (
            day {long} NOT NULL, operation {text} NOT NULL, units {long} NOT NULL,
            PRIMARY KEY (day, operation)) {keyed};
        """]);

    private const string Add = """
        INSERT INTO quota_usage (day, operation, units) VALUES (@day, @operation, @units)
        ON CONFLICT (day, operation) DO UPDATE SET units = quota_usage.units + excluded.units
        """;

    private const string Select = "SELECT operation, units FROM quota_usage WHERE day = @day";
    private const string DeleteOld = "DELETE FROM quota_usage WHERE day < @day";

    /// <summary>What a day has used.</summary>
    public Task<long[]> ReadAsync(int day, CancellationToken stopping) => database.ReadAsync(session => Read(session, day), stopping);

    /// <summary>Adds what has been counted, by day, and returns what today has used by then.</summary>
    public Task<long[]> AddAsync(Dictionary<int, long[]> counted, int today, CancellationToken stopping) => database.WriteAsync(
        session =>
        {
            foreach (var (day, units) in counted)
            {
                foreach (var operation in MeteredWords.All.Where(operation => units[(int)operation] != 0))
                {
                    session.Execute(Add, ("@day", day), ("@operation", operation.Name()), ("@units", units[(int)operation]));
                }
            }

            session.Execute(DeleteOld, ("@day", today - DaysKept));
            return Read(session, today);
        },
        stopping);

    private static long[] Read(SqlSession session, int day)
    {
        var units = new long[MeteredWords.All.Count];
        foreach (var (name, count) in session.List(Select, row => (row.GetString(0), row.GetInt64(1)), ("@day", day)))
        {
            // What a later version counts counts, too, under what this one does not know.
            var operation = MeteredWords.All.FirstOrDefault(known => known.Name() == name, Metered.ConfigurationOperations);
            units[(int)operation] += count;
        }

        return units;
    }
}
