using System.Diagnostics;

namespace SetNsLastPid.Commands;

/// <summary>
/// Measures things that are to be compared: all of them in each of several rounds, so that what else the machine does
/// meanwhile meets all alike.
/// </summary>
/// <param name="progress">Is told what comes next, and which part of all is done.</param>
internal sealed class BenchMeter(Action<BenchResult, double> progress)
{
    private const int Rounds = 3;

    private readonly List<Entry> _entries = [];

    /// <summary>Adds a thing to measure.</summary>
    /// <param name="result">Its names.</param>
    /// <param name="work">Does it over and over for so many ticks of <see cref="Stopwatch"/>, and returns how often a second
    /// it did, or an errno turned.</param>
    internal void Add(BenchResult result, Func<long, double> work) => _entries.Add(new Entry(result, work));

    /// <summary>Adds a thing that cannot be done here.</summary>
    internal void AddFailed(BenchResult result) => _entries.Add(new Entry(result, null));

    /// <summary>Measures.</summary>
    /// <param name="seconds">How long that may take.</param>
    internal List<BenchResult> Run(double seconds)
    {
        int count = Math.Max(_entries.Count(entry => entry.Work is not null), 1);
        long slice = (long)(seconds * Stopwatch.Frequency / count / Rounds);
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < _entries.Count; i++)
            {
                Entry entry = _entries[i];
                progress(entry.Result, (((double)i / _entries.Count) + round) / Rounds);
                entry.Measure(slice);
            }
        }

        return _entries.ConvertAll(entry => entry.Result);
    }

    private sealed class Entry(BenchResult result, Func<long, double>? work)
    {
        private readonly List<double> _rates = [];
        private int _error = result.Error;

        internal Func<long, double>? Work => work;

        internal BenchResult Result => _error != 0 || _rates.Count == 0
            ? result with { PerSecond = 0, Error = _error }
            : result with { PerSecond = _rates.Order().ElementAt(_rates.Count / 2) };

        internal void Measure(long slice)
        {
            if (work is null || _error != 0)
            {
                return;
            }

            double rate = work(slice);
            _error = (int)-Math.Min(rate, 0);
            _rates.Add(rate);
        }
    }
}
