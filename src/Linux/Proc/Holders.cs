using System.Buffers.Text;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Finds out who holds a number in this process's PID namespace.</summary>
/// <remarks>
/// A number is held while any task is attached to it as thread, process, group or session (__change_pid,
/// kernel/pid.c). Needs a /proc of the same namespace; without, the answer is never <c>Nobody</c>.
/// </remarks>
internal static class Holders
{
    private const int CommandLineSize = 4096;

    /// <summary>Finds the holder in nslp's own namespace. Consumes no PID.</summary>
    /// <param name="number">1 or more.</param>
    internal static Holder Find(int number)
    {
        using OwnPidSpace space = new();
        return space.FindHolder(number);
    }

    /// <summary>Finds the holder.</summary>
    /// <param name="proc">A /proc of the namespace.</param>
    /// <param name="number">1 or more.</param>
    /// <param name="space">Who to ask about numbers that /proc does not show.</param>
    internal static Holder Find(int proc, int number, IPidSpace space)
    {
        // Most numbers that are asked for are free, and to see that in /proc takes a look at every process there is.
        if (space.IsFree(number))
        {
            return new Holder(HolderKind.Nobody, 0, "");
        }

        if (Proc.ReadStat(proc, number, out ProcStat stat) == 0)
        {
            int process = Process(proc, number);
            HolderKind kind = process != number ? HolderKind.Thread
                : stat.IsKernelThread ? HolderKind.KernelThread
                : stat.State == 'Z' && stat.Threads <= 1 ? HolderKind.Zombie
                : HolderKind.Process;
            return new Holder(kind, process, CommandLine(proc, process));
        }

        if (space.HasTask(number))
        {
            return new Holder(HolderKind.Hidden, 0, "");
        }

        bool isGroup = space.HasGroup(number);
        int member = Member(proc, number, isGroup, out bool isRefused);
        if (isGroup || member != 0)
        {
            return new Holder(
                isGroup ? HolderKind.Group : HolderKind.Session, member, member == 0 ? "" : CommandLine(proc, member));
        }

        bool mayBeHidden = isRefused || (space is OwnPidSpace && ProcMount.HidesTasks(proc));
        // Where all is shown it is the number of one that has just gone, which is freed last (release_task, kernel/exit.c;
        // since 6.15). Else it may be a session of hidden processes.
        HolderKind rest = !mayBeHidden || space.IsFree(number) ? HolderKind.Nobody
            : space.KnowsHeld ? HolderKind.Hidden
            : HolderKind.Unknown;
        return new Holder(rest, 0, "");
    }

    // Only the stat of its members shows a session; kill and getpriority know none.
    private static int Member(int proc, int number, bool isGroup, out bool isRefused)
    {
        List<int> processes = new(1024);
        isRefused = Proc.ListProcesses(proc, processes) != 0;
        foreach (int process in processes)
        {
            int error = Proc.ReadStat(proc, process, out ProcStat stat);
            isRefused |= error == -EPERM || error == -EACCES;
            if (error == 0 && (isGroup ? stat.Group : stat.Session) == number)
            {
                return process;
            }
        }

        return 0;
    }

    // /proc/N of a thread that is not its process's first is not listed but can be opened.
    private static int Process(int proc, int number)
    {
        Span<byte> text = stackalloc byte[4096];
        int length = Proc.Read(proc, number, "/status"u8, text);
        ReadOnlySpan<byte> status = length < 0 ? default : text[..length];
        int at = status.IndexOf("\nTgid:\t"u8);
        return at >= 0 && Utf8Parser.TryParse(status[(at + 7)..], out int process, out _) ? process : number;
    }

    /// <summary>The command line of a process, or its name in brackets where it has none. Safe to print.</summary>
    internal static string CommandLine(int proc, int process)
    {
        Span<byte> text = stackalloc byte[CommandLineSize];
        int length = Proc.Read(proc, process, "/cmdline"u8, text);
        if (length > 0)
        {
            return Printable.From(text[..length].TrimEnd((byte)0));
        }

        length = Proc.Read(proc, process, "/comm"u8, text);
        return length > 0 ? $"[{Printable.From(text[..length].TrimEnd((byte)'\n'))}]" : "";
    }
}
