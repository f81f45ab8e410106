using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>The numbers that /proc shows in use: of processes, threads, process groups and sessions.</summary>
/// <remarks>
/// The groups and sessions that outlived their leaders have no directory; they stand in the stat of their
/// members. Tasks come and go during the scan.
/// </remarks>
internal sealed unsafe class NumbersInUse
{
    private readonly int[] _numbers;
    private readonly int _count;

    private NumbersInUse(int[] numbers, int count, bool isOfOtherNamespace, bool mayBeBlind)
    {
        _numbers = numbers;
        _count = count;
        IsOfOtherNamespace = isOfOtherNamespace;
        MayBeBlind = mayBeBlind;
    }

    /// <summary>Ascending, each once.</summary>
    internal ReadOnlySpan<int> Numbers => _numbers.AsSpan(0, _count);

    /// <summary>
    /// Whether /proc was mounted for another PID namespace than this process lives in: then the numbers are that
    /// one's.
    /// </summary>
    internal bool IsOfOtherNamespace { get; }

    /// <summary>Whether /proc may hide tasks of others: mounted with hidepid, or a task could not be read.</summary>
    internal bool MayBeBlind { get; }

    /// <summary>Scans /proc.</summary>
    /// <returns>0, or an errno turned when there is no /proc to read.</returns>
    internal static int Scan(out NumbersInUse? numbers)
    {
        numbers = null;
        int proc = Proc.Open();
        if (proc < 0)
        {
            return proc;
        }

        numbers = Scan(proc, ProcMount.IsOfOtherNamespace(proc), ProcMount.HidesTasks(proc));
        close(proc);
        return 0;
    }

    /// <summary>Scans a /proc that was mounted, without hidepid, for the namespace in question.</summary>
    internal static NumbersInUse Scan(int proc) => Scan(proc, isOther: false, hides: false);

    private static NumbersInUse Scan(int proc, bool isOther, bool hides)
    {
        List<int> processes = new(1024);
        List<int> held = new(2048);
        int error = Proc.ListProcesses(proc, processes);
        bool isRefused = false;
        foreach (int process in processes)
        {
            held.Add(process);
            int read = Proc.ReadStat(proc, process, out ProcStat stat);
            if (read == 0)
            {
                held.Add(stat.Group);
                held.Add(stat.Session);
                // One thread is the process itself.
                read = stat.Threads == 1 ? 0 : Proc.ListThreads(proc, process, held);
            }

            isRefused |= read == -EPERM || read == -EACCES;
        }

        int[] sorted = held.ToArray();
        Array.Sort(sorted);
        int count = 0;
        foreach (int number in sorted)
        {
            // 0 stands for a group or session outside the namespace, which holds nothing in it.
            if (number > 0 && (count == 0 || sorted[count - 1] != number))
            {
                sorted[count++] = number;
            }
        }

        return new NumbersInUse(sorted, count, isOther, isRefused || hides || error != 0);
    }
}
