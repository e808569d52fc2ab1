using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Harness;

/// <summary>A hub that does what the test says: who is let in, when a message is answered, what devices are told.</summary>
internal sealed class FakeHub : IHubUpstream
{
    private readonly Channel<FakeHubDevice> _opened = Channel.CreateUnbounded<FakeHubDevice>();
    private int _openings;

    public HubRefusal Refusal { get; set; }

    public int Openings => Volatile.Read(ref _openings);

    public ValueTask<HubOpening> OpenAsync(DeviceId device, IHubDeviceEvents events, CancellationToken stopping)
    {
        Interlocked.Increment(ref _openings);
        if (Refusal is not HubRefusal.None)
        {
            return new(new HubOpening(null, Refusal, "as the test says"));
        }

        var opened = new FakeHubDevice(device, events);
        _opened.Writer.TryWrite(opened);
        return new(new HubOpening(opened));
    }

    public Task<FakeHubDevice> OpenedAsync() => _opened.Reader.ReadAsync().AsTask().WaitAsync(PskDesk.Patience);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>One device at it.</summary>
internal sealed class FakeHubDevice(DeviceId id, IHubDeviceEvents events) : IHubDevice
{
    private readonly Channel<SentMessage> _sent = Channel.CreateUnbounded<SentMessage>();
    private readonly Channel<(string Token, CommandOutcome Outcome)> _settled = Channel.CreateUnbounded<(string, CommandOutcome)>();
    private readonly Channel<(string RequestId, int Status, string Payload)> _answered = Channel.CreateUnbounded<(string, int, string)>();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public DeviceId Id => id;

    public IHubDeviceEvents Events => events;

    public ConcurrentQueue<string> Calls { get; } = new();

    public string Twin { get; set; } = """{"desired":{"$version":1},"reported":{"$version":1}}""";

    public int Waiting => _sent.Reader.Count;

    public Task Disposed => _disposed.Task.WaitAsync(PskDesk.Patience);

    public Task<SentMessage> SentAsync() => _sent.Reader.ReadAsync().AsTask().WaitAsync(PskDesk.Patience);

    public Task<(string Token, CommandOutcome Outcome)> SettledAsync() => _settled.Reader.ReadAsync().AsTask().WaitAsync(PskDesk.Patience);

    public Task<(string RequestId, int Status, string Payload)> AnsweredAsync() => _answered.Reader.ReadAsync().AsTask().WaitAsync(PskDesk.Patience);

    public async ValueTask<SendResult> SendTelemetryAsync(MessageProperties properties, ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        var message = new SentMessage(properties, Encoding.UTF8.GetString(body.Span), new(TaskCreationOptions.RunContinuationsAsynchronously));
        _sent.Writer.TryWrite(message);
        return await message.Answer.Task.WaitAsync(stopping);
    }

    public ValueTask<bool> StartCommandsAsync(int window, CancellationToken stopping) => Called("commands");

    public async ValueTask StopCommandsAsync(CancellationToken stopping) => await Called("no commands");

    public ValueTask<bool> CompleteCommandAsync(string token, CommandOutcome outcome, CancellationToken stopping)
    {
        _settled.Writer.TryWrite((token, outcome));
        return new(true);
    }

    public ValueTask<TwinAnswer> GetTwinAsync(CancellationToken stopping) => new(new TwinAnswer(200, Encoding.UTF8.GetBytes(Twin)));

    public ValueTask<TwinAnswer> PatchReportedAsync(ReadOnlyMemory<byte> patch, CancellationToken stopping)
    {
        Calls.Enqueue(Encoding.UTF8.GetString(patch.Span));
        return new(new TwinAnswer(204, default, 7));
    }

    public ValueTask<bool> StartDesiredAsync(CancellationToken stopping) => Called("desired");

    public ValueTask<bool> StartMethodsAsync(CancellationToken stopping) => Called("methods");

    public async ValueTask StopMethodsAsync(CancellationToken stopping) => await Called("no methods");

    public ValueTask<bool> AnswerMethodAsync(string requestId, int status, ReadOnlyMemory<byte> payload, CancellationToken stopping)
    {
        _answered.Writer.TryWrite((requestId, status, Encoding.UTF8.GetString(payload.Span)));
        return new(true);
    }

    public ValueTask DisposeAsync()
    {
        _disposed.TrySetResult();
        return ValueTask.CompletedTask;
    }

    private ValueTask<bool> Called(string what)
    {
        Calls.Enqueue(what);
        return new(true);
    }
}

/// <summary>A message on its way; the test answers it.</summary>
internal sealed record SentMessage(MessageProperties Properties, string Body, TaskCompletionSource<SendResult> Answer)
{
    public void Accept() => Answer.SetResult(new SendResult(SendOutcome.Accepted));
}
