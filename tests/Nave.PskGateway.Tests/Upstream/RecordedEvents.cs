using System.Threading.Channels;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>Keeps what the hub told a device, for the test to wait for.</summary>
internal sealed class RecordedEvents : IHubDeviceEvents
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<HubCommand> _commands = Channel.CreateUnbounded<HubCommand>();
    private readonly Channel<(ReadOnlyMemory<byte> Patch, long Version)> _desired = Channel.CreateUnbounded<(ReadOnlyMemory<byte>, long)>();
    private readonly Channel<HubMethodCall> _calls = Channel.CreateUnbounded<HubMethodCall>();
    private readonly TaskCompletionSource<HubClosing> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsClosed => _closed.Task.IsCompleted;

    public int Waiting => _commands.Reader.Count;

    public Task<HubClosing> ClosedAsync() => _closed.Task.WaitAsync(Patience);

    public Task<HubCommand> CommandAsync() => _commands.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    public Task<(ReadOnlyMemory<byte> Patch, long Version)> DesiredAsync() => _desired.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    public Task<HubMethodCall> CallAsync() => _calls.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    void IHubDeviceEvents.Command(HubCommand command) => _commands.Writer.TryWrite(command);

    void IHubDeviceEvents.DesiredChanged(ReadOnlyMemory<byte> patch, long version) => _desired.Writer.TryWrite((patch, version));

    void IHubDeviceEvents.MethodCalled(HubMethodCall call) => _calls.Writer.TryWrite(call);

    void IHubDeviceEvents.Closed(HubClosing reason) => Assert.True(_closed.TrySetResult(reason), "Closed is told once.");
}
