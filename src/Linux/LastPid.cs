using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>last_pid of the PID namespace that the caller lives in, whatever /proc is mounted: the namespace is that of the
/// task that reads or writes (pid_ns_ctl_handler, kernel/pid_namespace.c). Or why it could not be opened.</summary>
/// <remarks>Allocates nothing and makes no thread once opened.</remarks>
internal sealed unsafe class LastPid : IDisposable
{
    internal const string File = "/proc/sys/kernel/ns_last_pid";
    private const string PidMaxFile = "/proc/sys/kernel/pid_max";

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(1);

    private readonly ICaller _caller;
    private SysResult _file;
    private bool _isLocked;

    // Only what is on procfs counts. Never waits, whatever was put in its place: to open a FIFO may take for ever.
    private LastPid(ICaller? caller, string path, int flags)
    {
        _caller = caller ?? OwnCaller.Instance;
        Text[Encoding.ASCII.GetBytes(path, Text)] = 0;
        _file = _caller.Call(SYS_openat, AT_FDCWD, _caller.Memory, flags | O_CLOEXEC | O_NONBLOCK, 0);
        if (!_file.IsError
            && (_caller.Call(SYS_fstatfs, _file.Value, _caller.Memory).IsError || *(long*)_caller.Memory != Proc.PROC_SUPER_MAGIC))
        {
            _ = _caller.Call(SYS_close, _file.Value);
            _file = Errno.ENOENT;
        }
    }

    /// <summary>Why it could not be opened; 0 when it could.</summary>
    internal Errno Error => _file.Error;

    /// <summary>As the caller has it.</summary>
    internal int Descriptor => _file.Value;

    /// <summary>Whether last_pid is read from the last field of /proc/loadavg, because /proc/sys/kernel/ns_last_pid cannot
    /// be opened: it needs CONFIG_CHECKPOINT_RESTORE.</summary>
    internal bool IsLoadavg { get; private init; }

    /// <summary>Opens last_pid for <see cref="Read"/> and <see cref="Lock"/>.</summary>
    internal static LastPid OpenForReading(ICaller? caller = null)
    {
        LastPid lastPid = new(caller, File, O_RDONLY);
        return lastPid.Error == 0 ? lastPid : OpenLoad(caller);
    }

    /// <summary>Opens /proc/loadavg for <see cref="ReadTasks"/>.</summary>
    internal static LastPid OpenLoad(ICaller? caller) => new(caller, "/proc/loadavg", O_RDONLY) { IsLoadavg = true };

    /// <summary>Opens last_pid for <see cref="Write"/> too. ENOENT without CONFIG_CHECKPOINT_RESTORE or /proc/sys, or where
    /// something else is mounted over the file; EROFS where it is mounted read-only. The file is writable for all: the
    /// capability is asked for by each write.</summary>
    internal static LastPid OpenForWriting(ICaller? caller = null) => new(caller, File, O_RDWR);

    /// <summary>Opens the file that the members of a process's mount namespace take for theirs, for <see cref="Lock"/>
    /// only.</summary>
    internal static LastPid OpenOf(int process) => new(null, $"/proc/{process}/root{File}", O_RDONLY);

