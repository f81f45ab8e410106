using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Support;

internal static class Cycling
{
    // Built for the JIT, which opens a file for each assembly that it loads: what a burst needs is there before a flavour
    // lets nothing be opened any more.
    static Cycling()
    {
        using Cycler cycler = new(Flavour.Find("pidfd-efault-thread")!, 2);
        _ = cycler.Burst(100);
    }

    // Prints: result of the probe, by how much one step moved last_pid, errno of the step, the soft limits of open
    // files before and after, children before and after.
    internal static int Try(string name)
    {
        Flavour way = Flavour.Find(name)!;
        using LastPid lastPid = LastPid.OpenForReading();
        string limit = Limit();
        int probe = (int)CyclingProbe.Probe(way, lastPid);
        using Cycler cycler = new(way, 1);
        _ = cycler.Burst(1);
        int before = lastPid.Read().Value;
        CycleResult result = cycler.Burst(1);
        int after = lastPid.Read().Value;
        Console.WriteLine($"{probe} {after - before} {(int)result.Error} {limit} {Limit()} {Tasks()}");
        return 0;
    }

    // Prints: PIDs that the result tells of, by how much last_pid moved, errno, the limits.
    internal static int Burst(string name, int threads, long count)
    {
        Flavour way = Flavour.Find(name)!;
        using LastPid lastPid = LastPid.OpenForReading();
        string limit = Limit();
        using Cycler cycler = new(way, threads);
        // At once: who starts late must not take part in more than what is ordered.
        int before = lastPid.Read().Value;
        CycleResult result = cycler.Burst(count);
        int after = lastPid.Read().Value;
        Console.WriteLine($"{result.Consumed} {after - before} {(int)result.Error} {limit} {Limit()}");
        return 0;
    }

    // Prints: whether the deadline ended it, whether something was consumed, the limits.
    internal static int Deadline(string name, int threads)
    {
        string limit = Limit();
        using Cycler cycler = new(Flavour.Find(name)!, threads);
        long start = Stopwatch.GetTimestamp();
        CycleResult result = cycler.Burst(long.MaxValue / 2, start + (2 * Stopwatch.Frequency));
        Console.WriteLine($"{result.Error == 0} {result.Consumed > 0} {limit} {Limit()}");
        return 0;
    }

    // Prints, of a burst under way: whether a file can be opened, the limit, how many threads have full tables, once it is
    // as many as expected. Then whether the process has the same files open as before it all, and the limits.
    internal static int During(string name, int threads, int expected)
    {
        string limit = Limit();
        string during;
        string[] files = Files();
        using (Cycler cycler = new(Flavour.Find(name)!, threads))
        {
            using LastPid reader = LastPid.OpenForReading();
            int before = reader.Read().Value;
            Thread burst = new(() => cycler.Burst(long.MaxValue / 2, Stopwatch.GetTimestamp() + (10 * Stopwatch.Frequency)));
            burst.Start();
            while (reader.Read().Value < before + 1000)
            {
            }

            bool opens = true;
            try
            {
                File.OpenHandle("/proc/self/stat").Dispose();
            }
            catch (IOException)
            {
                opens = false;
            }

            string low = Limit();
            int full;
            long start = Stopwatch.GetTimestamp();
            do
            {
                full = Directory.GetDirectories("/proc/self/task")
                    .Count(task => HasFullTable(task));
            }
            while (full < expected && Stopwatch.GetElapsedTime(start).TotalSeconds < 5);

            cycler.Stop();
            burst.Join();
            during = $"{opens} {low} {full}";
        }

        bool same = files.SequenceEqual(Files());
        Console.WriteLine($"{during} {same} {limit} {Limit()}");
        return 0;
    }

    // A thread may be gone by now.
    private static bool HasFullTable(string task)
    {
        try
        {
            return Directory.GetFileSystemEntries(task + "/fd").Length >= FullFiles.Size;
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
    }

    // Prints: whether a thread got a full table, errno of locking what another locked before, and closed while that
    // thread had a copy.
    internal static int Unlock()
    {
        LastPid first = LastPid.OpenForReading();
        Errno locked = first.Lock(TimeSpan.Zero), made = Errno.EIO;
        using ManualResetEventSlim isMade = new(), isOver = new();
        Thread other = new(() =>
        {
            made = FullFiles.Make();
            isMade.Set();
            isOver.Wait();
        });
        other.Start();
        isMade.Wait();
        first.Dispose();
        using LastPid second = LastPid.OpenForReading();
        Errno again = second.Lock(TimeSpan.Zero);
        isOver.Set();
        other.Join();
        Console.WriteLine($"{(int)made} {(int)locked} {(int)again}");
        return 0;
    }

    // The output of bench/cycle.c.
    internal static int Rate(string name, int threads, long count, int rounds)
    {
        Flavour[] ways = Array.FindAll(Flavour.All, way => name == "all" || way.Name == name);
        Cycler[] cyclers = Array.ConvertAll(ways, way => new Cycler(way, threads));
        // Once before, for what the runtime compiles and looks up at the first call.
        foreach (Cycler cycler in cyclers)
        {
            _ = cycler.Burst(1000);
        }

        for (int i = 0; i < rounds * ways.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            CycleResult result = cyclers[i % ways.Length].Burst(count);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{ways[i % ways.Length].Name} {threads} {result.Consumed} {seconds:F6} {result.Consumed / seconds:F0} {(int)result.Error}"));
        }

        return 0;
    }

    // Prints: how many threads were ended, and how many of their numbers were not free afterwards, although nobody had them.
    internal static int EndThreads(int times)
    {
        int ended = 0, held = 0;
        for (int i = 0; i < times; i++)
        {
            using PidSpace space = new();
            _ = space.PrepareToConsume();
            int[] numbers = space.Cycler!.Threads;
            space.EndThreads();
            ended += numbers.Length;
            held += numbers.Count(number => !space.IsFree(number) && !space.HasTask(number));
        }

        Console.WriteLine($"{ended} {held}");
        return 0;
    }

    // Without the one by which it looks, and without what the runtime loaded meanwhile.
    private static string[] Files() =>
        [.. Directory.GetFileSystemEntries("/proc/self/fd").Order(StringComparer.Ordinal)
            .Select(file => new FileInfo(file).LinkTarget ?? "").Where(target => target != "" && !target.EndsWith(".dll", StringComparison.Ordinal))];

    private static string Limit() =>
        File.ReadLines("/proc/self/limits").Single(line => line.StartsWith("Max open files", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];

    private static string Tasks() =>
        string.Concat(Directory.GetDirectories("/proc/self/task").Select(task => File.ReadAllText(task + "/children")))
            .Trim().Length.ToString(CultureInfo.InvariantCulture);
}
