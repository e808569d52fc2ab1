using Nave.Protocol.Errors;

namespace Nave.Hub.Monitoring;

/// <summary>What an operator can do about a refusal.</summary>
internal static class DecisionHints
{
    /// <summary>The way out, or null where the explanation says all.</summary>
    public static string? Of(HubFailure failure, string? device)
    {
        var detail = failure.Detail ?? "";
        var name = device ?? "DEVICE";
        return failure.Code switch
        {
            HubErrorCode.DeviceNotFound or HubErrorCode.ModuleNotFound => $"nave device create {name}",
            _ when detail.StartsWith("there is no identity", StringComparison.Ordinal) => $"nave device create {name}, or correct the id that the device uses",
            HubErrorCode.DeviceDisabled => $"nave device update {name} --status enabled",
            _ when detail.Contains("is disabled", StringComparison.Ordinal) => $"nave device update {name} --status enabled",
            _ when detail.StartsWith("signature mismatch", StringComparison.Ordinal) => $"compare the key that the device has with: nave device show {name}",
            _ when detail.StartsWith("the token signs", StringComparison.Ordinal) => "give the device its own connection string: nave connection-string show " + name,
            _ when detail.StartsWith("the token had expired", StringComparison.Ordinal) => "set the device's clock (NTP), or have it make a new token for each connect",
            _ when detail.Contains("lacks the right DeviceConnect", StringComparison.Ordinal) => "use the policy 'device', or give the policy the right DeviceConnect",
            _ when detail.StartsWith("thumbprint mismatch", StringComparison.Ordinal) => "put the thumbprint shown here into the identity, if the certificate is the device's",
            _ when detail.Contains("chains to no verified authority", StringComparison.Ordinal) => "nave ca list: add and verify the authority that signs the devices' certificates",
            _ when detail.StartsWith("The user name", StringComparison.Ordinal) => "the user name is {host}/{deviceId}/?api-version=2021-04-12",
            _ when detail.StartsWith("The client id", StringComparison.Ordinal) => "the client id is the device id, or {deviceId}/{moduleId}",
            _ when detail.StartsWith("The host in the user name", StringComparison.Ordinal) => "connect to one of the hub's names, or add this one: nave up --host",
            _ when detail.StartsWith("neither a token", StringComparison.Ordinal) => "give the device a key, a token or a certificate",
            HubErrorCode.IotHubQuotaExceeded or HubErrorCode.ThrottlingException or HubErrorCode.ThrottlingBacklogTimeout => "nave quota show; raise the option that is named, or Quota:Units",
            HubErrorCode.DeviceThrottlingLimitExceeded => $"find out what {name} is doing; raise the option that is named if it is right",
            HubErrorCode.DeviceMaximumQueueDepthExceeded => $"nave c2d purge {name}, or wait until the device takes what is queued",
            _ => null,
        };
    }
}
