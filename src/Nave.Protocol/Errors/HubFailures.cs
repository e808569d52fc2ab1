namespace Nave.Protocol.Errors;

/// <summary>The error catalogue: every failure the hub can report, once (spec/service-rest.md 3.3, spec/device-amqp.md 10).</summary>
public static class HubFailures
{
    /// <summary>The <c>api-version</c> query parameter is missing.</summary>
    public static readonly HubFailure InvalidProtocolVersion = Of(
        HubErrorCode.InvalidProtocolVersion, "com.microsoft:argument-error", ConnackCode.BadUserName, "The api-version query parameter is missing or malformed.");

    /// <summary>The entity is in the wrong state for this.</summary>
    public static readonly HubFailure InvalidOperation = Of(
        HubErrorCode.InvalidOperation, "amqp:not-allowed", ConnackCode.NotAuthorized, "The operation is not valid here.");

    /// <summary>A value breaks a rule; say which with <see cref="HubFailure.Saying"/>.</summary>
    public static readonly HubFailure ArgumentInvalid = Of(
        HubErrorCode.ArgumentInvalid, "com.microsoft:argument-error", ConnackCode.IdentifierRejected, "A value is not valid.");

    /// <summary>A required field is missing.</summary>
    public static readonly HubFailure ArgumentNull = Of(
        HubErrorCode.ArgumentNull, "com.microsoft:argument-error", ConnackCode.BadUserName, "A required field is missing.");

    /// <summary>The body is not the JSON expected.</summary>
    public static readonly HubFailure FormatError = Of(
        HubErrorCode.IotHubFormatError, "amqp:decode-error", ConnackCode.BadUserName, "The body is not the expected JSON.");

