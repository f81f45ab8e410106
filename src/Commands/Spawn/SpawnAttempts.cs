using System.Diagnostics;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>The ways to a process with a PID, one after the other, each as often as it takes.</summary>
/// <param name="launcher">What starts it.</param>
/// <param name="space">Its PID namespace.</param>
/// <param name="caught">The signals to nslp.</param>
/// <param name="ignored">Those that nslp was told to ignore.</param>
/// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to give up.</param>
internal sealed class SpawnAttempts(
    Launcher launcher, PidSpace space, CaughtSignals caught, ulong ignored, long deadline)
{
    // So long a PID must be held without pause to count as taken: who is about to end, or was just waited for, holds
    // it a little longer, and under many forks a process of a millisecond may be in the way.
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(50);

    private int[] _pids = [];

    /// <summary>The command's PID in nslp's own namespace.</summary>
    internal int Pid { get; private set; }

    /// <summary>The method that was tried last.</summary>
    internal Method Method { get; private set; } = Method.Auto;

    /// <summary>How many processes were to be made.</summary>
    internal int Tries { get; private set; }

    /// <summary>last_pid as cycling saw it last; -1 before.</summary>
    internal int LastPid { get; private set; } = -1;

    /// <summary>How many PIDs were consumed.</summary>
    internal long Consumed { get; private set; }

    /// <summary>Tries until an end.</summary>
    /// <param name="pids">Innermost namespace first; more than one only with clone3.</param>
    /// <param name="asked">The method, or that it shall be the first that works.</param>
    internal End Run(int[] pids, Method asked)
    {
        _pids = pids;
        End end = End.Done;
        foreach (Method method in Approach.methods(asked, makesProcess: true, pids.Length))
        {
            Method = method;
            end = Begin() ?? (method.IsClone3 ? Clone3() : Repeat(method.IsWrite ? Write : Cycle));
            if (!Approach.goesOn(end))
            {
                break;
            }
        }

        return end;
    }

    // What keeps the method from being tried at all; null for nothing.
    private End? Begin()
    {
        if (Method.IsClone3)
        {
            return null;
        }

        // Nothing is written before each try: the next process of others would get the PID. And of two that cycle at the
        // same time each takes the other past its target.
        Errno error = space.Lock(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline));
        if (error != 0 && (Method.IsWrite || Approach.needsLock(error)))
        {
            return End.NewFailed(Stage.LockLastPid, error);
        }

        error = Method.IsCycle ? space.PrepareToConsume() : 0;
        return error != 0 ? End.NewFailed(Stage.ConsumePids, error)
            : IsTaken() ? End.Taken
            : null;
    }

    private End Clone3()
    {
        long since = Stopwatch.GetTimestamp();
        while (true)
        {
            AfterTry after = Try(() => launcher.TryClone3(_pids), Stage.ChoosePid);
            if (after is AfterTry.Over { Item: var end })
            {
                return end;
            }

            if (Stopwatch.GetElapsedTime(since) >= s_grace || IsLate)
            {
                return End.Taken;
            }

            Thread.Sleep(1);
        }
    }

    private AfterTry Write()
    {
        if (space.IsHere)
        {
            return Try(() => launcher.TryWriteAndNext(_pids[0]), Stage.WriteLastPid);
        }

        End written = space.WriteLastPid(_pids[0] - 1, TimeSpan.Zero);
        return written.IsDone ? Try(() => launcher.TryNext(_pids[0]), Stage.MakeProcess) : AfterTry.NewOver(written);
    }

    private AfterTry Cycle()
    {
        LandingRun landing = new(space, _pids[0] - 1, own: () => PidSetModule.empty);
        End end = landing.Run(deadline);
        (Consumed, LastPid) = (Consumed + landing.State.Consumed, landing.State.LastPid);
        return end.IsDone ? Try(() => launcher.TryNext(_pids[0]), Stage.MakeProcess)
            : end.IsOutOfLaps ? AfterTry.TryAgain
            : AfterTry.NewOver(end);
    }

    // Until something else comes of it than another PID.
    private End Repeat(Func<AfterTry> attempt)
    {
        while (true)
        {
            if (attempt() is AfterTry.Over { Item: var end })
            {
                return end;
            }

            if (IsLate)
            {
                return End.TimedOut;
            }

            if (space.IsHeld(_pids[0]) && IsTaken())
            {
                return End.Taken;
            }
        }
    }

    private bool IsTaken()
    {
        long since = Stopwatch.GetTimestamp();
        while (space.FindHolder(_pids[0]).Kind is not (HolderKind.Nobody or HolderKind.Unknown))
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
    private AfterTry Try(Func<Launch> attempt, Stage stage)
    {
        Tries++;
        SpawnParent.Catch(caught);
        Launch launch = attempt();
        if (launch.End != LaunchEnd.Running)
        {
            caught.Release();
            SpawnParent.SufferAll(caught, ignored);
        }

        Pid = launch.Pid;
        return launch.End switch
        {
            LaunchEnd.Running => AfterTry.NewOver(End.Done),
            LaunchEnd.NotExecuted => AfterTry.NewOver(End.NewNotExecuted(launch.Error)),
            LaunchEnd.OtherPid => AfterTry.TryAgain,
            _ => Approach.afterRefusal(stage, launch.Error),
        };
    }
}
