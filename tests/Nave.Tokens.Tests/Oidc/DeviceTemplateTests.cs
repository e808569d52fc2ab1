using System.Text.Json;
using Nave.Tokens.Oidc;

namespace Nave.Tokens.Tests.Oidc;

public sealed class DeviceTemplateTests
{
    [Theory]
    [InlineData("{sub}", "{\"sub\":\"dev1\"}", "dev1")]
    [InlineData("meter-{sub}", "{\"sub\":\"7\"}", "meter-7")]
    [InlineData("{tenant}:{sub}", "{\"sub\":\"7\",\"tenant\":\"a\"}", "a:7")]
    [InlineData("{tenant}:{sub}", "{\"sub\":\"b:7\",\"tenant\":\"a\"}", null)]
    [InlineData("{tenant}:{sub}", "{\"sub\":\"7\",\"tenant\":\"a:b\"}", null)]
    [InlineData("{sub}", "{\"sub\":\"\"}", null)]
    [InlineData("{sub}", "{\"sub\":7}", null)]
    [InlineData("{sub}", "{\"sub\":\"a/modules/b\"}", null)]
    public void Claims_make_one_whole_device_id_or_none(string text, string claims, string? expected)
    {
        Assert.True(DeviceTemplate.TryParse(text, out var template, out _));
        using var json = JsonDocument.Parse(claims);

        Assert.Equal(expected, template.Apply(json.RootElement, out _)?.Value);
    }

    [Theory]
    [InlineData("device", "no claim")]
    [InlineData("{a}{b}", "text between")]
    [InlineData("{preferred_username}", "may change")]
    [InlineData("{email}", "may change")]
    [InlineData("a b{sub}", "made of")]
    [InlineData("{}", "no claim and")]
    [InlineData("{sub", "no claim and")]
    public void A_template_that_could_name_the_wrong_device_is_refused(string text, string why)
    {
        Assert.False(DeviceTemplate.TryParse(text, out _, out var problem));
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }
}
