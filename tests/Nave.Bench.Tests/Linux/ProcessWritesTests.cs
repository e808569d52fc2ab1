using Nave.Bench.Linux;

namespace Nave.Bench.Tests.Linux;

public sealed class ProcessWritesTests
{
    [Fact]
    public void Bytes_handed_over_and_bytes_for_the_disk_are_told_apart()
    {
        var writes = ProcessWrites.Parse("rchar: 1\nwchar: 500\nsyscr: 2\nsyscw: 3\nread_bytes: 4\nwrite_bytes: 4096\ncancelled_write_bytes: 5\n");

        Assert.Equal(new ProcessWrites(500, 4096), writes);
    }

    [Fact]
    public void Another_format_is_an_error() => Assert.Throws<FormatException>(() => ProcessWrites.Parse("rchar: 1\n"));
}
