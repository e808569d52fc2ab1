using Nave.Bench.Linux;

namespace Nave.Bench.Tests.Linux;

public sealed class MountTableTests
{
    private static readonly string[] Mounts =
    [
        "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
        "30 22 0:26 / /tmp rw shared:5 master:1 - tmpfs tmpfs rw",
        "31 22 8:1 / /data rw - ext4 /dev/sda rw",
        "32 31 8:2 / /data rw - xfs /dev/sdb rw",
        @"33 22 8:3 / /my\040disk rw - btrfs /dev/sdc rw",
    ];

    [Theory]
    [InlineData("/home/x", "ext4")]
    [InlineData("/tmp", "tmpfs")]
    [InlineData("/tmp/a/b", "tmpfs")]
    [InlineData("/tmpfoo", "ext4")]
    [InlineData("/data/hub", "xfs")]
    [InlineData("/my disk/hub", "btrfs")]
    public void The_innermost_and_latest_mount_wins(string path, string type) =>
        Assert.Equal(type, MountTable.FileSystemOf(path, Mounts));

    [Fact]
    public void No_mount_at_all_is_unknown() => Assert.Equal("unknown", MountTable.FileSystemOf("/x", []));
}
