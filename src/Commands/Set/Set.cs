using System.Text.Json;
using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp set</c>: makes a number the last PID, so that the next process gets the first free one above.</summary>
/// <remarks>
/// Once the number is set, nslp must not take a PID itself: it writes what there is to say with write(2) and ends the
/// process by exit_group, since the runtime's own way out may make a thread.
/// </remarks>
internal sealed class Set(SetOptions options, PidSpace space)
{
    private const string Name = "set";

    // Threads made later have later numbers; where there are hardly any others, perhaps again some that are in the way.
    private const int MostRenewals = 5;

    // How long to wait for another's lock, and how often to write again when others fork, without --timeout.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly long _start = Stopwatch.GetTimestamp();
    private LandingRun? _landing;
    private int _pidMax;
    private int _lastPid;
    private int _signal;

    /// <summary>Does not return once the number is set.</summary>
    internal static int Run(SetOptions options)
    {
        if (options.Flavour is not null && Flavour.Find(options.Flavour) is null)
        {
            return Output.Wrong(Name, $"flavour '{options.Flavour}' is not one of {Flavour.Names}");
        }

        try
        {
            using PidSpace space = PidSpace.Open(options.Target);
            return new Set(options, space).Run();
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    private int Run()
    {
        _pidMax = Output.Of(space.ReadPidMax(), Stage.ReadPidMax);
        if (Goal.First - (Goal.OrNext ? 1 : 0) >= _pidMax)
        {
            return Output.Fail(Name, Words.beyond(Goal, _pidMax, Kernel.Rules.PidMaxPerNamespace));
        }

        // Asked beforehand: it takes time, in which others may fork.
        if (Goal.OrNext && Goal.First < _pidMax && !space.IsOwn(Goal.First)
            && HolderText.Describe(space.FindHolder(Goal.First)) is { } holder)
        {
            Output.Say(Name, $"warning: {Goal.First} is taken by {holder}; the next process gets another PID");
        }

        End end = End.Done;
        for (var methods = Approach.methods(options.Method, makesProcess: false, ListModule.OfArray([Goal])); !methods.IsEmpty; methods = methods.Tail)
        {
            end = methods.Head.IsWrite ? Write() : Cycle();
            if (!Approach.goesOn(end))
            {
                break;
            }

            if (options.Verbose && !methods.Tail.IsEmpty && end is End.Failed refused)
            {
                Output.Say(Name, $"cannot write ns_last_pid: {Output.Describe(refused.Errno)}; cycling");
            }
        }

        return _signal != 0 ? Interrupt() : end.IsDone ? Finish() : Fail(end);
    }

    private Goal Goal => options.Goal;

    private long Deadline => LandingRun.After(options.Timeout, _start);

    private TimeSpan Patience => Stopwatch.GetElapsedTime(
        Stopwatch.GetTimestamp(), Math.Min(Deadline, Stopwatch.GetTimestamp() + (long)(s_patience.TotalSeconds * Stopwatch.Frequency)));

    private End Write()
    {
        long since = Stopwatch.GetTimestamp();
        TimeSpan patience = Patience;
        while (true)
        {
            int next = Goal.OrNext ? Goal.First : new PickRun(space, Goal, _pidMax).FindFree();
            if (next == 0)
            {
                return End.Taken;
            }

            _lastPid = next - 1;
            End end = space.WriteLastPid(_lastPid, patience - Stopwatch.GetElapsedTime(since));
            SysResult last = end.IsDone ? space.ReadLastPid() : default;
            if (!end.IsDone || last.IsError || last.Value == _lastPid)
            {
                return last.IsError ? End.NewFailed(Stage.ReadLastPid, last.Error) : end;
            }

            // Somebody forked between the write and the read.
            if (Stopwatch.GetElapsedTime(since) >= patience)
            {
                return End.NewFailed(Stage.WriteLastPid, Errno.ETIMEDOUT);
            }
        }
    }

    private End Cycle()
    {
        // Of two that cycle at the same time each takes the other past its target.
        Errno error = space.Lock(Patience);
        if (Approach.needsLock(error))
        {
            return End.NewFailed(Stage.LockLastPid, error);
        }

        // Made before the threads: those with a table of open files of their own have a copy, and may be who gets a signal.
        using CaughtSignals? caught = TryMake();
        error = space.PrepareToConsume(options.Flavour);
        for (int i = 0; error == 0 && i < MostRenewals && space.IsHere && IsThreadInTheWay(); i++)
        {
            space.EndThreads();
            error = space.PrepareToConsume(options.Flavour);
        }

        if (error != 0)
        {
            return End.NewFailed(Stage.ConsumePids, error);
        }

        CycleProgress progress = new(Name);
        _landing = new LandingRun(space, Goal, space.ReadOwnNumbers, IsInterrupted, progress);
        caught?.CatchEnd();
        End end = _landing.Run(Deadline);
        progress.Hide();
        caught?.Release();
        return IsInterrupted() ? End.Interrupted : end;

        bool IsInterrupted()
        {
            _signal = _signal == 0 && caught is not null ? caught.Next(wait: false).Number : _signal;
            return _signal != 0;
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
    private int Interrupt()
    {
        SysResult last = space.ReadLastPid();
        _ = Output.Fail(Name, Words.set(Attempted(last.IsError ? -1 : last.Value), End.Interrupted));
        if (options.Json)
        {
            Output.PrintError(Name);
        }

        space.Dispose();
        CaughtSignals.Suffer(_signal);
        return 128 + _signal;
    }

    private int Fail(End end) => Output.Fail(Name, Words.set(Attempted(_landing?.State.LastPid ?? -1), end));

    private Attempted Attempted(int lastPid) => new(
        ListModule.OfArray([Goal]), options.Timeout, lastPid, 0, options.Flavour,
        HolderText.DescribeLocker(space), "--method cycle works", _landing?.Needed ?? 0);

    // A thread's number cannot be consumed while it lives, and may still be taken when the next process is made, whoever waits
    // for what (release_task, kernel/exit.c, frees it last since 6.15).
    private bool IsThreadInTheWay()
    {
        PidSet own = space.ReadOwnNumbers();
        int first = Goal.First - 1, last = Goal.First;
        for (; first > 0 && IsPassedOver(first); first--)
        {
        }

        for (; IsPassedOver(last); last++)
        {
        }

        return Enumerable.Range(first, last + Goal.Room - first + 1)
            .Any(number => number != Environment.ProcessId && PidSetModule.contains(number, own));
        bool IsPassedOver(int number) => !PidSetModule.contains(number, own) && space.IsHeld(number);
    }

    private int Finish()
    {
        double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        int last = _landing?.State.LastPid ?? _lastPid;
        string flavour = space.Cycler?.Flavour.Name ?? "";
        if (options.Verbose)
        {
            Output.Say(
                Name,
                _landing is null
                    ? $"last_pid is {last}, by write"
                    : $"last_pid is {last}: consumed {_landing.State.Consumed} PIDs in {seconds:F3} s by {flavour} ({_landing.State.Wasted} too "
                        + $"many, {_landing.State.Overshoots} overshoots, {_landing.State.Reads} reads; the last 1000 took {_landing.LastPart.TotalMilliseconds:F1} ms)");
        }

        int status = options.Json ? Output.PrintJson(Name, json => Write(json, last, flavour, seconds)) : Output.Done;
        // Not by the death of nslp: the number of its helper or threads must be free for the next process.
        space.Dispose();
        Kernel.exit_group(status);
        return status;
    }

    private void Write(Utf8JsonWriter json, int last, string flavour, double seconds)
    {
        WriteJson(json, Goal, _landing is null ? "write" : "cycle", last, seconds);
        json.WriteMaybe("cycling", _landing is not null, () =>
        {
            json.WriteString("flavour", flavour);
            json.WriteNumber("consumed", _landing!.State.Consumed);
            json.WriteNumber("wasted", _landing.State.Wasted);
            json.WriteNumber("overshoots", _landing.State.Overshoots);
            json.WriteNumber("reads", _landing.State.Reads);
            json.WriteSeconds("last_thousand_seconds", _landing.LastPart.TotalSeconds);
        });
    }

    /// <summary>The fields of the object that each way has.</summary>
    /// <param name="last">last_pid; null where that is not known.</param>
    internal static void WriteJson(Utf8JsonWriter json, Goal goal, string method, int? last, double seconds)
    {
        json.WriteMaybe("pid", goal.OrNext ? goal.First - 1 : null);
        json.WriteMaybe("first", goal.OrNext ? null : goal.First);
        json.WriteMaybe("last", goal.OrNext ? null : goal.Last);
        json.WriteMaybe("last_pid", last);
        json.WriteString("method", method);
        json.WriteSeconds("seconds", seconds);
    }
}
