namespace Nave.Hub.Faults;

/// <summary>The faults that a device can ask for (spec/sdk-gotchas.md 6). Names are those on the wire.</summary>
internal enum FaultKind
{
    /// <summary>The connection's socket is reset.</summary>
    KillTcp,

    /// <summary>END of all sessions with an error, CLOSE with <c>amqp:connection:forced</c>.</summary>
    KillAmqpConnection,

    /// <summary>END of the device's sessions with an error.</summary>
    KillAmqpSession,

    /// <summary>DETACH of the <c>$cbs</c> link on which the device sends.</summary>
    KillAmqpCBSLinkReq,

    /// <summary>DETACH of the <c>$cbs</c> link on which the hub answers.</summary>
    KillAmqpCBSLinkResp,

    /// <summary>DETACH of the telemetry link.</summary>
    KillAmqpD2CLink,

    /// <summary>DETACH of the commands link.</summary>
    KillAmqpC2DLink,

    /// <summary>DETACH of the twin link on which the device sends.</summary>
    KillAmqpTwinLinkReq,

    /// <summary>DETACH of the twin link on which the hub sends.</summary>
    KillAmqpTwinLinkResp,

    /// <summary>DETACH of the methods link on which the hub sends requests.</summary>
    KillAmqpMethodReqLink,

    /// <summary>DETACH of the methods link on which the device sends responses.</summary>
    KillAmqpMethodRespLink,

    /// <summary>An orderly end: END of all sessions, CLOSE without an error.</summary>
    ShutDownAmqp,

    /// <summary>An orderly end: what is due is sent, then FIN.</summary>
    ShutDownMqtt,

    /// <summary>Telemetry is refused as throttled for a while.</summary>
    InvokeThrottling,

    /// <summary>Telemetry is refused as over the daily quota for a while.</summary>
    InvokeMaxMessageQuota,

    /// <summary>Telemetry is refused as unauthorized for a while.</summary>
    InvokeAuthError,
}
