using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp set</c>: makes a number the last PID, so that the next process gets the first free one above.</summary>
/// <remarks>
/// Once the number is set, nslp must not take a PID itself: it writes what there is to say with write(2) and ends the
/// process by exit_group, since the runtime's own way out may make a thread.
/// </remarks>
internal static class Set
{
    private const string Name = "set";

    // How long to wait for another's lock, and how often to write again when others fork, without --timeout.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Runs the command. Does not return once the number is set.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(SetOptions options)
    {
        if (options.Flavour is not null && CyclingClone.Find(options.Flavour) is null)
        {
            return Output.Wrong(Name, $"flavour '{options.Flavour}' is not one of {CyclingClone.Names}");
        }

        using DefaultSignals signals = new();
        try
        {
            using IPidSpace space = PidSpaces.Open(options.Target);
            return Run(options, space);
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    private static int Run(SetOptions options, IPidSpace space)
    {
        long start = Stopwatch.GetTimestamp();
        long deadline = double.IsFinite(options.Timeout)
            ? start + (long)(options.Timeout * Stopwatch.Frequency)
            : long.MaxValue;

        int pidMax = space.ReadPidMax();
        if (pidMax < 0)
        {
            return Output.Fail(Name, "cannot read /proc/sys/kernel/pid_max", -pidMax, Output.NeedsProc(-pidMax));
        }

        if (options.Pid >= pidMax)
        {
            return Output.Fail(Name, $"cannot make {options.Pid} the last PID: here that is 0 to {pidMax - 1}");
        }

        // Asked beforehand: it takes time, in which others may fork.
        if (options.Pid + 1 < pidMax
            && !space.IsOwn(options.Pid + 1)
            && HolderText.Describe(space.FindHolder(options.Pid + 1)) is { } holder)
        {
            Output.Say(Name, $"warning: {options.Pid + 1} is taken by {holder}; the next process gets another PID");
        }

        MakeWay(space, options.Pid);
        if (options.Method != SetMethod.Cycle)
        {
            int error = TryWrite(space, options, deadline);
            if (error == 0)
            {
                return Finish(options, start, "write", null, space);
            }

            bool canCycle = (Errno)error is Errno.EPERM or Errno.EACCES or Errno.EROFS or Errno.ENOENT;
            if (options.Method == SetMethod.Write || !canCycle)
            {
                return FailWrite(options, error, space);
            }

            if (options.Verbose)
            {
                Output.Say(Name, $"cannot write ns_last_pid: {Output.Describe(error)}; cycling");
            }
        }

        return Cycle(space, options, start, deadline);
    }

    private static long EndOfPatience(long deadline) =>
        Math.Min(deadline, Stopwatch.GetTimestamp() + (long)(s_patience.TotalSeconds * Stopwatch.Frequency));

    private static int TryWrite(IPidSpace space, SetOptions options, long deadline)
    {
        long end = EndOfPatience(deadline);
        while (true)
        {
            int written = space.WriteLastPid(options.Pid, Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), end));
            if (written < 0)
            {
                return -written;
            }

            int last = space.ReadLastPid();
            if (last == options.Pid || last < 0)
            {
                return -Math.Min(last, 0);
            }

            // Somebody forked between the write and the read.
            if (Stopwatch.GetTimestamp() >= end)
            {
                return (int)Errno.ETIMEDOUT;
            }
        }
    }

    private static int FailWrite(SetOptions options, int error, IPidSpace space) => (Errno)error switch
    {
        Errno.EPERM => Output.Fail(
            Name, "cannot write ns_last_pid", error,
            "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN; without them --method cycle works"),
        Errno.EROFS or Errno.EACCES => Output.Fail(
            Name, "cannot open ns_last_pid for writing", error,
            "needs a writable /proc/sys/kernel/ns_last_pid; without it --method cycle works"),
        Errno.ENOENT => Output.Fail(
            Name, "cannot open ns_last_pid", error,
            "needs CONFIG_CHECKPOINT_RESTORE, and /proc/sys with nothing else mounted over it; without them --method cycle works"),
        Errno.ETIMEDOUT => Output.Fail(
            Name,
            $"cannot make {options.Pid} the last PID: "
            + (HolderText.DescribeLocker(space) ?? "others hold the lock on ns_last_pid or fork all the time")),
        _ => Output.Fail(Name, "cannot write ns_last_pid", error),
    };

