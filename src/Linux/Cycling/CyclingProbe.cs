using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Finds out whether a <see cref="Flavour"/> works on this kernel, without harm if it does not.</summary>
internal static unsafe class CyclingProbe
{
    // Another's fork may move the cursor in the place of a call that does not; hardly three times on end.
    private const int Tries = 3;

    private const int StackSize = 8192;

    /// <summary>Tries a flavour; consumes some PIDs.</summary>
    /// <returns>0 when it works; else why not: the errno of the call (ENOSYS, EINVAL: the kernel or a seccomp profile does
    /// not have it; EAGAIN: no more tasks allowed), EPROTO when the cursor did not move, ECHILD when a task was born by
    /// mistake, or that of reading last_pid.</returns>
    internal static Errno Probe(Flavour flavour, LastPid lastPid)
    {
        Errno error = flavour.Call switch
        {
            CyclingCall.Clone3 when flavour.Error == EBADF => TryCgroupAlone(),
            CyclingCall.Clone => TryPidfdAlone(),
            _ => 0,
        };
        error = error == 0 && flavour.FillsFiles ? FullFiles.Probe() : error;
        if (error != 0)
        {
            return error;
        }

        using CyclingTask task = new(flavour);
        BlockedSignals signals = default;
        signals.Block();
        SysResult before = lastPid.Read();
        FileLimit limit = default;
        error = flavour.LimitsFiles ? limit.Lower(0) : 0;
        if (error == 0)
        {
            error = before.IsError ? before.Error : Try(task, lastPid, before.Value);
            if (flavour.LimitsFiles)
            {
                limit.Restore();
            }
        }

        signals.Restore();
        return error;
    }

    private static Errno Try(CyclingTask task, LastPid lastPid, int before)
    {
        for (int i = 0; i < Tries; i++)
        {
            Errno error = task.Consume();
            if (error != 0)
            {
                return error;
            }

            SysResult after = lastPid.Read();
            if (after.IsError || after.Value == before)
            {
                return after.IsError ? after.Error : Errno.EPROTO;
            }

            before = after.Value;
        }

        return 0;
    }

    // Without CONFIG_CGROUPS clone3 takes CLONE_INTO_CGROUP and no one looks at it (cgroup_can_fork,
    // linux/cgroup.h): the one way for a task to be born of it. Where the configuration has cgroups each process
    // shows its own; a task born for all that is a process of its own memory, and returns into _exit.
    private static Errno TryCgroupAlone()
    {
        using Fd own = Proc.Open(AT_FDCWD, "/proc/self/cgroup"u8, O_RDONLY);
        if (!own.IsOpen)
        {
            return Errno.ENOSYS;
        }

        byte* stack = stackalloc byte[StackSize];
        clone_args args;
        CyclingTask.Fill(&args, CLONE_INTO_CGROUP);
        args.exit_signal = (ulong)SIGCHLD;
        args.stack = (ulong)stack;
        args.stack_size = StackSize - 64;
        *(nint*)(args.stack + args.stack_size) = (nint)Raw.Exit;
        return Judge(Raw.Call(SYS_clone3, (nint)(&args), sizeof(clone_args)), Errno.EBADF);
    }

    // A kernel before 5.2 ignores CLONE_PIDFD and makes a child, which libc sends into _exit.
    private static Errno TryPidfdAlone()
    {
        byte* stack = stackalloc byte[StackSize];
        int flags = (int)CLONE_PIDFD | CLONE_VM | CLONE_VFORK;
        BlockedSignals signals = default;
        signals.Block();
        Errno result = Judge(
            SysResult.Of(clone(Raw.Exit, (byte*)((nint)(stack + StackSize) & -64), flags, null, (pid_t*)CyclingTask.Unwritable)),
            Errno.EFAULT);
        signals.Restore();
        return result;
    }

    private static Errno Judge(SysResult got, Errno expected)
    {
        if (got.IsError)
        {
            return got.Error == expected ? 0 : got.Error;
        }

        CyclingTask.Reap(got.Value);
        return Errno.ECHILD;
    }
}
