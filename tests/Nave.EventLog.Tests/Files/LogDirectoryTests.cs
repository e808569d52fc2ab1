namespace Nave.EventLog.Tests.Files;

/// <summary>A log's files on the disk of this machine: what is written past the page cache and through it is one file.</summary>
public sealed class LogDirectoryTests : IDisposable
{
    private const int MB = 1 << 20;

    private readonly string _folder = Path.Combine(Path.GetTempPath(), "nave-log-directory-" + Path.GetRandomFileName());
    private readonly LogDirectory _files;

    public LogDirectoryTests() => _files = new LogDirectory(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0, 512)]
    [InlineData(512, 1024)]
    [InlineData(4096 - 512, 4096)]
    [InlineData(1536, (2 * MB) + 512)]
    [InlineData(512, (3 * MB) + 4096)]
    [InlineData(100, 1000)]
    [InlineData(512, 700)]
    public void What_is_written_among_zeros_is_read_back_whatever_its_place_and_length(int offset, int length)
    {
        using var file = _files.Create("a", LogStep.CreateSpare);
        file.Zero(0, 4 * MB, LogStep.FillSpare);
        var bytes = NewBytes(length, seed: length);

        file.Write(offset, bytes, LogStep.WriteFrame);
        file.Sync(LogStep.SyncFrame);

        var expected = new byte[4 * MB];
        bytes.CopyTo(expected, offset);
        Assert.Equal(expected, ReadAll("a"));
    }

    [Fact]
    public void A_reader_between_writes_sees_each_of_them()
    {
        using var file = _files.Create("a", LogStep.CreateSpare);
        using var reader = _files.Open("a");
        file.Zero(0, MB, LogStep.FillSpare);
        var expected = new byte[MB];
        var read = new byte[MB];
        var random = new Random(5);
        for (var offset = 512; offset < 200_000;)
        {
            // Neighbours share pages, which the reader has just brought into the cache; one in four is no whole block.
            var bytes = NewBytes(random.Next(4) is 0 ? random.Next(1, 5000) : 512 * random.Next(1, 20), seed: offset);
            file.Write(offset, bytes, LogStep.WriteFrame);
            bytes.CopyTo(expected, offset);
            offset = (offset + bytes.Length + 511) & -512;

            Assert.Equal(MB, reader.Read(0, read));
            Assert.True(expected.AsSpan().SequenceEqual(read), $"wrong after the write before {offset}");
        }
    }

    [Fact]
    public void A_file_that_was_renamed_is_written_on()
    {
        using var file = _files.Create("a", LogStep.CreateSpare);
        file.Zero(0, MB, LogStep.FillSpare);
        _files.Rename("a", "b", LogStep.RenameSpare);
        var bytes = NewBytes(1024, seed: 1);

        file.Write(4096, bytes, LogStep.WriteFrame);

        Assert.Equal(["b"], _files.List());
        Assert.Equal(bytes, ReadAll("b")[4096..(4096 + 1024)]);
    }

    [Fact]
    public void A_write_that_is_no_whole_number_of_blocks_is_left_to_the_cache()
    {
        using var handle = File.OpenHandle(Path.Combine(_folder, "c"), FileMode.Create, FileAccess.ReadWrite);
        using var direct = new DirectWrites(handle);

        Assert.False(direct.TryWrite(100, new byte[512]));
        Assert.False(direct.TryWrite(512, new byte[100]));
        Assert.False(direct.TryWrite(0, []));
        Assert.Equal(0, RandomAccess.GetLength(handle));
    }

    private byte[] ReadAll(string name) => File.ReadAllBytes(Path.Combine(_folder, name));

    private static byte[] NewBytes(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
