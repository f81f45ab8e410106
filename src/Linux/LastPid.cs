using System.Globalization;
using System.Text;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// last_pid of the PID namespace that the calling process lives in, whatever /proc is mounted: the namespace is
/// that of the task that reads or writes (pid_ns_ctl_handler, kernel/pid_namespace.c).
/// </summary>
/// <remarks>
/// Allocates nothing and makes no thread once opened. Every failure is a value: a result below zero is an errno
/// with its sign turned.
/// </remarks>
internal sealed unsafe class LastPid : IDisposable
{
    private const int TextSize = 128;

    private int _fd;
    private bool _isLocked;

    private LastPid(int fd, bool isLoadavg)
    {
        _fd = fd;
        IsLoadavg = isLoadavg;
    }

    /// <summary>
    /// Whether last_pid is read from the last field of /proc/loadavg, because /proc/sys/kernel/ns_last_pid cannot
    /// be opened: it needs CONFIG_CHECKPOINT_RESTORE.
    /// </summary>
    internal bool IsLoadavg { get; }

    /// <summary>Opens last_pid for <see cref="Read"/>.</summary>
    /// <returns>0, or the errno turned with which /proc/loadavg, the second choice, could not be opened.</returns>
    internal static int OpenForReading(out LastPid? lastPid)
    {
        bool isLoadavg = false;
        int fd = Proc.Open(AT_FDCWD, "/proc/sys/kernel/ns_last_pid"u8, O_RDONLY).Release();
        if (fd < 0)
        {
            isLoadavg = true;
            fd = Proc.Open(AT_FDCWD, "/proc/loadavg"u8, O_RDONLY).Release();
        }

        lastPid = fd < 0 ? null : new LastPid(fd, isLoadavg);
        return Math.Min(fd, 0);
    }

    /// <summary>Opens last_pid for <see cref="Lock"/>, <see cref="Write"/> and <see cref="Read"/>.</summary>
    /// <returns>
    /// 0, or an errno turned: ENOENT without CONFIG_CHECKPOINT_RESTORE or /proc/sys, or where something else is mounted over
    /// the file, EROFS where it is mounted read-only. The file is writable for all: the capability is asked for by each write.
    /// </returns>
    internal static int OpenForWriting(out LastPid? lastPid)
    {
        int fd = Proc.Open(AT_FDCWD, "/proc/sys/kernel/ns_last_pid"u8, O_RDWR).Release();
        lastPid = fd < 0 ? null : new LastPid(fd, isLoadavg: false);
        return Math.Min(fd, 0);
    }

    /// <summary>Opens the file that the members of a process's mount namespace take for theirs, for
    /// <see cref="Lock"/> only.</summary>
    /// <returns>0 or an errno turned.</returns>
    internal static int OpenOf(int process, out LastPid? lastPid)
    {
        int fd = Proc.Open(AT_FDCWD, Encoding.ASCII.GetBytes($"/proc/{process}/root/proc/sys/kernel/ns_last_pid\0"), O_RDONLY).Release();
        lastPid = fd < 0 ? null : new LastPid(fd, isLoadavg: false);
        return Math.Min(fd, 0);
    }

