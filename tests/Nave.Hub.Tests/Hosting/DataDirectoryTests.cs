using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class DataDirectoryTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_second_start_is_refused_and_names_the_process()
    {
        using var first = Open();

        var failure = Assert.Throws<StartFailureException>(Open);

        Assert.Contains($"in use by process {Environment.ProcessId} ", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsUsage);
    }

    [Fact]
    public void The_lock_ends_with_its_holder()
    {
        Open().Dispose();

        using var again = Open();

        Assert.Equal(_directory.PathOf("data"), again.Root);
    }

    [Fact]
    public void A_newer_format_is_refused_and_left_alone()
    {
        Open().Dispose();
        var format = _directory.PathOf("data/format.json");
        File.WriteAllText(format, """{ "format": 2, "createdBy": "9.9.9" }""");

        var failure = Assert.Throws<StartFailureException>(Open);

        Assert.Contains("newer version", failure.Message, StringComparison.Ordinal);
        Assert.Contains("9.9.9", File.ReadAllText(format), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_format_file_is_reported()
    {
        Open().Dispose();
        File.WriteAllText(_directory.PathOf("data/format.json"), "{");

        Assert.Contains("is damaged", Assert.Throws<StartFailureException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_owner_may_look_inside()
    {
        using var data = Open();

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(data.Root));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(data.PathOf("format.json")));
        }
    }

    [Fact]
    public void A_path_that_is_a_file_is_explained()
    {
        File.WriteAllText(_directory.PathOf("data"), "");

        Assert.Contains("--data", Assert.Throws<StartFailureException>(Open).Message, StringComparison.Ordinal);
    }

    private DataDirectory Open() => DataDirectory.Open(_directory.PathOf("data"), "1.2.3", TimeProvider.System);
}
