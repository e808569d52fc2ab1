using System.Net;
using System.Text;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Protocol.Tests.Access;

public sealed class SasTokenTests
{
    private const string Key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    private const string OtherKey = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    private const string Dev1 = "hub.nave.test%2Fdevices%2Fdev1";
    private const string Dev1Sig = "YTwD00VgY/zlTOjACiVBm4WocU31wip36Epez0zo9mk=";

    [Theory]
    [Conformance("security", 1)]
    [InlineData("hub.nave.test%2Fdevices%2Fdev1", "YTwD00VgY/zlTOjACiVBm4WocU31wip36Epez0zo9mk=")]
    [InlineData("hub.nave.test%2fdevices%2fdev1", "MlocYkMI6oiEyyQmnM3QMT0fwMdWVk9M21pBRnpmhn8=")]
    [InlineData("hub.nave.test%2Fdevices%2Fdev%401", "kBzNlLKObifl8A1pfWDXI2P4LZahQ2LIUZ9ONjoZcYc=")]
    [InlineData("hub.nave.test%2Fdevices%2Fdev%25401", "LM8Weq3eEvrqcaaMsmAs/6UBlUEbZDEz0u9ZO7UNQ1U=")]
    [InlineData("hub.nave.test%2Fdevices%2Fdev1%2Fmodules%2Fmod1", "CRb0zDDp/zo2SFPA7MGAsNPvmSdZwZve0VsHe+x4Oik=")]
    [InlineData("hub.nave.test", "kmiyWQU5kFdXAA9iU0rB9T/dj0TjKkSKqPGVrop4kww=")]
    [InlineData("hub.nave.test%2fdevices%2fpump-a7", "wnIIMCzDb6QSMkh1s2gb06DTzNT06eAHXtTiF3VLgUs=")]
    public void Every_vector_of_the_spec_verifies_and_no_change_of_it_does(string sr, string sig)
    {
        Assert.Equal(SasSigner.Primary, Parse(Text(sr, sig)).FindSigner(Key, OtherKey));
        Assert.Equal(SasSigner.Secondary, Parse(Text(sr, sig)).FindSigner(OtherKey, Key));
        Assert.Equal(SasSigner.None, Parse(Text(sr, sig)).FindSigner(OtherKey, OtherKey));

        Assert.Equal(SasSigner.None, Parse(Text(sr, sig, "1893456001")).FindSigner(Key, Key));
        Assert.Equal(SasSigner.None, Parse(Text(SwapCaseOfEscape(sr), sig)).FindSigner(Key, Key));
        for (var bit = 0; bit < 256; bit++)
        {
            var flipped = Convert.FromBase64String(sig);
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(SasSigner.None, Parse(Text(sr, Convert.ToBase64String(flipped))).FindSigner(Key, Key));
        }
    }

