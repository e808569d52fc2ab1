using System.IO.Pipelines;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>One connection's bytes in and out, what ends it and what hurries it.</summary>
internal sealed record MqttTransport(PipeReader Input, MqttWriter Writer, MqttChannel Channel, ConnectionDeadline Deadline);
