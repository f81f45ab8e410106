namespace SetNsLastPid.Commands;

/// <summary><c>nslp reserve</c>: keeps a range of PIDs free of new processes, as long as it or a command runs.</summary>
internal static class Reserve
{
    internal const string Name = "reserve";

    // Holders that are named at the start.
    private const int Named = 10;

    /// <returns>The exit status: that of the command, if there is one; else 0 after a signal, 1 where PIDs of the range may have
    /// been given. <see cref="Words.failureStatus"/> when it could not be kept.</returns>
    internal static int Run(ReserveOptions options)
    {
        using CaughtSignals caught = new();
        if (options.Command.IsEmpty)
        {
            caught.CatchEndOfServer();
        }

        using PidSpace space = Open(options);
        if (FindFault(options, space) is { } fault)
        {
            return Output.Fail(Name, fault);
        }

        TellHolders(options, space);
        using Launcher? launcher = options.Command.IsEmpty ? null : Launcher.Start(Given.Read([.. options.Command]), new LaunchSettings());
        ReserveRun run = new(Name, space, options.First, options.Last);
        bool isPunctual = Punctual.Become(OwnCaller.Instance) == 0 && space.BePunctual() == 0;
        int signal = Work(run, caught, untilKept: true);
        if (!run.Failure.IsDone)
        {
            return Output.Fail(Name, Words.reserveLook(run.Failure));
        }

        if (signal == 0 && (options.Verbose || launcher is null))
        {
            string late = isPunctual ? "" : "; without CAP_SYS_NICE it may be late on a busy machine";
            Output.Say(Name, $"keeping {Words.numbers(options.First, options.Last)} free{late}");
        }

        int status = launcher is null ? Keep(run, caught, signal) : KeepFor(options, run, caught, launcher);
        // PIDs may have been given since the last look.
        _ = run.Work();
        run.Finish();
        if (options.Verbose)
        {
            Output.Say(Name, $"{run.Looks} looks at last_pid, {run.Writes} writes");
        }

        // What it made ends with it, but for the command, which has ended.
        space.Dispose();
        caught.Dispose();
        return launcher is null ? status : SpawnParent.EndBySignal(status);
    }

    private static PidSpace Open(ReserveOptions options)
    {
        PidSpace space = PidSpace.Open(options.Target);
        int length = options.Last - options.First + 1;
        if (!space.IsHere && PidSetModule.countFree(options.First, options.Last + 1, space.ReadOwnNumbers()) < length
            && space.WriteLastPid(options.Last, TimeSpan.Zero).IsDone)
        {
            // The helper must not hold a number of the range itself.
            space.Dispose();
            space = PidSpace.Open(options.Target);
        }

        return space;
    }

    private static Complaint? FindFault(ReserveOptions options, PidSpace space)
    {
        int pidMax = Output.Of(space.ReadPidMax(), Stage.ReadPidMax);
        Complaint complaint = Words.reserveRange(
            options.First, options.Last, pidMax,
            ReserveModule.range(ReserveModule.rules.Reserved, pidMax, options.First, options.Last));
        if (complaint.Message != "")
        {
            return complaint;
        }

        End tried = space.TryToWriteLastPid();
        if (tried.IsDone && complaint.Help is { } remark)
        {
            Output.Say(Name, remark);
        }

        return tried.IsDone ? null : Words.reserveLook(tried);
    }

    private static void TellHolders(ReserveOptions options, PidSpace space)
    {
        if (space.IsHere && getpid() >= options.First && getpid() <= options.Last)
        {
            Output.Say(Name, $"{getpid()} is nslp's own until it ends");
        }

        if (space.ProcDirectory < 0)
        {
            return;
        }

        using ProgressLine progress = new(Name);
        int count = 0;
        foreach (Holding holding in new WhoScan(space, options.Last + 1, progress).Find(options.First, options.Last))
        {
            if (holding.IsHeld == true && ++count <= Named)
            {
                Output.Say(Name, $"{holding.Pid} is held by {HolderText.Describe(holding.Holder)}");
            }
        }

        if (count > Named)
        {
            Output.Say(Name, $"and {count - Named} more: nslp who --held {options.First}-{options.Last}");
        }
    }

    // Until it is kept, or for good. What ends it: a signal, or 0.
    private static int Work(ReserveRun run, CaughtSignals caught, bool untilKept)
    {
        int signal = 0;
        for (long until = run.Work(); signal == 0 && run.Failure.IsDone && !(untilKept && run.IsKept); until = run.Work())
        {
            signal = caught.NextBefore(until).Number;
        }

        return signal;
    }

    private static int Keep(ReserveRun run, CaughtSignals caught, int signal)
    {
        signal = signal == 0 ? Work(run, caught, untilKept: false) : signal;
        if (!run.Failure.IsDone)
        {
            return Output.Fail(Name, Words.reserveLook(run.Failure));
        }

        Output.Say(Name, $"stopping on signal {signal}");
        return run.WasKept ? Output.Done : Output.Failed;
    }

    // The status of the command as wait4(2) gives it.
    private static int KeepFor(ReserveOptions options, ReserveRun run, CaughtSignals caught, Launcher launcher)
    {
        using (HelperCaller zygote = new(launcher.Zygote.Root))
        {
            _ = Punctual.Become(zygote);
        }

        launcher.Meanwhile = run.Work;
        SpawnParent.Catch(caught);
        Launch launch = launcher.TryNext(1, Limits.PidMax);
        launcher.Dispose();
        if (launch.End != LaunchEnd.Running)
        {
            End end = launch.End == LaunchEnd.NotExecuted
                ? End.NewNotExecuted(launch.Error)
                : End.NewFailed(Stage.MakeProcess, launch.Error);
            Attempted attempted = new([], 0, -1, 1, null, null, "", 0);
            _ = Output.Fail(Name, Words.spawn(attempted, Printable.From(options.Command[0]), end));
            return Words.spawnStatus(end) << 8;
        }

        bool isFailureTold = false;
        return new SpawnParent(caught, launch.Pid).Wait(() =>
        {
            long until = run.Work();
            if (!run.Failure.IsDone && !isFailureTold)
            {
                isFailureTold = true;
                _ = Output.Fail(Name, Words.reserveLook(run.Failure));
            }

            return until;
        });
    }
}
