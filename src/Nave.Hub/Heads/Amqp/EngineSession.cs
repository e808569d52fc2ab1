using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using Amqp;
using Amqp.Listener;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Sends settled deliveries past the engine's objects: counts them in its session and link as it would itself, under its own
/// locks, and queues their frames with its others. Members of AMQPNetLite 2.5.5 that are not public, as in
/// <see cref="LinkInternals"/>: the version is pinned, and a test fails when one is gone.
/// </summary>
internal static class EngineSession
{
    /// <summary>The link, its session or the connection is ending: nothing was sent, and nothing will be.</summary>
    public const int Ended = -1;

    private static readonly Counter<Session> NextDeliveryId = CounterOf<Session>("outgoingDeliveryId");
    private static readonly Counter<Session> NextTransferId = CounterOf<Session>("nextOutgoingId");
    private static readonly Counter<ListenerLink> DeliveryCount = CounterOf<ListenerLink>("deliveryCount");

    private delegate ref uint Counter<TOwner>(TOwner owner);

    /// <summary>The number that the session's frames carry.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "channel")]
    public static extern ref ushort Channel(Session session);

    /// <summary>Sends the first frames of the batch, as many as the session's window has room for.</summary>
    /// <param name="link">A link that settles what it sends.</param>
    /// <param name="batch">Frames of the link.</param>
    /// <param name="limit">At most so many.</param>
    /// <returns>
    /// How many were sent; the others are forgotten. None where the window is shut or another frame of the session is being
    /// written: the engine then takes one delivery and keeps it until it can go. Or <see cref="Ended"/>.
    /// </returns>
    public static int Send(ListenerLink link, TransferBatch batch, int limit)
    {
        var session = link.Session;

        // The engine never takes a session's lock under a link's, and writes under neither: while we hold the session's and
        // nothing is being written, no frame can come between counting ours and queueing them.
        lock (LockOf(session))
        {
            if (!IsOpen(link))
            {
                return Ended;
            }

            var count = IsWritingCommands(session) || IsWritingDelivery(session) ? 0 : (int)Math.Min((uint)limit, Window(session));
            if (count == 0)
            {
                return 0;
            }

            lock (LockOf((Link)link))
            {
                unchecked
                {
                    DeliveryCount(link) += (uint)count;
                    LinkInternals.Credit(link) -= (uint)count;
                }
            }

            ref var deliveryId = ref NextDeliveryId(session);
            var frames = batch.Take(count, deliveryId);
            unchecked
            {
                deliveryId += (uint)count;
                NextTransferId(session) += (uint)count;
                Window(session) -= (uint)count;
            }

            try
            {
                Writer(session.Connection).Send(frames);
                return count;
            }
            catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
            {
                return Ended;
            }
        }
    }

    /// <summary>Has the engine send a message, as it does by itself, but never behind the link's DETACH.</summary>
    /// <returns>False when the link, its session or the connection is ending.</returns>
    public static bool TrySend(ListenerLink link, Message message, ByteBuffer buffer)
    {
        lock (LockOf(link.Session))
        {
            if (!IsOpen(link))
            {
                return false;
            }

            try
            {
                link.SendMessage(message, buffer);
                return true;
            }
            catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
            {
                return false;
            }
        }
    }

    /// <summary>Frames that the peer takes in the session now.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "outgoingWindow")]
    public static extern ref uint Window(Session session);

    // Under the session's lock: a state is set before its DETACH, END or CLOSE is queued.
    private static bool IsOpen(ListenerLink link) => link.LinkState < LinkState.DetachPipe
        && link.Session.SessionState < SessionState.EndSent && link.Session.Connection.ConnectionState < ConnectionState.CloseSent;

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "lockObject")]
    private static extern ref object LockOf(Session session);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "lockObject")]
    private static extern ref object LockOf(Link link);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "writingCommands")]
    private static extern ref bool IsWritingCommands(Session session);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "writingDelivery")]
    private static extern ref bool IsWritingDelivery(Session session);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "writer")]
    private static extern ref ITransport Writer(Connection connection);

    // The engine's counters are of a type that cannot be named here: its only field is reached by a method made for it.
    private static Counter<TOwner> CounterOf<TOwner>(string name)
    {
        const BindingFlags Fields = BindingFlags.Instance | BindingFlags.NonPublic;
        var counter = typeof(TOwner).GetField(name, Fields) ?? throw new MissingFieldException(typeof(TOwner).Name, name);
        var number = counter.FieldType.GetField("sequenceNumber", Fields) ?? throw new MissingFieldException(name, "sequenceNumber");
        var method = new DynamicMethod(name, typeof(uint).MakeByRefType(), [typeof(TOwner)], typeof(TOwner).Module, skipVisibility: true);
        var code = method.GetILGenerator();
        code.Emit(OpCodes.Ldarg_0);
        code.Emit(OpCodes.Ldflda, counter);
        code.Emit(OpCodes.Ldflda, number);
        code.Emit(OpCodes.Ret);
        return method.CreateDelegate<Counter<TOwner>>();
    }
}
