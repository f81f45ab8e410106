using System.Buffers.Text;

namespace SetNsLastPid.Linux;

/// <summary>What the mount at /proc shows and what it hides.</summary>
internal static class ProcMount
{
    private const int CAP_SYS_PTRACE = 19;

    /// <summary>Whether /proc was mounted for another PID namespace: by what it calls the reader, and at which
    /// depth.</summary>
    internal static bool IsOfOtherNamespace(int proc)
    {
        int self = getpid();
        string number = self.ToString(CultureInfo.InvariantCulture);
        return Encoding.ASCII.GetString(ReadNumbers(proc, self)) != number || new FileInfo("/proc/self").LinkTarget != number;
    }

    /// <summary>What a process or thread, which a mount may call otherwise, is called in its own PID namespace; -1 where
    /// that cannot be told.</summary>
    internal static int FindOwnNumber(int proc, int number)
    {
        ReadOnlySpan<byte> numbers = ReadNumbers(proc, number);
        return Utf8Parser.TryParse(numbers[(numbers.LastIndexOf((byte)'\t') + 1)..], out int own, out _) ? own : -1;
    }

    /// <summary>How many levels below this process's PID namespace a process lives: 0 in the same one, and where that
    /// cannot be told.</summary>
    internal static int LevelsBelow(int process)
    {
        using Fd proc = Proc.Open();
        return process == 0 || !proc.IsOpen ? 0 : ReadNumbers(proc.Number, process).Count((byte)'\t');
    }

    /// <summary>Whether the mount has hidepid and the reader lacks CAP_SYS_PTRACE, which sees through it
    /// (has_pid_permissions, fs/proc/base.c). Also true when that cannot be found out.</summary>
    internal static bool HidesTasks(int proc)
    {
        bool seesThrough = Utf8Parser.TryParse(Proc.ReadStatus(proc, getpid(), "\nCapEff:\t"u8), out ulong capabilities, out _, 'x')
            && (capabilities >> CAP_SYS_PTRACE & 1) != 0;
        return !seesThrough && (Proc.ReadAll(proc, getpid(), "/mountinfo"u8, out byte[] mounts) != 0 || HasHidepid(mounts));
    }

    // Whether the topmost mount at /proc in a mountinfo file has hidepid:
    // 36 35 98:0 /root /mountpoint options [more] - type source superoptions
    private static bool HasHidepid(ReadOnlySpan<byte> mountinfo)
    {
        bool hides = false;
        foreach (Range range in mountinfo.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = mountinfo[range];
            int separator = line.IndexOf(" - proc "u8);
            if (separator >= 0 && IsAtProc(line[..separator]))
            {
                int at = line[separator..].IndexOf("hidepid="u8);
                ReadOnlySpan<byte> value = at < 0 ? "0"u8 : line[(separator + at + "hidepid="u8.Length)..];
                hides = !value.StartsWith("0"u8) && !value.StartsWith("off"u8);
            }
        }

        return hides;
    }

    // By the fifth field.
    private static bool IsAtProc(ReadOnlySpan<byte> line)
    {
        for (int field = 0; field < 4; field++)
        {
            line = line[(line.IndexOf((byte)' ') + 1)..];
        }

        return line.StartsWith("/proc "u8);
    }

    // A column for each namespace from the mount's inwards, with tabs between them; the task's own is last. Since 4.1.
    private static ReadOnlySpan<byte> ReadNumbers(int proc, int number) => Proc.ReadStatus(proc, number, "\nNSpid:\t"u8);
}
