namespace Nave.Protocol.Errors;

/// <summary>
/// The service's error codes: the HTTP status followed by three digits (spec/service-rest.md 3.3). The names are what
/// goes into <c>iothub-errorcode</c> headers, so renaming one breaks clients.
/// </summary>
public enum HubErrorCode
{
    InvalidProtocolVersion = 400001,
    InvalidOperation = 400003,
    ArgumentInvalid = 400004,
    ArgumentNull = 400005,
    IotHubFormatError = 400006,
    DeviceDefinedMultipleTimes = 400011,
    BulkRegistryOperationFailure = 400013,
    ConnectionForcefullyClosedOnNewConnection = 400027,
    InvalidDeviceScope = 400028,
    ConnectionForcefullyClosedOnFaultInjection = 400029,
    IotHubNotFound = 401001,
    IotHubUnauthorizedAccess = 401002,
    IotHubUnauthorized = 401003,
    IotHubQuotaExceeded = 403002,
    DeviceMaximumQueueDepthExceeded = 403004,
    IotHubMaxCbsTokenExceeded = 403005,
    DeviceDisabled = 403012,
    DeviceNotFound = 404001,
    JobNotFound = 404002,
    AmqpAddressNotFound = 404006,
    ModuleNotFound = 404010,
    DeviceNotOnline = 404103,
    DeviceConnectionClosedRemotely = 404104,
    DeviceAlreadyExists = 409001,
    LinkCreationConflict = 409002,
    JobAlreadyExists = 409104,
    ModuleAlreadyExistsOnDevice = 409301,
    PreconditionFailed = 412001,
    DeviceMessageLockLost = 412002,
    MessageTooLarge = 413001,
    TooManyDevices = 413002,
    TooManyModulesOnDevice = 413003,
    ThrottlingException = 429001,
    ThrottlingMaxActiveJobCountExceeded = 429004,
    ServerError = 500001,
    NotImplemented = 501001,
    BadDeviceResponse = 502001,
    ServiceUnavailable = 503001,
    ServerBusy = 503005,
    GatewayTimeout = 504101,
}
