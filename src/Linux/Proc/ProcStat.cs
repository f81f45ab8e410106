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
            if (blank < 0)
            {
                return false;
            }

            text = text[(blank + 1)..];
            if (!Utf8Parser.TryParse(text, out fields[field], out _) && field is 4 or 5 or 6 or 9 or 20 or 22)
            {
                return false;
            }
        }

        stat = new ProcStat(
            state, (int)fields[4], (int)fields[5], (int)fields[6], (int)fields[20], (fields[9] & PF_KTHREAD) != 0, fields[22]);
        return true;
    }
}
