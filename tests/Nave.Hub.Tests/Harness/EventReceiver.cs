using System.Threading.Channels;
using Amqp;
using Amqp.Framing;

namespace Nave.Hub.Tests.Harness;

/// <summary>A receiving link that gives out exactly the credit that the test says.</summary>
internal sealed class EventReceiver
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<Message> _messages = Channel.CreateUnbounded<Message>();
    private readonly TaskCompletionSource<Attach> _attached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Error?> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public EventReceiver(Session session, string name, Attach attach)
    {
        Link = new ReceiverLink(session, name, attach, (_, answer) => _attached.TrySetResult(answer));
        Link.AddClosedCallback((_, error) =>
        {
            _attached.TrySetResult(attach);
            _closed.TrySetResult(error);
        });
        Link.Start(0, (_, message) => _messages.Writer.TryWrite(message));
    }

    public ReceiverLink Link { get; }

    /// <summary>Messages that came and were not taken.</summary>
    public int Waiting => _messages.Reader.Count;

    /// <summary>The server's answer.</summary>
    public Task<Attach> AttachedAsync() => _attached.Task.WaitAsync(Patience);

    /// <summary>Raises the credit by so much; the receiver adds none of its own.</summary>
    public void Grant(int credit) => Link.SetCredit(credit, CreditMode.Manual);

    /// <summary>Waits for the next message.</summary>
    public async Task<Message> NextAsync()
    {
        using var late = new CancellationTokenSource(Patience);
        return await _messages.Reader.ReadAsync(late.Token);
    }

    /// <summary>Waits for so many messages and returns their bodies.</summary>
    public async Task<string[]> BodiesAsync(int count)
    {
        var bodies = new string[count];
        for (var i = 0; i < count; i++)
        {
            bodies[i] = System.Text.Encoding.UTF8.GetString((byte[])(await NextAsync()).Body);
        }

        return bodies;
    }

    /// <summary>Waits until the server has detached the link and returns its error.</summary>
    public async Task<Error> ClosedAsync()
    {
        var error = await _closed.Task.WaitAsync(Patience);
        Assert.NotNull(error);
        return error;
    }
}
