using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary>The ways to a process with a PID, one after the other, each as often as it takes.</summary>
/// <param name="launcher">What starts it.</param>
/// <param name="inside">Its PID namespace; null where it is to be the first process of it.</param>
/// <param name="depth">How many namespaces that one is below nslp's own.</param>
/// <param name="caught">The signals to nslp.</param>
/// <param name="ignored">Those that nslp was told to ignore.</param>
/// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to give up.</param>
internal sealed class SpawnAttempts(
    Launcher launcher, PidSpace? inside, int depth, CaughtSignals caught, ulong ignored, long deadline)
{
    // So long a PID must be held without pause to count as taken: who is about to end, or was just waited for, holds
    // it a little longer, and under many forks a process of a millisecond may be in the way.
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(50);

    // None of the methods that look at it is tried without one.
    private readonly PidSpace _space = inside!;
    private readonly bool _isInit = inside is null;

    private Goal[] _goals = [];

    /// <summary>The command's PID in nslp's own namespace.</summary>
    internal int Pid { get; private set; }

    /// <summary>The command's PIDs as they were chosen, in its own namespace first.</summary>
    internal int[] Pids { get; private set; } = [];

    /// <summary>The method that was tried last.</summary>
    internal Method Method { get; private set; } = Method.Auto;

    /// <summary>Its name; "clone" where there was no choice to make.</summary>
    internal string Name => Method.IsClone3 ? "clone3" : Method.IsWrite ? "write" : Method.IsCycle ? "cycle" : "clone";

    /// <summary>How often that method has tried to make the process.</summary>
    internal int Tries { get; private set; }

    /// <summary>last_pid as cycling saw it last; -1 before.</summary>
    internal int LastPid { get; private set; } = -1;

    /// <summary>About how many seconds it takes to cycle; 0 where that is not known.</summary>
    internal double Needed { get; private set; }

    internal long Consumed { get; private set; }

    /// <summary>Tries until an end.</summary>
    /// <param name="goals">Innermost namespace first; more than one only with clone3.</param>
    /// <param name="asked">The method, or that it shall be the first that works.</param>
    internal End Run(Goal[] goals, Method asked)
    {
        _goals = goals;
        End end = End.Done;
        if (_isInit && goals.Length == 1)
        {
            // The first process of a namespace gets 1 whoever makes it.
            return Try(() => launcher.TryNext(1, 1), Stage.MakeProcess) is AfterTry.Over { Item: var first } ? first : End.Taken;
        }

        foreach (Method method in Approach.methods(asked, makesProcess: true, ListModule.OfArray(goals)))
        {
            Method = method;
            Tries = 0;
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
        Errno error = _space.Lock(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline));
        if (error != 0 && (Method.IsWrite || Approach.needsLock(error)))
        {
            return End.NewFailed(Stage.LockLastPid, error);
        }

        error = Method.IsCycle ? _space.PrepareToConsume() : 0;
        return error != 0 ? End.NewFailed(Stage.ConsumePids, error)
            : IsTaken() ? End.Taken
            : null;
    }

    private End Clone3()
    {
        long since = Stopwatch.GetTimestamp();
        while (true)
        {
            if (Choose() is AfterTry.Over { Item: var end })
            {
                return end;
            }

            bool isLong = Stopwatch.GetElapsedTime(since) >= s_grace;
            if (IsLate || (isLong && Approach.givesUp(ListModule.OfArray(_goals), IsSeen())))
            {
                return End.Taken;
            }

            Thread.Sleep(isLong ? 5 : 1);
        }
    }

    private bool IsSeen() => !_isInit && _space.FindHolder(_goals[0].First).Kind != HolderKind.Nobody;

    // One number a level; where one is held, the next that will do.
    private AfterTry Choose()
    {
        using PidSpace own = new();
        int[] levels = [.. Enumerable.Range(0, _goals.Length)];
        PidSpace?[] spaces = Array.ConvertAll(levels, level => level == 0 ? (_isInit ? null : _space) : level == depth ? own : null);
        PickRun[] picks = Array.ConvertAll(levels, level => new PickRun(spaces[level], _goals[level], spaces[level]?.PidMaxOrLimit ?? Limits.PidMax));
        while (true)
        {
            int[] pids = Array.ConvertAll(picks, pick => pick.Next());
            if (pids.Contains(0))
            {
                return AfterTry.SeeIfHeld;
            }

            AfterTry after = Try(() => launcher.TryClone3(pids), Stage.ChoosePid);
            Pids = pids;
            if (!after.IsSeeIfHeld || IsLate)
            {
                return after;
            }

            int[] refused = Approach.refused(Array.ConvertAll(levels, level => spaces[level]?.IsHeld(pids[level])));
            if (refused.Length == 0)
            {
                return after;
            }

            Array.ForEach(refused, level => picks[level].Refuse(pids[level]));
        }
    }

    private AfterTry Write()
    {
        // Where no room is wanted, the kernel takes the lowest free number.
        int pid = _goals[0].Room == 0 ? _goals[0].First : Pick().FindFree();
        if (pid == 0)
        {
            return AfterTry.SeeIfHeld;
        }

        (int least, int most) = GoalModule.accepts(pid, _goals[0]);
        if (_space.IsHere)
        {
            return Try(() => launcher.TryWriteAndNext(least, most), Stage.WriteLastPid);
        }

        End written = _space.WriteLastPid(pid - 1, TimeSpan.Zero);
        return written.IsDone ? Try(() => launcher.TryNext(least, most), Stage.MakeProcess) : AfterTry.NewOver(written);
    }

    private AfterTry Cycle()
    {
        LandingRun landing = new(_space, _goals[0], own: () => PidSetModule.empty);
        End end = landing.Run(deadline);
        (Consumed, LastPid, Needed) = (Consumed + landing.State.Consumed, landing.State.LastPid, landing.Needed);
        (int least, int most) = GoalModule.accepts(landing.State.Aim, _goals[0]);
        var after = Approach.afterLanding(end);
        return after.IsSome ? after.Value : Try(() => launcher.TryNext(least, most), Stage.MakeProcess);
    }

    // Until something else comes of it than another PID.
    private End Repeat(Func<AfterTry> attempt)
    {
        while (true)
        {
            AfterTry after = attempt();
            if (after is AfterTry.Over { Item: var end })
            {
                return end;
            }

            if (IsLate)
            {
                return End.TimedOut;
            }

            if ((after.IsSeeIfHeld || _space.IsHeld(_goals[0].First)) && IsTaken())
            {
                return End.Taken;
            }
        }
    }

    private bool IsTaken()
    {
        long since = Stopwatch.GetTimestamp();
        while (IsHeld())
        {
            if (Stopwatch.GetElapsedTime(since) >= s_grace)
            {
                return true;
            }

            Thread.Sleep(1);
        }

        return false;
    }

    private bool IsHeld() => _goals[0].IsLoose
        ? Pick().FindFree() == 0
        : _space.FindHolder(_goals[0].First).Kind is not (HolderKind.Nobody or HolderKind.Unknown);

    private PickRun Pick() => new(_space, _goals[0], _space.PidMaxOrLimit);

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
        Pids = [launch.OwnPid];
        return launch.End switch
        {
            LaunchEnd.Running => AfterTry.NewOver(End.Done),
            LaunchEnd.NotExecuted => AfterTry.NewOver(End.NewNotExecuted(launch.Error)),
            LaunchEnd.OtherPid => AfterTry.TryAgain,
            _ => Approach.afterRefusal(stage, launch.Error),
        };
    }
}
