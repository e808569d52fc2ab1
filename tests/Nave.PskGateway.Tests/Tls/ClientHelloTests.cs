using Nave.PskGateway.Tls;

namespace Nave.PskGateway.Tests.Tls;

public sealed class ClientHelloTests
{
    [Fact]
    public void Any_bytes_are_a_hello_more_to_come_or_refused()
    {
        var random = new Random(4711);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = Sample(random);
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);

            var status = ClientHello.Read(bytes.AsSpan(0, random.Next(bytes.Length + 1)), out var hello);

            Assert.Equal(status is HelloStatus.Complete, hello is not null);
            Assert.InRange(hello?.Offers.Count ?? 0, 0, ClientHello.MaxOffers);
        }
    }

    [Fact]
    public void A_hello_is_the_same_in_any_two_records_and_incomplete_before_its_end()
    {
        var whole = Sample(new Random(1));
        Assert.Equal(HelloStatus.Complete, ClientHello.Read(whole, out var expected));
        for (var cut = 1; cut < whole.Length - 5; cut++)
        {
            var message = whole.AsSpan(5);
            byte[] two = [22, 3, 1, (byte)(cut >> 8), (byte)cut, .. message[..cut], 22, 3, 1, (byte)((message.Length - cut) >> 8), (byte)(message.Length - cut), .. message[cut..]];

            Assert.Equal(HelloStatus.Incomplete, ClientHello.Read(two.AsSpan(0, two.Length - 1), out _));
            Assert.Equal(HelloStatus.Complete, ClientHello.Read(two, out var hello));
            Assert.Equal(expected!.Message, hello!.Message);
            Assert.True(hello.HasTls13Psk);
        }
    }

    [Fact]
    public void More_than_a_hello_may_have_is_refused_by_its_announced_length() =>
        Assert.Equal(HelloStatus.TooLarge, ClientHello.Read([22, 3, 1, 64, 0, 1, 0, 64, 0], out _));

    // Version, random, session id, one suite, no compression, then versions, modes and one key of five bytes.
    private static byte[] Sample(Random random)
    {
        var binder = new byte[32];
        random.NextBytes(binder);
        byte[] identity = [0, 5, .. "dev-1"u8, 0, 0, 0, 0];
        byte[] offers = [0, (byte)identity.Length, .. identity, 0, 33, 32, .. binder];
        byte[] extensions = [0, 43, 0, 3, 2, 3, 4, 0, 45, 0, 2, 1, 1, 0, 41, 0, (byte)offers.Length, .. offers];
        byte[] body = [3, 3, .. new byte[32], 0, 0, 2, 0x13, 0x01, 1, 0, 0, (byte)extensions.Length, .. extensions];
        byte[] message = [1, 0, 0, (byte)body.Length, .. body];
        return [22, 3, 1, 0, (byte)message.Length, .. message];
    }
}