    [Theory]
    [Conformance("security", 2)]
    [InlineData("sr={sr}&sig={sig}&se=1893456000")]
    [InlineData("sr={sr}&sig={sig}&skn=&se=1893456000")]
    [InlineData("sig={sig}&se=1893456000&skn=&sr={sr}")]
    [InlineData("sr={sr}&sig={sig}&se=1893456000&skn=")]
    [InlineData("se=1893456000&sr={sr}&sig={sig}")]
    [InlineData("SR={sr}&Sig={sig}&Se=1893456000")]
    [InlineData("sr={sr}&sig={sig}&se=1893456000&sv=2099&future=x")]
    public void Fields_come_in_any_order_and_case_and_unknown_ones_do_not_matter(string fields)
    {
        var token = Parse("SharedAccessSignature " + Fill(fields));

        Assert.Equal(SasSigner.Primary, token.FindSigner(Key, null));
        Assert.Equal("hub.nave.test/devices/dev1", token.Scope.ToString());
        Assert.Null(token.PolicyName);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1893456000), token.ExpiresAt);
    }

    [Theory]
    [Conformance("security", 2)]
    [InlineData("")]
    [InlineData("SharedAccessSignature")]
    [InlineData("SharedAccessSignature ")]
    [InlineData("sharedaccesssignature sr={sr}&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature  sr={sr}&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature\tsr={sr}&sig={sig}&se=1893456000")]
    [InlineData(" SharedAccessSignature sr={sr}&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=1893456000 ")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=1893456000\n")]
    [InlineData("SharedAccessSignature sr={sr}\n1&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}")]
    [InlineData("SharedAccessSignature sr=&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sr={sr}&sig={sig}&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=1893456000&SE=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=NaN")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=-1")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=Infinity")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=tomorrow")]
    [InlineData("SharedAccessSignature sr={sr}&sig=abcd&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig=not-base64&se=1893456000")]
    [InlineData("SharedAccessSignature sr={sr}&sig={sig}&se=1893456000&skn")]
    [InlineData("Bearer eyJhbGciOiJIUzI1NiJ9.e30.sig")]
    public void What_breaks_a_rule_is_refused_with_words_for_the_operator_only(string text)
    {
        var outcome = SasToken.Parse(Fill(text));

        Assert.Equal(HubErrorCode.IotHubUnauthorizedAccess, outcome.Failure?.Code);
        Assert.Equal(HubFailures.Unauthorized.Message, outcome.Failure?.Message);
        Assert.StartsWith("malformed token: ", outcome.Failure?.Detail);
    }

    [Fact]
    [Conformance("security", 2)]
    public void More_than_four_kilobytes_are_refused()
    {
        var fits = Fill("SharedAccessSignature sr={sr}&sig={sig}&se=1893456000&x=");
        var longest = fits + new string('y', HubLimits.MaxTokenBytes - fits.Length);

        Assert.NotNull(SasToken.Parse(longest).Value);
        Assert.Null(SasToken.Parse(longest + "y").Value);
    }

    [Theory]
    [Conformance("security", 3)]
    [InlineData("CRb0zDDp/zo2SFPA7MGAsNPvmSdZwZve0VsHe+x4Oik=")]
    [InlineData("CRb0zDDp/zo2SFPA7MGAsNPvmSdZwZve0VsHe x4Oik=")]
    [InlineData("CRb0zDDp%2fzo2SFPA7MGAsNPvmSdZwZve0VsHe%2bx4Oik%3d")]
    public void A_signature_may_hold_a_raw_plus_or_what_became_of_one(string sig)
    {
        var token = Parse($"SharedAccessSignature sr=hub.nave.test%2Fdevices%2Fdev1%2Fmodules%2Fmod1&sig={sig}&se=1893456000");

        Assert.Equal(SasSigner.Primary, token.FindSigner(Key, null));
    }

    [Theory]
    [InlineData("1893456000000")]
    [InlineData("253402300800")]
    [InlineData("9223372036854775807")]
    [InlineData("1e300")]
    public void A_very_late_expiry_is_legal(string se) =>
        Assert.True(Parse(Text(Dev1, Dev1Sig, se)).ExpiresAt > DateTimeOffset.FromUnixTimeSeconds(1893456000));

    [Fact]
    public void A_missing_key_never_verifies_even_what_the_stand_in_signed()
    {
        var zeroKey = Convert.ToBase64String(new byte[32]);
        var token = Parse(SasToken.Mint("hub.nave.test/devices/dev1", zeroKey, DateTimeOffset.FromUnixTimeSeconds(1893456000)));

        Assert.Equal(SasSigner.None, token.FindSigner(null, null, SigningConvention.Both));
        Assert.Equal(SasSigner.None, token.FindSigner("", "not base64", SigningConvention.IotHub));
        Assert.Equal(SasSigner.Primary, token.FindSigner(zeroKey, null));
    }

    [Fact]
    public void Event_hub_clients_sign_with_the_keys_text()
    {
        var textAsKey = Convert.ToBase64String(Encoding.UTF8.GetBytes(Key));
        var token = Parse(SasToken.Mint("sb://hub.nave.test/nave", textAsKey, DateTimeOffset.FromUnixTimeSeconds(1893456000), "service"));

        Assert.Equal(SasSigner.None, token.FindSigner(Key, null));
        Assert.Equal(SasSigner.Primary, token.FindSigner(Key, null, SigningConvention.Both));
        Assert.Equal(SasSigner.Secondary, token.FindSigner(OtherKey, Key, SigningConvention.Both));
    }

    [Fact]
    public void A_minted_token_reads_back()
    {
        var expiry = DateTimeOffset.FromUnixTimeSeconds(1893456000);
        var token = Parse(SasToken.Mint("hub.nave.test/devices/a@b+c%2B'(1)*", Key, expiry, "token service"));

        Assert.Equal(SasSigner.Primary, token.FindSigner(Key, null));
        Assert.Equal("hub.nave.test/devices/a@b+c%2B'(1)*", token.Scope.ToString());
        Assert.Equal("token service", token.PolicyName);
        Assert.Equal(expiry, token.ExpiresAt);
    }

    [Fact]
    public void Minting_gives_the_vector_that_Node_gives()
    {
        var minted = SasToken.Mint("hub.nave.test/devices/dev1", Key, DateTimeOffset.FromUnixTimeSeconds(1893456000));

        Assert.Equal(Text(Dev1, WebUtility.UrlEncode(Dev1Sig)), minted);
    }

    [Fact]
    public void A_token_in_words_shows_no_signature()
    {
        var token = Parse(Text(Dev1, Dev1Sig));

        Assert.DoesNotContain(Dev1Sig, token.ToString());
        Assert.Contains(Dev1, token.ToString());
    }

    [Fact]
    public void Any_text_is_a_token_or_a_failure_and_never_an_exception()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        string[] words =
        [
            "SharedAccessSignature", " ", "&", "=", "sr", "sig", "se", "skn", "%", "%2", "%2F", "%ff", "\ud800", "é", "\0", "\n",
            Dev1, Dev1Sig, "1893456000", "1e999", "-", ".", "NaN", "//", "sb://", "[", "]", ":", "::1", "/devices/", "/modules/",
        ];
        for (var round = 0; round < 20_000; round++)
        {
            var text = new StringBuilder(random.Next(2) == 0 ? "SharedAccessSignature sr=" : "");
            for (var n = random.Next(12); n > 0; n--)
            {
                text.Append(random.Next(4) == 0 ? ((char)random.Next(0x250)).ToString() : words[random.Next(words.Length)]);
            }

            var outcome = SasToken.Parse(text.ToString());

            Assert.True(outcome.Value is not null ^ outcome.Failure is not null, $"seed {seed}: {text}");
            _ = outcome.Value?.FindSigner(Key, null);
            _ = outcome.Value?.Scope.PossibleIdentities().Count();
        }
    }

    private static string SwapCaseOfEscape(string sr) =>
        sr.Contains("%2F", StringComparison.Ordinal) ? sr.Replace("%2F", "%2f") : sr.Contains("%2f", StringComparison.Ordinal) ? sr.Replace("%2f", "%2F") : sr.ToUpperInvariant();

    private static string Text(string sr, string sig, string se = "1893456000") => $"SharedAccessSignature sr={sr}&sig={sig}&se={se}";

    private static string Fill(string text) => text.Replace("{sr}", Dev1).Replace("{sig}", Dev1Sig);

    private static SasToken Parse(string text)
    {
        var outcome = SasToken.Parse(text);
        Assert.True(outcome.Value is not null, outcome.Failure?.Detail);
        return outcome.Value;
    }
}
