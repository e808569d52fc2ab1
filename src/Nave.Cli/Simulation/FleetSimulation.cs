using System.Text;
using Nave.Cli.Hubs;

namespace Nave.Cli.Simulation;

/// <summary>
/// Many devices that send telemetry at a rate, each on a connection of its own. The rate is kept by the clock: a hub that
/// is slow meets messages that are due all the same, and their waiting counts.
/// </summary>
internal sealed class FleetSimulation(HubTarget hub, SimulationPlan plan, SimulationTally tally, TimeProvider time, Random random)
{
    // Handshakes of devices that come at once; each costs both ends about a millisecond.
    private const int ConnectsAtOnce = 32;
    private static readonly TimeSpan LastAcknowledgements = TimeSpan.FromSeconds(30);

    private readonly List<ISimulatedDevice> _devices = [];

    /// <summary>Connects all devices; those that fail are counted.</summary>
    public async Task ConnectAsync(IReadOnlyList<(string Id, string Key)> devices, CancellationToken stopping)
    {
        var gate = new Lock();
        var setup = new DeviceSetup(hub, plan.Protocol, plan.AnswersCommands, tally, time) { AnswersMethods = plan.AnswersMethods };
        await Parallel.ForEachAsync(
            devices,
            new ParallelOptions { MaxDegreeOfParallelism = ConnectsAtOnce, CancellationToken = stopping },
            async (device, stop) =>
            {
                try
                {
                    var connected = await setup.ConnectAsync(device.Id, device.Key, stop);
                    lock (gate)
                    {
                        _devices.Add(connected);
                    }
                }
                catch (CommandFailedException e)
                {
                    tally.Failed(e.Message);
                }
            });
    }

    /// <summary>Sends until the plan is fulfilled or a stop is asked for, then waits for the last acknowledgements.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        if (_devices.Count == 0)
        {
            return;
        }

        await Task.WhenAll(_devices.Select((device, index) => SendAsync(device, index, stopping)));
        using var deadline = new CancellationTokenSource(LastAcknowledgements, time);
        try
        {
            await Task.WhenAll(_devices.Select(device => device.DrainAsync(deadline.Token)));
        }
        catch (OperationCanceledException)
        {
            tally.Failed("no acknowledgement within 30 s");
        }
    }

    /// <summary>Disconnects everybody.</summary>
    public async Task DisconnectAsync()
    {
        foreach (var device in _devices)
        {
            await device.DisposeAsync();
        }
    }

    private async Task SendAsync(ISimulatedDevice device, int index, CancellationToken stopping)
    {
        // The fleet's messages are dealt out in turn; each device starts at its place in the round.
        var interval = TimeSpan.FromSeconds(_devices.Count / plan.Rate);
        var offset = interval * ((double)index / _devices.Count);
        var messages = (plan.Messages / _devices.Count) + (index < plan.Messages % _devices.Count ? 1 : 0);
        var began = time.GetTimestamp();
        try
        {
            for (long number = 0; number < messages; number++)
            {
                var early = offset + (interval * number) - time.GetElapsedTime(began);
                if (early > TimeSpan.Zero)
                {
                    await Task.Delay(early, time, stopping);
                }

                if (!device.IsConnected || !await device.SendAsync(Body(number), stopping))
                {
                    tally.Failed("the hub closed the connection");
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // What was sent is still waited for.
        }
    }

    private byte[] Body(long number)
    {
        double temperature;
        lock (random)
        {
            temperature = Math.Round(20 + (random.NextDouble() * 10), 2);
        }

        var text = FormattableString.Invariant($$"""{"message":{{number}},"temperature":{{temperature}}}""");
        if (text.Length < plan.BodyBytes)
        {
            text = text[..^1] + ",\"pad\":\"" + new string('x', Math.Max(0, plan.BodyBytes - text.Length - 9)) + "\"}";
        }

        return Encoding.UTF8.GetBytes(text);
    }
}

/// <summary>What a simulation is to do.</summary>
/// <param name="Messages">Altogether.</param>
/// <param name="Rate">Messages a second, altogether.</param>
/// <param name="BodyBytes">Size of a message's body, at least.</param>
/// <param name="Protocol">How devices connect.</param>
/// <param name="AnswersCommands">Whether they take commands and complete them.</param>
internal sealed record SimulationPlan(
    long Messages, double Rate, int BodyBytes, SimulatedProtocol Protocol = SimulatedProtocol.Mqtt, bool AnswersCommands = false)
{
    /// <summary>Whether they answer direct methods with what they are given; over MQTT only.</summary>
    public bool AnswersMethods { get; init; }
}
