using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

internal sealed unsafe partial class RemoteTask
{
    private const int WNOHANG = 1;

    private Order? _reaping;

    /// <summary>
    /// Kills the task if it lives, has it reaped, and frees its slot. Returns its wait status as wait4 gives it, or
    /// -errno: -ECHILD (10) if it was reaped before, -ETIMEDOUT (110) if it does not go within the limit. All tasks
    /// below a PID 1 should be ended before it: its own end waits for them to be reaped (zap_pid_ns_processes,
    /// kernel/pid_namespace.c).
    /// </summary>
    internal long End(TimeSpan timeout = default)
    {
        if (_isEnded)
        {
            return -ECHILD;
        }

        long status = Pid == 0 ? -ECHILD : Reap(kill: true, timeout == default ? DefaultTimeout : timeout);
        if (status != -ETIMEDOUT)
        {
            Retire(status >= 0);
        }

        return status;
    }

    /// <summary>
    /// Waits until the process is gone by itself, also if it called execve, has it reaped, and frees its slot. Returns
    /// as <see cref="End"/>. The parent takes no other order meanwhile; nslp itself is the parent after CLONE_PARENT.
    /// </summary>
    internal long Wait(TimeSpan timeout)
    {
        long status = _isEnded || Pid == 0 ? -ECHILD : Reap(kill: false, timeout);
        if (status != -ETIMEDOUT)
        {
            Retire(status >= 0);
        }

        return status;
    }

    /// <summary>Leaves a process that has called execve to the caller, who waits for it, and frees its slot. Returns its
    /// PID as its parent has it.</summary>
    internal int Release()
    {
        int pid = Pid;
        Retire(reaped: false);
        return pid;
    }

    private long Reap(bool kill, TimeSpan timeout)
    {
        if (Parent is not { } parent)
        {
            return ReapOwn(kill, timeout);
        }

        if (parent._isEnded)
        {
            return -ECHILD;
        }

        if (parent._reaping is { } old)
        {
            // An earlier wait for another child hit its limit and still holds the parent.
            if (parent.Await(timeout) == Outcome.TimedOut)
            {
                return -ETIMEDOUT;
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
        Outcome outcome = parent.Submit(order) ? parent.Await(timeout) : Outcome.Gone;
        if (outcome == Outcome.TimedOut)
        {
            parent._reaping = order;
            return -ETIMEDOUT;
        }

        long result = outcome == Outcome.Gone ? -ECHILD : order[wait] < 0 ? order[wait] : Order.Int(status);
        order.Dispose();
        return result;
    }

    private long ReapOwn(bool kill, TimeSpan timeout)
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
            long waited = Raw.Call(Kernel.SYS_wait4, Pid, (nint)(&status), Kernel.__WALL | WNOHANG, 0);
            if (waited != 0)
            {
                return waited < 0 ? waited : status;
            }

            if (left <= TimeSpan.Zero)
            {
                return -ETIMEDOUT;
            }

            // No word to sleep on: the robust list is walked early in do_exit, before the process can be reaped.
            int never = 0;
            left -= Sleep(&never, 0, pause);
            pause = pause < TimeSpan.FromMilliseconds(10) ? pause * 2 : pause;
        }
    }

    private void Retire(bool reaped)
    {
        if (!_isEnded)
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
            _zygote.Forget(this, canReuse ? _number : -1);
        }
    }
}
