using Nave.Bench.Load;

namespace Nave.Bench.Tests.Load;

public sealed class DeviceCredentialTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    [Fact]
    public void What_is_written_is_read_back()
    {
        DeviceCredential[] credentials = [new("a", "hub/a", "SharedAccessSignature sr=x&sig=y%3D&se=1"), new("b")];

        DeviceCredential.WriteAll(_file, credentials);

        Assert.Equal(credentials, DeviceCredential.ReadAll(_file));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("{\"id\":\"\"}")]
    [InlineData("null")]
    public void A_bad_line_is_named_by_its_number(string line)
    {
        File.WriteAllText(_file, "{\"id\":\"a\"}\n\n" + line + "\n");

        var refusal = Assert.Throws<FormatException>(() => DeviceCredential.ReadAll(_file));

        Assert.Contains("line 3", refusal.Message);
    }

    public void Dispose() => File.Delete(_file);
}
