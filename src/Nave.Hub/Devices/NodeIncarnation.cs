namespace Nave.Hub.Devices;

/// <summary>One life of one node, from start to end of the process: what it wrote as "connected" dies with it.</summary>
internal sealed record NodeIncarnation(Guid Id);
