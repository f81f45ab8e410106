using System.Buffers.Text;

namespace SetNsLastPid.Linux;

/// <summary>The fields of /proc/N/stat that tell what a process is and which numbers it holds (do_task_stat,
/// fs/proc/array.c).</summary>
/// <param name="State">Field 3; 'Z' for a zombie.</param>
/// <param name="Parent">Field 4: 0 for one that is not of the reader's namespace.</param>
/// <param name="Group">Field 5: the process group, 0 when it is not of the reader's namespace.</param>
/// <param name="Session">Field 6: the session, 0 when it is not of the reader's namespace.</param>
/// <param name="Threads">Field 20: how many threads, the leader included even when it has exited.</param>
/// <param name="IsKernelThread">Field 9 has PF_KTHREAD.</param>
/// <param name="Start">Field 22: when it started, in hundredths of a second after the machine did.</param>
internal readonly record struct ProcStat(
    char State, int Parent, int Group, int Session, int Threads, bool IsKernelThread, long Start)
{
    private const int PF_KTHREAD = 0x00200000; // linux/sched.h

    /// <summary>What the process whose file it is holds its own number as.</summary>
    internal HolderKind Kind => IsKernelThread ? HolderKind.KernelThread
        : State == 'Z' && Threads <= 1 ? HolderKind.Zombie
        : HolderKind.Process;

    /// <summary>Parses the file. The name in it may hold blanks and parentheses.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> text, out ProcStat stat)
    {
        stat = default;
        int end = text.LastIndexOf((byte)')');
        if (end < 0 || text.Length < end + 3)
        {
            return false;
        }

        text = text[(end + 2)..];
        char state = (char)text[0];
        Span<long> fields = stackalloc long[23];
        for (int field = 4; field <= 22; field++)
        {
            int blank = text.IndexOf((byte)' ');
            text = text[(blank + 1)..];
            if (blank < 0 || (!Utf8Parser.TryParse(text, out fields[field], out _) && field is 4 or 5 or 6 or 9 or 20 or 22))
            {
                return false;
            }
        }

        stat = new ProcStat(
            state, (int)fields[4], (int)fields[5], (int)fields[6], (int)fields[20], (fields[9] & PF_KTHREAD) != 0, fields[22]);
        return true;
    }
}

/// <summary>All numbers that a /proc shows in use, from one pass over it: of processes, threads, process groups and sessions.
/// Tasks come and go meanwhile.</summary>
/// <remarks>The groups and sessions that outlived their leaders have no directory; they stand in the stat of their
/// members.</remarks>
internal sealed class ProcTable
{
    private readonly List<Row> _rows = new(2048);
    private ILookup<int, Row>? _byNumber, _byGroup, _bySession;

    /// <summary>Whether a task could not be read, or the listing failed: others may be missing.</summary>
    internal bool IsIncomplete { get; private set; }

    internal static ProcTable Read(int proc)
    {
        ProcTable table = new();
        List<int> processes = new(1024), threads = [];
        table.IsIncomplete = Proc.ListProcesses(proc, processes) != 0;
        foreach (int process in processes)
        {
            Errno error = Proc.ReadStat(proc, process, out ProcStat stat);
            // One that is just going cannot be read, but its number is not free yet.
            table._rows.Add(error == 0
                ? new Row(process, process, stat.Group, stat.Session, stat.Kind)
                : new Row(process, 0, 0, 0, HolderKind.Nobody));
            if (stat.Threads > 1)
            {
                threads.Clear();
                error = Proc.ListThreads(proc, process, threads);
                foreach (int thread in threads)
                {
                    table._rows.Add(new Row(thread, process, 0, 0, HolderKind.Thread));
                }
            }

            table.IsIncomplete |= error is Errno.EPERM or Errno.EACCES;
        }

        return table;
    }

    internal PidSet ReadNumbers()
    {
        PidSet numbers = PidSetModule.empty;
        foreach (Row row in _rows)
        {
            numbers = PidSetModule.add(row.Number, PidSetModule.add(row.Group, PidSetModule.add(row.Session, numbers)));
        }

        // It stands for a group or session outside the namespace, which holds nothing in it.
        return PidSetModule.remove(0, numbers);
    }

    /// <summary>Who holds a number, 1 or more; without the command line.</summary>
    internal Holder Find(int number)
    {
        _byNumber ??= _rows.ToLookup(row => row.Number);
        // Of the rows of a process with threads its own is the first.
        Row task = _byNumber[number].FirstOrDefault();
        return task.Kind != HolderKind.Nobody ? new Holder(task.Kind, task.Process)
            : Members(number, HolderKind.Group).FirstOrDefault() is > 0 and var inGroup ? new Holder(HolderKind.Group, inGroup)
            : Members(number, HolderKind.Session).FirstOrDefault() is > 0 and var inSession ? new Holder(HolderKind.Session, inSession)
            : new Holder(HolderKind.Nobody);
    }

    /// <summary>The processes that keep a group or session; none for other holders.</summary>
    internal IEnumerable<int> Members(int number, HolderKind kind) => (kind switch
    {
        HolderKind.Group => (_byGroup ??= _rows.ToLookup(row => row.Group))[number],
        HolderKind.Session => (_bySession ??= _rows.ToLookup(row => row.Session))[number],
        _ => [],
    }).Select(row => row.Process);

    /// <summary>The process or thread of a number, from that one's files alone; without the command line.</summary>
    internal static Holder FindTask(int proc, int number) =>
        Proc.ReadStat(proc, number, out ProcStat stat) != 0 ? new Holder(HolderKind.Nobody)
        : Proc.ReadProcessOf(proc, number) is var process && process != number ? new Holder(HolderKind.Thread, process)
        : new Holder(stat.Kind, number);

    /// <summary>The process that made a process or thread: the parent of a process, that of a thread its own.</summary>
    /// <returns>0 when there is no such task any more, or its parent is outside the namespace.</returns>
    internal static int FindMaker(int proc, int number) =>
        FindTask(proc, number) is { Kind: HolderKind.Thread } thread ? thread.Process
        : Proc.ReadStat(proc, number, out ProcStat stat) == 0 ? stat.Parent
        : 0;

    // A process or thread; the group and the session are the process's.
    private readonly record struct Row(int Number, int Process, int Group, int Session, HolderKind Kind);
}
