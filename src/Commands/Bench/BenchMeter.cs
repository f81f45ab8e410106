namespace SetNsLastPid.Commands;

/// <summary>What one thing that <c>nslp bench</c> tried came to.</summary>
/// <param name="Group">What it is one of several ways of.</param>
/// <param name="Name">The way; stable.</param>
/// <param name="Threads">On how many threads, 0 where that has no meaning.</param>
/// <param name="PerSecond">The median over the rounds of how often a second it was done; 0 if it failed.</param>
/// <param name="Error">The errno with which it failed, 0 if it did not.</param>
internal sealed record BenchResult(string Group, string Name, int Threads, double PerSecond = 0, Errno Error = 0);

/// <summary>How often a second a thing was done, or why it could not be.</summary>
internal readonly record struct Rate(double PerSecond, Errno Error)
{
    /// <summary>Does a thing over and over.</summary>
    /// <param name="ticks">For so many ticks of <see cref="Stopwatch"/>.</param>
    /// <param name="each">How often <paramref name="act"/> does it.</param>
    /// <param name="act">Does it.</param>
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
    private const int Rounds = 3;

    private readonly List<Entry> _entries = [];

    /// <summary>Adds a thing to measure.</summary>
    /// <param name="work">Does it over and over for so many ticks of <see cref="Stopwatch"/>.</param>
    internal void Add(BenchResult result, Func<long, Rate> work) => _entries.Add(new Entry(result, work));

    /// <summary>Measures.</summary>
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
            : names with { PerSecond = _rates.Order().ElementAt(_rates.Count / 2) };

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
