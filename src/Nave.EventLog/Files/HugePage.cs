using System.Runtime.InteropServices;

namespace Nave.EventLog;

/// <summary>
/// Memory that a disk takes in one piece. What lies in ordinary pages is handed to it page by page, from wherever each
/// of them is; what lies in a huge page is one piece to it. On a virtual disk, writing and syncing 272 KB of a huge page
/// took 0.6 ms, of ordinary pages 0.8 (docs/performance.md, "What was tried").
/// </summary>
internal static unsafe class HugePage
{
    /// <summary>Of a huge page of x86-64, and the usual one of Arm.</summary>
    public const int Bytes = 2 << 20;

    private static readonly Lazy<nint> ZeroPage = new(Allocate);

    /// <summary>A page of zeros, for all.</summary>
    public static ReadOnlySpan<byte> Zeros => new((void*)ZeroPage.Value, Bytes);

    /// <summary>
    /// One of them, with zeros in it, for as long as the process lives: the first touch of it takes milliseconds on a
    /// virtual machine. Where the system has none, as many ordinary pages.
    /// </summary>
    public static nint Allocate()
    {
        var page = (nint)NativeMemory.AlignedAlloc(Bytes, Bytes);
        PosixFile.PreferHugePages(page, Bytes);
        NativeMemory.Clear((void*)page, Bytes);
        return page;
    }
}
