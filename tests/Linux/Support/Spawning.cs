using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Commands;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Support;

internal static unsafe class Spawning
{
    // Starts a command COUNT times with random PIDs, as `nslp spawn` does. Prints: right PIDs, other PIDs, given up,
    // tries, seconds, spawns a second, and what it holds half-way and at the end: see Resources.
    internal static int Repeat(string[] args)
    {
        Method method = args[1] switch { "clone3" => Method.Clone3, "write" => Method.Write, "cycle" => Method.Cycle, _ => Method.Auto };
        int count = int.Parse(args[2], CultureInfo.InvariantCulture);
        int pidMax = int.Parse(args[3], CultureInfo.InvariantCulture);
        double timeout = double.Parse(args[4], CultureInfo.InvariantCulture);
        Given given = Given.Read(args[5..]);
        using Launcher launcher = Launcher.Start(given, new LaunchSettings());
        using PidSpace space = new PidSpace();
        using CaughtSignals caught = new();
        Random random = new(20261122);
        string before = "";
        int right = 0, other = 0, failed = 0, taken = 0;
        long tries = 0;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            if (i == count / 2)
            {
                before = Resources();
            }

            // A cycle is to be short here, and set_tid of a held number is no success of anybody.
            int last = space.ReadLastPid().Value;
            int pid = method.IsCycle ? 300 + ((last + 200 + random.Next(100)) % (pidMax - 300)) : random.Next(1000, pidMax);
            while (space.HasTask(pid) || space.HasGroup(pid))
            {
                pid = 300 + ((pid + 1) % (pidMax - 300));
            }

            long deadline = Stopwatch.GetTimestamp() + (long)(timeout * Stopwatch.Frequency);
            SpawnAttempts attempts = new(launcher, space, depth: 0, caught, given.IgnoredSignals, deadline);
            End end = attempts.Run([GoalModule.within(pid, pid, 0)], method);
            if (end.IsTaken && ++taken < count)
            {
                // Somebody got it before this began.
                i--;
                continue;
            }

            tries += attempts.Tries;
            if (!end.IsDone)
            {
                failed++;
                if (!end.IsTimedOut)
                {
                    Console.WriteLine($"{end.Tag} {(end as End.Failed)?.Errno}");
                }

                continue;
            }

            int status = new SpawnParent(caught, attempts.Pid).Wait();
            caught.Release();
            while (caught.Next(wait: false).Number != 0)
            {
            }

            (right, other) = attempts.Pid == pid && status == 0 ? (right + 1, other) : (right, other + 1);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{right} {other} {failed} {tries} {seconds:F3} {count / seconds:F0} {before} {Resources()}"));
        return 0;
    }

    // Children, descriptors, kilobytes of memory, of the managed heap alone.
    private static string Resources()
    {
        string children = string.Concat(
            Directory.GetDirectories("/proc/self/task").Select(task => File.ReadAllText(task + "/children")));
        string rss = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmRSS", StringComparison.Ordinal));
        return $"{children.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length}"
            + $" {Directory.GetFiles("/proc/self/fd").Length} {rss.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Trim()}"
            + $" {Heap() / 1024}";
    }

    // Not by forceFullCollection, which waits for the thread of finalizers: in a native file there is none.
    private static long Heap()
    {
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: false);
    }
}
