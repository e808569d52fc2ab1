using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// An epoll set that tells each change of readiness once (edge-triggered), with an alarm that any thread may ring. One
/// thread waits; any may add. A descriptor leaves the set when it is closed.
/// </summary>
internal sealed unsafe partial class Epoll : IDisposable
{
    /// <summary>There is something to read, or an end.</summary>
    public const uint Readable = 0x1;

    /// <summary>There is room again for what is to be sent.</summary>
    public const uint Writable = 0x4;

    /// <summary>The peer sends no more, or the connection has failed.</summary>
    public const uint Ended = PeerEnded | Failed;

    /// <summary>Nothing goes either way any more.</summary>
    public const uint Failed = 0x8 | 0x10;

    /// <summary>The token of the alarm's event.</summary>
    public const long AlarmToken = -1;

    private const uint PeerEnded = 0x2000;
    private const uint EdgeTriggered = 1u << 31;
    private const int MaxEvents = 256;
    private const int Add = 1;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;

    // The kernel packs epoll_event on x86-64 only.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 ? 4 : 8;
    private static readonly int EventBytes = DataOffset + sizeof(long);

    private readonly int _epoll;
    private readonly SafeFileHandle _alarm; // Whoever rings too late must not write into a file that came after it.
    private readonly byte* _events;

    public Epoll()
    {
        _epoll = Check(Create(CloseOnExec));
        var alarm = Check(EventDescriptor(0, CloseOnExec | NonBlocking));
        _alarm = new SafeFileHandle(alarm, ownsHandle: true);
        _events = (byte*)NativeMemory.AllocZeroed((nuint)(MaxEvents * EventBytes));
        Watch(alarm, AlarmToken, Readable);
    }

    /// <summary>Adds a socket for everything that may become of it; the token comes back with each of its events.</summary>
    /// <exception cref="Win32Exception">The system has no room for it.</exception>
    public void Watch(Socket socket, long token) => Watch((int)socket.Handle, token, Readable | Writable | PeerEnded);

    /// <summary>How many events there are; waits for the first where asked to.</summary>
    public int Wait(bool forEver) => Math.Max(WaitFor(_epoll, _events, MaxEvents, forEver ? -1 : 0), 0);

    public long TokenAt(int index) => *(long*)(_events + (index * EventBytes) + DataOffset);

    public uint EventsAt(int index) => *(uint*)(_events + (index * EventBytes));

    /// <summary>Has <see cref="Wait"/> return. Means nothing when the set has gone.</summary>
    public void Ring()
    {
        var one = 1L;
        try
        {
            _ = Write(_alarm, &one, sizeof(long));
        }
        catch (ObjectDisposedException)
        {
            // Nobody waits any more.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _alarm.Dispose();
        _ = Close(_epoll);
        NativeMemory.Free(_events);
    }

    // The alarm is never read: each ring is a change, and only changes are told.
    private void Watch(int descriptor, long token, uint interest)
    {
        var added = stackalloc byte[16];
        *(uint*)added = interest | EdgeTriggered;
        *(long*)(added + DataOffset) = token;
        _ = Check(Control(_epoll, Add, descriptor, added));
    }

    private static int Check(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int descriptor, byte* added);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int WaitFor(int epoll, byte* events, int maxEvents, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventDescriptor(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(SafeFileHandle descriptor, void* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
