using System.Net.Security;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Nave.Hub.Hosting;

/// <summary>
/// Two things that OpenSSL can do and .NET has no setting for, set by the handle that <see cref="SslStream"/> keeps, in the
/// library that .NET has loaded. Where either is not found (another system, a later runtime), nothing is done and
/// connections cost more: a test says so. Any thread may call. docs/decisions/0020-hosting.md.
/// </summary>
/// <remarks>
/// No record buffers for a connection that neither reads nor writes (<c>SSL_MODE_RELEASE_BUFFERS</c>): two of 17 KB, most of
/// what an idle connection costs. And one session ticket for a TLS 1.3 handshake instead of two: a device has one
/// connection, and gets another ticket whenever it has used one (RFC 8446, 4.6.1).
/// </remarks>
internal static class OpenSslSettings
{
    private const int ControlMode = 33; // SSL_CTRL_MODE, of a connection and of a context alike.
    private const nint ReleaseBuffers = 0x10; // SSL_MODE_RELEASE_BUFFERS
    private const nint Tickets = 1;

    private static readonly FieldInfo? HandleField = FindHandleField();
    private static readonly Lazy<OpenSsl?> Library = new(OpenSsl.Find); // With the first handshake behind it: .NET loads late.
    private static nint _lastContext;

    /// <summary>
    /// From now on the buffers of this connection go back whenever they are empty, and those of the handshakes that follow
    /// with the same certificate; these give one ticket each. After the handshake, before anything else is read.
    /// </summary>
    /// <returns>Whether it was possible.</returns>
    public static bool TryApply(SslStream? stream)
    {
        if (stream is null || HandleField?.GetValue(stream) is not SafeHandle handle || Library.Value is not { } library)
        {
            return false;
        }

        var isHeld = false;
        try
        {
            handle.DangerousAddRef(ref isHeld);
            var ssl = handle.DangerousGetHandle();

            // A connection takes over what its context has when it begins; .NET has one context for each certificate.
            var context = library.ContextOf(ssl);
            if (context != Volatile.Read(ref _lastContext))
            {
                library.ControlContext(context, ControlMode, ReleaseBuffers, 0);
                library.SetTickets(context, Tickets);
                Volatile.Write(ref _lastContext, context);
            }

            return (library.Control(ssl, ControlMode, ReleaseBuffers, 0) & ReleaseBuffers) != 0;
        }
        catch (ObjectDisposedException)
        {
            return false; // The connection has gone meanwhile.
        }
        finally
        {
            if (isHeld)
            {
                handle.DangerousRelease();
            }
        }
    }

    private static FieldInfo? FindHandleField() =>
        OperatingSystem.IsLinux()
        && typeof(SslStream).GetField("_securityContext", BindingFlags.Instance | BindingFlags.NonPublic) is { } field
        && field.FieldType.IsAssignableTo(typeof(SafeHandle))
            ? field
            : null;

    private delegate nint ControlCall(nint sslOrContext, int command, nint number, nint pointer);

    private delegate nint ContextCall(nint ssl);

    private delegate int TicketsCall(nint context, nint count);

    private sealed record OpenSsl(ControlCall Control, ControlCall ControlContext, ContextCall ContextOf, TicketsCall SetTickets)
    {
        // The very library that is in use: another copy would not know the handle.
        public static OpenSsl? Find()
        {
            var path = File.ReadLines("/proc/self/maps")
                .Select(line => line.IndexOf('/') is var at and >= 0 ? line[at..] : "")
                .FirstOrDefault(path => Path.GetFileName(path).StartsWith("libssl.so", StringComparison.Ordinal));
            return path is not null && NativeLibrary.TryLoad(path, out var library)
                && TryFind<ControlCall>(library, "SSL_ctrl") is { } control
                && TryFind<ControlCall>(library, "SSL_CTX_ctrl") is { } controlContext
                && TryFind<ContextCall>(library, "SSL_get_SSL_CTX") is { } contextOf
                && TryFind<TicketsCall>(library, "SSL_CTX_set_num_tickets") is { } setTickets
                    ? new OpenSsl(control, controlContext, contextOf, setTickets)
                    : null;
        }

        private static T? TryFind<T>(nint library, string name)
            where T : Delegate =>
            NativeLibrary.TryGetExport(library, name, out var export) ? Marshal.GetDelegateForFunctionPointer<T>(export) : null;
    }
}
