using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class DeviceTokenTests
{
    // The signature was computed with: printf 'sr\nse' | openssl dgst -sha256 -mac HMAC -macopt key:0123456789abcdef -binary | base64
    [Fact]
    public void A_token_signs_the_encoded_resource_and_the_expiry() =>
        Assert.Equal(
            "SharedAccessSignature sr=localhost%2Fdevices%2Fbench-0&sig=xtMOeISBPHwLIbVXBWjT%2B4pWvX8Fkxv%2F4CVrLkEcwjE%3D&se=1700000000",
            DeviceToken.Mint("localhost/devices/bench-0", "0123456789abcdef"u8.ToArray(), DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)));
}
