using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp bench</c> compares.</summary>
internal static unsafe class BenchWays
{
    /// <summary>The group of ways to consume PIDs.</summary>
    internal const string Consume = "consume";

    /// <summary>The group of ways to read and write last_pid.</summary>
    internal const string LastPidFile = "last_pid";

    /// <summary>The group of ways to a process, chosen PID or not, until it is waited for.</summary>
    internal const string Processes = "process";

    private const int Batch = 16;

    /// <summary>Adds every way to consume a PID, on as many threads as given.</summary>
    internal static void AddConsuming(BenchMeter meter, LastPid lastPid, IReadOnlyList<int> threads)
    {
        foreach (CyclingClone way in CyclingClone.All)
        {
            int error = (int)CyclingProbe.Probe(way, lastPid);
            if (error != 0)
            {
                meter.AddFailed(new BenchResult(Consume, way.Name, 0, 0, error));
                continue;
            }

            foreach (int count in threads)
            {
                meter.Add(new BenchResult(Consume, way.Name, count, 0, 0), ticks => Cycle(way, count, ticks));
            }
        }
    }

    /// <summary>Adds reading and writing last_pid, with the file kept open and opened anew.</summary>
    /// <param name="meter">Where to.</param>
    /// <param name="mayWrite">Whether nobody else is troubled by a last_pid written.</param>
    internal static void AddLastPid(BenchMeter meter, bool mayWrite)
    {
        meter.Add(new BenchResult(LastPidFile, "read", 0, 0, 0), ticks => Repeat(ticks, () => LastPid.OpenForReading(), Read));
        meter.Add(
            new BenchResult(LastPidFile, "open-read-close", 0, 0, 0),
            ticks => Repeat(ticks, null, _ => Once(() => LastPid.OpenForReading(), Read)));
        if (mayWrite)
        {
            meter.Add(new BenchResult(LastPidFile, "write", 0, 0, 0), ticks => Repeat(ticks, () => LastPid.OpenForWriting(), Write));
            meter.Add(
                new BenchResult(LastPidFile, "open-write-close", 0, 0, 0),
                ticks => Repeat(ticks, null, _ => Once(() => LastPid.OpenForWriting(), Write)));
        }
    }

    /// <summary>Adds ways to a process, made and waited for by the zygote.</summary>
    /// <param name="meter">Where to.</param>
    /// <param name="zygote">Who makes them.</param>
    /// <param name="best">The way to consume PIDs, or null for none.</param>
    /// <param name="pid">The PID to choose, which must be free.</param>
    /// <param name="mayWrite">Whether nobody else is troubled by a last_pid written.</param>
    internal static void AddProcesses(BenchMeter meter, Zygote zygote, CyclingClone? best, int pid, bool mayWrite)
    {
        meter.Add(
            new BenchResult(Processes, "clone-wait", 0, 0, 0),
            ticks => Make(zygote, ticks, (order, _) => order.Clone(0, Child.Exits())));
        meter.Add(
            new BenchResult(Processes, "clone3-set-tid-wait", 0, 0, 0),
            ticks => Make(zygote, ticks, (order, _) => order.Clone3(default, Child.Exits(), [pid])));
        if (mayWrite)
        {
            meter.Add(
                new BenchResult(Processes, "lock-write-clone-wait", 0, 0, 0),
                ticks => Make(zygote, ticks, (order, file) => Dance(order, file, pid)));
        }

        if (best is not null)
        {
            meter.Add(
                new BenchResult(Processes, "cycle-100-clone-wait", 0, 0, 0),
                ticks => MakeByCycling(zygote, best, 100, ticks));
        }
    }

    // The threads are made beforehand, as they are for a lap.
    private static double Cycle(CyclingClone way, int threads, long ticks)
    {
        using Cycler cycler = new(way, threads);
        long start = Stopwatch.GetTimestamp();
        CycleResult result = cycler.Burst(long.MaxValue / 2, start + ticks);
        return result.Error != 0 ? -(int)result.Error : PerSecond(result.Consumed, start);
    }

    private static double PerSecond(long done, long start) => done / Stopwatch.GetElapsedTime(start).TotalSeconds;

    private static Errno Read(LastPid lastPid) => lastPid.Read().Error;

    private static Errno Write(LastPid lastPid) => lastPid.Write(1000);

    private static Errno Once(Func<LastPid> open, Func<LastPid, Errno> act)
    {
        using LastPid lastPid = open();
        return lastPid.Error != 0 ? lastPid.Error : act(lastPid);
    }

    private static double Repeat(long ticks, Func<LastPid>? open, Func<LastPid, Errno> act)
    {
        long start = Stopwatch.GetTimestamp();
        LastPid? lastPid = open?.Invoke();
        Errno error = lastPid?.Error ?? 0;
        long done = 0;
        using (lastPid)
        {
            while (error == 0 && Stopwatch.GetTimestamp() - start < ticks)
            {
                for (int i = 0; i < Batch && error == 0; i++, done++)
                {
                    error = act(lastPid!);
                }
            }
        }

        return error != 0 ? -(int)error : PerSecond(done, start);
    }

    private static double Make(Zygote zygote, long ticks, Func<Order, Arg, int> make)
    {
        RemoteTask root = zygote.Root;
        using Order order = root.NewOrder();
        int file = order.Call(SYS_openat, AT_FDCWD, order.Put("/proc/sys/kernel/ns_last_pid"), O_RDWR | O_CLOEXEC);
        for (int i = 0; i < Batch; i++)
        {
            int made = make(order, order.Result(file));
            order.Require(made);
            order.Require(order.Call(SYS_wait4, order.Result(made), 0, __WALL, 0));
        }

        int close = order.Call(SYS_close, order.Result(file));
        long start = Stopwatch.GetTimestamp();
        long done = 0;
        while (Stopwatch.GetTimestamp() - start < ticks)
        {
            root.Run(order);
            if (order[close] == Instruction.NotRun)
            {
                return FirstError(order, close);
            }

            done += Batch;
        }

        return PerSecond(done, start);
    }

    // To a process whose PID is so far on.
    private static double MakeByCycling(Zygote zygote, CyclingClone way, int distance, long ticks)
    {
        // No thread, so that the zygote stays the child of a process with one.
        using Cycler cycler = new(way, 1);
        using Order order = zygote.Root.NewOrder();
        int made = order.Clone(0, Child.Exits());
        order.Require(made);
        order.Require(order.Call(SYS_wait4, order.Result(made), 0, __WALL, 0));
        long start = Stopwatch.GetTimestamp();
        long done = 0;
        while (Stopwatch.GetTimestamp() - start < ticks)
        {
            Errno error = cycler.Burst(distance - 1).Error;
            zygote.Root.Run(order);
            if (error != 0 || order[made] < 0)
            {
                return error != 0 ? -(int)error : order[made];
            }

            done++;
        }

        return PerSecond(done, start);
    }

    private static double FirstError(Order order, int count)
    {
        for (int i = 1; i < count; i++)
        {
            if (order[i] < 0)
            {
                return order[i] == Instruction.NotRun ? -EIO : order[i];
            }
        }

        return -EIO;
    }

    // As CRIU does it: under a lock that all who do so take.
    private static int Dance(Order order, Arg file, int pid)
    {
        string text = (pid - 1).ToString(CultureInfo.InvariantCulture);
        order.Call(SYS_flock, file, LOCK_EX);
        order.Require(order.Call(SYS_pwrite64, file, order.Put(text), text.Length, 0));
        int made = order.Clone(0, Child.Exits());
        order.Call(SYS_flock, file, LOCK_UN);
        return made;
    }
}
