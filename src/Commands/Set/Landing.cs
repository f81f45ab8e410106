using System.Diagnostics;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>How an attempt to make a number the last PID by consuming PIDs ended.</summary>
internal enum LandingEnd
{
    /// <summary>The next PID is the one that follows the target.</summary>
    Landed,

    /// <summary>No number of allocations leads there: see <see cref="Landing.Obstacle"/>.</summary>
    Hopeless,

    /// <summary>The deadline passed.</summary>
    TimedOut,

    /// <summary>Others took PIDs whenever the target was near, ten laps long.</summary>
    OutOfLaps,

    /// <summary>It was told to stop.</summary>
    Interrupted,

    /// <summary>A system call failed: see <see cref="Landing.Failure"/> and <see cref="Landing.Error"/>.</summary>
    Broken,
}

/// <summary>
/// One way to a last PID by consuming PIDs: observe the namespace, ask the model what to do, do it, until the model
/// says that it is done.
/// </summary>
/// <param name="space">The namespace.</param>
/// <param name="target">What last_pid shall be equivalent to.</param>
/// <param name="progress">Where to show how far it is, or null.</param>
/// <param name="staysAlive">Whether nslp lives on when the next process is made, and keeps its numbers.</param>
/// <param name="leaving">Reads the numbers that are free by then instead of nslp's own.</param>
/// <param name="interrupt">Asked some fifty times a second whether to stop; null for never. It must not consume a PID.</param>
internal sealed class Landing(
    IPidSpace space, int target, CycleProgress? progress = null, bool staysAlive = false, Func<PidSet>? leaving = null,
    Func<bool>? interrupt = null)
{
    /// <summary>Laps after which to give up.</summary>
    internal const int MaxLaps = 10;

    // So close, one by one: as many as others may take while a burst is under way.
    private const int Near = 16;

    // How far to look, once in each lap after the first, for numbers that are in use and that /proc hides (hidepid): where
    // they lie before the target, half of what seems to be the way may be all of it.
    private const int Far = 8192;

    // A burst of a long lap takes seconds. So often somebody who looks on sees it move, and may stop it.
    private static readonly long s_slice = Stopwatch.Frequency / 50;

    // What counts as the last part of the way in LastPart.
    private const int LastPartLength = 1000;

    private PidSet _inUse;
    private PidSet _own;
    private long _lastSlice;
    private bool _isInterrupted;
    private long _lastPartStart;
    private int _stepsSinceScan = 1;
    private int _stepsSinceLook = int.MaxValue;
    private int _lapsLooked;

    /// <summary>Why no number of allocations leads there.</summary>
    internal Obstacle? Obstacle { get; private set; }

    /// <summary>The errno of the call that failed.</summary>
    internal int Error { get; private set; }

    /// <summary>What that call was for, in words.</summary>
    internal string Failure { get; private set; } = "";

    /// <summary>last_pid when it was read last.</summary>
    internal int LastPid { get; private set; }

    /// <summary>How many PIDs were consumed.</summary>
    internal long Consumed { get; private set; }

    /// <summary>How many more were consumed than the way was long at its start.</summary>
    internal long Wasted => Math.Max(0, Consumed - Math.Max(Distance, 0));

    /// <summary>How many allocations away the target was at the start; -1 if that was not known.</summary>
    internal long Distance { get; private set; } = -1;

    /// <summary>How often last_pid was read.</summary>
    internal int Reads { get; private set; }

    /// <summary>How often the target was passed because others took PIDs.</summary>
    internal int Overshoots { get; private set; }

    /// <summary>How long it took from when 1,000 allocations or fewer were left until it landed, overshoots included.</summary>
    internal TimeSpan LastPart { get; private set; }

    /// <summary>Runs until an end.</summary>
    /// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/>.</param>
    internal LandingEnd Run(long deadline)
    {
        int pidMax = space.ReadPidMax();
        if (pidMax < 0)
        {
            return Break("cannot read pid_max", -pidMax);
        }

        Scan();
        long left = long.MaxValue;
        while (true)
        {
            int last = space.ReadLastPid();
            if (last < 0)
            {
                return Break("cannot read last_pid", -last);
            }

            Reads++;
            LastPid = last;
            PidNamespace ns = PidNamespaceModule.observed(last, pidMax, _inUse);
            Reach reach = Cycle.reach(_own, target, ns);
            if (reach is Reach.After { Allocations: var allocations })
            {
                Distance = Distance < 0 ? allocations : Distance;
                Overshoots += allocations > left ? 1 : 0;
                left = allocations;
                _lastPartStart = _lastPartStart == 0 && left <= LastPartLength ? Stopwatch.GetTimestamp() : _lastPartStart;
                progress?.Look(left, last);
            }

            switch (Cycle.next(Near, _own, target, ns))
            {
                // Anything but the target itself is believed only on numbers just read.
                case { IsLanded: true } or CycleStep.Hopeless when last != target && _stepsSinceScan > 0:
                    Scan();
                    // What was looked at one by one is forgotten with the old numbers, so that it may seem farther again.
                    _stepsSinceLook = int.MaxValue;
                    left = long.MaxValue;
                    if (_lapsLooked > 0)
                    {
                        LookAll(last, pidMax);
                    }

                    break;
                case { IsLanded: true }:
                    LastPart = _lastPartStart == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_lastPartStart);
                    return LandingEnd.Landed;
                case CycleStep.Hopeless hopeless:
                    Obstacle = hopeless.Why;
                    return LandingEnd.Hopeless;
                case CycleStep.Consume when _lapsLooked < Overshoots && Between(last, pidMax) <= Far:
                    LookAll(last, pidMax);
                    break;
                case CycleStep.Consume { Count: 1 } when _stepsSinceLook > Near:
                    LookAhead(last, pidMax);
                    break;
                case CycleStep.Consume { Count: var count }:
                    if (Stopwatch.GetTimestamp() >= deadline)
                    {
                        return LandingEnd.TimedOut;
                    }

                    if (IsInterrupted())
                    {
                        return LandingEnd.Interrupted;
                    }

                    if (Overshoots >= MaxLaps || Consumed >= (long)MaxLaps * pidMax)
                    {
                        return LandingEnd.OutOfLaps;
                    }

                    CycleResult result = Consume(count, deadline);
                    Consumed += result.Consumed;
                    _stepsSinceScan++;
                    _stepsSinceLook = count == 1 ? _stepsSinceLook + 1 : int.MaxValue;
                    if (result.Error != 0)
                    {
                        return Break("cannot consume PIDs", result.Error);
                    }

                    break;
            }
        }
    }

    private CycleResult Consume(int count, long deadline)
    {
        CycleResult whole = default;
        while (whole.Consumed < count && !IsInterrupted())
        {
            CycleResult part = space.Consume(count - whole.Consumed, Math.Min(deadline, Stopwatch.GetTimestamp() + s_slice));
            whole = part with { Consumed = whole.Consumed + part.Consumed };
            progress?.Move(part.Consumed);
            if (part.Error != 0 || Stopwatch.GetTimestamp() >= deadline)
            {
                break;
            }
        }

        return whole;
    }

    private bool IsInterrupted()
    {
        if (!_isInterrupted && interrupt is not null && Stopwatch.GetTimestamp() - _lastSlice >= s_slice)
        {
            _isInterrupted = interrupt();
            _lastSlice = Stopwatch.GetTimestamp();
        }

        return _isInterrupted;
    }

    private LandingEnd Break(string failure, int error)
    {
        (Failure, Error) = (failure, error);
        return LandingEnd.Broken;
    }

    private void Scan()
    {
        _inUse = space.ReadNumbersInUse();
        _own = leaving is not null ? leaving() : staysAlive ? PidSetModule.empty : space.ReadOwnNumbers();
        _stepsSinceScan = 0;
    }

    // The numbers on the last steps may have been taken since the scan, and a second one would take so long that others
    // may well fork meanwhile.
    private void LookAhead(int last, int pidMax)
    {
        Look(last + 1, Math.Min(last + Near, pidMax - 1));
        Look(Math.Max(target - Near, 1), Math.Min(target + Near, pidMax - 1));
        _stepsSinceLook = 0;
    }

    // How many numbers, in use or not, there are between last_pid and the target.
    private int Between(int last, int pidMax) =>
        target > last ? target - last : pidMax - last + Math.Max(target - Limits.Reserved, 0);

    private void LookAll(int last, int pidMax)
    {
        if (target > last)
        {
            Look(last + 1, target);
        }
        else
        {
            Look(last + 1, pidMax - 1);
            Look(Limits.Reserved, target);
        }

        _lapsLooked = Overshoots;
    }

    private void Look(int from, int to)
    {
        for (int pid = from; pid <= to; pid++)
        {
            _inUse = space.IsHeld(pid) ? PidSetModule.add(pid, _inUse) : _inUse;
        }
    }
}
