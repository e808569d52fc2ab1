using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Configurations;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>Configurations over REST (spec/service-rest.md 10).</summary>
internal sealed class ConfigurationEndpoints(ConfigurationRegistry registry, ConfigurationMetrics metrics, ContentApplier applier)
{
    // Desired properties of some modules at their limit, with their paths.
    private const int MaxBodyBytes = 256 * 1024;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Get, "/configurations", AccessRights.RegistryRead, Metered.ConfigurationOperations, ListAsync);
        routes.Map(HttpMethods.Post, "/configurations/testQueries", AccessRights.RegistryRead, Metered.ConfigurationOperations, TestAsync);
        routes.Map(HttpMethods.Get, "/configurations/{configurationId}", AccessRights.RegistryRead, Metered.ConfigurationOperations, GetAsync);
        routes.Map(HttpMethods.Put, "/configurations/{configurationId}", AccessRights.RegistryWrite, Metered.ConfigurationOperations, PutAsync);
        routes.Map(HttpMethods.Delete, "/configurations/{configurationId}", AccessRights.RegistryWrite, Metered.ConfigurationOperations, DeleteAsync);
        routes.Map(HttpMethods.Post, "/devices/{id}/applyConfigurationContent", AccessRights.RegistryWrite, Metered.ConfigurationOperations, ApplyAsync);
    }

    private async ValueTask<ServiceAnswer> ListAsync(ServiceCall call)
    {
        var top = int.TryParse(call.Query("top"), NumberStyles.None, CultureInfo.InvariantCulture, out var asked)
            && asked is > 0 and < HubLimits.MaxConfigurations ? asked : HubLimits.MaxConfigurations;
        var all = await registry.ListAsync(top, call.Stopping);
        var counts = await metrics.CountTargetsAsync(all, call.Stopping);
        return ServiceAnswer.WrittenJson(ConfigurationJson.WriteAll(
            all.Zip(counts, (c, count) => new ConfigurationView(c, count.Targeted, count.Applied, metrics.Last(c)))));
    }

    private async ValueTask<ServiceAnswer> GetAsync(ServiceCall call) =>
        (await registry.FindAsync(IdOf(call), call.Stopping)).TryGet(out var found, out var failure)
            ? await DescribeAsync(found, StatusCodes.Status200OK, call.Stopping)
            : failure;

    private async ValueTask<ServiceAnswer> PutAsync(ServiceCall call)
    {
        if (!(await ReadAsync(call)).TryGet(out var document, out var failure))
        {
            return failure;
        }

        ConfigurationDraft? draft;
        using (document)
        {
            if (!ConfigurationDraft.Read(IdOf(call), document.RootElement).TryGet(out draft, out failure))
            {
                return failure;
            }
        }

        // spec/service-rest.md 10: If-Match tells a change from a new one.
        var outcome = call.IfMatch is { } condition
            ? await registry.UpdateAsync(draft, condition, call.Stopping)
            : await registry.CreateAsync(draft, call.Stopping);
        var status = call.IfMatch is null ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        return outcome.TryGet(out var configuration, out failure) ? await DescribeAsync(configuration, status, call.Stopping) : failure;
    }

    private async ValueTask<ServiceAnswer> DeleteAsync(ServiceCall call)
    {
        var outcome = await registry.DeleteAsync(IdOf(call), call.IfMatch ?? ETagCondition.Any, call.Stopping);
        return outcome.Failure is { } failure ? failure : ServiceAnswer.NoContent;
    }

    private async ValueTask<ServiceAnswer> TestAsync(ServiceCall call)
    {
        if (!(await ReadAsync(call)).TryGet(out var document, out var failure))
        {
            return failure;
        }

        using (document)
        {
            var body = document.RootElement;
            if (body.ValueKind is not JsonValueKind.Object)
            {
                return HubFailures.FormatError;
            }

            body.TryGetProperty("targetCondition"u8, out var condition);
            body.TryGetProperty("customMetricQueries"u8, out var queries);
            if (condition.ValueKind is not (JsonValueKind.String or JsonValueKind.Null or JsonValueKind.Undefined)
                || !ConfigurationDraft.TryTexts(queries, out var statements))
            {
                return HubFailures.FormatError;
            }

            var errors = statements
                .Select(statement => (statement.Key, Failure: ConfigurationDraft.CheckMetric(statement.Key, statement.Value)))
                .Where(statement => statement.Failure is not null)
                .ToDictionary(statement => statement.Key, statement => statement.Failure!.Message);
            var broken = condition.ValueKind is JsonValueKind.String ? ConfigurationDraft.ReadCondition(condition.GetString()!).Failure : null;
            return ServiceAnswer.Json(new QueriesTestDocument(broken?.Message, errors), ServiceJson.Default.QueriesTestDocument);
        }
    }

    private async ValueTask<ServiceAnswer> ApplyAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure) || !(await ReadAsync(call)).TryGet(out var document, out failure))
        {
            return failure;
        }

        using (document)
        {
            return !ConfigurationContent.Read(document.RootElement).TryGet(out var content, out failure) ? failure
                : await applier.ApplyAsync(id.Device, content, call.Stopping) is { } refusal ? refusal
                : ServiceAnswer.NoContent;
        }
    }

    private async ValueTask<ServiceAnswer> DescribeAsync(Configuration configuration, int status, CancellationToken stopping)
    {
        var counts = (await metrics.CountTargetsAsync([configuration], stopping))[0];
        var custom = await metrics.CountAsync(configuration, stopping);
        return ServiceAnswer.WrittenJson(
            ConfigurationJson.WriteOne(new ConfigurationView(configuration, counts.Targeted, counts.Applied, custom)), status, configuration.ETag);
    }

    private static async ValueTask<Outcome<JsonDocument>> ReadAsync(ServiceCall call) =>
        !(await call.ReadBytesAsync(MaxBodyBytes)).TryGet(out var body, out var failure) ? failure
        : TwinRules.Parse(body).TryGet(out var document, out _) ? document
        : HubFailures.FormatError;

    private static string IdOf(ServiceCall call) => call.Route("configurationId")!;
}
