using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>The first bytes of the shared arena: what every task reads and the owner wrote before the first clone.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ArenaHeader
{
    /// <summary>All 64 signals.</summary>
    internal ulong AllSignals;

    /// <summary>The mask of the thread that cloned the zygote, which a child needs back before execve.</summary>
    internal ulong OwnerMask;

    /// <summary>struct timespec: how long an idle task sleeps before it looks whether the owner still lives.</summary>
    internal long TickSeconds;
    internal long TickNanoseconds;

    /// <summary>struct timespec of a poll that does not wait.</summary>
    internal long ZeroSeconds;
    internal long ZeroNanoseconds;

    /// <summary>pidfd of the owner, open in every task; negative where the kernel has none (before 5.3).</summary>
    internal int OwnerPidfd;

    /// <summary>The owner's PID in its own namespace.</summary>
    internal int OwnerPid;

    /// <summary>How often an idle task looks for an order before it sleeps; 0 with one CPU.</summary>
    internal int Spins;
}
