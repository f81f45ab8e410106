using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What takes minutes or needs a quiet machine; run with --explicit only.</summary>
[Collection(Soak.Name)]
public sealed class ZygoteSoak(ITestOutputHelper output)
{
    private const int Pairs = 64;

    [Fact(Explicit = true)]
    public void Children_in_a_row_while_the_owner_collects()
    {
        int wanted = Soak.Number("NSLP_SOAK", 200_000);
        using Zygote zygote = Lasting.Run(() => Zygote.Start());
        using Order order = ClonesAndWaits(zygote.Root, Pairs);
        int collections = GC.CollectionCount(0);
        long memory = Memory(zygote.Pid);
        int made = 0;
        long start = Stopwatch.GetTimestamp();
        using (new Turmoil(2))
        {
            for (; made < wanted; made += Pairs)
            {
                zygote.Root.Run(order);
                for (int i = 0; i < order.Count; i += 2)
                {
                    if (order[i].IsError || order[i] != order[i + 1])
                    {
                        Assert.Fail($"after {made}: clone {order[i]}, wait4 {order[i + 1]}");
                    }
                }
            }
        }

        output.WriteLine(
            $"{made} children, {GC.CollectionCount(0) - collections} collections, "
            + $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, zygote grew by {Memory(zygote.Pid) - memory} kB");
        Assert.Equal(memory, Memory(zygote.Pid));
    }

    [Fact(Explicit = true)]
    public void Zygotes_in_a_row_while_the_owner_collects()
    {
        int wanted = Soak.Number("NSLP_SOAK", 200_000) / 100;
        int before = Leftovers();
        int collections = GC.CollectionCount(0);
        using (new Turmoil(2))
        {
            for (int i = 0; i < wanted; i++)
            {
                using Zygote zygote = Lasting.Run(() => Zygote.Start());
                Assert.Equal(zygote.Pid, zygote.Root.Call(Kernel.SYS_getpid));
                Assert.Equal(0, zygote.FailedStarts);
            }
        }

        output.WriteLine($"{wanted} zygotes, {GC.CollectionCount(0) - collections} collections");
        Assert.Equal(before, Leftovers());
    }

    [Fact(Explicit = true)]
    public void The_zygote_clones_at_least_three_fifths_as_fast_as_C()
    {
        const int Count = 20_000;
        using Zygote zygote = Lasting.Run(() => Zygote.Start());
        using Order order = ClonesAndWaits(zygote.Root, Pairs);
        double ratio = Soak.AgainstC(output, Count, 9, () =>
        {
            long start = Stopwatch.GetTimestamp();
            int made = 0;
            for (; made < Count; made += Pairs)
            {
                zygote.Root.Run(order);
            }

            return made / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
        Assert.InRange(ratio, 0.6, double.MaxValue);
    }

    private static Order ClonesAndWaits(RemoteTask task, int pairs)
    {
        Order order = task.NewOrder();
        for (int i = 0; i < pairs; i++)
        {
            int clone = order.Clone(0, Child.Exits());
            order.Require(clone);
            order.Call(Kernel.SYS_wait4, order.Result(clone), 0, Kernel.__WALL, 0);
        }

        return order;
    }

    // Descriptors and mappings that a zygote that is gone could have left open.
    private static int Leftovers() =>
        Directory.GetFiles("/proc/self/fd").Count(f => new FileInfo(f).LinkTarget?.Contains("pidfd") == true)
        + File.ReadLines("/proc/self/maps").Count(l => l.Contains("/dev/zero", StringComparison.Ordinal));

    private static long Memory(int pid) =>
        File.ReadLines($"/proc/{pid}/status")
            .Where(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Select(l => long.Parse(l[6..^2], CultureInfo.InvariantCulture))
            .Single();
}
