namespace SetNsLastPid.Linux;

/// <summary>A raw child of nslp that makes syscalls on its behalf, and with it everything that needs a process: its memory
/// is a copy of nslp's at the moment of <see cref="Start"/>, then trimmed to the few pages that <see cref="TaskLoop"/>
/// needs, so that its own children cost what a small C program's cost. It takes one PID, and no thread if started by the
/// main thread. It and all its tasks die with nslp, also by SIGKILL. Not thread-safe.</summary>
internal sealed unsafe class Zygote : IDisposable
{
    private const int Attempts = 5;

    private static readonly TimeSpan s_handshakeLimit = TimeSpan.FromSeconds(2);

    private readonly List<RemoteTask> _tasks = [];
    private bool _isDisposed;

    private Zygote(int extraBytes)
    {
        Arena = new Arena(extraBytes);
        ArenaHeader* header = Arena.Header;
        header->AllSignals = ulong.MaxValue;
        header->TickSeconds = 1;
        header->Spins = Environment.ProcessorCount > 1 ? 200 : 0;
        header->OwnerPid = Raw.Call(Kernel.SYS_getpid).Value;
        header->OwnerPidfd = -1;
        Root = new RemoteTask(this, Arena.TakeSlot());
    }

    internal RemoteTask Root { get; }

    internal int Pid => Root.Pid;

    /// <summary>The signal mask of the thread that started the zygote: what a child sets before execve.</summary>
    internal ulong OwnerMask => Arena.Header->OwnerMask;

    /// <summary>How many zygotes before this one did not answer and were killed; 0 unless something is odd.</summary>
    internal int FailedStarts { get; private set; }

    internal Arena Arena { get; }

    /// <summary>Starts a zygote and returns when it answers. Only for a thread that lives as long as it shall: the parent
    /// death signal comes when the thread that cloned ends, not its process (forget_original_parent, kernel/exit.c). Throws
    /// <see cref="RemoteException"/> if no zygote can be had.</summary>
    /// <param name="extraBytes">how much <see cref="Arena.Extra"/> holds, for what is too large for orders</param>
    internal static Zygote Start(int extraBytes = 0)
    {
        RequireRobustLists();
        RemoteException? last = null;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            Zygote zygote = new(extraBytes) { FailedStarts = attempt };
            try
            {
                // What is unmapped is chosen by looking at /proc/self/maps. Should that ever be wrong somewhere, a fat
                // zygote is better than none.
                zygote.Clone(trim: attempt < Attempts - 2);
                return zygote;
            }
            catch (RemoteException e)
            {
                last = e;
                zygote.Dispose();
            }
        }

        throw last!;
    }

    /// <summary>A task that is not born yet, for <see cref="Child.Becomes"/>. Throws InvalidOperationException if
    /// there are <see cref="Arena.Slots"/> already.</summary>
    internal RemoteTask NewTask()
    {
        RemoteTask task = new(this, Arena.TakeSlot());
        _tasks.Add(task);
        return task;
    }

    /// <summary>Takes a task that is gone off the list; a negative <paramref name="slot"/> stays taken.</summary>
    internal void Forget(RemoteTask task, int slot)
    {
        _tasks.Remove(task);
        if (slot >= 0)
        {
            Arena.FreeSlot(slot);
        }
    }

    /// <summary>Ends all tasks, the youngest first, then the zygote. Leaves no process and no zombie; takes
    /// milliseconds, or a few seconds where a task hangs in the kernel.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        while (_tasks.Count > 0)
        {
            RemoteTask task = _tasks[^1];
            task.End(s_handshakeLimit);
            _tasks.Remove(task);
        }

        ReapRest();
        if (Root.End().Error != Errno.ETIMEDOUT)
        {
            Arena.Dispose();
        }
    }

    // Without them nobody would hear of the end of a task (exit_robust_list, kernel/futex/core.c), and wait for ever.
    // The thread's own list is set to what it is.
    private static void RequireRobustLists()
    {
        nint head = 0, size = 0;
        SysResult result = Raw.Call(Kernel.SYS_get_robust_list, 0, (nint)(&head), (nint)(&size));
        result = result.IsError ? result : Raw.Call(Kernel.SYS_set_robust_list, head, size);
        RemoteException.ThrowIf(result.Error, "cannot make a helper process: set_robust_list");
    }

    private void Clone(bool trim)
    {
        ArenaHeader* header = Arena.Header;
        int* errno = Raw.Errno;
        int pidfd = Raw.Call(Kernel.SYS_pidfd_open, header->OwnerPid, 0).Value;
        header->OwnerPidfd = pidfd;
        try
        {
            using Order hello = Root.NewOrder();
            hello.Call(Kernel.SYS_prctl, Kernel.PR_SET_NAME, hello.Put("nslp-zygote"));
            if (trim)
            {
                ZygoteTrim.Append(hello, (nint)errno, (nint)(&header));
            }

            Root.Submit(hello);
            long pid = TaskLoop.Start(header, Root.Slot, Raw.Syscall, errno);
            RemoteException.ThrowIf(new SysResult(pid).Error, "cannot clone a helper process");
            Root.Attach(null, (int)pid);
            if (Root.Await(s_handshakeLimit) != 0 || Root.Call(Kernel.SYS_getpid).Raw != pid)
            {
                throw new RemoteException("cannot start a helper process: it does not answer");
            }
        }
        finally
        {
            if (pidfd >= 0)
            {
                Raw.Call(Kernel.SYS_close, pidfd);
            }
        }
    }

    private void ReapRest()
    {
        for (int round = 0; round < Arena.Slots && Root.Current is null && !Root.IsGone; round++)
        {
            if (Root.Call(Kernel.SYS_wait4, -1, 0, Kernel.WNOHANG | Kernel.__WALL, 0).Raw <= 0)
            {
                return;
            }
        }
    }
}
