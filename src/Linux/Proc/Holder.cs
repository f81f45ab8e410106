namespace SetNsLastPid.Linux;

/// <summary>Who holds a number.</summary>
/// <remarks>A number is held while any task is attached to it as thread, process, group or session (__change_pid,
/// kernel/pid.c).</remarks>
/// <param name="Process">The process; for a thread the one it is of, for a group or session one of its members; 0 for
/// none.</param>
/// <param name="CommandLine">That process's command line, or its name in brackets where it has none. Safe to print; empty
/// for none.</param>
internal readonly record struct Holder(HolderKind Kind, int Process = 0, string CommandLine = "")
{
    /// <summary>Finds the holder. Consumes no PID.</summary>
    /// <param name="number">1 or more.</param>
    /// <param name="space">Who to ask about numbers that /proc does not show.</param>
    internal static Holder Find(int proc, int number, PidSpace space)
    {
        // Most numbers that are asked for are free, and to see that in /proc takes a look at every process there is.
        if (space.IsFree(number))
        {
            return new Holder(HolderKind.Nobody);
        }

        Holder task = ProcTable.FindTask(proc, number);
        if (task.Kind != HolderKind.Nobody)
        {
            return task with { CommandLine = Proc.ReadCommandLine(proc, task.Process) };
        }

        if (space.HasTask(number))
        {
            return new Holder(HolderKind.Hidden);
        }

        ProcTable table = ProcTable.Read(proc);
        Holder left = table.Find(number);
        if (left.Kind != HolderKind.Nobody)
        {
            return left with { CommandLine = Proc.ReadCommandLine(proc, left.Process) };
        }

        // Where all is shown it is the number of one that has just gone, which is freed last (release_task, kernel/exit.c;
        // since 6.15). Else it may be a session of hidden processes.
        return new Holder(space.HasGroup(number) ? HolderKind.Group
            : !(table.IsIncomplete || space.MayBeBlind) || space.IsFree(number) ? HolderKind.Nobody
            : space.KnowsHeld ? HolderKind.Hidden
            : HolderKind.Unknown);
    }
}
