using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/certificate-authorities</c>: upload, proof of possession, removal.</summary>
internal sealed class AuthorityEndpoints(CertificateAuthorities authorities)
{
    /// <summary>Maps them below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root)
    {
        root.MapGet("certificate-authorities", ListAsync);
        root.MapGet("certificate-authorities/{name}", GetAsync);
        root.MapPut("certificate-authorities/{name}", UploadAsync);
        root.MapPost("certificate-authorities/{name}/verification-code", RequestCodeAsync);
        root.MapPost("certificate-authorities/{name}/verify", VerifyAsync);
        root.MapDelete("certificate-authorities/{name}", DeleteAsync);
    }

    private Task ListAsync(HttpContext context) =>
        OperatorJson.AnswerAsync(context, new JsonArray([.. authorities.All.Select(authority => (JsonNode)Describe(authority))]));

    private Task GetAsync(HttpContext context) =>
        authorities.Find(OperatorJson.Name(context)) is { } authority
            ? OperatorJson.AnswerAsync(context, Describe(authority))
            : OperatorJson.RefuseAsync(
                context, HubFailures.AddressNotFound.Saying($"There is no certificate authority named '{OperatorJson.Name(context)}'."));

    private async Task UploadAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is { } body)
        {
            await AnswerAsync(
                context,
                await authorities.UploadAsync(
                    OperatorJson.Name(context), Certificate(body), OperatorJson.Flag(body, "verified"), context.RequestAborted),
                StatusCodes.Status201Created);
        }
    }

    private async Task RequestCodeAsync(HttpContext context) =>
        await AnswerAsync(context, await authorities.RequestCodeAsync(OperatorJson.Name(context), context.RequestAborted));

    private async Task VerifyAsync(HttpContext context)
    {
        if (await OperatorJson.ReadAsync(context) is { } body)
        {
            await AnswerAsync(context, await authorities.VerifyAsync(OperatorJson.Name(context), Certificate(body), context.RequestAborted));
        }
    }

    private async Task DeleteAsync(HttpContext context)
    {
        var failure = await authorities.DeleteAsync(OperatorJson.Name(context), context.RequestAborted);
        await (failure is null ? OperatorJson.DoneAsync(context) : OperatorJson.RefuseAsync(context, failure));
    }

    private static Task AnswerAsync(HttpContext context, Outcome<CertificateAuthority> outcome, int status = StatusCodes.Status200OK) =>
        outcome.TryGet(out var authority, out var failure)
            ? OperatorJson.AnswerAsync(context, Describe(authority), status)
            : OperatorJson.RefuseAsync(context, failure);

    // PEM text, or DER in base64.
    private static byte[] Certificate(JsonObject body)
    {
        var text = OperatorJson.Text(body, "certificate") ?? "";
        var der = new byte[text.Length];
        return Convert.TryFromBase64String(text, der, out var length) ? der[..length] : Encoding.UTF8.GetBytes(text);
    }

    private static JsonObject Describe(CertificateAuthority authority) => new()
    {
        ["name"] = authority.Name,
        ["subject"] = authority.Subject,
        ["notAfter"] = authority.NotAfter,
        ["digest"] = authority.Digest,
        ["isVerified"] = authority.IsVerified,
        ["verificationCode"] = authority.VerificationCode,
        ["createdAt"] = authority.CreatedAt,
        ["updatedAt"] = authority.UpdatedAt,
    };
}
