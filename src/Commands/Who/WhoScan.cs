namespace SetNsLastPid.Commands;

/// <summary>What is known of one number, or of some in a row that nobody is known to hold.</summary>
/// <param name="Pid">The number, or the first of them.</param>
/// <param name="Last">The last of them.</param>
/// <param name="Process">What is known of the process in <paramref name="Holder"/>; null when it names none.</param>
/// <param name="Parent">The command line of that one's parent, for a zombie; empty for none.</param>
/// <param name="Members">All processes that keep a group or session.</param>
internal sealed record Holding(
    int Pid, int Last, Holder Holder, ProcessFacts? Process, string Parent, IReadOnlyList<int> Members)
{
    /// <summary>Whether somebody holds the number; null if that cannot be told.</summary>
    internal bool? IsHeld => Holder.Kind switch
    {
        HolderKind.Nobody or HolderKind.OutOfRange => false,
        HolderKind.Unknown => null,
        _ => true,
    };
}

/// <summary>A look for the holders of numbers. Throws <see cref="RemoteException"/> where there is no /proc to look at.</summary>
/// <param name="progress">Says how far it is where there are many numbers.</param>
internal sealed class WhoScan(PidSpace space, int pidMax, ProgressLine progress)
{
    // A hundredth of a second.
    private const int Part = 65536;

    private readonly ProcTable _table = ProcTable.Read(space.ProcDirectory >= 0
        ? space.ProcDirectory
        : throw new RemoteException("cannot read /proc of this PID namespace", 0, "needs /proc mounted for it"));
    private readonly bool _isExact = space.KnowsHeld;
    private readonly bool _hidesTasks = space.MayBeBlind;
    private int _from;

    /// <summary>All numbers from one to another in order, those in a row that nobody is known to hold together.</summary>
    internal IEnumerable<Holding> Find(int first, int last)
    {
        _from = first;
        while (first <= last)
        {
            int held = FindHeld(first, last, out Holder holder);
            // 0 and what is not below pid_max are apart from the others.
            foreach (int end in (int[])[0, pidMax - 1, last])
            {
                int free = Math.Min(end, held - 1);
                if (first <= free)
                {
                    bool isPid = first > 0 && first < pidMax;
                    HolderKind kind = !isPid ? HolderKind.OutOfRange
                        : _isExact || !(_table.IsIncomplete || _hidesTasks) ? HolderKind.Nobody
                        : HolderKind.Unknown;
                    yield return new Holding(first, free, new Holder(kind), null, "", []);
                    first = free + 1;
                }
            }

            if (held <= last)
            {
                yield return Complete(held, holder);
                first = held + 1;
            }
        }
    }

    // Above the last number when none is held.
    private int FindHeld(int first, int last, out Holder holder)
    {
        for (int pid = Math.Max(first, 1); pid <= last; pid++)
        {
            int end = (int)Math.Min(last, (long)pid + Part - 1);
            pid = _isExact ? (int)space.FindHeld(pid, end) : pid;
            if (pid > end)
            {
                pid = end;
                if (end < last)
                {
                    progress.Show((pid - _from) / ((double)last - _from + 1), $"at {pid}", pid - _from);
                }
            }
            else if ((holder = Find(pid)).Kind != HolderKind.Nobody)
            {
                return pid;
            }
        }

        holder = default;
        return last + 1;
    }

    private Holder Find(int pid)
    {
        // nslp's own numbers are free as soon as it has told.
        if (space.IsOwn(pid))
        {
            return new Holder(HolderKind.Nobody);
        }

        Holder holder = _table.Find(pid);
        return holder.Kind != HolderKind.Nobody ? holder
            // Come since, or hidden.
            : _isExact ? space.FindHolder(pid)
            : space.HasTask(pid) ? new Holder(HolderKind.Hidden)
            // A group whose members are hidden still answers.
            : space.HasGroup(pid) ? new Holder(HolderKind.Group)
            : holder;
    }

    private Holding Complete(int pid, Holder holder)
    {
        ProcessFacts? facts = holder.Process == 0 ? null : ProcessFacts.Read(space.ProcDirectory, holder.Process);
        string parent = holder.Kind == HolderKind.Zombie && facts!.Parent > 0
            ? Proc.ReadCommandLine(space.ProcDirectory, facts.Parent)
            : "";
        return new Holding(
            pid, pid, holder with { CommandLine = facts?.CommandLine ?? "" }, facts, parent, [.. _table.Members(pid, holder.Kind)]);
    }
}