    /// <summary>Finds who holds the lock on the ns_last_pid of /proc.</summary>
    /// <returns>A process, as /proc/locks numbers it; 0 when none is seen.</returns>
    internal static int FindLocker()
    {
        statx file;
        byte[] text = [];
        fixed (byte* path = "/proc/sys/kernel/ns_last_pid\0"u8)
        {
            if (LibC.statx(AT_FDCWD, path, 0, STATX_INO, &file) != 0 || Proc.ReadAllAt(AT_FDCWD, "/proc/locks\0"u8, out text) != 0)
            {
                return 0;
            }
        }

        // ORDINAL: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END (lock_get_status, fs/locks.c); who waits has "->" second.
        string inode = string.Create(
            CultureInfo.InvariantCulture, $"{(uint)file.stx_dev_major:x2}:{(uint)file.stx_dev_minor:x2}:{(ulong)file.stx_ino}");
        foreach (string line in Encoding.ASCII.GetString(text).Split('\n'))
        {
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, "FLOCK", _, _, var process, var locked, ..]
                && locked == inode && int.TryParse(process, CultureInfo.InvariantCulture, out int number))
            {
                return number;
            }
        }

        return 0;
    }

    /// <summary>Reads pid_max of this process's namespace; before 6.14 there is one for all.</summary>
    /// <returns>The first number that is never handed out, or an errno turned.</returns>
    internal static int ReadPidMax()
    {
        int fd = Proc.Open(AT_FDCWD, "/proc/sys/kernel/pid_max"u8, O_RDONLY).Release();
        if (fd < 0)
        {
            return fd;
        }

        byte* text = stackalloc byte[TextSize];
        int pidMax = Parse(text, ReadAt0(fd, text), lastField: false);
        close(fd);
        return pidMax;
    }

    /// <summary>Reads last_pid.</summary>
    /// <returns>last_pid, 0 or more, or an errno turned.</returns>
    internal int Read()
    {
        byte* text = stackalloc byte[TextSize];
        return Parse(text, ReadAt0(_fd, text), IsLoadavg);
    }

    /// <summary>
    /// Locks ns_last_pid with flock, as CRIU and others do around the write and the fork that follows it. Closing
    /// unlocks.
    /// </summary>
    /// <param name="timeout">How long to wait for another's lock.</param>
    /// <returns>0, or an errno turned: ETIMEDOUT when another kept the lock.</returns>
    internal int Lock(TimeSpan timeout)
    {
        int error = FileLock.Take(_fd, timeout);
        _isLocked |= error == 0;
        return error;
    }

    /// <summary>Unlocks what <see cref="Lock"/> locked.</summary>
    internal void Unlock() => _ = flock(_fd, LOCK_UN);

    /// <summary>Makes <paramref name="pid"/> the last PID.</summary>
    /// <param name="pid">0 to pid_max.</param>
    /// <returns>0, or an errno turned: EPERM without the capability, EINVAL out of range.</returns>
    internal int Write(int pid)
    {
        byte* text = stackalloc byte[TextSize];
        _ = pid.TryFormat(new Span<byte>(text, TextSize), out int length);
        // At offset 0 always: elsewhere the kernel swallows the write and says it was done
        // (sysctl_writes_strict; proc_sys_call_handler, fs/proc/proc_sysctl.c).
        long written = pwrite(_fd, text, length, 0);
        return written == length ? 0 : written < 0 ? -errno : -EIO;
    }

    /// <summary>Tries whether <see cref="Write"/> is allowed, by a text that is no number: permission is asked for first
    /// (proc_sys_call_handler, fs/proc/proc_sysctl.c). Changes nothing.</summary>
    /// <returns>An errno turned: EINVAL where it is allowed, EPERM without the capability.</returns>
    internal int TryToWrite()
    {
        byte letter = (byte)'x';
        return pwrite(_fd, &letter, 1, 0) < 0 ? -errno : 0;
    }

    /// <summary>The number in the text of such a file, or of its last field.</summary>
    /// <returns>The number, or an errno turned: EIO when it is none.</returns>
    internal static int Parse(ReadOnlySpan<byte> text, bool lastField)
    {
        ReadOnlySpan<byte> field = text.TrimEnd((byte)'\n');
        field = lastField ? field[(field.LastIndexOf((byte)' ') + 1)..] : field;
        long value = 0;
        foreach (byte digit in field)
        {
            value = digit is >= (byte)'0' and <= (byte)'9' && value <= int.MaxValue ? value * 10 + digit - '0' : -EIO;
            if (value < 0)
            {
                return -EIO;
            }
        }

        return field.IsEmpty || value > int.MaxValue ? -EIO : (int)value;
    }

    /// <summary>Closes the file; a lock goes with it.</summary>
    public void Dispose()
    {
        if (_fd >= 0)
        {
            if (_isLocked)
            {
                // A thread with FullFiles has a copy, and a lock is gone only when the last one is closed.
                Unlock();
            }

            close(_fd);
            _fd = -1;
        }
    }

    private static int ReadAt0(int fd, byte* text)
    {
        long length = pread(fd, text, TextSize, 0);
        return length < 0 ? -errno : (int)length;
    }

    private static int Parse(byte* text, int length, bool lastField) =>
        length < 0 ? length : Parse(new ReadOnlySpan<byte>(text, length), lastField);
}
