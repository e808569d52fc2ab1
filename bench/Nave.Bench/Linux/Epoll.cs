using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Nave.Bench.Linux;

/// <summary>An epoll set, level-triggered. The caller's token comes back with each event. One thread.</summary>
internal sealed unsafe class Epoll : IDisposable
{
    public const uint In = 0x1;
    public const uint Out = 0x4;
    public const uint ErrorOrHangUp = 0x18;

    private const int MaxEvents = 512;
    private const int Add = 1;
    private const int Modify = 3;

    // The kernel packs epoll_event on x86-64 only.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 ? 4 : 8;
    private static readonly int EventBytes = DataOffset + 8;

    private readonly int _epoll;
    private readonly byte* _events;
    private bool _hasNanoseconds = true;

    public Epoll()
    {
        _epoll = Libc.EpollCreate(Libc.SockCloseOnExec);
        if (_epoll < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        _events = (byte*)NativeMemory.AllocZeroed((nuint)(MaxEvents * EventBytes));
    }

    public void Watch(int fd, int token, uint interest) => Control(Add, fd, token, interest);

    public void Change(int fd, int token, uint interest) => Control(Modify, fd, token, interest);

    /// <summary>Waits up to the given time (negative: for ever) and says how many events there are.</summary>
    public int Wait(long timeoutNanoseconds)
    {
        if (_hasNanoseconds && timeoutNanoseconds > 0)
        {
            var timeout = stackalloc long[2] { timeoutNanoseconds / 1_000_000_000, timeoutNanoseconds % 1_000_000_000 };
            try
            {
                var count = Libc.EpollWait2(_epoll, _events, MaxEvents, timeout, null);
                if (count >= 0 || Marshal.GetLastPInvokeError() is Libc.Interrupted)
                {
                    return Math.Max(count, 0);
                }
            }
            catch (EntryPointNotFoundException)
            {
                // glibc before 2.35: milliseconds will do.
            }

            _hasNanoseconds = false;
        }

        var milliseconds = timeoutNanoseconds < 0 ? -1 : (int)Math.Min(timeoutNanoseconds / 1_000_000, int.MaxValue);
        return Math.Max(Libc.EpollWait(_epoll, _events, MaxEvents, milliseconds), 0);
    }

    public int TokenAt(int index) => (int)*(long*)(_events + (index * EventBytes) + DataOffset);

    public uint EventsAt(int index) => *(uint*)(_events + (index * EventBytes));

    public void Dispose()
    {
        _ = Libc.Close(_epoll);
        NativeMemory.Free(_events);
    }

    private void Control(int operation, int fd, int token, uint interest)
    {
        var epollEvent = stackalloc byte[16];
        *(uint*)epollEvent = interest;
        *(long*)(epollEvent + DataOffset) = token;
        if (Libc.EpollControl(_epoll, operation, fd, epollEvent) < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }
}
