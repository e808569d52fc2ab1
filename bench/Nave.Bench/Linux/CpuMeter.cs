using System.Diagnostics;

namespace Nave.Bench.Linux;

/// <summary>CPU of a server, of this process and of everything else on the machine since its creation.</summary>
internal sealed class CpuMeter(int? serverPid, TimeProvider time)
{
    private readonly MachineSample _machine = MachineSample.Read();
    private readonly TimeSpan _server = OfServer(serverPid);
    private readonly TimeSpan _own = OfThisProcess();
    private readonly long _begun = time.GetTimestamp();

    public CpuSpan Read()
    {
        var (server, own) = (OfServer(serverPid) - _server, OfThisProcess() - _own);
        var elapsed = time.GetElapsedTime(_begun);
        var others = (MachineSample.Read().Busy - _machine.Busy - server - own).TotalSeconds / Math.Max(elapsed.TotalSeconds, 1e-6);
        return new CpuSpan(elapsed, server.TotalSeconds, own.TotalSeconds, Math.Max(others, 0));
    }

    private static TimeSpan OfServer(int? processId) => processId is { } id ? ProcessSample.Read(id)?.Cpu ?? default : default;

    private static TimeSpan OfThisProcess()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }
}

/// <param name="OtherCores">Cores that neither of the two used.</param>
internal readonly record struct CpuSpan(TimeSpan Elapsed, double ServerSeconds, double OwnSeconds, double OtherCores);
