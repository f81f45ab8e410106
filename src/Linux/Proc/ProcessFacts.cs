using System.Buffers.Text;

namespace SetNsLastPid.Linux;

/// <summary>What /proc tells of a process beyond its numbers.</summary>
/// <param name="CommandLine">Its command line, or its name in brackets. Safe to print.</param>
/// <param name="UserId">Its real user ID; -1 if that cannot be read.</param>
/// <param name="User">That user's name, or the ID where it has none.</param>
/// <param name="Since">When it started, to the hundredth of a second; null if that cannot be read.</param>
/// <param name="Parent">Its parent; 0 for none in the namespace.</param>
internal sealed record ProcessFacts(string CommandLine, long UserId, string User, DateTime? Since, int Parent)
{
    private const int TicksPerSecond = 100; // USER_HZ on x86-64 and arm64

    internal static ProcessFacts Read(int proc, int process)
    {
        long uid = Utf8Parser.TryParse(Proc.ReadStatus(proc, process, "\nUid:\t"u8), out uint real, out _) ? real : -1;
        DateTime? since = null;
        int parent = 0;
        if (Proc.ReadStat(proc, process, out ProcStat stat) == 0)
        {
            parent = stat.Parent;
            // The field and the clock count from the same moment, in a time namespace too (timens_add_boottime_ns).
            since = DateTime.UtcNow - (SinceBoot() - TimeSpan.FromSeconds((double)stat.Start / TicksPerSecond));
        }

        return new ProcessFacts(Proc.ReadCommandLine(proc, process), uid, uid < 0 ? "" : Accounts.NameOf((uint)uid), since, parent);
    }

    private static unsafe TimeSpan SinceBoot()
    {
        timespec now = default;
        Raw.Call(Kernel.SYS_clock_gettime, Kernel.CLOCK_BOOTTIME, (nint)(&now));
        return TimeSpan.FromSeconds(now.tv_sec) + TimeSpan.FromMicroseconds((long)now.tv_nsec / 1000.0);
    }
}
