using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

internal enum CyclingCall
{
    /// <summary>clone3, failing. It refuses a flag that the kernel does not know.</summary>
    Clone3,

    /// <summary>libc's clone, failing. A kernel older than its flag ignores that and makes a child, which libc sends into
    /// the function given.</summary>
    Clone,

    /// <summary>libc's clone of a task that ends at once.</summary>
    Child,
}

/// <summary>One flavour of consuming a PID without privilege: what is called, and what failure shows that it did.</summary>
/// <remarks>All but the two real children fail after alloc_pid, so that the number is consumed and no task was ever there
/// (copy_process, kernel/fork.c). The real children run one function of libc on a stack of their own, never managed
/// code.</remarks>
internal sealed class Flavour
{
    // What copy_process need not copy. It makes the cheapest clone there is.
    private static readonly ulong s_shared = ThreadFlags & ~(ulong)(uint)CLONE_THREAD;

    private Flavour(
        string name, CyclingCall call, ulong flag, int error, bool isThread, bool limitsFiles = false, bool fillsFiles = false)
    {
        Name = name;
        Call = call;
        Error = error;
        LimitsFiles = limitsFiles;
        FillsFiles = fillsFiles;
        IsProcess = !isThread;
        Flags = s_shared | flag | (isThread ? (uint)CLONE_THREAD : 0);
        Since = call == CyclingCall.Child ? new Version(0, 0)
            : flag == CLONE_INTO_CGROUP ? new Version(5, 7)
            : isThread ? new Version(6, 9)
            : call == CyclingCall.Clone3 ? new Version(5, 3)
            : new Version(5, 2);
    }

    /// <summary>All ways, the best first.</summary>
    /// <remarks>Threads with tables of open files of their own do not compete for one, but are one more than consume. The
    /// cgroup ways touch nothing of the process and cannot be mistaken; the other EMFILE costs a limit of the whole
    /// process; EFAULT makes a pidfd first; the last two leave a task to the kernel to bury. The legacy ones pass a seccomp
    /// profile that answers clone3 with ENOSYS. A real child works always.</remarks>
    internal static Flavour[] All { get; } =
    [
        new("pidfd-table-thread-legacy", CyclingCall.Clone, CLONE_PIDFD, EMFILE, isThread: true, fillsFiles: true),
        new("cgroup-thread", CyclingCall.Clone3, CLONE_INTO_CGROUP, EBADF, isThread: true),
        new("pidfd-emfile-thread", CyclingCall.Clone3, CLONE_PIDFD, EMFILE, isThread: true, limitsFiles: true),
        new("pidfd-emfile-thread-legacy", CyclingCall.Clone, CLONE_PIDFD, EMFILE, isThread: true, limitsFiles: true),
        new("cgroup-process", CyclingCall.Clone3, CLONE_INTO_CGROUP, EBADF, isThread: false),
        new("pidfd-emfile-process", CyclingCall.Clone3, CLONE_PIDFD, EMFILE, isThread: false, limitsFiles: true),
        new("pidfd-emfile-process-legacy", CyclingCall.Clone, CLONE_PIDFD, EMFILE, isThread: false, limitsFiles: true),
        new("pidfd-efault-thread", CyclingCall.Clone3, CLONE_PIDFD, EFAULT, isThread: true),
        new("pidfd-efault-thread-legacy", CyclingCall.Clone, CLONE_PIDFD, EFAULT, isThread: true),
        new("pidfd-efault-process", CyclingCall.Clone3, CLONE_PIDFD, EFAULT, isThread: false),
        new("pidfd-efault-process-legacy", CyclingCall.Clone, CLONE_PIDFD, EFAULT, isThread: false),
        new("exiting-thread", CyclingCall.Child, (uint)CLONE_VFORK, 0, isThread: true),
        new("exiting-process", CyclingCall.Child, (uint)CLONE_VFORK, 0, isThread: false),
    ];

    /// <summary>Stable: lower case, words joined by '-'.</summary>
    internal string Name { get; }

    internal Version Since { get; }

    internal CyclingCall Call { get; }

    /// <summary>Those of clone3 included.</summary>
    internal ulong Flags { get; }

    /// <summary>The errno it fails with once the PID is consumed; 0 for a real child, which succeeds.</summary>
    internal int Error { get; }

    /// <summary>Whether it works only while the soft RLIMIT_NOFILE of the process is 0.</summary>
    internal bool LimitsFiles { get; }

    /// <summary>Whether it is at its best on a thread that has <see cref="FullFiles"/>. On others it fails with EFAULT,
    /// which consumes a PID as well but takes longer.</summary>
    internal bool FillsFiles { get; }

    /// <summary>Whether the task it makes, or would make, is a child to be waited for.</summary>
    internal bool IsProcess { get; }

    /// <summary>Whether it is worth trying: in nslp itself with so many threads, else in a helper.</summary>
    internal bool Suits(bool isHere, int threads) => isHere
        // With one thread none competes for a table of open files.
        ? threads > 1 || !FillsFiles
        // A limit of the helper, or a full table, is of no use: it could not open files to read last_pid.
        // A thread that exits cannot be made without a stack of its own.
        : !LimitsFiles && !FillsFiles && (IsProcess || Call != CyclingCall.Child);

    internal static string Names => string.Join(", ", Array.ConvertAll(All, flavour => flavour.Name));

    internal static Flavour? Find(string name) => Array.Find(All, flavour => flavour.Name == name);
}
