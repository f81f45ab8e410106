using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Holds the soft RLIMIT_NOFILE of the whole process low. What is open stays usable. At 0 no thread can open
/// anything.</summary>
internal unsafe ref struct FileLimit
{
    private rlimit64 _old;

    /// <summary>Lowers the limit; never raises it.</summary>
    /// <param name="to">0 or more.</param>
    /// <returns>0 or an errno; then nothing is changed.</returns>
    internal Errno Lower(int to)
    {
        rlimit64 limit;
        SysResult done = Raw.Call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (nint)(&limit));
        if (!done.IsError)
        {
            _old = limit;
            limit.rlim_cur = Math.Min(limit.rlim_cur, (ulong)to);
            done = Raw.Call(SYS_prlimit64, 0, RLIMIT_NOFILE, (nint)(&limit));
        }

        return done.Error;
    }

    internal readonly void Restore()
    {
        rlimit64 old = _old;
        // Cannot fail: a soft limit may always be raised up to the hard one, which was left alone.
        _ = Raw.Call(SYS_prlimit64, 0, RLIMIT_NOFILE, (nint)(&old));
    }
}
