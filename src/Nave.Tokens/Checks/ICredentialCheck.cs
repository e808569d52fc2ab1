using System.Net;

namespace Nave.Tokens.Checks;

/// <summary>
/// Asks a custom identity system whether a credential is right, and which device it stands for. Any thread may call.
/// Whatever goes wrong is a result, never an exception: a check that cannot be made refuses.
/// </summary>
public interface ICredentialCheck
{
    /// <summary>What it is called in metrics and audit events.</summary>
    string Name { get; }

    /// <summary>Whether this kind of credential is one it judges.</summary>
    bool Judges(PresentedCredential credential);

    /// <summary>Judges the credential.</summary>
    /// <param name="credential">What was shown.</param>
    /// <param name="address">Who showed it, for fair shares of bounded queues.</param>
    /// <param name="stopping">The caller no longer waits.</param>
    ValueTask<CheckResult> CheckAsync(PresentedCredential credential, IPAddress address, CancellationToken stopping);
}
