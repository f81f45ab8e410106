using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp spawn</c>: runs a command with the PID asked for, or does not run it at all.</summary>
internal static class Spawn
{
    /// <summary>The exit status when nslp failed, as that of env(1) and timeout(1).</summary>
    internal const int Failed = 125;

    /// <summary>The command's name.</summary>
    internal const string Name = "spawn";

    private const int CannotExecute = 126;
    private const int NotFound = 127;

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
                return Fail(fault);
            }

            using Launcher launcher = Start(given, options);
            using CaughtSignals caught = new();
            RemoteTask? init = options.NewPidns ? Namespaces.Create(launcher.Zygote.Root, options.MapRoot) : null;
            using IPidSpace space = OpenSpace(launcher, options, init);
            long deadline = Stopwatch.GetTimestamp() + (long)(options.Timeout * Stopwatch.Frequency);
            SpawnAttempts attempts = new(launcher, space, caught, given.IgnoredSignals, deadline);
            SpawnEnd end = attempts.Run([.. options.Pids], options.Method);
            if (end != SpawnEnd.Running)
            {
                return Fail(options, launcher, space, attempts, end);
            }

            if (options.Verbose)
            {
                Output.Say(Name, Words(options, space, attempts));
            }

            int status = options.Detach
                ? Detach(options, attempts.Pid, init)
                : Wait(launcher, space, caught, attempts.Pid, init);
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
        if (!options.Pids.Contains(launcher.Zygote.Pid))
        {
            return launcher;
        }

        // The helper must not have the PID itself. Another one gets another, as long as the first is there.
        using (launcher)
        {
            return Launcher.Start(given, options.Detach);
        }
    }

    private static IPidSpace OpenSpace(Launcher launcher, SpawnOptions options, RemoteTask? init)
    {
        if (init is not null)
        {
            return new RemotePidSpace(init);
        }

        if (PidSpaces.IsOwn(options.Target))
        {
            return new OwnPidSpace();
        }

        Namespaces.Enter(launcher.Zygote.Root, options.Target);
        RemoteTask inside = Namespaces.ForkInside(launcher.Zygote.Root);
        if (inside.OwnPid == options.Pids[0])
        {
            // The one that looks on must not have the PID itself.
            RemoteTask other = Namespaces.ForkInside(launcher.Zygote.Root);
            inside.End();
            inside = other;
        }

        return new RemotePidSpace(inside);
    }

    private static int Wait(Launcher launcher, IPidSpace space, CaughtSignals caught, int pid, RemoteTask? init)
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

    private static int Detach(SpawnOptions options, int pid, RemoteTask? init)
    {
        if (init is not null)
        {
            Namespaces.OutliveOwner(init, options.Pids[0]);
        }

        return Output.Print(Name, $"{pid}\n") == Output.Done ? Output.Done : Failed;
    }

    private static string Words(SpawnOptions options, IPidSpace space, SpawnAttempts attempts)
    {
        string tries = attempts.Tries == 1 ? "" : $", {attempts.Tries} tries";
        string way = attempts.Method switch
        {
            SpawnMethod.Clone3 => "clone3",
            SpawnMethod.Write => "write",
            _ => $"{space.Flavour}, {attempts.Consumed} PIDs consumed",
        };
        return $"PID {string.Join(',', options.Pids)} by {way}{tries}";
    }

    private static int Fail(string message, int error = 0, string? help = null)
    {
        _ = Output.Fail(Name, message, error, help);
        return Failed;
    }

    private static int Fail(
        SpawnOptions options, Launcher launcher, IPidSpace space, SpawnAttempts attempts, SpawnEnd end)
    {
        string pids = string.Join(',', options.Pids);
        switch (end)
        {
            case SpawnEnd.Taken:
                return FailTaken(options, launcher, space);
            case SpawnEnd.TimedOut:
                string seconds = options.Timeout.ToString(CultureInfo.InvariantCulture);
                return attempts.Method == SpawnMethod.Cycle && attempts.Tries == 0
                    ? Fail($"cannot reach PID {pids} by cycling within {seconds} s: last_pid is {attempts.LastPid}")
                    : Fail($"cannot give PID {pids} within {seconds} s: others took it in all of {attempts.Tries} tries");
            case SpawnEnd.Hopeless:
                return Fail(attempts.Obstacle switch
                {
                    { IsBelowReserved: true } => $"cannot reach PID {pids} by cycling: after a wrap PIDs start at 300",
                    { IsNoneFree: true } => $"cannot reach PID {pids} by cycling: no PID is free",
                    _ => $"cannot reach PID {pids} by cycling: it is out of range",
                });
            case SpawnEnd.NotExecuted:
                _ = Output.Fail(Name, $"cannot execute '{Printable.From(options.Command[0])}'", attempts.Error);
                return (Errno)attempts.Error == Errno.ENOENT ? NotFound : CannotExecute;
            default:
                return FailRefused(options, launcher, space, attempts, pids);
        }
    }

    private static int FailTaken(SpawnOptions options, Launcher launcher, IPidSpace space)
    {
        for (int i = 0; i < options.Pids.Length; i++)
        {
            int pid = options.Pids[i];
            using OwnPidSpace own = new();
            bool isInner = i == 0;
            bool isOwn = isInner ? space is OwnPidSpace : options.NewPidns && i == 1;
            Holder holder = isInner ? space.FindHolder(pid) : isOwn ? own.FindHolder(pid) : default;
            if (isOwn && (pid == launcher.Zygote.Pid || PidSetModule.contains(pid, own.ReadOwnNumbers())))
            {
                return Fail($"nslp itself got PID {pid}", 0, "the same call once more works, as it gets another PID");
            }

            if (HolderText.Describe(holder) is { } words)
            {
                return Fail($"PID {pid} is taken by {words}");
            }
        }

        return Fail(options.Pids.Length == 1
            ? $"PID {options.Pids[0]} is taken; /proc does not show by whom"
            : $"one of the PIDs {string.Join(',', options.Pids)} is taken");
    }

    private static int FailRefused(
        SpawnOptions options, Launcher launcher, IPidSpace space, SpawnAttempts attempts, string pids)
    {
        const string NeedsCapability = "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN over the PID namespace; without them";
        string help = options.NewPidns || options.Target != 0 || options.Pids.Length > 1
            ? "--new-pidns gives any PID in a namespace of its own"
            : "--method cycle works, and --new-pidns gives any PID in a namespace of its own";
        return (attempts.Method, (Errno)attempts.Error) switch
        {
            (SpawnMethod.Clone3, Errno.EINVAL) =>
                Fail(SpawnLevels.Explain(options, space) ?? $"cannot make a process with PID {pids}", attempts.Error),
            (SpawnMethod.Clone3, Errno.EPERM) =>
                Fail($"cannot make a process with PID {pids}", attempts.Error, $"{NeedsCapability} {help}"),
            (SpawnMethod.Clone3, Errno.ENOSYS or (Errno)7) =>
                Fail("cannot choose PIDs by clone3", attempts.Error, "needs Linux 5.5, and clone3 not filtered by seccomp"),
            (SpawnMethod.Write, Errno.EPERM) => Fail("cannot write ns_last_pid", attempts.Error, $"{NeedsCapability} {help}"),
            (SpawnMethod.Write, Errno.EROFS or Errno.EACCES or Errno.ENOENT) => Fail(
                "cannot open ns_last_pid for writing", attempts.Error, "needs a writable /proc/sys/kernel/ns_last_pid"),
            (SpawnMethod.Write or SpawnMethod.Cycle, Errno.ETIMEDOUT) =>
                Fail("cannot change last_pid: " + (HolderText.DescribeLocker(space) ?? "another holds the lock on ns_last_pid")),
            (SpawnMethod.Cycle, _) => Fail(attempts.Failure, attempts.Error),
            _ => Fail("cannot make a process", attempts.Error),
        };
    }
}
