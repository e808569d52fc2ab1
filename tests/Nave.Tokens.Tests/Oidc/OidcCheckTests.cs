using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Tokens.Checks;
using Nave.Tokens.Oidc;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Oidc;

public sealed class OidcCheckTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
    private readonly Issuer _issuer = new();

    [Theory]
    [InlineData("RS256")]
    [InlineData("PS256")]
    [InlineData("PS512")]
    [InlineData("ES256")]
    public async Task A_token_of_the_issuer_opens_the_device_that_its_claims_name(string algorithm)
    {
        var (check, _) = Open();

        var granted = Assert.IsType<CheckResult.Granted>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), algorithm)));

        Assert.Equal("dev1", granted.Device.Value);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("HS256")]
    [InlineData("RS1")]
    [InlineData("ES256K")]
    public async Task Algorithms_that_are_not_asymmetric_and_known_are_refused(string algorithm)
    {
        var (check, http) = Open();

        var refused = Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), algorithm, "r1")));

        Assert.Contains("algorithm", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(0, http.Count);
    }

    [Theory]
    [InlineData("iss", "\"https://other.example\"", "issuer")]
    [InlineData("iss", null, "issuer")]
    [InlineData("aud", "\"other\"", "audience")]
    [InlineData("aud", "[\"other\",5]", "audience")]
    [InlineData("aud", null, "audience")]
    [InlineData("exp", null, "no expiry")]
    [InlineData("exp", "\"1795694400\"", "no expiry")]
    [InlineData("exp", "1000", "has expired")]
    [InlineData("nbf", "4000000000", "not valid yet")]
    [InlineData("nbf", "\"now\"", "not valid yet")]
    [InlineData("sub", "\"no blanks\"", "no device id")]
    [InlineData("sub", "\"a/b\"", "no device id")]
    [InlineData("sub", "[\"dev1\"]", "absent or no text")]
    [InlineData("sub", null, "absent or no text")]
    public async Task A_claim_that_is_wrong_or_absent_is_refused(string claim, string? json, string why)
    {
        var (check, _) = Open();
        var claims = Issuer.Claims(_time.GetUtcNow());
        claims.Remove(claim);
        if (json is not null)
        {
            claims[claim] = JsonNode.Parse(json);
        }

        var refused = Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, _issuer.Sign(claims)));

        Assert.Contains(why, refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_audience_of_a_list_is_enough()
    {
        var (check, _) = Open();
        var claims = Issuer.Claims(_time.GetUtcNow());
        claims["aud"] = new JsonArray("other", Issuer.Audience);

        Assert.IsType<CheckResult.Granted>(await JudgeAsync(check, _issuer.Sign(claims)));
    }

    [Fact]
    public async Task A_token_that_was_changed_or_signed_by_somebody_else_is_refused()
    {
        var (check, _) = Open();
        using var other = new Issuer();
        var token = _issuer.Sign(Issuer.Claims(_time.GetUtcNow()));
        var claims = Issuer.Claims(_time.GetUtcNow());
        claims["sub"] = "dev2";
        var changed = $"{token.Split('.')[0]}.{_issuer.Sign(claims).Split('.')[1]}.{token.Split('.')[2]}";

        Assert.Contains("does not verify", Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, changed)).Reason, StringComparison.Ordinal);
        Assert.Contains("does not verify", Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, other.Sign(Issuer.Claims(_time.GetUtcNow())))).Reason, StringComparison.Ordinal);
        Assert.Contains("does not verify", Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), "RS256", "e1"))).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_that_a_token_brings_along_or_points_to_mean_nothing()
    {
        using var thief = new Issuer();
        var asked = new List<string>();
        var http = new StubHttp((request, _) =>
        {
            asked.Add(request.RequestUri!.ToString());
            return Task.FromResult(StubHttp.Json(_issuer.Jwks()));
        });
        var check = Open(http);
        var more = new JsonObject
        {
            ["jku"] = "https://thief.example/jwks",
            ["x5u"] = "https://thief.example/x5u",
            ["jwk"] = JsonNode.Parse(thief.Jwks())!["keys"]![0]!.DeepClone(),
        };

        Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, thief.Sign(Issuer.Claims(_time.GetUtcNow()), more: more)));
        Assert.Equal(["https://login.example/jwks"], asked.Distinct());
    }

    [Fact]
    public async Task An_extension_that_must_be_understood_is_not()
    {
        var (check, _) = Open();

        var refused = await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), more: new JsonObject { ["crit"] = new JsonArray("exp") }));

        Assert.Contains("crit", Assert.IsType<CheckResult.Refused>(refused).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_key_names_have_the_keys_read_once_a_minute_at_most()
    {
        var (check, http) = Open();
        for (var i = 0; i < 100; i++)
        {
            Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), kid: $"unknown-{i}")));
        }

        Assert.Equal(1, http.Count);
        _time.Advance(TimeSpan.FromSeconds(61));
        await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()), kid: "unknown"));
        Assert.Equal(2, http.Count);
    }

    [Fact]
    public async Task A_new_key_is_found_a_minute_later_and_a_withdrawn_one_is_gone_within_the_hour()
    {
        using var next = new Issuer();
        var jwks = _issuer.Jwks();
        var check = Open(StubHttp.Of(() => StubHttp.Json(jwks)));
        Assert.IsType<CheckResult.Granted>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()))));

        jwks = next.Jwks();
        _time.Advance(TimeSpan.FromMinutes(61));

        Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()))));
        Assert.IsType<CheckResult.Granted>(await JudgeAsync(check, next.Sign(Issuer.Claims(_time.GetUtcNow()))));
    }

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError, "{}")]
    [InlineData(HttpStatusCode.Redirect, "{}")]
    [InlineData(HttpStatusCode.OK, "{\"keys\":[]}")]
    [InlineData(HttpStatusCode.OK, "no json")]
    public async Task Without_the_issuers_keys_nobody_is_let_in(HttpStatusCode status, string body)
    {
        var check = Open(StubHttp.Of(() => StubHttp.Json(body, status)));

        Assert.IsType<CheckResult.Unavailable>(await JudgeAsync(check, _issuer.Sign(Issuer.Claims(_time.GetUtcNow()))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("a.b")]
    [InlineData("a.b.c.d")]
    [InlineData("!!.!!.!!")]
    [InlineData("bnVsbA.bnVsbA.AAAA")]
    [InlineData("eyJhbGciOiJub25lIn0.e30.")]
    [InlineData("eyJhbGciOiJSUzI1NiIsImFsZyI6Im5vbmUifQ.e30.AAAA")]
    public async Task What_is_no_JWT_is_refused(string text)
    {
        var (check, http) = Open();

        Assert.IsType<CheckResult.Refused>(await JudgeAsync(check, text));
        Assert.Equal(0, http.Count);
    }

    public void Dispose() => _issuer.Dispose();

    private (OidcCheck Check, StubHttp Http) Open()
    {
        var http = StubHttp.Of(() => StubHttp.Json(_issuer.Jwks()));
        return (Open(http), http);
    }

    private OidcCheck Open(StubHttp http)
    {
        Assert.True(DeviceTemplate.TryParse("{sub}", out var template, out _));
        var options = new OidcOptions { Issuer = Issuer.Name, Audience = Issuer.Audience, JwksUrl = new Uri("https://login.example/jwks"), Device = template };
        return new OidcCheck(options, http.Client, _time, NullLogger<OidcCheck>.Instance);
    }

    private static async Task<CheckResult> JudgeAsync(OidcCheck check, string token) =>
        await check.CheckAsync(PresentedCredential.OfBearer(token), TokenDesk.Home, TestContext.Current.CancellationToken);
}
