using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp spawn</c>: runs a command with the PID asked for, or does not run it at all.</summary>
internal static class Spawn
{
    internal const string Name = "spawn";

    /// <summary>Returns only if the command did not come to run.</summary>
    internal static int Run(SpawnOptions options)
    {
        if (options.PidMax > 0 && !Kernel.Rules.PidMaxPerNamespace)
        {
            return Output.Fail(Name, "--pid-max needs Linux 6.14: before, pid_max belongs to the whole system");
        }

        Fd? report = options.Json is { } target ? SpawnReport.Open(target) : null;
        try
        {
            Given given = Given.Read([.. options.Command]);
            if (SpawnLevels.FindFault(options) is { } fault)
            {
                throw new RemoteException(fault, 0, HelpAbove(options));
            }

            LaunchSettings settings = new(
                LetsPipesGo: options.Detach,
                NewSession: options.Setsid,
                TakesTerminal: Environment.ProcessId == 1,
                IsInit: SpawnLevels.IsInit(options),
                NewProc: options.NewPidns > 0 && !options.NoProc,
                PidMax: options.PidMax,
                Report: report?.Number ?? -1,
                IsMarked: options.NewPidns > 1);
            using Launcher launcher = Start(given, options, settings);
            using CaughtSignals caught = new();
            Nest? nest = options.NewPidns > 0 ? new Nest(launcher, options.NewPidns, settings, options.MapRoot) : null;
            if (options.PidMax > 0 && nest?.Inside is { } inside)
            {
                Namespaces.SetPidMax(inside, options.PidMax);
            }

            using PidSpace space = OpenSpace(launcher, options, nest);
            long deadline = LandingRun.After(options.Timeout, Stopwatch.GetTimestamp());
            SpawnAttempts attempts = new(
                launcher, settings.IsInit ? null : space, SpawnLevels.Below(options), caught, given.IgnoredSignals, deadline);
            End end = attempts.Run([.. options.Goals], options.Method);
            if (!end.IsDone)
            {
                _ = Output.Fail(Name, Explain(options, launcher, space, attempts, end));
                _ = SpawnReport.Write(report, attempts, isRunning: false, Words.spawnStatus(end));
                return Words.spawnStatus(end);
            }

            if (options.Verbose)
            {
                Output.Say(Name, Describe(space, attempts));
            }

            int status = options.Detach
                ? Detach(attempts, nest, report)
                : Wait(launcher, space, caught, attempts, nest, report);
            // Not the launcher: what it made lives on.
            space.Dispose();
            caught.Dispose();
            Kernel.exit_group(status);
            return status;
        }
        catch (RemoteException e)
        {
            int status = Output.Fail(Name, e);
            _ = SpawnReport.Write(report, null, isRunning: false, status);
            return status;
        }
    }

    private static Launcher Start(Given given, SpawnOptions options, LaunchSettings settings)
    {
        Launcher launcher = Launcher.Start(given, settings);
        if (!options.Goals.Any(goal => !goal.IsLoose && goal.First == launcher.Zygote.Pid))
        {
            return launcher;
        }

        // The helper must not have the PID itself. Another one gets another, as long as the first is there.
        using (launcher)
        {
            return Launcher.Start(given, settings);
        }
    }

    private static PidSpace OpenSpace(Launcher launcher, SpawnOptions options, Nest? nest)
    {
        if (nest?.Inside is { } init)
        {
            return new PidSpace(init, options.NoProc ? 0 : nest.InsideNumber);
        }

        if (nest is not null || NamespaceLinks.IsOwn(options.Target))
        {
            return new PidSpace();
        }

        Namespaces.Enter(launcher.Zygote.Root, options.Target);
        RemoteTask inside = Namespaces.ForkInside(launcher.Zygote.Root);
        if (!options.Goals[0].IsLoose && inside.OwnPid == options.Goals[0].First)
        {
            // The one that looks on must not have the PID itself.
            RemoteTask other = Namespaces.ForkInside(launcher.Zygote.Root);
            inside.End();
            inside = other;
        }

        return new PidSpace(inside, inside.Pid);
    }

