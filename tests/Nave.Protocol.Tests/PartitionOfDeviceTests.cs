using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Protocol.Tests;

public sealed class PartitionOfDeviceTests
{
    [Fact]
    [Conformance("events-endpoint", 22)]
    public void A_thousand_ids_spread_evenly_over_four_partitions()
    {
        var counts = new int[4];
        for (var i = 0; i < 1000; i++)
        {
            counts[PartitionOfDevice.Of($"device-{i}", 4)]++;
        }

        Assert.All(counts, count => Assert.InRange(count, 175, 325));
    }

    [Theory]
    [InlineData("Pump-7", "pUMP-7")]
    public void The_case_of_an_id_does_not_matter(string one, string other) =>
        Assert.Equal(PartitionOfDevice.Of(one, 32), PartitionOfDevice.Of(other, 32));
}
