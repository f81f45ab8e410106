using System.Diagnostics;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>Why a command could not be started with its PID.</summary>
internal enum SpawnEnd
{
    /// <summary>It runs: see <see cref="SpawnAttempts.Pid"/>.</summary>
    Running,

    /// <summary>A PID is held by another.</summary>
    Taken,

    /// <summary>Others took PIDs whenever the PID was near, until the deadline.</summary>
    TimedOut,

    /// <summary>No number of allocations makes the PID the next one: see <see cref="SpawnAttempts.Obstacle"/>.</summary>
    Hopeless,

    /// <summary>The command could not be executed: see <see cref="SpawnAttempts.Error"/>.</summary>
    NotExecuted,

    /// <summary>A call failed: see <see cref="SpawnAttempts.Error"/> and <see cref="SpawnAttempts.Method"/>.</summary>
    Refused,
}

/// <summary>The ways to a process with a PID, one after the other, each as often as it takes.</summary>
/// <param name="launcher">What starts it.</param>
/// <param name="space">Its PID namespace.</param>
/// <param name="caught">The signals to nslp.</param>
/// <param name="ignored">Those that nslp was told to ignore.</param>
/// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to give up.</param>
internal sealed class SpawnAttempts(
    Launcher launcher, IPidSpace space, CaughtSignals caught, ulong ignored, long deadline)
{
    // So long a PID must be held without pause to count as taken: who is about to end, or was just waited for, holds
    // it a little longer, and under many forks a process of a millisecond may be in the way.
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(50);

    /// <summary>The command's PID in nslp's own namespace.</summary>
    internal int Pid { get; private set; }

    /// <summary>The way that was tried last.</summary>
    internal SpawnMethod Method { get; private set; }

    /// <summary>The errno of what failed.</summary>
    internal int Error { get; private set; }

    /// <summary>What failed while cycling, in words.</summary>
    internal string Failure { get; private set; } = "cannot consume PIDs here";

    /// <summary>Why the PID cannot be reached by cycling.</summary>
    internal Obstacle? Obstacle { get; private set; }

    /// <summary>How many processes were to be made.</summary>
    internal int Tries { get; private set; }

    /// <summary>last_pid as cycling saw it last.</summary>
    internal int LastPid { get; private set; }

    /// <summary>How many PIDs were consumed.</summary>
    internal long Consumed { get; private set; }

    /// <summary>Tries until an end.</summary>
    /// <param name="pids">Innermost namespace first; more than one only with clone3.</param>
    /// <param name="method">The way, or that it shall be the first that works.</param>
    internal SpawnEnd Run(int[] pids, SpawnMethod method)
    {
        if (method is SpawnMethod.Auto or SpawnMethod.Clone3)
        {
            SpawnEnd end = Clone3(pids);
            // ENOSYS before 5.3 and by seccomp profiles, E2BIG before 5.5; EPERM by some profiles as without the
            // capability.
            bool canGoOn = end == SpawnEnd.Refused && (Errno)Error is Errno.EPERM or Errno.ENOSYS or (Errno)7;
            if (method == SpawnMethod.Clone3 || pids.Length > 1 || !canGoOn)
            {
                return end;
            }
        }

        int pid = pids[0];
        if (method != SpawnMethod.Cycle)
        {
            SpawnEnd end = Write(pid);
            bool canGoOn = end == SpawnEnd.Refused
                && (Errno)Error is Errno.EPERM or Errno.EACCES or Errno.EROFS or Errno.ENOENT;
            if (method == SpawnMethod.Write || !canGoOn)
            {
                return end;
            }
        }

        return Cycle(pid);
    }

    private SpawnEnd Clone3(int[] pids)
    {
        Method = SpawnMethod.Clone3;
        long since = Stopwatch.GetTimestamp();
        while (true)
        {
            SpawnEnd end = Judge(Try(() => launcher.TryClone3(pids)));
            if (end != SpawnEnd.Refused || (Errno)Error != Errno.EEXIST)
            {
                return end;
            }

            if (Stopwatch.GetElapsedTime(since) >= s_grace || IsLate)
            {
                return SpawnEnd.Taken;
            }

            Thread.Sleep(1);
        }
    }

    private SpawnEnd Write(int pid)
    {
        Method = SpawnMethod.Write;
        // Nothing is written before each try: the next process of others would get the PID.
        Error = -space.Lock(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline));
        return Error != 0 ? SpawnEnd.Refused : Repeat(pid, () =>
        {
            if (space is OwnPidSpace)
            {
                return Judge(Try(() => launcher.TryWriteAndNext(pid)));
            }

            Error = -space.WriteLastPid(pid - 1, TimeSpan.Zero);
            return Error != 0 ? SpawnEnd.Refused : Judge(Try(() => launcher.TryNext(pid)));
        });
    }

    private SpawnEnd Cycle(int pid)
    {
        Method = SpawnMethod.Cycle;
        // Of two that cycle at the same time each takes the other past its target.
        Error = -space.Lock(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline));
        if ((Errno)Error == Errno.ETIMEDOUT)
        {
            return SpawnEnd.Refused;
        }

        Error = -space.PrepareToConsume(null);
        return Error != 0 ? SpawnEnd.Refused : Repeat(pid, () =>
        {
            Landing landing = new(space, pid - 1, staysAlive: true);
            LandingEnd end = landing.Run(deadline);
            Consumed += landing.Consumed;
            (Failure, Error) = (end == LandingEnd.Broken ? landing.Failure : "cannot make a process", landing.Error);
            (Obstacle, LastPid) = (landing.Obstacle, landing.LastPid);
            return end switch
            {
                LandingEnd.Landed => Judge(Try(() => launcher.TryNext(pid))),
                LandingEnd.Hopeless => SpawnEnd.Hopeless,
                LandingEnd.Broken => SpawnEnd.Refused,
                _ => SpawnEnd.TimedOut,
            };
        });
    }

    // Until something else comes of it than another PID.
    private SpawnEnd Repeat(int pid, Func<SpawnEnd> attempt)
    {
        if (IsTaken(pid))
        {
            return SpawnEnd.Taken;
        }

        while (true)
        {
            SpawnEnd end = attempt();
            if (end != SpawnEnd.TimedOut)
            {
                return end;
            }

            if (IsLate)
            {
                return end;
            }

            if ((space.HasTask(pid) || space.HasGroup(pid)) && IsTaken(pid))
            {
                return SpawnEnd.Taken;
            }
        }
    }

    private bool IsTaken(int pid)
    {
        long since = Stopwatch.GetTimestamp();
        while (space.FindHolder(pid).Kind is not (HolderKind.Nobody or HolderKind.Unknown))
        {
            if (Stopwatch.GetElapsedTime(since) >= s_grace)
            {
                return true;
            }

            Thread.Sleep(1);
        }

        return false;
    }

    private bool IsLate => Stopwatch.GetTimestamp() >= deadline;

    // From before there is a child until it is known not to be the command, signals are held for it.
    private Launch Try(Func<Launch> attempt)
    {
        Tries++;
        SpawnParent.Catch(caught);
        Launch launch = attempt();
        if (launch.End != LaunchEnd.Running)
        {
            caught.Release();
            SpawnParent.SufferAll(caught, ignored);
        }

        return launch;
    }

    private SpawnEnd Judge(Launch launch)
    {
        (Pid, Error) = (launch.Pid, launch.Error);
        return launch.End switch
        {
            LaunchEnd.Running => SpawnEnd.Running,
            LaunchEnd.NotExecuted => SpawnEnd.NotExecuted,
            LaunchEnd.OtherPid => SpawnEnd.TimedOut,
            _ => SpawnEnd.Refused,
        };
    }
}
