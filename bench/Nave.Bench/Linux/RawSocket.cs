using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;
using System.Runtime.InteropServices;

namespace Nave.Bench.Linux;

/// <summary>Non-blocking IPv4 TCP sockets as bare descriptors.</summary>
internal static unsafe class RawSocket
{
    /// <summary>What a read or write answers when it would have to wait.</summary>
    public const int WouldBlock = 0;

    /// <summary>What a read or write answers when the connection is gone.</summary>
    public const int Gone = -1;

    private const int Backlog = 4096;

    /// <summary>Starts a connect from the given source address. The socket is writable when it has succeeded.</summary>
    /// <returns>The descriptor, or the negative error number.</returns>
    public static int Connect(IPEndPoint target, IPAddress? source)
    {
        var fd = Libc.Socket(Libc.AfInet, Libc.SockStream | Libc.SockNonBlock | Libc.SockCloseOnExec, 0);
        if (fd < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        Set(fd, Libc.IpProtoTcp, Libc.TcpNoDelay);
        if (source is not null)
        {
            // The port is picked at connect, per target: a source address then has its 28,000 ports for each target.
            Set(fd, Libc.IpProtoIp, Libc.IpBindAddressNoPort);
            var from = Address(new IPEndPoint(source, 0));
            if (Libc.Bind(fd, &from, sizeof(Libc.SocketAddressV4)) < 0)
            {
                return Failed(fd);
            }
        }

        var to = Address(target);
        return Libc.Connect(fd, &to, sizeof(Libc.SocketAddressV4)) < 0
            && Marshal.GetLastPInvokeError() is not Libc.InProgress
                ? Failed(fd)
                : fd;
    }

    /// <summary>The error that ended a connect, or 0.</summary>
    public static int ConnectError(int fd)
    {
        var error = 0;
        var length = sizeof(int);
        return Libc.GetSocketOption(fd, Libc.SolSocket, Libc.SoError, &error, &length) < 0
            ? Marshal.GetLastPInvokeError()
            : error;
    }

    public static (int Descriptor, int Port) Listen(IPEndPoint local)
    {
        var fd = Libc.Socket(Libc.AfInet, Libc.SockStream | Libc.SockNonBlock | Libc.SockCloseOnExec, 0);
        var address = Address(local);
        var length = sizeof(Libc.SocketAddressV4);
        Set(fd, Libc.SolSocket, Libc.SoReuseAddr);
        if (Libc.Bind(fd, &address, length) < 0
            || Libc.Listen(fd, Backlog) < 0
            || Libc.GetSocketName(fd, &address, &length) < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"cannot listen on {local}");
        }

        return (fd, BinaryPrimitives.ReverseEndianness(address.PortBigEndian));
    }

    /// <returns>The descriptor of the accepted connection, or negative when none waits.</returns>
    public static int Accept(int listener)
    {
        var fd = Libc.Accept(listener, null, null, Libc.SockNonBlock | Libc.SockCloseOnExec);
        if (fd >= 0)
        {
            Set(fd, Libc.IpProtoTcp, Libc.TcpNoDelay);
        }

        return fd;
    }

    /// <returns>Bytes read, <see cref="WouldBlock"/> or <see cref="Gone"/>.</returns>
    public static int Read(int fd, Span<byte> into)
    {
        fixed (byte* buffer = into)
        {
            var count = (int)Libc.Receive(fd, buffer, into.Length, 0);
            return count > 0 ? count : count is 0 ? Gone : WaitOrGone();
        }
    }

    /// <returns>Bytes taken by the kernel, <see cref="WouldBlock"/> or <see cref="Gone"/>.</returns>
    public static int Write(int fd, ReadOnlySpan<byte> from)
    {
        fixed (byte* buffer = from)
        {
            var count = (int)Libc.Send(fd, buffer, from.Length, Libc.MsgNoSignal);
            return count >= 0 ? count : WaitOrGone();
        }
    }

    private static int WaitOrGone() =>
        Marshal.GetLastPInvokeError() is Libc.WouldBlock or Libc.Interrupted ? WouldBlock : Gone;

    private static int Failed(int fd)
    {
        var error = Marshal.GetLastPInvokeError();
        _ = Libc.Close(fd);
        return -error;
    }

    private static void Set(int fd, int level, int name)
    {
        var on = 1;
        _ = Libc.SetSocketOption(fd, level, name, &on, sizeof(int));
    }

    private static Libc.SocketAddressV4 Address(IPEndPoint endPoint)
    {
        Span<byte> bytes = stackalloc byte[4];
        if (!endPoint.Address.TryWriteBytes(bytes, out var written) || written != 4)
        {
            throw new ArgumentException($"{endPoint.Address} is not an IPv4 address");
        }

        return new Libc.SocketAddressV4
        {
            Family = Libc.AfInet,
            PortBigEndian = BinaryPrimitives.ReverseEndianness((ushort)endPoint.Port),
            AddressBigEndian = MemoryMarshal.Read<uint>(bytes),
        };
    }
}