    private static int Cycle(IPidSpace space, SetOptions options, long start, long deadline)
    {
        // Of two that cycle at the same time each takes the other past its target.
        int error = -space.Lock(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), EndOfPatience(deadline)));
        if ((Errno)error == Errno.ETIMEDOUT)
        {
            return FailWrite(options, error, space);
        }

        // Made before the threads: those with a table of open files of their own have a copy, and may be who gets a signal.
        using CaughtSignals? caught = TryMake();
        error = -space.PrepareToConsume(options.Flavour);
        if (error != 0)
        {
            return options.Flavour is null
                ? Output.Fail(Name, "cannot consume PIDs here", error)
                : Output.Fail(Name, $"cannot consume PIDs by '{options.Flavour}'", error);
        }

        // Now with the threads that consume.
        MakeWay(space, options.Pid);
        CycleProgress progress = new(Name);
        int signal = 0;
        Landing landing = new(space, options.Pid, progress, interrupt: IsInterrupted);
        Array.ForEach(caught is null ? [] : DefaultSignals.FindDefault(), number => caught!.Catch(number));
        LandingEnd end = landing.Run(deadline);
        progress.Hide();
        caught?.Release();
        if (IsInterrupted())
        {
            return Interrupt(space, signal);
        }

        if (end == LandingEnd.Hopeless && landing.Obstacle is Obstacle.Ours { Pid: var ours })
        {
            return MakeWay(options, space, ours);
        }

        return end switch
        {
            LandingEnd.Landed => Finish(options, start, "cycle", landing, space),
            LandingEnd.Hopeless => Output.Fail(
                Name, $"cannot reach {options.Pid} by cycling: {ObstacleText.Describe(landing.Obstacle!)}; last_pid is {landing.LastPid}"),
            LandingEnd.TimedOut => Output.Fail(
                Name,
                $"cannot make {options.Pid} the last PID within {options.Timeout.ToString(CultureInfo.InvariantCulture)} s"
                + $": last_pid is {landing.LastPid}"),
            LandingEnd.OutOfLaps => Output.Fail(
                Name,
                $"cannot make {options.Pid} the last PID in {Landing.MaxLaps} laps, others take PIDs too fast"
                + $": last_pid is {landing.LastPid}"),
            _ => Output.Fail(Name, landing.Failure, landing.Error),
        };

        bool IsInterrupted()
        {
            signal = signal == 0 && caught is not null ? caught.Next(wait: false).Number : signal;
            return signal != 0;
        }
    }

    // Null where there are no open files left for it: then a signal ends nslp as ever.
    private static CaughtSignals? TryMake()
    {
        try
        {
            return new CaughtSignals();
        }
        catch (RemoteException)
        {
            return null;
        }
    }

    // By that signal, so that a shell's loop ends too.
    private static int Interrupt(IPidSpace space, int signal)
    {
        int last = space.ReadLastPid();
        Output.Say(Name, last < 0 ? "interrupted" : string.Concat("interrupted: last_pid is ", last.ToString(CultureInfo.InvariantCulture)));
        space.Dispose();
        CaughtSignals.Suffer(signal);
        return 128 + signal;
    }

    // A thread's number may still be taken when the next process is made, whoever waits for what (release_task,
    // kernel/exit.c, frees it last since 6.15). So where that process should get the number of one of nslp's threads, nslp
    // starts anew: its threads then have later numbers. Where it cannot, it goes on.
    private static void MakeWay(IPidSpace space, int target)
    {
        PidSet own = space.ReadOwnNumbers();
        int next = target + 1;
        while (!PidSetModule.contains(next, own) && space.IsHeld(next))
        {
            next++;
        }

        if (space is OwnPidSpace && next != Environment.ProcessId && PidSetModule.contains(next, own)
            && !OwnProgram.IsRestarted)
        {
            _ = OwnProgram.RestartOnce();
        }
    }

    // A number that nslp itself holds cannot be consumed. That of one of its threads is free after a new start.
    private static int MakeWay(SetOptions options, IPidSpace space, int ours)
    {
        string message = $"cannot make {options.Pid} the last PID: nslp itself got PID {ours}";
        if ((space is OwnPidSpace && ours == Environment.ProcessId) || OwnProgram.IsRestarted)
        {
            return Output.Fail(Name, message, 0, "the same call once more works, as it gets another PID");
        }

        space.Dispose();
        return Output.Fail(Name, $"{message}, and cannot start again", -OwnProgram.RestartOnce());
    }

    private static int Finish(SetOptions options, long start, string method, Landing? landing, IPidSpace space)
    {
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int last = landing?.LastPid ?? options.Pid;
        if (options.Verbose)
        {
            Output.Say(
                Name,
                landing is null
                    ? $"last_pid is {last}, by write"
                    : string.Create(
                        CultureInfo.InvariantCulture,
                        $"last_pid is {last}, by {space.Flavour}: {landing.Consumed} PIDs consumed, {landing.Wasted} of "
                        + $"them beyond the distance, {landing.Overshoots} overshoots, {landing.Reads} reads, {seconds:F3} s, "
                        + $"{landing.LastPart.TotalMilliseconds:F1} ms of them for the last 1000"));
        }

        int status = Output.Done;
        if (options.Json)
        {
            string cycle = landing is null
                ? ""
                : $",\"flavour\":\"{space.Flavour}\",\"consumed\":{landing.Consumed},\"wasted\":{landing.Wasted}"
                    + $",\"overshoots\":{landing.Overshoots},\"reads\":{landing.Reads}"
                    + string.Create(
                        CultureInfo.InvariantCulture, $",\"last_thousand_seconds\":{landing.LastPart.TotalSeconds:F6}");
            status = Output.Print(
                Name,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{{\"pid\":{options.Pid},\"last_pid\":{last},\"method\":\"{method}\"{cycle},\"seconds\":{seconds:F6}}}\n"));
        }

        if (space is RemotePidSpace)
        {
            // Not by the death of nslp: its number in there must be free for the next process.
            space.Dispose();
        }
        else if (status == Output.Done && OwnProgram.HasThreadFrom(options.Pid))
        {
            OwnProgram.ExitAfterThreads();
        }

        Kernel.exit_group(status);
        return status;
    }
}
