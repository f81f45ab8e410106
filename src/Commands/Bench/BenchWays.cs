namespace SetNsLastPid.Commands;

internal static class BenchWays
{
    internal const string Consume = "consume";

    internal const string LastPidFile = "last_pid";

    /// <summary>The group of ways to a process, chosen PID or not, until it is waited for.</summary>
    internal const string Processes = "process";

    private const int Batch = 16;
    private const int Distance = 100;

    internal static void AddConsuming(BenchMeter meter, LastPid lastPid, IReadOnlyList<int> threads)
    {
        foreach (Flavour way in Flavour.All)
        {
            Errno error = CyclingProbe.Probe(way, lastPid);
            foreach (int count in error == 0 ? threads : [0])
            {
                meter.Add(new BenchResult(Consume, way.Name, count, 0, error), ticks => Cycle(way, count, ticks));
            }
        }
    }

    /// <summary>Adds reading and writing last_pid, with the file kept open and opened anew.</summary>
    /// <param name="mayWrite">Whether nobody else is troubled by a last_pid written.</param>
    internal static void AddLastPid(BenchMeter meter, bool mayWrite)
    {
        Add("read", "open-read-close", () => LastPid.OpenForReading(), file => file.Read().Error);
        if (mayWrite)
        {
            Add("write", "open-write-close", () => LastPid.OpenForWriting(), file => file.Write(1000));
        }

        void Add(string open, string anew, Func<LastPid> opener, Func<LastPid, Errno> act)
        {
            meter.Add(
                new BenchResult(LastPidFile, open, 0),
                ticks => Use(opener, file => Rate.Of(ticks, Batch, () => Repeat(() => act(file))), error => new Rate(0, error)));
            meter.Add(
                new BenchResult(LastPidFile, anew, 0),
                ticks => Rate.Of(ticks, Batch, () => Repeat(() => Use(opener, act, error => error))));
        }
    }

    /// <summary>Adds ways to a process, made and waited for by the zygote.</summary>
    /// <param name="best">The way to consume PIDs, or null for none.</param>
    /// <param name="pid">The PID to choose, which must be free.</param>
    /// <param name="mayWrite">Whether nobody else is troubled by a last_pid written.</param>
    internal static void AddProcesses(BenchMeter meter, Zygote zygote, Flavour? best, int pid, bool mayWrite)
    {
        Add("clone-wait", () => Breeder.ByClone(zygote, Batch));
        Add("clone3-set-tid-wait", () => Breeder.BySetTid(zygote, Batch, pid));
        if (mayWrite)
        {
            Add("lock-write-clone-wait", () => Breeder.ByWrite(zygote, Batch, pid));
        }

        if (best is not null)
        {
            meter.Add(new BenchResult(Processes, $"cycle-{Distance}-clone-wait", 0), ticks =>
            {
                // No thread, so that the zygote stays the child of a process with one.
                using Cycler cycler = new(best, 1);
                using Breeder breeder = Breeder.ByClone(zygote, 1);
                return Rate.Of(ticks, 1, () =>
                    cycler.Burst(Distance - 1, long.MaxValue).Error is not 0 and var error ? error : breeder.Run());
            });
        }

        void Add(string name, Func<Breeder> make) => meter.Add(new BenchResult(Processes, name, 0), ticks =>
        {
            using Breeder breeder = make();
            return Rate.Of(ticks, Batch, breeder.Run);
        });
    }

    // The threads are made beforehand, as they are for a lap.
    private static Rate Cycle(Flavour way, int threads, long ticks)
    {
        using Cycler cycler = new(way, threads);
        long start = Stopwatch.GetTimestamp();
        CycleResult result = cycler.Burst(long.MaxValue / 2, start + ticks);
        return result.Error != 0 ? new Rate(0, result.Error) : Rate.Of(result.Consumed, start);
    }

    private static T Use<T>(Func<LastPid> open, Func<LastPid, T> act, Func<Errno, T> fail)
    {
        using LastPid file = open();
        return file.Error != 0 ? fail(file.Error) : act(file);
    }

    private static Errno Repeat(Func<Errno> act)
    {
        Errno error = 0;
        for (int i = 0; i < Batch && error == 0; i++)
        {
            error = act();
        }

        return error;
    }
}
