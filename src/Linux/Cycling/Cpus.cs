using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

internal static unsafe class Cpus
{
    // 8,192 CPUs, as many as Linux can be built for.
    private const int MaskSize = 1024;

    /// <summary>Moves the calling thread to another CPU, from where the scheduler may move it as it likes. On its own the
    /// scheduler of a busy machine leaves two threads that were born on one CPU there for a tenth of a second, as long as a
    /// whole lap takes.</summary>
    /// <param name="from">The CPU to start from.</param>
    /// <param name="steps">How many CPUs on, of those that the thread may use, after the last one the first again.</param>
    internal static void Move(int from, int steps)
    {
        byte* allowed = stackalloc byte[MaskSize];
        byte* one = stackalloc byte[MaskSize];
        int size = Raw.Call(SYS_sched_getaffinity, 0, MaskSize, (nint)allowed).Value;
        List<int> cpus = [];
        for (int cpu = 0; cpu < size * 8; cpu++)
        {
            if ((allowed[cpu / 8] >> (cpu % 8) & 1) != 0)
            {
                cpus.Add(cpu);
            }
        }

        if (cpus.Count < 2 || from < 0)
        {
            return;
        }

        int to = cpus[(cpus.IndexOf(from) + steps) % cpus.Count];
        one[to / 8] |= (byte)(1 << (to % 8));
        _ = Raw.Call(SYS_sched_setaffinity, 0, size, (nint)one);
        _ = Raw.Call(SYS_sched_setaffinity, 0, size, (nint)allowed);
    }
}
