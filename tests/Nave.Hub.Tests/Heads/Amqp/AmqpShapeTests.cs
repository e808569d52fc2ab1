using Nave.Hub.Heads.Amqp;

namespace Nave.Hub.Tests.Heads.Amqp;

public sealed class AmqpShapeTests
{
    [Theory]
    [InlineData("40", 1)]
    [InlineData("5207", 2)]
    [InlineData("a103616263", 5)]
    [InlineData("b000000002aabb", 7)]
    [InlineData("005310c0030140", 0)] // the size says more than there is
    [InlineData("005310c0020140", 7)]
    [InlineData("45", 1)]
    [InlineData("c100", 0)] // no room for the count
    [InlineData("c10100", 3)]
    [InlineData("e00702a30161016200", 0)] // an element is left over
    [InlineData("e00602a301610162", 8)]
    [InlineData("d000000005000000ff40", 0)] // more elements than bytes
    [InlineData("f00000000501000000", 0)]
    [InlineData("f0000000057fffffff43", 0)] // two thousand million elements of no width
    [InlineData("00", 0)]
    [InlineData("0f", 0)]
    [InlineData("", 0)]
    public void Values_are_measured_and_malformed_ones_refused(string hex, int expected)
    {
        var isWhole = AmqpShape.TryMeasure(Convert.FromHexString(hex), out var length);

        Assert.Equal(expected > 0, isWhole);
        Assert.True(!isWhole || length == expected, $"measured {length}");
    }

    [Fact]
    public void Nesting_has_a_bound_whatever_it_is_made_of()
    {
        var described = new byte[60_000]; // each 0x00 opens another described type
        byte[] lists = [0x45];
        for (var i = 0; i < 40; i++)
        {
            lists = [0xd0, 0, 0, 0, (byte)(lists.Length + 4), 0, 0, 0, 1, .. lists];
        }

        Assert.False(AmqpShape.TryMeasure(described, out _));
        Assert.False(AmqpShape.TryMeasure(lists, out _));
    }

    [Fact]
    public void Any_bytes_are_measured_or_refused_and_never_throw()
    {
        const int Seed = 20261125;
        var random = new Random(Seed);
        var bytes = new byte[256];
        for (var i = 0; i < 20_000; i++)
        {
            random.NextBytes(bytes);
            bytes[0] = (byte)(i % 3 == 0 ? 0x00 : i % 3 == 1 ? 0xc0 : 0xe0);
            var isWhole = AmqpShape.TryMeasure(bytes, out var length);

            Assert.True(!isWhole || length is > 0 and <= 256, $"seed {Seed}, round {i}: {length}");
        }
    }
}