    /// <summary>Finds who holds the lock on the ns_last_pid of /proc.</summary>
    /// <returns>A process, as /proc/locks numbers it; 0 when none is seen.</returns>
    internal static int FindLocker()
    {
        statx file;
        byte[] text = [];
        fixed (byte* path = Encoding.ASCII.GetBytes(File + '\0'))
        {
            if (SysResult.Of(LibC.statx(AT_FDCWD, path, 0, STATX_INO, &file)).IsError
                || Proc.ReadAllAt(AT_FDCWD, "/proc/locks\0"u8, out text) != 0)
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

    /// <summary>Whether pid_max may be written: who may open it so may write it (proc_sys_permission, fs/proc/proc_sysctl.c).</summary>
    internal static bool MayWritePidMax(ICaller caller)
    {
        using LastPid file = new(caller, PidMaxFile, O_WRONLY);
        return file.Error == 0;
    }

    /// <summary>Reads pid_max of the caller's namespace, the first number that is never handed out; before 6.14 there is one
    /// for all.</summary>
    internal static SysResult ReadPidMax(ICaller? caller = null)
    {
        // Opened anew each time: since 6.14 it belongs to the namespace of who opened it.
        using LastPid file = new(caller, PidMaxFile, O_RDONLY);
        return file.Read();
    }

    /// <summary>Reads how many tasks the machine has, in whatever namespaces, from the next to last field of /proc/loadavg, if that
    /// is what is open: <see cref="OpenLoad"/>. EIO when what is there is no number.</summary>
    internal SysResult ReadTasks()
    {
        Errno error = ReadText(out ReadOnlySpan<byte> text);
        text = text[..Math.Max(text.LastIndexOf((byte)' '), 0)];
        return error != 0 ? error : Parse(text[(text.LastIndexOf((byte)'/') + 1)..]);
    }

    /// <summary>Reads last_pid, 0 or more; EIO when what is there is no number.</summary>
    internal SysResult Read() => ReadText(out ReadOnlySpan<byte> text) is not 0 and var error ? error : Parse(text);

    /// <summary>Locks ns_last_pid with flock, as CRIU and others do around the write and the fork that follows it. Closing
    /// unlocks.</summary>
    /// <param name="timeout">How long to wait for another's lock; then it is ETIMEDOUT.</param>
    internal Errno Lock(TimeSpan timeout)
    {
        long start = Stopwatch.GetTimestamp();
        SysResult locked;
        // The call itself has a time limit only by a signal.
        while ((locked = _file.IsError ? _file : _caller.Call(SYS_flock, _file.Value, LOCK_EX | LOCK_NB)).Error
            is Errno.EAGAIN or Errno.EINTR)
        {
            if (Stopwatch.GetElapsedTime(start) >= timeout)
            {
                return Errno.ETIMEDOUT;
            }

            Thread.Sleep(s_pause);
        }

        _isLocked |= !locked.IsError;
        return locked.Error;
    }

    internal void Unlock()
    {
        if (_isLocked)
        {
            // A thread with FullFiles has a copy, and a lock is gone only when the last one is closed.
            _ = _caller.Call(SYS_flock, _file.Value, LOCK_UN);
            _isLocked = false;
        }
    }

    /// <summary>Makes <paramref name="pid"/> the last PID.</summary>
    /// <param name="pid">0 to pid_max.</param>
    /// <returns>EPERM without the capability, EINVAL out of range.</returns>
    internal Errno Write(int pid)
    {
        _ = pid.TryFormat(Text, out int length);
        // At offset 0 always: elsewhere the kernel swallows the write and says it was done
        // (sysctl_writes_strict; proc_sys_call_handler, fs/proc/proc_sysctl.c).
        SysResult written = WriteAt0(length);
        return !written.IsError && written.Value != length ? Errno.EIO : written.Error;
    }

    /// <summary>Tries whether <see cref="Write"/> is allowed, by a text that is no number: permission is asked for first
    /// (proc_sys_call_handler, fs/proc/proc_sysctl.c). Changes nothing.</summary>
    /// <returns>EINVAL where it is allowed, EPERM without the capability.</returns>
    internal Errno TryToWrite()
    {
        Text[0] = (byte)'x';
        return WriteAt0(1).Error;
    }

    /// <summary>The number in the text of such a file, in the last field if there are several; EIO when it is none.</summary>
    internal static SysResult Parse(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> field = text[(text.LastIndexOf((byte)' ') + 1)..].TrimEnd((byte)'\n');
        // The kernel pads nothing and signs nothing.
        return !field.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : Errno.EIO;
    }

    /// <summary>Closes the file; a lock goes with it.</summary>
    public void Dispose()
    {
        Unlock();
        if (!_file.IsError)
        {
            _ = _caller.Call(SYS_close, _file.Value);
        }

        _file = Errno.EBADF;
    }

    private Span<byte> Text => new((void*)_caller.Memory, ICaller.Size);

    private Errno ReadText(out ReadOnlySpan<byte> text)
    {
        SysResult length = _file.IsError ? _file : _caller.Call(SYS_pread64, _file.Value, _caller.Memory, ICaller.Size, 0);
        text = length.IsError ? [] : Text[..length.Value];
        return length.Error;
    }

    private SysResult WriteAt0(int length) =>
        _file.IsError ? _file : _caller.Call(SYS_pwrite64, _file.Value, _caller.Memory, length, 0);
}
