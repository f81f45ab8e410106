namespace SetNsLastPid.Commands;

/// <summary>What one thing that <c>nslp bench</c> tried came to.</summary>
/// <param name="Group">What it is one of several ways of.</param>
/// <param name="Name">The way; stable.</param>
/// <param name="Threads">On how many threads, 0 where that has no meaning.</param>
/// <param name="PerSecond">The median over the rounds of how often a second it was done; 0 if it failed.</param>
/// <param name="Slowest">That of the slowest round.</param>
/// <param name="Fastest">That of the fastest round.</param>
/// <param name="Error">The errno with which it failed, 0 if it did not.</param>
internal sealed record BenchResult(
    string Group, string Name, int Threads, double PerSecond = 0, Errno Error = 0, double Slowest = 0, double Fastest = 0);

/// <summary>Times of all processors together since the machine started, and of this process and its children, in ticks.</summary>
internal readonly record struct CpuTimes(double All, double Idle, double Stolen, double Own)
{
    internal static CpuTimes Read()
    {
        double[] all = Numbers("/proc/stat\0"u8, "cpu"), own = Numbers("/proc/self/stat\0"u8, ") ");
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests had is part of user. utime to cstime are fields 14 to 17.
        return all.Length < 8 || own.Length < 15 ? default : new(all[..8].Sum(), all[3] + all[4], all[7], own[11..15].Sum());
    }

    /// <summary>Which part of the processors' time since then was stolen by the host, and which others had.</summary>
    internal (double Stolen, double Others) Since(CpuTimes then)
    {
        double all = Math.Max(All - then.All, 1);
        double stolen = (Stolen - then.Stolen) / all;
        return (stolen, Math.Max(1 - ((Idle - then.Idle + Own - then.Own) / all) - stolen, 0));
    }

    private static double[] Numbers(ReadOnlySpan<byte> path, string before)
    {
        byte[] bytes = new byte[4096];
        string text = Encoding.ASCII.GetString(bytes, 0, Proc.ReadAny(path, bytes) is { IsError: false, Value: var length } ? length : 0).Split('\n')[0];
        return [.. text[(text.LastIndexOf(before, StringComparison.Ordinal) + before.Length)..]
            .Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => double.TryParse(word, out double number) ? number : 0)];
    }
}

/// <summary>How often a second a thing was done, or why it could not be.</summary>
internal readonly record struct Rate(double PerSecond, Errno Error)
{
    /// <summary>Does a thing over and over.</summary>
    /// <param name="ticks">For so many ticks of <see cref="Stopwatch"/>.</param>
    /// <param name="each">How often <paramref name="act"/> does it.</param>
    internal static Rate Of(long ticks, int each, Func<Errno> act)
    {
        long start = Stopwatch.GetTimestamp(), done = 0;
        while (Stopwatch.GetTimestamp() - start < ticks)
        {
            if (act() is not 0 and var error)
            {
                return new Rate(0, error);
            }

            done += each;
        }

        return Of(done, start);
    }

    internal static Rate Of(long done, long start) => new(done / Stopwatch.GetElapsedTime(start).TotalSeconds, 0);
}

/// <summary>Measures things that are to be compared: all of them in each of several rounds, so that what else the machine
/// does meanwhile meets all alike.</summary>
/// <param name="progress">Is told what comes next, and which part of all is done.</param>
internal sealed class BenchMeter(Action<BenchResult, double> progress)
{
    /// <summary>How often each is measured; odd, for the median.</summary>
    internal const int Rounds = 5;

    private readonly List<Entry> _entries = [];

    /// <param name="work">Does it over and over for so many ticks of <see cref="Stopwatch"/>.</param>
    internal void Add(BenchResult result, Func<long, Rate> work) => _entries.Add(new Entry(result, work));

    /// <param name="seconds">How long that may take.</param>
    internal List<BenchResult> Run(double seconds)
    {
        int count = Math.Max(_entries.Count(entry => entry.Names.Error == 0), 1);
        long slice = (long)(seconds * Stopwatch.Frequency / count / Rounds);
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < _entries.Count; i++)
            {
                progress(_entries[i].Names, (((double)i / _entries.Count) + round) / Rounds);
                _entries[i].Measure(slice);
            }
        }

        return _entries.ConvertAll(entry => entry.Result);
    }

    private sealed class Entry(BenchResult names, Func<long, Rate> work)
    {
        private readonly List<double> _rates = [];
        private Errno _error = names.Error;

        internal BenchResult Names => names;

        internal BenchResult Result => _error != 0
            ? names with { Error = _error }
            : names with { PerSecond = _rates.Order().ElementAt(_rates.Count / 2), Slowest = _rates.Min(), Fastest = _rates.Max() };

        internal void Measure(long slice)
        {
            if (_error == 0)
            {
                (double perSecond, _error) = work(slice);
                _rates.Add(perSecond);
            }
        }
    }
}
