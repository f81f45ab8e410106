using System.Diagnostics;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>flock(2) with a time limit, which the call itself has only by a signal.</summary>
internal static unsafe class FileLock
{
    private const long PauseNanoseconds = 1_000_000;

    /// <summary>Locks an open file or directory for this process alone. Closing unlocks.</summary>
    /// <param name="fd">Its descriptor.</param>
    /// <param name="timeout">How long to wait for another's lock.</param>
    /// <returns>0, or an errno turned: ETIMEDOUT when another kept the lock.</returns>
    internal static int Take(int fd, TimeSpan timeout)
    {
        long start = Stopwatch.GetTimestamp();
        int never = 0;
        while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        {
            int error = errno;
            if (error != EAGAIN && error != EINTR)
            {
                return -error;
            }

            if (Stopwatch.GetElapsedTime(start) >= timeout)
            {
                return -ETIMEDOUT;
            }

            timespec pause = new() { tv_nsec = (long_t)PauseNanoseconds };
            _ = futex_wait(&never, 0, &pause);
        }

        return 0;
    }
}
