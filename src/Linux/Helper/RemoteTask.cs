namespace SetNsLastPid.Linux;

/// <summary>A process of one thread that makes syscalls for nslp: the zygote or a descendant. It is reserved (
/// <see cref="Zygote.NewTask"/>), born by a clone in the order of another task, and serves until it dies, exits or calls execve
/// successfully. One order at a time. Not thread-safe.</summary>
internal sealed unsafe class RemoteTask(Zygote zygote, int number)
{
    /// <summary>How long <see cref="Run"/> waits, and others where no limit is given.</summary>
    internal static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_nap = TimeSpan.FromMilliseconds(100);

    private bool _isEnded;
    private Order? _reaping;

    /// <summary>The task whose child it is; null for a child of nslp itself, as the zygote is, and before birth.</summary>
    internal RemoteTask? Parent { get; private set; }

    /// <summary>Its PID in the PID namespace of its parent; 0 before birth and after <see cref="End"/>.</summary>
    internal int Pid { get; private set; }

    /// <summary>Its PID in its own PID namespace; 0 before birth and after its death.</summary>
    internal int OwnPid => IsGone ? 0 : Volatile.Read(ref Slot->Alive);

    /// <summary>True once it has died, exited or called execve.</summary>
    internal bool IsGone => _isEnded || (Volatile.Read(ref Slot->Alive) & Kernel.FUTEX_OWNER_DIED) != 0;

    internal Order? Current { get; private set; }

    internal TaskSlot* Slot => zygote.Arena.Slot(number);

    /// <summary>An empty order with room for at least <paramref name="kibibytes"/>; 104 bytes an instruction.</summary>
    internal Order NewOrder(int kibibytes = Arena.ChunkSize / 1024) =>
        new(zygote, ((kibibytes * 1024) + Arena.ChunkSize - 1) / Arena.ChunkSize);

    /// <summary>Hands <paramref name="order"/> to the task and returns at once. To a task that is not born yet the order is
    /// laid ready: it runs it first thing. False if the task is gone.</summary>
    internal bool Submit(Order order)
    {
        order.ThrowIfUnderWay();
        Current?.ThrowIfUnderWay();
        ObjectDisposedException.ThrowIf(_isEnded, this);
        for (int i = 0; i < order.Count; i++)
        {
            order.Program[i].Result = Instruction.NotRun;
        }

        TaskSlot* slot = Slot;
        int alive = Volatile.Read(ref slot->Alive);
        slot->Program = (nint)order.Program;
        slot->Count = order.Count;
        Interlocked.Exchange(ref slot->Busy, alive == 0 ? TaskSlot.Unborn : alive & Kernel.FUTEX_TID_MASK);

        // Born or dead meanwhile? Each side writes its word first and then reads the other's, so one of the two sees.
        int now = Volatile.Read(ref slot->Alive);
        if ((now & Kernel.FUTEX_OWNER_DIED) != 0)
        {
            return false;
        }

        if (alive == 0 && now != 0)
        {
            Interlocked.CompareExchange(ref slot->Busy, now, TaskSlot.Unborn);
        }

        Current = order;
        order.UnderWay = this;
        if (Interlocked.Exchange(ref slot->Order, TaskSlot.NewOrder) == TaskSlot.Asleep)
        {
            Raw.Call(Kernel.SYS_futex, (nint)(&slot->Order), Kernel.FUTEX_WAKE, 1);
        }

        return true;
    }

