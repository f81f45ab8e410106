namespace SetNsLastPid.Commands;

/// <summary><c>nslp map --watch</c>: the picture drawn over and over, and how fast PIDs go, until when, and to whom.</summary>
internal sealed class MapWatch(PidSpace space, MapOptions options, MapFacts facts)
{
    private const string Name = "map";
    private const int FramesRemembered = 6;
    private const int MostMakers = 3;
    private const int MostRows = 16;
    private const int FewestRows = 2;
    private const double Forgotten = 0.1;

    // So many of the latest numbers are looked at each time: who made the ones that are still there.
    private const int Samples = 4;

    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan s_frame = TimeSpan.FromMilliseconds(500);

    private readonly Queue<(long Time, long Consumed)> _frames = [];

    // By process: how many of the samples it made, the older the less, and its command line.
    private readonly Dictionary<int, (double Share, string Command)> _makers = [];
    private MapFacts _facts = facts;
    private long _consumed;
    private double _unseen;

    /// <summary>Draws until q is pressed, or a signal comes.</summary>
    /// <returns>The exit status: 0 after q or Ctrl-C, 128 + n after another signal n.</returns>
    internal int Run()
    {
        (int signal, Errno error) = Loop();
        return error != 0 ? Output.Fail(Name, "cannot read or draw the PID space", error)
            : signal == SIGINT ? Output.Done
            : 128 + signal;
    }

    private (int Signal, Errno Error) Loop()
    {
        using MapScreen screen = new();
        while (true)
        {
            _frames.Enqueue((Stopwatch.GetTimestamp(), _consumed));
            if (_frames.Count > FramesRemembered)
            {
                _frames.Dequeue();
            }

            Errno error = screen.Draw(Frame(Look.Of(options.Color)));
            for (long start = Stopwatch.GetTimestamp(); error == 0 && Stopwatch.GetElapsedTime(start) < s_frame;)
            {
                if (screen.TakeSignal() is not 0 and var signal)
                {
                    return (signal, 0);
                }

                Thread.Sleep(s_tick);
                error = Tick();
            }

            error = error != 0 ? error : Scan();
            if (error != 0)
            {
                return (0, error);
            }
        }
    }

    private Errno Tick()
    {
        SysResult read = space.ReadLastPid();
        if (read.IsError)
        {
            return read.Error;
        }

        int last = read.Value;
        int consumed = PidMap.consumed(last, _facts.Namespace);
        _consumed += consumed;
        _facts = _facts with { LastPid = last };
        for (int i = 0; i < Math.Min(consumed, Samples) && last - i > 0; i++)
        {
            int maker = ProcTable.FindMaker(space.ProcDirectory, last - i);
            if (maker == 0)
            {
                _unseen++;
            }
            else
            {
                // Read while it is there.
                _makers[maker] = _makers.TryGetValue(maker, out (double Share, string Command) known)
                    ? known with { Share = known.Share + 1 }
                    : (1, Proc.ReadCommandLine(space.ProcDirectory, maker));
            }
        }

        return 0;
    }

    private Errno Scan()
    {
        const double older = 1 - (1.0 / FramesRemembered);
        _unseen *= older;
        foreach ((int maker, (double share, string command)) in _makers)
        {
            _makers[maker] = (share * older, command);
            if (share * older < Forgotten)
            {
                _makers.Remove(maker);
            }
        }

        Errno error = MapFacts.Read(space, options.Pid, out MapFacts? now);
        if (now is not null)
        {
            _consumed += PidMap.consumed(now.LastPid, _facts.Namespace);
            _facts = now;
        }

        return error;
    }

    private string Frame(Look look)
    {
        MapText map = new(look);
        int rows = Math.Clamp(look.Rows - MapText.OtherLines - MostMakers - 2, FewestRows, MostRows);
        StringBuilder text = new(map.Draw(_facts, rows));
        (long start, long before) = _frames.Peek();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double rate = _frames.Count > 1 ? (_consumed - before) / seconds : 0;
        string wrap = rate > 0
            ? $"the wrap comes in {Duration(PidMap.untilWrap(_facts.Namespace) / rate)}"
            : "no wrap in sight";
        text.Append($"\n {look.Paint(Colour.Bold, $"{rate.ToString(rate is > 0 and < 10 ? "F1" : "F0")} PIDs/s")}, {wrap}\n");
        AppendMakers(text, look);
        // A line too long or too many would scroll.
        string[] lines = text.ToString().TrimEnd('\n').Split('\n');
        return string.Join('\n', lines.Take(look.Rows).Select(look.Cut));
    }

    private void AppendMakers(StringBuilder text, Look look)
    {
        double all = _unseen + _makers.Values.Sum(maker => maker.Share);
        if (all < 1)
        {
            return;
        }

        foreach ((int maker, (double share, string command)) in
            _makers.OrderByDescending(maker => maker.Value.Share).Take(MostMakers))
        {
            text.Append(look.Fit($" {100 * share / all,3:F0} % by {maker} {command}", command)).Append('\n');
        }

        text.Append($" {100 * _unseen / all,3:F0} % by processes that ended too soon to be seen\n");
    }

    private static string Duration(double seconds) => seconds switch
    {
        < 100 => $"{seconds:F0} s",
        < 6000 => $"{seconds / 60:F0} min",
        < 360_000 => $"{seconds / 3600:F0} h",
        _ => $"{seconds / 86400:F0} days",
    };
}
