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
        return !seesThrough && (Proc.ReadAll(proc, getpid(), "/mountinfo"u8, out byte[] mounts) != 0
            || HasHidepid(Encoding.UTF8.GetString(mounts)));
    }

    // Of the topmost mount at /proc, in lines such as:
    // 36 35 98:0 /root /mountpoint options [more] - type source superoptions
    private static bool HasHidepid(string mountinfo)
    {
        string? mount = mountinfo.Split('\n').LastOrDefault(line =>
            line.Contains(" - proc ", StringComparison.Ordinal) && line.Split(' ', 6) is [_, _, _, _, "/proc", _]);
        string options = mount?.Split(" - proc ")[^1] ?? "";
        int at = options.IndexOf("hidepid=", StringComparison.Ordinal);
        return at >= 0 && options[(at + "hidepid=".Length)..] is var value
            && !value.StartsWith('0') && !value.StartsWith("off", StringComparison.Ordinal);
    }

    // A column for each namespace from the mount's inwards, with tabs between them; the task's own is last. Since 4.1.
    private static ReadOnlySpan<byte> ReadNumbers(int proc, int number) => Proc.ReadStatus(proc, number, "\nNSpid:\t"u8);
}