    /// <summary>One id twice in a bulk request.</summary>
    public static readonly HubFailure DeviceDefinedMultipleTimes = Of(
        HubErrorCode.DeviceDefinedMultipleTimes, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The device is defined more than once in the request.");

    /// <summary>A bulk request failed as a whole.</summary>
    public static readonly HubFailure BulkRegistryOperationFailure = Of(
        HubErrorCode.BulkRegistryOperationFailure, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The bulk request failed as a whole.");

    /// <summary>A parent scope that names no edge device.</summary>
    public static readonly HubFailure InvalidDeviceScope = Of(
        HubErrorCode.InvalidDeviceScope, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The device scope is not valid.");

    /// <summary>No credential, a wrong one, or one without the right. The same words whether the identity exists or not.</summary>
    public static readonly HubFailure Unauthorized = Of(
        HubErrorCode.IotHubUnauthorizedAccess, "amqp:unauthorized-access", ConnackCode.NotAuthorized, "Unauthorized");

    /// <summary>A token past its time.</summary>
    public static readonly HubFailure TokenExpired = Of(
        HubErrorCode.IotHubUnauthorized, "amqp:unauthorized-access", ConnackCode.NotAuthorized, "Unauthorized");

    /// <summary>The host named is not this hub.</summary>
    public static readonly HubFailure HubNotFound = Of(
        HubErrorCode.IotHubNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The host name is not one of this hub.");

    /// <summary>The daily quota is used up.</summary>
    public static readonly HubFailure QuotaExceeded = Of(
        HubErrorCode.IotHubQuotaExceeded, "amqp:resource-limit-exceeded", ConnackCode.ServerUnavailable, "The message quota of the day is used up.");

    /// <summary>The same, told to a back end: its clients take the devices' condition for a full queue (spec/service-amqp.md 3).</summary>
    public static readonly HubFailure QuotaExceededForService = QuotaExceeded with { AmqpCondition = "com.microsoft:quota-exceeded" };

    /// <summary>The device's queue holds as many messages as it may.</summary>
    public static readonly HubFailure QueueFull = Of(
        HubErrorCode.DeviceMaximumQueueDepthExceeded, "amqp:resource-limit-exceeded", ConnackCode.NotAuthorized, "The device's message queue is full.");

    /// <summary>More tokens on one AMQP connection than allowed.</summary>
    public static readonly HubFailure TooManyTokens = Of(
        HubErrorCode.IotHubMaxCbsTokenExceeded, "amqp:resource-limit-exceeded", ConnackCode.NotAuthorized, "Too many tokens on one connection.");

    /// <summary>The identity is disabled. On the wire it looks like <see cref="Unauthorized"/> (spec/security.md 6.4).</summary>
    public static readonly HubFailure DeviceDisabled =
        new(HubErrorCode.DeviceDisabled, 401, "amqp:unauthorized-access", ConnackCode.NotAuthorized, "Unauthorized");

    /// <summary>No such device.</summary>
    public static readonly HubFailure DeviceNotFound = Of(
        HubErrorCode.DeviceNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The device is not registered.");

    /// <summary>No such module.</summary>
    public static readonly HubFailure ModuleNotFound = Of(
        HubErrorCode.ModuleNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The module is not registered.");

    /// <summary>No such job.</summary>
    public static readonly HubFailure JobNotFound = Of(
        HubErrorCode.JobNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The job does not exist.");

    /// <summary>The job's id is taken.</summary>
    public static readonly HubFailure JobAlreadyExists = Of(
        HubErrorCode.JobAlreadyExists, "amqp:not-allowed", ConnackCode.NotAuthorized, "A job of that id exists already.");

    /// <summary>More jobs wait than may.</summary>
    public static readonly HubFailure TooManyJobs = Of(
        HubErrorCode.ThrottlingMaxActiveJobCountExceeded, "com.microsoft:device-container-throttled", ConnackCode.ServerUnavailable, "Too many jobs wait.");

    /// <summary>No such link address.</summary>
    public static readonly HubFailure AddressNotFound = Of(
        HubErrorCode.AmqpAddressNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The messaging entity could not be found.");

    /// <summary>The device is not connected, or not for this.</summary>
    public static readonly HubFailure DeviceNotOnline = Of(
        HubErrorCode.DeviceNotOnline, "amqp:not-found", ConnackCode.NotAuthorized, "The device is not online.");

    /// <summary>The device went away before it answered.</summary>
    public static readonly HubFailure DeviceConnectionClosed = Of(
        HubErrorCode.DeviceConnectionClosedRemotely, "amqp:not-found", ConnackCode.NotAuthorized, "The device's connection was closed before it answered.");

    /// <summary>The device answered with what is no answer. The number is ours: the service's is not published.</summary>
    public static readonly HubFailure BadDeviceResponse = Of(
        HubErrorCode.BadDeviceResponse, "amqp:internal-error", ConnackCode.NotAuthorized, "The device's answer is not JSON or larger than allowed.");

    /// <summary>The id is taken.</summary>
    public static readonly HubFailure DeviceAlreadyExists = Of(
        HubErrorCode.DeviceAlreadyExists, "com.microsoft:device-already-exists", ConnackCode.NotAuthorized, "The device is already registered.");

    /// <summary>The module id is taken on that device.</summary>
    public static readonly HubFailure ModuleAlreadyExists = Of(
        HubErrorCode.ModuleAlreadyExistsOnDevice, "amqp:not-allowed", ConnackCode.NotAuthorized, "The module already exists on the device.");

    /// <summary>A newer connection of the same identity has taken the place.</summary>
    public static readonly HubFailure TakenOver = Of(
        HubErrorCode.LinkCreationConflict, "amqp:link:stolen", ConnackCode.NotAuthorized, "A newer connection of the same identity has taken this one's place.");

    /// <summary>The ETag or version is not the stored one.</summary>
    public static readonly HubFailure PreconditionFailed = Of(
        HubErrorCode.PreconditionFailed, "com.microsoft:precondition-failed", ConnackCode.NotAuthorized, "The ETag is not that of the stored entity.");

    /// <summary>The lock of a message has run out.</summary>
    public static readonly HubFailure LockLost = Of(
        HubErrorCode.DeviceMessageLockLost, "com.microsoft:message-lock-lost", ConnackCode.NotAuthorized, "The lock of the message was lost.");

    /// <summary>The message is over its limit.</summary>
    public static readonly HubFailure MessageTooLarge = Of(
        HubErrorCode.MessageTooLarge, "amqp:link:message-size-exceeded", ConnackCode.NotAuthorized, "The message is larger than allowed.");

    /// <summary>More devices than a request or the hub may hold.</summary>
    public static readonly HubFailure TooManyDevices = Of(
        HubErrorCode.TooManyDevices, "amqp:resource-limit-exceeded", ConnackCode.NotAuthorized, "Too many devices.");

    /// <summary>More modules than a device may have.</summary>
    public static readonly HubFailure TooManyModules = Of(
        HubErrorCode.TooManyModulesOnDevice, "amqp:resource-limit-exceeded", ConnackCode.NotAuthorized, "Too many modules on the device.");

    /// <summary>Over a rate.</summary>
    public static readonly HubFailure Throttled = Of(
        HubErrorCode.ThrottlingException, "com.microsoft:device-container-throttled", ConnackCode.ServerUnavailable, "Too many requests.");

    /// <summary>Over a rate, and its turn would come later than may be waited for.</summary>
    public static readonly HubFailure ThrottledTooLong = Of(
        HubErrorCode.ThrottlingBacklogTimeout, "com.microsoft:device-container-throttled", ConnackCode.ServerUnavailable, "Too many requests wait.");

    /// <summary>Over a limit of one device or address.</summary>
    public static readonly HubFailure DeviceThrottled = Of(
        HubErrorCode.DeviceThrottlingLimitExceeded, "com.microsoft:device-container-throttled", ConnackCode.ServerUnavailable, "Too many requests of this device.");

    /// <summary>We broke a promise; the log says which.</summary>
    public static readonly HubFailure ServerError = Of(
        HubErrorCode.ServerError, "amqp:internal-error", ConnackCode.ServerUnavailable, "The hub failed to process the request.");

    /// <summary>The hub gave up on work of its own that took too long.</summary>
    public static readonly HubFailure Timeout = Of(
        HubErrorCode.GenericTimeout, "com.microsoft:timeout", ConnackCode.ServerUnavailable, "The operation took too long.");

    /// <summary>A documented feature that this version does not have yet.</summary>
    public static readonly HubFailure NotImplemented = Of(
        HubErrorCode.NotImplemented, "amqp:not-implemented", ConnackCode.NotAuthorized, "This version of the hub does not offer the operation.");

    /// <summary>Starting, draining, or the log takes nothing.</summary>
    public static readonly HubFailure Unavailable = Of(
        HubErrorCode.ServiceUnavailable, "amqp:internal-error", ConnackCode.ServerUnavailable, "The hub is not available now.");

    /// <summary>The device did not answer in time.</summary>
    public static readonly HubFailure GatewayTimeout = Of(
        HubErrorCode.GatewayTimeout, "com.microsoft:timeout", ConnackCode.ServerUnavailable, "The device did not answer in time.");

    /// <summary>A configuration's condition is no query.</summary>
    public static readonly HubFailure InvalidConfigurationTargetCondition = Of(
        HubErrorCode.InvalidConfigurationTargetCondition, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The target condition of the configuration is not valid.");

    /// <summary>A configuration's content names no paths of a twin, or values that none may have.</summary>
    public static readonly HubFailure InvalidConfigurationContent = Of(
        HubErrorCode.InvalidConfigurationContent, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The content of the configuration is not valid.");

    /// <summary>Another content for a configuration that is there.</summary>
    public static readonly HubFailure CannotModifyConfigurationContent = Of(
        HubErrorCode.CannotModifyImmutableConfigurationContent, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "The content of a configuration cannot be changed.");

    /// <summary>A custom metric is no query, or there are too many.</summary>
    public static readonly HubFailure InvalidConfigurationMetrics = Of(
        HubErrorCode.InvalidConfigurationCustomMetricsQuery, "com.microsoft:argument-error", ConnackCode.NotAuthorized, "A custom metric of the configuration is not valid.");

    /// <summary>No such configuration.</summary>
    public static readonly HubFailure ConfigurationNotFound = Of(
        HubErrorCode.ConfigurationNotFound, "amqp:not-found", ConnackCode.NotAuthorized, "The configuration does not exist.");

    /// <summary>The configuration's id is taken.</summary>
    public static readonly HubFailure ConfigurationAlreadyExists = Of(
        HubErrorCode.ConfigurationAlreadyExists, "amqp:not-allowed", ConnackCode.NotAuthorized, "The configuration already exists.");

    /// <summary>Two requests to apply content to one device.</summary>
    public static readonly HubFailure ApplyAlreadyInProgress = Of(
        HubErrorCode.ApplyConfigurationAlreadyInProgressOnDevice, "amqp:not-allowed", ConnackCode.NotAuthorized, "Content is being applied to the device already.");

    private static HubFailure Of(HubErrorCode code, string condition, ConnackCode connack, string message) =>
        new(code, (int)code / 1000, condition, connack, message);
}
