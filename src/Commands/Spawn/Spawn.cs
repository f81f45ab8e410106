using System.Diagnostics;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp spawn</c>: runs a command with the PID asked for, or does not run it at all.</summary>
internal static class Spawn
{
    /// <summary>The exit status when nslp failed, as that of env(1) and timeout(1).</summary>
    internal const int Failed = 125;

    /// <summary>The command's name.</summary>
    internal const string Name = "spawn";

    /// <summary>Says what is wrong with the command line: not with status 2, which may be the command's.</summary>
    internal static int Wrong(string message)
    {
        _ = Output.Wrong(Name, message);
        return Failed;
    }

    /// <summary>Runs the command. Returns only if it did not come to run.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(SpawnOptions options)
    {
        try
        {
            Given given = Given.Read([.. options.Command]);
            if (SpawnLevels.FindFault(options) is { } fault)
            {
                _ = Output.Fail(Name, fault);
                return Failed;
            }

            using Launcher launcher = Start(given, options);
            using CaughtSignals caught = new();
            RemoteTask? init = options.NewPidns ? Namespaces.Create(launcher.Zygote.Root, options.MapRoot) : null;
            using PidSpace space = OpenSpace(launcher, options, init);
            long deadline = Stopwatch.GetTimestamp() + (long)(options.Timeout * Stopwatch.Frequency);
            SpawnAttempts attempts = new(launcher, space, SpawnLevels.Below(options), caught, given.IgnoredSignals, deadline);
            End end = attempts.Run([.. options.Goals], options.Method);
            if (!end.IsDone)
            {
                _ = Output.Fail(Name, Explain(options, launcher, space, attempts, end));
                return Words.spawnStatus(end);
            }

            if (options.Verbose)
            {
                Output.Say(Name, Describe(space, attempts));
            }

            int status = options.Detach
                ? Detach(attempts.Pid, attempts.Pids[0], init)
                : Wait(launcher, space, caught, attempts.Pid, init);
            // Not the launcher: what it made lives on.
            space.Dispose();
            caught.Dispose();
            Kernel.exit_group(status);
            return status;
        }
        catch (RemoteException e)
        {
            _ = Output.Fail(Name, e);
            return Failed;
        }
    }

    private static Launcher Start(Given given, SpawnOptions options)
    {
        Launcher launcher = Launcher.Start(given, options.Detach);
        if (!options.Goals.Any(goal => !goal.IsLoose && goal.First == launcher.Zygote.Pid))
        {
            return launcher;
        }

        // The helper must not have the PID itself. Another one gets another, as long as the first is there.
        using (launcher)
        {
            return Launcher.Start(given, options.Detach);
        }
    }

    private static PidSpace OpenSpace(Launcher launcher, SpawnOptions options, RemoteTask? init)
    {
        if (init is not null)
        {
            return new PidSpace(init);
        }

        if (NamespaceLinks.IsOwn(options.Target))
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

        return new PidSpace(inside);
    }

    private static int Wait(Launcher launcher, PidSpace space, CaughtSignals caught, int pid, RemoteTask? init)
    {
        // The lock on ns_last_pid goes with the space.
        space.Dispose();
        if (init is null)
        {
            launcher.Dispose();
        }

        int status = new SpawnParent(caught, pid).Wait();
        launcher.Dispose();
        return SpawnParent.EndBySignal(status);
    }

    private static int Detach(int pid, int own, RemoteTask? init)
    {
        if (init is not null)
        {
            Namespaces.OutliveOwner(init, own);
        }

        return Output.Print(Name, $"{pid}\n") == Output.Done ? Output.Done : Failed;
    }

    private static string Describe(PidSpace space, SpawnAttempts attempts)
    {
        string tries = attempts.Tries == 1 ? "" : $", {attempts.Tries} tries";
        string way = attempts.Method.IsClone3 ? "clone3"
            : attempts.Method.IsWrite ? "write"
            : $"{space.Cycler!.Flavour.Name}, {attempts.Consumed} PIDs consumed";
        return $"PID {string.Join(',', attempts.Pids)} by {way}{tries}";
    }

    private static Complaint Explain(SpawnOptions options, Launcher launcher, PidSpace space, SpawnAttempts attempts, End end)
    {
        bool isElsewhere = options.NewPidns || options.Target != 0 || options.Goals.Length > 1;
        const string Instead = "--new-pidns gives any PID in a namespace of its own";
        Complaint complaint = Words.spawn(
            new Attempted(
                options.Goals, options.Timeout, attempts.LastPid, attempts.Tries, flavour: null, HolderText.DescribeLocker(space),
                isElsewhere ? Instead : $"--method cycle works, and {Instead}"),
            Printable.From(options.Command[0]), end);
        string? more = end.IsTaken && !options.Goals.Any(goal => goal.IsLoose) ? FindHolder(options, launcher, space)
            : end is End.Failed { Stage.IsChoosePid: true, Errno: Errno.EINVAL } ? SpawnLevels.Explain(options, space)
            : null;
        return more is null ? complaint : new Complaint(more, end.IsTaken ? 0 : Errno.EINVAL, complaint.Help);
    }

    // Who has one of the PIDs, in words; null when that is not seen.
    private static string? FindHolder(SpawnOptions options, Launcher launcher, PidSpace space)
    {
        using PidSpace own = new();
        for (int i = 0; i < Math.Min(options.Goals.Length, 2); i++)
        {
            int pid = options.Goals[i].First;
            bool isOwn = i == 0 ? space.IsHere : options.NewPidns;
            if (isOwn && (pid == launcher.Zygote.Pid || PidSetModule.contains(pid, own.ReadOwnNumbers())))
            {
                return Words.ownPid(pid);
            }

            Holder holder = i == 0 ? space.FindHolder(pid) : isOwn ? own.FindHolder(pid) : default;
            if (HolderText.Describe(holder) is { } words)
            {
                return $"PID {pid} is taken by {words}";
            }
        }

        return null;
    }
}
