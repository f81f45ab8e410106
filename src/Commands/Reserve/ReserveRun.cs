namespace SetNsLastPid.Commands;

/// <summary>Carries out what <see cref="ReserveModule"/> decides, and tells what it finds.</summary>
internal sealed class ReserveRun(string name, PidSpace space, int first, int last)
{
    // More than there ever are between two sleeps, unless each write is undone.
    private const int MostSteps = 100;

    private static readonly long s_microsecond = Stopwatch.Frequency / 1_000_000;
    private static readonly long s_millisecond = Stopwatch.Frequency / 1000;

    private Reservation _state = ReserveModule.start(ReserveModule.rules, first, last);
    private bool _isTightTold;
    // When each kind of news was last told: that nslp ran late, and that last_pid went into the range.
    private readonly long[] _lastTold = [0, 0];
    private long _untold;

    /// <summary>Whether the range is kept from now on.</summary>
    internal bool IsKept => _state.IsKept;

    /// <summary>Whether it was kept all the time, as far as is known.</summary>
    internal bool WasKept { get; private set; } = true;

    /// <summary>Why it cannot be kept any more; <see cref="End.Done"/> as long as it can.</summary>
    internal End Failure { get; private set; } = End.Done;

    /// <summary>How often last_pid was looked at.</summary>
    internal long Looks { get; private set; }

    /// <summary>How often it was written.</summary>
    internal long Writes { get; private set; }

    /// <summary>Looks, and moves last_pid where that is due.</summary>
    /// <returns>When to do so again, a time of <see cref="Stopwatch.GetTimestamp"/>; never after a failure.</returns>
    internal long Work()
    {
        for (int i = 0; Failure.IsDone && i < MostSteps; i++)
        {
            if (Step() is { } until)
            {
                return until;
            }
        }

        return Failure.IsDone ? Stopwatch.GetTimestamp() + s_millisecond : long.MaxValue;
    }

    /// <summary>Tells what was not told, as it came too soon after something else.</summary>
    internal void Finish()
    {
        if (_untold > 0)
        {
            Output.Say(name, $"and {Times(_untold)}");
        }
    }

    private static string Times(long more) => more == 1 ? "once more" : $"{more} more times";

    private static long Now => Stopwatch.GetTimestamp() / s_microsecond;

    // When to look again; null for at once.
    private long? Step()
    {
        long now = Now;
        SysResult lastPid = space.ReadLastPid(), pidMax = space.ReadPidMax();
        if (lastPid.IsError || pidMax.IsError)
        {
            Failure = lastPid.IsError ? End.NewFailed(Stage.ReadLastPid, lastPid.Error) : End.NewFailed(Stage.ReadPidMax, pidMax.Error);
            return null;
        }

        Looks++;
        (ReserveStep step, _state) =
            ReserveModule.look(now, lastPid.Value, pidMax.Value, space.CountNumbersInUseAtMost(), _state);
        Tell(Words.reserveNews(first, last, _state.News));
        switch (step)
        {
            case ReserveStep.Sleep sleep:
                if (_state.IsTight && !_isTightTold)
                {
                    _isTightTold = true;
                    Output.Say(name, Words.reserveTight(first, last, _state.Room));
                }

                return sleep.Until * s_microsecond;
            case ReserveStep.Write write:
                End end = space.WriteLastPid(write.LastPid, TimeSpan.Zero);
                space.Unlock();
                if (end.IsDone)
                {
                    Writes++;
                    return null;
                }

                _state = ReserveModule.notWritten(lastPid.Value, _state);
                if (end is End.Failed { Stage.IsLockLastPid: true, Errno: Errno.ETIMEDOUT })
                {
                    return Stopwatch.GetTimestamp() + s_millisecond;
                }

                Failure = end;
                return null;
            default:
                // Of hidden ones each may be in use.
                PidSet inUse = space.MayBeBlind
                    ? PidSetModule.addRange(1, pidMax.Value - 1, PidSetModule.empty)
                    : space.ReadNumbersInUse();
                _state = ReserveModule.scanned(now, Now, inUse, _state);
                return null;
        }
    }

    // A line a second at most.
    private void Tell(string? news)
    {
        if (news is null)
        {
            return;
        }

        WasKept = false;
        long now = Stopwatch.GetTimestamp();
        ref long lastTold = ref _lastTold[_state.News.IsCrossed ? 1 : 0];
        if (lastTold != 0 && now - lastTold < Stopwatch.Frequency)
        {
            _untold++;
            return;
        }

        Output.Say(name, _untold == 0 ? news : $"{news} (and {Times(_untold)})");
        (lastTold, _untold) = (now, 0);
    }
}
