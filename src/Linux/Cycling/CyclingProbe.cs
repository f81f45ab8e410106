using System.Runtime.InteropServices;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Finds out whether a <see cref="CyclingClone"/> works on this kernel, without harm if it does not.</summary>
internal static unsafe class CyclingProbe
{
    // Another's fork may move the cursor in the place of a call that does not; hardly three times on end.
    private const int Tries = 3;

    private const int StackSize = 8192;

    /// <summary>The best way that works here.</summary>
    /// <param name="lastPid">To see that the cursor moves.</param>
    /// <param name="threads">How many are to consume: with one none competes for a table of open files.</param>
    /// <returns>Null when not even a child can be made: see the result of the last of the ways.</returns>
    internal static CyclingClone? FindBest(LastPid lastPid, int threads) =>
        Array.Find(CyclingClone.All, way => (threads > 1 || !way.FillsFiles) && Probe(way, lastPid) == 0);

    /// <summary>Tries a way; consumes some PIDs.</summary>
    /// <returns>
    /// 0 when it works; else why not: the errno of the call (ENOSYS, EINVAL: the kernel or a seccomp profile does
    /// not have it; EAGAIN: no more tasks allowed), EPROTO when the cursor did not move, ECHILD when a task was
    /// born by mistake, or that of reading last_pid.
    /// </returns>
    internal static int Probe(CyclingClone way, LastPid lastPid)
    {
        int error = way.Call switch
        {
            CyclingCall.Clone3 when way.Error == EBADF => TryCgroupAlone(),
            CyclingCall.Clone => TryPidfdAlone(),
            _ => 0,
        };
        error = error == 0 && way.FillsFiles ? FullFiles.Probe() : error;
        if (error != 0)
        {
            return error;
        }

        using CyclingTask task = new(way);
        BlockedSignals signals = default;
        signals.Block();
        if (way.LimitsFiles)
        {
            // While no file can be opened the JIT can load no assembly: all that is called then was called
            // before. Without the limit this fails with EFAULT.
            _ = task.Consume();
        }

        int before = lastPid.Read();
        FileLimit limit = default;
        error = way.LimitsFiles ? limit.Lower(0) : 0;
        if (error == 0)
        {
            error = before < 0 ? -before : Try(task, lastPid, before);
            if (way.LimitsFiles)
            {
                limit.Restore();
            }
        }

        signals.Restore();
        return error;
    }

    private static int Try(CyclingTask task, LastPid lastPid, int before)
    {
        for (int i = 0; i < Tries; i++)
        {
            int error = task.Consume();
            if (error != 0)
            {
                return error < 0 ? ECHILD : error;
            }

            int after = lastPid.Read();
            if (after < 0 || after == before)
            {
                return after < 0 ? -after : EPROTO;
            }

            before = after;
        }

        return 0;
    }

    // Without CONFIG_CGROUPS clone3 takes CLONE_INTO_CGROUP and no one looks at it (cgroup_can_fork,
    // linux/cgroup.h): the one way for a task to be born of it. Where the configuration has cgroups each process
    // shows its own; a task born for all that is a process of its own memory, and returns into _exit.
    private static int TryCgroupAlone()
    {
        int fd = Proc.Open(AT_FDCWD, "/proc/self/cgroup"u8, O_RDONLY).Release();
        if (fd < 0)
        {
            return ENOSYS;
        }

        close(fd);
        byte* stack = stackalloc byte[StackSize];
        clone_args args;
        CyclingTask.Fill(&args, CLONE_INTO_CGROUP);
        args.exit_signal = (ulong)SIGCHLD;
        args.stack = (ulong)stack;
        args.stack_size = StackSize - 64;
        *(nint*)(args.stack + args.stack_size) = (nint)Raw.Exit;
        return Judge(clone3(&args, sizeof(clone_args)), EBADF);
    }

    // A kernel before 5.2 ignores CLONE_PIDFD and makes a child, which libc sends into _exit.
    private static int TryPidfdAlone()
    {
        byte* stack = stackalloc byte[StackSize];
        int flags = (int)CLONE_PIDFD | CLONE_VM | CLONE_VFORK;
        BlockedSignals signals = default;
        signals.Block();
        int result = Judge(
            clone(Raw.Exit, (byte*)((nint)(stack + StackSize) & -64), flags, null, (pid_t*)CyclingTask.Unwritable), EFAULT);
        signals.Restore();
        return result;
    }

    private static int Judge(int got, int expected)
    {
        if (got < 0)
        {
            int error = errno;
            return error == expected ? 0 : error;
        }

        while (wait4(got, null, __WALL) < 0 && errno == EINTR)
        {
        }

        return ECHILD;
    }
}
