using Nave.Bench.Load;

namespace Nave.Bench.Tests.Load;

public sealed class TemplateTests
{
    [Theory]
    [InlineData("devices/{id}/messages/events/", "devices/dev-7/messages/events/")]
    [InlineData("{id}{n}", "dev-77")]
    [InlineData("{n}", "7")]
    [InlineData("plain", "plain")]
    [InlineData("", "")]
    [InlineData("hub/{id}/?api-version=2021-04-12", "hub/dev-7/?api-version=2021-04-12")]
    public void Holes_are_filled(string template, string filled) =>
        Assert.Equal(filled, new Template(template).Fill("dev-7", 7));

    [Theory]
    [InlineData("{device}")]
    [InlineData("{}")]
    [InlineData("a{id")]
    public void Unknown_and_open_holes_are_refused(string template) =>
        Assert.Throws<FormatException>(() => new Template(template));
}