    /// <summary>Waits until the order under way has ended, asleep but for the first microseconds.</summary>
    /// <returns>0 when it has run to its end or to a failed check; ESRCH when the task died, exited or called execve, with the
    /// results of what ran before; ETIMEDOUT when the time has passed: it may be called again.</returns>
    /// <param name="timeout">How long. A nap counts for no longer than it was to be: where nslp was stopped meanwhile, the
    /// task was too.</param>
    internal Errno Await(TimeSpan timeout)
    {
        if (Current is not { } order)
        {
            throw new InvalidOperationException("no order is under way");
        }

        TaskSlot* slot = Slot;
        TimeSpan left = timeout;
        int spins = zygote.Arena.Header->Spins;
        while (true)
        {
            int busy = Volatile.Read(ref slot->Busy);
            if (busy == 0)
            {
                Finish(order);
                return 0;
            }

            if ((busy & Kernel.FUTEX_OWNER_DIED) != 0)
            {
                Finish(order);
                return Errno.ESRCH;
            }

            if (spins > 0)
            {
                spins--;
                Thread.SpinWait(1);
                continue;
            }

            if (left <= TimeSpan.Zero)
            {
                return Errno.ETIMEDOUT;
            }

            int waiting = busy | Kernel.FUTEX_WAITERS;
            if (busy == waiting || Interlocked.CompareExchange(ref slot->Busy, waiting, busy) == busy)
            {
                // A birth changes the word without waking anyone, hence a nap rather than the whole time.
                left -= Sleep(&slot->Busy, waiting, left < s_nap ? left : s_nap);
            }
        }
    }

    /// <summary>Submits the order and waits for its end. Throws <see cref="RemoteException"/> if the task goes away or the
    /// time limit passes: for an order that is not meant to end the task.</summary>
    internal void Run(Order order) => ThrowIfFailed(Submit(order) ? Await(DefaultTimeout) : Errno.ESRCH);

    /// <summary>Waits for the order under way, if there is one. Throws as <see cref="Run"/>.</summary>
    internal void AwaitIdle() => ThrowIfFailed(Current is null ? 0 : Await(DefaultTimeout));

    /// <summary>One syscall, made by the task. Throws as <see cref="Run"/>.</summary>
    internal SysResult Call(long number, Arg a0 = default, Arg a1 = default, Arg a2 = default, Arg a3 = default)
    {
        using Order order = NewOrder();
        int index = order.Call(number, a0, a1, a2, a3);
        Run(order);
        return order[index];
    }

    /// <summary>A child of this task, made by clone(<paramref name="flags"/>), that takes orders. Throws
    /// <see cref="RemoteException"/> with clone's errno.</summary>
    /// <param name="prepare">what it does first; where that throws, it is ended</param>
    internal RemoteTask Fork(ulong flags = 0, Action<RemoteTask>? prepare = null)
    {
        RemoteTask child = zygote.NewTask();
        try
        {
            using Order order = NewOrder();
            int clone = order.Clone(flags, Child.Becomes(child));
            Run(order);
            RemoteException.ThrowIf(order[clone].Error, "cannot clone a process");
            // A newborn that does not answer is of no use.
            _ = child.Call(Kernel.SYS_getpid);
            prepare?.Invoke(child);
            return child;
        }
        catch
        {
            child.End();
            throw;
        }
    }

    internal void Attach(RemoteTask? parent, int pid)
    {
        Parent = parent;
        Pid = pid;
    }

    /// <summary>Kills the task if it lives, has it reaped, and frees its slot. All tasks below a PID 1 should be ended
    /// before it: its own end waits for them to be reaped (zap_pid_ns_processes, kernel/pid_namespace.c).</summary>
    /// <returns>Its wait status as wait4 gives it; ECHILD if it was reaped before, ETIMEDOUT if it does not go within the
    /// limit.</returns>
    internal SysResult End(TimeSpan timeout = default) => End(kill: true, timeout == default ? DefaultTimeout : timeout);

    /// <summary>Waits until the process is gone by itself, also if it called execve, has it reaped, and frees its slot.
    /// Returns as <see cref="End(TimeSpan)"/>. The parent takes no other order meanwhile; nslp itself is the parent after
    /// CLONE_PARENT.</summary>
    internal SysResult Wait(TimeSpan timeout) => End(kill: false, timeout);

    /// <summary>Leaves a process that has called execve to the caller, who waits for it, and frees its slot. Returns its
    /// PID as its parent has it.</summary>
    internal int Release()
    {
        int pid = Pid;
        Retire(reaped: false);
        return pid;
    }

