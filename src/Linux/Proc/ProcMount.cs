using System.Buffers.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>What the mount at /proc shows and what it hides.</summary>
internal static unsafe class ProcMount
{
    private const int CAP_SYS_PTRACE = 19;

    /// <summary>
    /// Whether /proc was mounted for another PID namespace: by what it calls the reader, and at which depth.
    /// </summary>
    internal static bool IsOfOtherNamespace(int proc)
    {
        int self = getpid();
        // NSpid has a column for each namespace from the mount's inwards (since 4.1); the reader's own is last.
        return Proc.ReadAll(proc, self, "/status"u8, out byte[] status) != 0
            || !TryField(status, "\nNSpid:"u8, out ReadOnlySpan<byte> columns)
            || !Utf8Parser.TryParse(columns, out long number, out int used)
            || number != self
            || used != columns.Length
            || !IsSelf(self);
    }

    /// <summary>What a process or thread, which a mount may call otherwise, is called in its own PID namespace; -1 where
    /// that cannot be told.</summary>
    internal static int FindOwnNumber(int proc, int number)
    {
        if (Proc.ReadAll(proc, number, "/status"u8, out byte[] status) != 0
            || !TryField(status, "\nNSpid:"u8, out ReadOnlySpan<byte> columns))
        {
            return -1;
        }

        ReadOnlySpan<byte> last = columns[(columns.LastIndexOf((byte)'\t') + 1)..];
        return Utf8Parser.TryParse(last, out long own, out int used) && used == last.Length ? (int)own : -1;
    }

    /// <summary>How many levels below this process's PID namespace a process lives: 0 in the same one, and where that
    /// cannot be told.</summary>
    internal static int LevelsBelow(int process)
    {
        int proc = process == 0 ? -1 : Proc.Open();
        if (proc < 0)
        {
            return 0;
        }

        int levels = 0;
        if (Proc.ReadAll(proc, process, "/status"u8, out byte[] status) == 0
            && TryField(status, "\nNSpid:"u8, out ReadOnlySpan<byte> columns))
        {
            levels = columns.Count((byte)'\t');
        }

        close(proc);
        return levels;
    }

    /// <summary>
    /// Whether the mount has hidepid and the reader lacks CAP_SYS_PTRACE, which sees through it
    /// (has_pid_permissions, fs/proc/base.c). Also true when that cannot be found out.
    /// </summary>
    internal static bool HidesTasks(int proc)
    {
        if (Proc.ReadAll(proc, getpid(), "/status"u8, out byte[] status) != 0)
        {
            return true;
        }

        if (TryField(status, "\nCapEff:"u8, out ReadOnlySpan<byte> hex)
            && Utf8Parser.TryParse(hex, out ulong capabilities, out _, 'x')
            && (capabilities >> CAP_SYS_PTRACE & 1) != 0)
        {
            return false;
        }

        return Proc.ReadAll(proc, getpid(), "/mountinfo"u8, out byte[] mounts) != 0 || HasHidepid(mounts);
    }

    /// <summary>Whether the topmost mount at /proc in a mountinfo file has hidepid.</summary>
    internal static bool HasHidepid(ReadOnlySpan<byte> mountinfo)
    {
        bool hides = false;
        while (!mountinfo.IsEmpty)
        {
            int end = mountinfo.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? mountinfo : mountinfo[..end];
            mountinfo = end < 0 ? default : mountinfo[(end + 1)..];
            // 36 35 98:0 /root /mountpoint options [more] - type source superoptions
            int separator = line.IndexOf(" - proc "u8);
            if (separator < 0 || !Field(line, 4).SequenceEqual("/proc"u8))
            {
                continue;
            }

            ReadOnlySpan<byte> options = line[separator..];
            int at = options.IndexOf("hidepid="u8);
            ReadOnlySpan<byte> value = at < 0 ? default : options[(at + "hidepid="u8.Length)..];
            hides = at >= 0 && !value.StartsWith("0"u8) && !value.StartsWith("off"u8);
        }

        return hides;
    }

    /// <summary>The value after a name in a file of lines, without the tab before it; false without that name.
    /// The name starts with the newline before it.</summary>
    internal static bool TryField(ReadOnlySpan<byte> status, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        while (!status.IsEmpty && !status.StartsWith(name))
        {
            status = status[1..];
        }

        value = status.IsEmpty ? default : status[name.Length..];
        int end = value.IndexOf((byte)'\n');
        value = end < 0 ? value : value[..end];
        // One tab stands before the value, and between the columns of NSpid.
        value = value is [(byte)'\t', ..] ? value[1..] : value;
        return !status.IsEmpty;
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> line, int index)
    {
        for (; index > 0; index--)
        {
            line = line[(line.IndexOf((byte)' ') + 1)..];
        }

        return line[..Math.Max(line.IndexOf((byte)' '), 0)];
    }

    private static bool IsSelf(int self)
    {
        byte* link = stackalloc byte[16];
        fixed (byte* path = "/proc/self"u8)
        {
            long length = readlink(path, link, 16);
            return length > 0
                && Utf8Parser.TryParse(new ReadOnlySpan<byte>(link, (int)length), out long number, out int used)
                && used == length
                && number == self;
        }
    }
}
