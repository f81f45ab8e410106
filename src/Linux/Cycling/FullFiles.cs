using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>A table of open files that is the calling thread's own and full, so that alloc_fd (fs/file.c) fails there with
/// EMFILE while the other threads open files as ever.</summary>
/// <remarks>The table is a copy: what it holds stays open until the thread ends, whoever else closes it. Nothing in it is
/// closed, since the runtime maps memory from files that it keeps open, on any thread.</remarks>
internal static class FullFiles
{
    /// <summary>How many files fit in: EMFILE it is only while the soft RLIMIT_NOFILE is no higher. Enough for the rest of
    /// the process, also under the JIT, which loads assemblies.</summary>
    internal const int Size = 128;

    /// <summary>Whether a thread may have a table of its own. Changes nothing.</summary>
    /// <returns>0 or the errno: ENOSYS before Linux 5.9.</returns>
    internal static Errno Probe() => CloseRange(0);

    /// <summary>Gives the calling thread such a table for the rest of its life.</summary>
    /// <returns>0, or the errno with which that failed; the table may then be its own, but not full.</returns>
    internal static Errno Make()
    {
        Errno error = CloseRange(CLOSE_RANGE_UNSHARE);
        SysResult file = error == 0 ? Raw.Call(SYS_eventfd2) : error, last = file;
        // Always the lowest number that is free; those below Size which the process has open stay as they are.
        while (!last.IsError && last.Value < Size - 1)
        {
            last = Raw.Call(SYS_dup, file.Value);
        }

        return last.Error;
    }

    // Of numbers that no table has, so that none is closed: by unshare, the other call that does it, containers may not
    // leave anything.
    private static Errno CloseRange(int flags) => Raw.Call(SYS_close_range, uint.MaxValue, uint.MaxValue, flags).Error;
}
