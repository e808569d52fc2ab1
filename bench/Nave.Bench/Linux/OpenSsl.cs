using System.Runtime.InteropServices;

namespace Nave.Bench.Linux;

/// <summary>
/// The few calls of the system's OpenSSL (the library that .NET itself uses) that let TLS run in the same loop as plain
/// sockets: SslStream would need a task per connection and several times the generator's CPU.
/// </summary>
internal static unsafe partial class OpenSsl
{
    public const int WantRead = 2;
    public const int WantWrite = 3;
    public const int Tls12 = 0x0303;
    public const int Tls13 = 0x0304;

    private const string Library = "libssl.so.3";
    private const int ControlMode = 33;
    private const int ControlSetMinimumVersion = 123;
    private const int ControlSetMaximumVersion = 124;
    private const int ControlServerName = 55;
    private const int PartialWrites = 1;
    private const int MovingWriteBuffer = 2;
    private const int ReleaseBuffers = 16;
    private const int VerifyPeer = 1;

    /// <summary>A client context. Without a CA file the peer's certificate is not checked.</summary>
    public static nint CreateClientContext(string? caFile, int? version)
    {
        var context = ContextNew(ClientMethod());
        if (context is 0)
        {
            throw new InvalidOperationException("OpenSSL could not make a context");
        }

        _ = ContextControl(context, ControlMode, PartialWrites | MovingWriteBuffer | ReleaseBuffers, 0);
        if (version is { } only)
        {
            _ = ContextControl(context, ControlSetMinimumVersion, only, 0);
            _ = ContextControl(context, ControlSetMaximumVersion, only, 0);
        }

        if (caFile is not null)
        {
            if (ContextLoadVerifyLocations(context, caFile, null) is not 1)
            {
                throw new FileNotFoundException($"no CA certificate could be read from {caFile}", caFile);
            }

            ContextSetVerify(context, VerifyPeer, 0);
        }

        return context;
    }

    /// <summary>A client session over a connected socket, its handshake still to be driven.</summary>
    public static nint CreateSession(nint context, int fd, string serverName, bool checkName)
    {
        var session = New(context);
        _ = SetDescriptor(session, fd);
        SetConnectState(session);
        var name = Marshal.StringToCoTaskMemUTF8(serverName);
        _ = Control(session, ControlServerName, 0, name);
        Marshal.FreeCoTaskMem(name);
        if (checkName)
        {
            _ = SetHost(session, serverName);
        }

        return session;
    }

    [LibraryImport(Library, EntryPoint = "SSL_do_handshake")]
    public static partial int DoHandshake(nint session);

    [LibraryImport(Library, EntryPoint = "SSL_read")]
    public static partial int Read(nint session, byte* buffer, int length);

    [LibraryImport(Library, EntryPoint = "SSL_write")]
    public static partial int Write(nint session, byte* buffer, int length);

    [LibraryImport(Library, EntryPoint = "SSL_get_error")]
    public static partial int GetError(nint session, int result);

    [LibraryImport(Library, EntryPoint = "SSL_free")]
    public static partial void Free(nint session);

    [LibraryImport("libcrypto.so.3", EntryPoint = "ERR_clear_error")]
    public static partial void ClearErrors();

    [LibraryImport(Library, EntryPoint = "TLS_client_method")]
    private static partial nint ClientMethod();

    [LibraryImport(Library, EntryPoint = "SSL_CTX_new")]
    private static partial nint ContextNew(nint method);

    [LibraryImport(Library, EntryPoint = "SSL_CTX_ctrl")]
    private static partial nint ContextControl(nint context, int command, nint number, nint pointer);

    [LibraryImport(Library, EntryPoint = "SSL_CTX_load_verify_locations", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ContextLoadVerifyLocations(nint context, string file, string? directory);

    [LibraryImport(Library, EntryPoint = "SSL_CTX_set_verify")]
    private static partial void ContextSetVerify(nint context, int mode, nint callback);

    [LibraryImport(Library, EntryPoint = "SSL_new")]
    private static partial nint New(nint context);

    [LibraryImport(Library, EntryPoint = "SSL_set_fd")]
    private static partial int SetDescriptor(nint session, int fd);

    [LibraryImport(Library, EntryPoint = "SSL_set_connect_state")]
    private static partial void SetConnectState(nint session);

    [LibraryImport(Library, EntryPoint = "SSL_ctrl")]
    private static partial nint Control(nint session, int command, nint number, nint pointer);

    [LibraryImport(Library, EntryPoint = "SSL_set1_host", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetHost(nint session, string name);
}
