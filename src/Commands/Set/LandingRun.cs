namespace SetNsLastPid.Commands;

/// <summary>Carries out what <see cref="Landing"/> decides.</summary>
/// <param name="space">The namespace, prepared to consume.</param>
/// <param name="goal">Where the next PID shall lie.</param>
/// <param name="own">Reads the numbers in use that are free when the next process is made.</param>
/// <param name="interrupt">Asked some fifty times a second whether to stop; null for never. It must not consume a PID.</param>
/// <param name="progress">Where to show how far it is, or null.</param>
internal sealed class LandingRun(
    PidSpace space, Goal goal, Func<PidSet> own, Func<bool>? interrupt = null, CycleProgress? progress = null)
{
    // A burst of a long lap takes seconds. So often somebody who looks on sees it move, and may stop it.
    private static readonly long s_slice = Stopwatch.Frequency / 50;

    // What counts as the last part of the way in LastPart.
    private const int LastPartLength = 1000;

    private bool _isInterrupted;
    private long _lastSlice;
    private long _lastPartStart;
    private long _start;
    private double _whole;

    /// <summary>How far it is.</summary>
    internal Landing State { get; private set; } = LandingModule.start(LandingModule.rules, goal, 0);

    /// <summary>How long it took from when 1,000 allocations or fewer were left until it landed, overshoots included.</summary>
    internal TimeSpan LastPart { get; private set; }

    /// <summary>About how many seconds it takes in all; 0 where that is not known.</summary>
    internal double Needed => _whole == 0 || State.Consumed == 0 ? 0
        : Stopwatch.GetElapsedTime(_start).TotalSeconds * Math.Max(_whole / State.Consumed, 1);

    /// <summary>The time of <see cref="Stopwatch.GetTimestamp"/> so many seconds after another; never, for infinitely many.</summary>
    internal static long After(double seconds, long start) =>
        double.IsFinite(seconds) ? start + (long)(seconds * Stopwatch.Frequency) : long.MaxValue;

    /// <summary>Runs until an end.</summary>
    /// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/>.</param>
    internal End Run(long deadline)
    {
        _start = Stopwatch.GetTimestamp();
        SysResult pidMax = space.ReadPidMax();
        if (pidMax.IsError)
        {
            return End.NewFailed(Stage.ReadPidMax, pidMax.Error);
        }

        State = LandingModule.start(LandingModule.rules, goal, pidMax.Value);
        while (true)
        {
            SysResult last = space.ReadLastPid();
            if (last.IsError)
            {
                return End.NewFailed(Stage.ReadLastPid, last.Error);
            }

            (LandingStep step, State) = LandingModule.next(last.Value, State);
            if (State.Left != int.MaxValue)
            {
                _whole = State.Left + (double)State.Consumed;
                _lastPartStart = _lastPartStart == 0 && State.Left <= LastPartLength ? Stopwatch.GetTimestamp() : _lastPartStart;
                progress?.Look(State.Left, last.Value);
            }

            switch (step)
            {
                case { IsScan: true }:
                    State = LandingModule.scanned(space.ReadNumbersInUse(), own(), State);
                    break;
                case LandingStep.Look look:
                    State = LandingModule.looked(
                        look.Ranges.SelectMany(range => Enumerable.Range(range.Item1, range.Item2 - range.Item1 + 1)).Where(space.IsHeld),
                        State);
                    break;
                case LandingStep.Consume when Stopwatch.GetTimestamp() >= deadline:
                    return End.TimedOut;
                case LandingStep.Consume when IsInterrupted():
                    return End.Interrupted;
                case LandingStep.Consume { Count: var count }:
                    CycleResult result = Consume(count, deadline);
                    State = LandingModule.consumed(count, result.Consumed, State);
                    if (result.Error != 0)
                    {
                        return End.NewFailed(Stage.ConsumePids, result.Error);
                    }

                    break;
                case { IsLanded: true }:
                    LastPart = _lastPartStart == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_lastPartStart);
                    return End.Done;
                case LandingStep.Hopeless hopeless:
                    return End.NewHopeless(hopeless.Why);
                default:
                    return End.OutOfLaps;
            }
        }
    }

    private CycleResult Consume(int count, long deadline)
    {
        CycleResult whole = default;
        while (whole.Consumed < count && !IsInterrupted())
        {
            CycleResult part = space.Cycler!.Burst(
                count - whole.Consumed, Math.Min(deadline, Stopwatch.GetTimestamp() + s_slice));
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
}
