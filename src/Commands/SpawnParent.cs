using System.Diagnostics;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>nslp as the parent of a command: as if the command had been started in its place.</summary>
internal sealed unsafe class SpawnParent(CaughtSignals caught, int pid)
{
    private bool _isStopped;
    private bool _shallStop;

    /// <summary>Catches what a parent has to pass on, but not what nslp was told to ignore.</summary>
    internal static void Catch(CaughtSignals caught, ulong ignored)
    {
        ReadOnlySpan<int> signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP];
        foreach (int signal in signals)
        {
            if ((ignored >> (signal - 1) & 1) == 0)
            {
                caught.Catch(signal);
            }
        }

        caught.Catch(SIGCONT);
        // Even if it is ignored, which would take the child's status away unseen (do_notify_parent, kernel/signal.c).
        caught.Catch(SIGCHLD);
        // Or the end of the command would be waited for without end. The command gets the mask from before.
        caught.Unblock(SIGCHLD);
    }

    /// <summary>Lets signals that came before there was a command do to nslp what they do by default.</summary>
    internal static void SufferAll(CaughtSignals caught)
    {
        while (caught.Next(wait: false) is { Number: not 0 } signal)
        {
            if (signal.Number != SIGCHLD && signal.Number != SIGCONT)
            {
                CaughtSignals.Suffer(signal.Number);
            }
        }
    }

    /// <summary>Passes signals on until the command has ended.</summary>
    /// <returns>Its exit status, or 128 and the number of the signal that ended it.</returns>
    internal int Wait()
    {
        while (true)
        {
            int status;
            int got = Kernel.wait4(
                pid, &status, Kernel.WNOHANG | Kernel.WUNTRACED | Kernel.WCONTINUED | Kernel.__WALL);
            if (got == 0)
            {
                Act(caught.Next(wait: true));
            }
            else if (got < 0 && errno != EINTR)
            {
                throw new RemoteException("cannot wait for the command", errno);
            }
            else if (got < 0)
            {
                continue;
            }
            else if ((status & 0xff) == 0x7f)
            {
                _isStopped = true;
                StopIfAsked();
            }
            else if (status == 0xffff)
            {
                _isStopped = false;
            }
            else
            {
                return (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
            }
        }
    }

    private void Act(CaughtSignal signal)
    {
        if (signal.Number == SIGCHLD || signal.Sender == pid && !signal.IsFromKernel)
        {
            return;
        }

        if (signal.Number == SIGCONT)
        {
            _shallStop = false;
            if (_isStopped)
            {
                _ = kill(pid, SIGCONT);
            }

            return;
        }

        // What a terminal sends goes to the whole process group, the command included. A hangup goes to the leader of
        // the session alone.
        if (!signal.IsFromKernel || signal.Number == SIGHUP)
        {
            _ = kill(pid, signal.Number);
        }

        if (signal.Number == SIGTSTP)
        {
            // Not before the command has stopped: it may have a terminal to set right first.
            _shallStop = true;
            StopIfAsked();
        }
    }

    private void StopIfAsked()
    {
        if (_isStopped && _shallStop)
        {
            _shallStop = false;
            CaughtSignals.Suffer(SIGTSTP);
        }
    }
}
