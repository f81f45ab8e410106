namespace SetNsLastPid.Linux;

/// <summary>All numbers that a /proc shows in use, each with who holds it, from one pass over it.</summary>
internal sealed class HolderMap
{
    private readonly Dictionary<int, (HolderKind Kind, int Process)> _tasks = [];
    private readonly Dictionary<int, List<int>> _groups = [];
    private readonly Dictionary<int, List<int>> _sessions = [];

    private HolderMap()
    {
    }

    /// <summary>Whether a task could not be read, or the listing failed: others may be missing.</summary>
    internal bool IsIncomplete { get; private set; }

    /// <summary>Reads it. Tasks come and go meanwhile.</summary>
    /// <param name="proc">A /proc of the namespace.</param>
    internal static HolderMap Read(int proc)
    {
        HolderMap map = new();
        List<int> processes = new(1024);
        List<int> threads = [];
        map.IsIncomplete = Proc.ListProcesses(proc, processes) != 0;
        foreach (int process in processes)
        {
            int error = Proc.ReadStat(proc, process, out ProcStat stat);
            if (error == 0)
            {
                HolderKind kind = stat.IsKernelThread ? HolderKind.KernelThread
                    : stat.State == 'Z' && stat.Threads <= 1 ? HolderKind.Zombie
                    : HolderKind.Process;
                map._tasks[process] = (kind, process);
                Add(map._groups, stat.Group, process);
                Add(map._sessions, stat.Session, process);
                threads.Clear();
                error = stat.Threads > 1 ? Proc.ListThreads(proc, process, threads) : 0;
                foreach (int thread in threads)
                {
                    map._tasks.TryAdd(thread, (HolderKind.Thread, process));
                }
            }

            map.IsIncomplete |= error is -1 or -13; // EPERM, EACCES
        }

        return map;
    }

    /// <summary>Who holds a number; without the command line.</summary>
    internal Holder Find(int number) =>
        _tasks.TryGetValue(number, out (HolderKind Kind, int Process) task) ? new Holder(task.Kind, task.Process, "")
        : _groups.TryGetValue(number, out List<int>? members) ? new Holder(HolderKind.Group, members[0], "")
        : _sessions.TryGetValue(number, out members) ? new Holder(HolderKind.Session, members[0], "")
        : new Holder(HolderKind.Nobody, 0, "");

    /// <summary>The processes that keep a group or session; none for other holders.</summary>
    internal IReadOnlyList<int> Members(int number, HolderKind kind) =>
        (kind == HolderKind.Group ? _groups : kind == HolderKind.Session ? _sessions : [])
            .GetValueOrDefault(number) ?? [];

    private static void Add(Dictionary<int, List<int>> lists, int number, int process)
    {
        // 0 stands for one outside the namespace.
        if (number == 0)
        {
            return;
        }

        if (!lists.TryGetValue(number, out List<int>? members))
        {
            lists[number] = members = [];
        }

        members.Add(process);
    }
}
