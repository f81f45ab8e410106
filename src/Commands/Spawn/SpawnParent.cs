namespace SetNsLastPid.Commands;

/// <summary>nslp as the parent of a command: as if the command had been started in its place.</summary>
internal sealed unsafe class SpawnParent(CaughtSignals caught, int pid)
{
    private const int Signals = 64;

    // What the runtime stops threads with (SIGRTMIN of glibc).
    private const int RuntimeSignal = 34;

    private readonly bool _isInit = getpid() == 1;
    private bool _isStopped;
    private int _groupWithTerminal;

    /// <summary>Catches what can be passed on. What nslp was told to ignore too: the command, which ignores it at first, may
    /// have changed its mind.</summary>
    internal static void Catch(CaughtSignals caught)
    {
        ReadOnlySpan<int> others =
            [SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, RuntimeSignal];
        for (int signal = 1; signal <= Signals; signal++)
        {
            if (!others.Contains(signal))
            {
                // SIGCHLD even if it is ignored, which would take the child's status away unseen (do_notify_parent,
                // kernel/signal.c).
                caught.Catch(signal);
            }
        }

        // Or the end of the command would be waited for without end. The command gets the mask from before.
        caught.Unblock(SIGCHLD);
    }

    /// <summary>Lets signals that came before there was a command do to nslp what they do by default, but for those that
    /// it was told to ignore.</summary>
    internal static void SufferAll(CaughtSignals caught, ulong ignored)
    {
        while (caught.Next(wait: false) is { Number: not 0 } signal)
        {
            if (signal.Number != SIGCHLD && signal.Number != SIGCONT && (ignored >> (signal.Number - 1) & 1) == 0)
            {
                CaughtSignals.Suffer(signal.Number);
            }
        }
    }

    /// <summary>Passes signals on until the command has ended, and stops and goes on with it. As PID 1 it waits for orphans
    /// too.</summary>
    /// <param name="work">What else there is to do, if anything: called now and then, and at the time that it gave, of
    /// <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/>.</param>
    /// <returns>The status of the command as wait4(2) gives it.</returns>
    internal int Wait(Func<long>? work = null)
    {
        while (true)
        {
            int status;
            SysResult waited = Raw.Call(
                Kernel.SYS_wait4, _isInit ? -1 : pid, (nint)(&status), Kernel.WNOHANG | Kernel.WUNTRACED | Kernel.WCONTINUED | Kernel.__WALL);
            if (waited.Raw == 0)
            {
                if (caught.NextBefore(work?.Invoke() ?? long.MaxValue) is { Number: not 0 } signal)
                {
                    Act(signal);
                }
            }
            else if (waited.IsError && waited.Error != Errno.EINTR)
            {
                throw new RemoteException("cannot wait for the command", waited.Error);
            }
            else if (waited.Raw != pid)
            {
                continue;
            }
            else if ((status & 0xff) == 0x7f)
            {
                StopToo(status >> 8 & 0xff);
            }
            else if (status == 0xffff)
            {
                _isStopped = false;
            }
            else
            {
                return status;
            }
        }
    }

    /// <summary>The exit status that a shell sees.</summary>
    /// <param name="status">From <see cref="Wait"/>.</param>
    internal static int StatusOf(int status) => (status & 0x7f) is not 0 and var signal ? 128 + signal : status >> 8 & 0xff;

    /// <summary>Ends nslp by the signal that ended the command, if one did: a shell ends its loop only if it sees one.</summary>
    /// <param name="status">From <see cref="Wait"/>.</param>
    /// <returns>The exit status of the command; 128 and the number of the signal for PID 1, which no signal of its own ends.
    /// </returns>
    internal static int EndBySignal(int status)
    {
        int signal = status & 0x7f;
        if (signal == 0)
        {
            return StatusOf(status);
        }

        // The core that tells something is the command's.
        _ = Raw.Call(Kernel.SYS_prctl, Kernel.PR_SET_DUMPABLE, 0);
        CaughtSignals.Suffer(signal);
        return StatusOf(status);
    }

    private void Act(CaughtSignal signal)
    {
        bool isForAll = signal.IsFromKernel && signal.Number != SIGHUP && Group == getpgrp();
        if (signal.Number == SIGCONT)
        {
            Continue();
        }
        else if (signal.Number != SIGCHLD && !isForAll && (signal.IsFromKernel || signal.Sender != pid)
            && signal.Sender != getpid())
        {
            // What a terminal sends goes to the whole process group, and what the command sends to its group has reached it.
            // A hangup goes to the leader of the session alone.
            _ = kill(pid, signal.Number);
        }
    }

    // When the command has stopped, and not before: it may have a terminal to set right first.
    private void StopToo(int stop)
    {
        _isStopped = true;
        // As a stop takes back what would continue, and the other way round (prepare_signal, kernel/signal.c).
        ReadOnlySpan<int> stopOrGoOn = [SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT];
        while (caught.Next(wait: false) is { Number: not 0 } signal)
        {
            if (!stopOrGoOn.Contains(signal.Number))
            {
                Act(signal);
            }
        }

        int group = Group, foreground = Terminal.ForegroundGroup;
        _groupWithTerminal = group != getpgrp() && group == foreground ? group : 0;
        // SIGSTOP may come from somebody who will continue the command and knows nothing of nslp.
        if (stop != SIGSTOP || IsAwaitedByShell(foreground))
        {
            CaughtSignals.Suffer(stop);
        }
    }

    private void Continue()
    {
        // A shell continues the whole process group, but who signals an init means what runs in there.
        if (!_isStopped && !_isInit)
        {
            return;
        }

        int own = getpgrp();
        if (_groupWithTerminal != 0 && Terminal.ForegroundGroup == own)
        {
            Terminal.ForegroundGroup = _groupWithTerminal;
        }

        int group = Group;
        _ = kill(group > 0 && group != own ? -group : pid, SIGCONT);
    }

    private int Group => getpgid(pid);

    // Whether the parent is a shell with job control, which looks for stops and gives each job a process group, and has to get the
    // terminal back: not one that has it, or none.
    private static bool IsAwaitedByShell(int foreground)
    {
        int group = getpgid(getppid());
        return group != getpgrp() && getsid(getppid()) == getsid(0) && foreground != 0 && foreground != group;
    }
}
