using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Configurations;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Faults;
using Nave.Hub.Heads.Http;
using Nave.Hub.Jobs;
using Nave.Hub.Methods;
using Nave.Hub.Monitoring;
using Nave.Hub.Queries;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Mqtt;
using Nave.Hub.Twins;
using Nave.Protocol.Access;
using Nave.Storage;
using Nave.Storage.Keys;

namespace Nave.Hub.Tests.Heads.Http;

/// <summary>The service API on a loopback port of its own: real registry, real access, a client that signs its requests.</summary>
internal sealed class ServiceApiHarness : IAsyncDisposable
{
    public const string Host = "hub.nave.test";
    public const string Version = "api-version=2021-04-12";
    public const string KeyA = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    public const string KeyB = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

    private readonly TempDirectory _directory;
    private readonly WebApplication _app;
    private readonly HubDatabase _database;
    private readonly HttpClient _client;

    private ServiceApiHarness(WebApplication app, HubDatabase database, TempDirectory directory, TestLog log)
    {
        _app = app;
        _database = database;
        _directory = directory;
        Log = log;
        _client = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
    }

    public TestLog Log { get; }

    public PolicyRegistry Policies => _app.Services.GetRequiredService<PolicyRegistry>();

    public Presence Presence => _app.Services.GetRequiredService<Presence>();

    public NodeIncarnation Node => _app.Services.GetRequiredService<NodeIncarnation>();

    public HttpClient Client => _client;

    public static async Task<ServiceApiHarness> StartAsync()
    {
        var directory = new TempDirectory();
        var log = new TestLog();
        var database = HubDatabase.Open(
            new SqliteDialect(directory.PathOf("nave.db")), [KeyWrapping.SchemaPart, RegistrySchema.Part, AccessSchema.Part, CommandStore.Schema, EventOutbox.Schema, ConnectionEvents.Schema, JobStore.Schema, ConfigurationSchema.Part], TimeProvider.System, NullLogger<HubDatabase>.Instance);
        var streams = new TelemetryStreams(1);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.AddProvider(log).SetMinimumLevel(LogLevel.Trace);
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services
            .AddRoutingCore()
            .AddSingleton(TimeProvider.System)
            .AddSingleton(database)
            .AddSingleton(await KeyWrapping.OpenAsync(database, directory.PathOf("keys/master.keys"), default))
            .AddSingleton(new NodeIncarnation(new Guid(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
            .AddSingleton(new HubNames(Host, []))
            .AddRegistry()
            .AddAccess()
            .AddCommands()
            .AddTwins()
            .AddSingleton<HubMetrics>()
            .AddMethods()
            .AddSingleton<Nave.Hub.Queries.IMonitorStates, Nave.Hub.Heartbeats.HeartbeatWrites>()
            .AddQueries()
            .AddConfigurations()
            .AddSingleton(new JobOptions())
            .AddJobs()
            .AddDevices()
            .AddSingleton(provider => new FaultInjection(
                isOn: false, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<FaultInjection>>()))
            .AddSingleton(streams)
            .AddSingleton<IEventLog>(new HeldLog(streams.Telemetry))
            .AddSingleton<TelemetryPipeline>()
            .AddServiceApi();
        var app = builder.Build();
        ServiceApi.UsePaths(app);
        app.UseRouting();
        ServiceApi.Map(app);
        await app.Services.GetRequiredService<PolicyRegistry>().LoadAsync([], overwrite: false, default);
        await app.StartAsync();
        return new ServiceApiHarness(app, database, directory, log);
    }

    public string Token(string policy = "iothubowner", string resource = Host, TimeSpan? validFor = null, string? key = null) => SasToken.Mint(
        resource, key ?? Policies.Find(policy)!.PrimaryKey, TimeProvider.System.GetUtcNow() + (validFor ?? TimeSpan.FromHours(1)), policy);

    /// <summary>Sends a request; the token is the owner's unless told otherwise, the api-version is added when missing.</summary>
    public async Task<Answer> SendAsync(
        string verb, string path, string? body = null, string? ifMatch = null, string? token = null, bool hasVersion = true)
    {
        var target = hasVersion ? path + (path.Contains('?', StringComparison.Ordinal) ? '&' : '?') + Version : path;
        using var request = new HttpRequestMessage(new HttpMethod(verb), new Uri(_client.BaseAddress!.ToString().TrimEnd('/') + target));
        if (token != "")
        {
            request.Headers.TryAddWithoutValidation("Authorization", token ?? Token());
        }

        if (ifMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        }

        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        using var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new Answer(
            response.StatusCode,
            text,
            response.Content.Headers.ContentType?.ToString(),
            response.Headers.TryGetValues("iothub-errorcode", out var codes) ? codes.Single() : null,
            response.Headers.ETag?.Tag);
    }

    public Task<Answer> GetAsync(string path, string? token = null) => SendAsync("GET", path, token: token);

    public Task<Answer> PutAsync(string path, string body, string? ifMatch = null, string? token = null) =>
        SendAsync("PUT", path, body, ifMatch, token);

    public Task<Answer> DeleteAsync(string path, string? ifMatch = "\"*\"", string? token = null) => SendAsync("DELETE", path, null, ifMatch, token);

    public Task<Answer> PostAsync(string path, string body, string? token = null) => SendAsync("POST", path, body, token: token);

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _database.DisposeAsync();
        _directory.Dispose();
        Log.AssertNoErrors();
    }
}

/// <summary>What came back.</summary>
internal sealed record Answer(HttpStatusCode Status, string Text, string? ContentType, string? ErrorCode, string? ETag)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    public string? this[string member] => Json[member]?.ToString();

    /// <summary>Status, code, header, shape and content type of a refusal, all at once.</summary>
    public void AssertRefused(int status, string code)
    {
        Assert.Equal(status, (int)Status);
        Assert.Equal(code, ErrorCode);
        Assert.Contains("application/json", ContentType, StringComparison.Ordinal);
        var parts = this["Message"]!.Split(';');
        Assert.Equal(2, parts.Length); // A second semicolon cuts the text in Node clients.
        Assert.Equal($"ErrorCode:{code}", parts[0]);
        Assert.NotEmpty(parts[1]);
        Assert.Matches(@"^Tracking ID:[0-9a-f]{32}-G:0-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$", this["ExceptionMessage"]);
    }

    public Answer AssertOk(int status = 200)
    {
        Assert.True((int)Status == status, $"{Status}: {Text}");
        return this;
    }
}