    private static int Wait(
        Launcher launcher, PidSpace space, CaughtSignals caught, SpawnAttempts attempts, Nest? nest, Fd? report)
    {
        // The lock on ns_last_pid goes with the space.
        space.Dispose();
        if (nest is not { HasInits: true })
        {
            launcher.Dispose();
        }

        int status = new SpawnParent(caught, attempts.Pid).Wait();
        launcher.Dispose();
        bool isTold = SpawnReport.Write(report, attempts, isRunning: true, SpawnParent.StatusOf(status));
        // A failure of the command is worth more than one of the report.
        return isTold || status != 0 ? SpawnParent.EndBySignal(status) : Words.failureStatus(Name);
    }

    private static int Detach(SpawnAttempts attempts, Nest? nest, Fd? report)
    {
        nest?.OutliveOwner(attempts.Pids[0]);
        bool isTold = SpawnReport.Write(report, attempts, isRunning: true, -1);
        return Output.Print(Name, $"{attempts.Pid}\n") == Output.Done && isTold ? Output.Done : Words.failureStatus(Name);
    }

    private static string Describe(PidSpace space, SpawnAttempts attempts)
    {
        string tries = attempts.Tries == 1 ? "" : $", {attempts.Tries} tries";
        string way = attempts.Method.IsCycle ? $"{space.Cycler!.Flavour.Name}, {attempts.Consumed} PIDs consumed" : attempts.Name;
        return $"PID {string.Join(',', attempts.Pids)} by {way}{tries}";
    }

    private static Complaint Explain(SpawnOptions options, Launcher launcher, PidSpace space, SpawnAttempts attempts, End end)
    {
        bool isElsewhere = options.NewPidns > 0 || options.Target != 0 || options.Goals.Length > 1;
        const string Instead = "--new-pidns gives any PID in a namespace of its own";
        Complaint complaint = Words.spawn(
            new Attempted(
                options.Goals, options.Timeout, attempts.LastPid, attempts.Tries, flavour: null, HolderText.DescribeLocker(space),
                isElsewhere ? Instead : $"--method cycle works, and {Instead}", attempts.Needed),
            Printable.From(options.Command[0]), end);
        string? more = end.IsTaken ? FindHolder(options, launcher, space)
            : end is End.Failed { Stage.IsChoosePid: true, Errno: Errno.EPERM } ? SpawnLevels.ExplainRefusal(options)
            : end is End.Failed { Stage.IsChoosePid: true, Errno: Errno.EINVAL } ? SpawnLevels.Explain(options, space)
            : null;
        return more is null ? complaint
            : new Complaint(more, end is End.Failed { Errno: var errno } ? errno : 0, complaint.Help ?? HelpAbove(options));
    }

    // Where the PID is not below pid_max.
    private static string? HelpAbove(SpawnOptions options)
    {
        using PidSpace own = new();
        return options.NewPidns == 0 && options.Goals is [{ First: var first }] && own.ReadPidMax() is { IsError: false, Value: var pidMax } && first >= pidMax
            ? Words.raisePidMax(first, Kernel.Rules.PidMaxPerNamespace)
            : null;
    }

    // Who has one of the PIDs, in words; null when that is not seen.
    private static string? FindHolder(SpawnOptions options, Launcher launcher, PidSpace space)
    {
        using PidSpace own = new();
        Goal goal = options.Goals[0];
        if (goal.IsLoose)
        {
            // Of a short range nslp may be the one in the way.
            int ours = space.IsHere && options.Goals.Length == 1
                ? PidSetModule.toSeq(PidSetModule.add(launcher.Zygote.Pid, own.ReadOwnNumbers()))
                    .FirstOrDefault(number => goal.First <= number && number <= goal.Last + goal.Room)
                : 0;
            return ours > 0 ? Words.ownPid(ours) : null;
        }

        int depth = SpawnLevels.Below(options);
        for (int i = 0; i < options.Goals.Length; i++)
        {
            int pid = options.Goals[i].IsLoose ? 0 : options.Goals[i].First;
            PidSpace? level = pid == 0 ? null : i == depth ? own : i == 0 && !SpawnLevels.IsInit(options) ? space : null;
            if (level is { IsHere: true } && (pid == launcher.Zygote.Pid || PidSetModule.contains(pid, own.ReadOwnNumbers())))
            {
                return Words.ownPid(pid);
            }

            Holder holder = level?.FindHolder(pid) ?? default;
            if (HolderText.Describe(holder) is { } words)
            {
                return $"PID {pid} is taken by {words}";
            }

            if (level is not null && options.Goals.Length == 1 && holder.Kind == HolderKind.Nobody)
            {
                return Words.nobodys(pid);
            }
        }

        return null;
    }
}
