using System.CommandLine;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary><c>nave ca</c>: certificate authorities of devices, on the operator port of the local hub.</summary>
internal static class AuthorityCommand
{
    /// <summary><c>nave ca list|show|add|code|verify|delete</c>.</summary>
    public static Command Create() => new("ca", "Certificate authorities of devices (local hub, operator port)")
    {
        List(),
        Show(),
        Add(),
        Code(),
        Verify(),
        OperatorCommand.Delete("certificate-authorities", "Delete an authority: its devices are cut off at once"),
    };

    private static Command List()
    {
        var command = new Command("list", "List authorities");
        OperatorCommand.OnGet(command, "certificate-authorities", list => Output.Table(
            ["authority", "verified", "subject", "ends"],
            (list as JsonArray ?? []).Select(entry => (IReadOnlyList<string?>)
                [Output.TextOf(entry, "name"), Output.TextOf(entry, "isVerified"), Output.TextOf(entry, "subject"), Output.TextOf(entry, "notAfter")])));
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "Show an authority");
        var name = OperatorCommand.NameOf(command, "NAME");
        OperatorCommand.OnSend(command, HttpMethod.Get, parsed => $"certificate-authorities/{name(parsed)}", _ => null, Describe);
        return command;
    }

    private static Command Add()
    {
        var command = new Command("add", "Upload an authority's certificate");
        var name = OperatorCommand.NameOf(command, "NAME");
        var file = CertificateFile(command, "Its certificate, PEM or DER");
        var verified = new Option<bool>("--verified") { Description = "You know whose it is: no proof of possession needed" };
        command.Options.Add(verified);
        OperatorCommand.OnSend(
            command, HttpMethod.Put, parsed => $"certificate-authorities/{name(parsed)}",
            parsed => new JsonObject { ["certificate"] = file(parsed), ["verified"] = parsed.GetValue(verified) }, Describe);
        return command;
    }

    private static Command Code()
    {
        var command = new Command("code", "Ask for a verification code: the common name of the certificate that proves possession");
        var name = OperatorCommand.NameOf(command, "NAME");
        OperatorCommand.OnSend(
            command, HttpMethod.Post, parsed => $"certificate-authorities/{name(parsed)}/verification-code", _ => [], Describe);
        return command;
    }

    private static Command Verify()
    {
        var command = new Command("verify", "Prove possession with a certificate signed by the authority for the verification code");
        var name = OperatorCommand.NameOf(command, "NAME");
        var file = CertificateFile(command, "The certificate that proves it, PEM or DER");
        OperatorCommand.OnSend(
            command, HttpMethod.Post, parsed => $"certificate-authorities/{name(parsed)}/verify",
            parsed => new JsonObject { ["certificate"] = file(parsed) }, Describe);
        return command;
    }

    private static Func<ParseResult, string> CertificateFile(Command command, string description)
    {
        var file = new Argument<FileInfo>("FILE") { Description = description };
        command.Arguments.Add(file);
        return parsed =>
        {
            var path = parsed.GetRequiredValue(file).FullName;
            try
            {
                var bytes = File.ReadAllBytes(path);
                return bytes.AsSpan().StartsWith("-----BEGIN"u8) ? System.Text.Encoding.ASCII.GetString(bytes) : Convert.ToBase64String(bytes);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandFailedException($"The certificate {path} cannot be read: {e.Message}");
            }
        };
    }

    private static void Describe(JsonNode? authority) => Output.Fields(
    [
        ("authority", Output.TextOf(authority, "name")),
        ("subject", Output.TextOf(authority, "subject")),
        ("ends", Output.TextOf(authority, "notAfter")),
        ("verified", Output.TextOf(authority, "isVerified")),
        ("verification code", Output.TextOf(authority, "verificationCode")),
    ]);
}