    private SysResult End(bool kill, TimeSpan timeout)
    {
        if (_isEnded)
        {
            return Errno.ECHILD;
        }

        SysResult status = Pid == 0 ? Errno.ECHILD : Parent is null ? ReapOwn(kill, timeout) : Reap(Parent, kill, timeout);
        if (status.Error != Errno.ETIMEDOUT)
        {
            Retire(!status.IsError);
        }

        return status;
    }

    private SysResult Reap(RemoteTask parent, bool kill, TimeSpan timeout)
    {
        if (parent._isEnded)
        {
            return Errno.ECHILD;
        }

        if (parent._reaping is { } old)
        {
            // An earlier wait for another child hit its limit and still holds the parent.
            if (parent.Await(timeout) == Errno.ETIMEDOUT)
            {
                return Errno.ETIMEDOUT;
            }

            old.Dispose();
            parent._reaping = null;
        }

        Order order = parent.NewOrder();
        if (kill)
        {
            order.Call(Kernel.SYS_kill, Pid, SIGKILL);
        }

        nint status = order.Reserve(sizeof(int));
        int wait = order.Call(Kernel.SYS_wait4, Pid, status, Kernel.__WALL, 0);
        Errno awaited = parent.Submit(order) ? parent.Await(timeout) : Errno.ESRCH;
        if (awaited == Errno.ETIMEDOUT)
        {
            parent._reaping = order;
            return awaited;
        }

        SysResult result = awaited != 0 ? Errno.ECHILD : order[wait].IsError ? order[wait] : Order.Int(status);
        order.Dispose();
        return result;
    }

    private SysResult ReapOwn(bool kill, TimeSpan timeout)
    {
        if (kill)
        {
            Raw.Call(Kernel.SYS_kill, Pid, SIGKILL);
        }

        TimeSpan left = timeout;
        TimeSpan pause = TimeSpan.FromMicroseconds(50);
        int status;
        while (true)
        {
            SysResult waited = Raw.Call(Kernel.SYS_wait4, Pid, (nint)(&status), Kernel.__WALL | Kernel.WNOHANG, 0);
            if (waited.Raw != 0)
            {
                return waited.IsError ? waited : status;
            }

            if (left <= TimeSpan.Zero)
            {
                return Errno.ETIMEDOUT;
            }

            // No word to sleep on: the robust list is walked early in do_exit, before the process can be reaped.
            int never = 0;
            left -= Sleep(&never, 0, pause);
            pause = pause < TimeSpan.FromMilliseconds(10) ? pause * 2 : pause;
        }
    }

    private void Retire(bool reaped)
    {
        if (Current is { } order)
        {
            Finish(order);
        }

        // A task whose parent died first is killed, but perhaps not dead yet: its slot must not serve another.
        int alive = Volatile.Read(ref Slot->Alive);
        bool canReuse = reaped || alive == 0 || (alive & Kernel.FUTEX_OWNER_DIED) != 0;
        _isEnded = true;
        Pid = 0;
        zygote.Forget(this, canReuse ? number : -1);
    }

    private static void ThrowIfFailed(Errno awaited)
    {
        if (awaited != 0)
        {
            throw new RemoteException(
                awaited == Errno.ESRCH
                    ? "cannot go on: a helper process went away"
                    : "cannot go on: a helper process does not answer");
        }
    }

    private void Finish(Order order)
    {
        Current = null;
        order.UnderWay = null;
        foreach ((int index, RemoteTask task, bool isSibling) in order.Births)
        {
            if (order[index].Raw > 0)
            {
                task.Attach(isSibling ? Parent : this, order[index].Value);
            }
        }
    }

    // How long it slept, but no longer than it was to.
    private static TimeSpan Sleep(int* word, int value, TimeSpan time)
    {
        long* timespec = stackalloc long[2];
        timespec[0] = (long)time.TotalSeconds;
        timespec[1] = (long)(time - TimeSpan.FromSeconds(timespec[0])).TotalNanoseconds;
        long start = Stopwatch.GetTimestamp();
        Raw.Call(Kernel.SYS_futex, (nint)word, Kernel.FUTEX_WAIT, value, (nint)timespec);
        TimeSpan slept = Stopwatch.GetElapsedTime(start);
        return slept < time ? slept : time;
    }
}
