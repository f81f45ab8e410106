using System.Buffers.Text;
using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Files of /proc, read without the runtime's file layer: that is slow, and loses errno in exceptions.</summary>
/// <remarks>What is not on procfs, as where something is mounted over it, is not there (ENOENT). <c>proc</c> is a
/// descriptor of a /proc; of a task that is gone reading says ENOENT or ESRCH.</remarks>
internal static unsafe class Proc
{
    private const int PathSize = 64;
    private const int EntriesSize = 32768;

    /// <summary>Room for a <c>struct statfs</c>, which has 120 bytes.</summary>
    internal const int StatfsSize = 128;

    /// <summary>The type of file system that <c>fstatfs</c> tells first; linux/magic.h.</summary>
    internal const long PROC_SUPER_MAGIC = 0x9fa0;

    internal static Fd Open() => Open(AT_FDCWD, "/proc"u8, O_RDONLY | O_DIRECTORY);

    /// <summary>Opens /proc as a process sees it that has a mount namespace of its own.</summary>
    internal static Fd OpenOf(int process) =>
        Open(AT_FDCWD, Encoding.ASCII.GetBytes($"/proc/{process}/root/proc\0"), O_RDONLY | O_DIRECTORY);

    /// <summary>Opens a file or directory of /proc. Never waits, whatever was put in its place.</summary>
    /// <param name="directory">/proc, or AT_FDCWD for an absolute path.</param>
    /// <param name="flags">O_RDONLY or O_RDWR, and O_DIRECTORY.</param>
    internal static Fd Open(int directory, ReadOnlySpan<byte> path, int flags)
    {
        // To open a FIFO may take for ever.
        Fd file = Fd.Open(directory, path, flags | O_NONBLOCK);
        long* statfs = stackalloc long[StatfsSize / sizeof(long)];
        if (!file.IsOpen || (!Raw.Call(SYS_fstatfs, file.Number, (nint)statfs).IsError && statfs[0] == PROC_SUPER_MAGIC))
        {
            return file;
        }

        file.Dispose();
        return new Fd(Errno.ENOENT);
    }

    /// <summary>Reads the beginning of any file, also one that is not of /proc.</summary>
    internal static SysResult ReadAny(ReadOnlySpan<byte> path, Span<byte> text)
    {
        using Fd file = Fd.Open(AT_FDCWD, path, O_RDONLY);
        return Read(file, text);
    }

    /// <summary>Reads the whole of a file, whatever its length.</summary>
    /// <param name="directory">/proc, or AT_FDCWD for an absolute path.</param>
    /// <param name="text">What is in it; nothing where it cannot be read.</param>
    internal static Errno ReadAllAt(int directory, ReadOnlySpan<byte> path, out byte[] text)
    {
        SysResult length;
        for (text = new byte[4096]; ; text = new byte[text.Length * 4])
        {
            using Fd file = Open(directory, path, O_RDONLY);
            length = Read(file, text);
            if (length.Raw != text.Length)
            {
                break;
            }
        }

        Array.Resize(ref text, Math.Max(length.Value, 0));
        return length.Error;
    }

    /// <summary>Reads the whole of a file of one process or thread, whatever its length. A thread that is not listed is
    /// found too.</summary>
    internal static Errno ReadAll(int proc, int number, ReadOnlySpan<byte> name, out byte[] text)
    {
        Span<byte> path = stackalloc byte[PathSize];
        return ReadAllAt(proc, Path(path, number, name), out text);
    }

    internal static Errno ReadStat(int proc, int number, out ProcStat stat)
    {
        Span<byte> text = stackalloc byte[1024];
        SysResult length = Read(proc, number, "/stat"u8, text);
        stat = default;
        return length.IsError ? length.Error : ProcStat.TryParse(text[..length.Value], out stat) ? 0 : Errno.EIO;
    }

    /// <summary>The value of a field of <c>/proc/N/status</c>; empty where it cannot be read, or is not there.</summary>
    /// <param name="field">Its name, with the newline before and the colon and the tab behind it.</param>
    internal static ReadOnlySpan<byte> ReadStatus(int proc, int number, ReadOnlySpan<byte> field)
    {
        _ = ReadAll(proc, number, "/status"u8, out byte[] text);
        int at = text.AsSpan().IndexOf(field);
        ReadOnlySpan<byte> value = at < 0 ? default : text.AsSpan(at + field.Length);
        int end = value.IndexOf((byte)'\n');
        return end < 0 ? value : value[..end];
    }

    /// <summary>The process that a thread is of; <paramref name="number"/> itself where that cannot be told.</summary>
    // /proc/N of a thread that is not its process's first is not listed but can be opened.
    internal static int ReadProcessOf(int proc, int number) =>
        Utf8Parser.TryParse(ReadStatus(proc, number, "\nTgid:\t"u8), out int process, out _) ? process : number;

    /// <summary>The command line of a process, or its name in brackets where it has none. Safe to print.</summary>
    internal static string ReadCommandLine(int proc, int process)
    {
        Span<byte> text = stackalloc byte[4096];
        SysResult length = Read(proc, process, "/cmdline"u8, text);
        if (length.Raw > 0)
        {
            return Printable.From(text[..length.Value].TrimEnd((byte)0));
        }

        length = Read(proc, process, "/comm"u8, text);
        return length.Raw > 0 ? $"[{Printable.From(text[..length.Value].TrimEnd((byte)'\n'))}]" : "";
    }

    /// <summary>Adds the numbers of the processes that /proc lists; on an error some may be missing.</summary>
    internal static Errno ListProcesses(int proc, List<int> numbers) => List(proc, "."u8, numbers);

    /// <summary>Adds the numbers of a process's threads, its own among them; on an error some may be missing.</summary>
    internal static Errno ListThreads(int proc, int process, List<int> numbers)
    {
        Span<byte> path = stackalloc byte[PathSize];
        return List(proc, Path(path, process, "/task"u8), numbers);
    }

    /// <summary>Adds the numbers of this process's threads, as the mount has them; on an error some may be missing.</summary>
    internal static Errno ListOwnThreads(int proc, List<int> numbers) => List(proc, "self/task"u8, numbers);

    private static Errno List(int proc, ReadOnlySpan<byte> path, List<int> numbers)
    {
        using Fd directory = Open(proc, path, O_RDONLY | O_DIRECTORY);
        if (!directory.IsOpen)
        {
            return directory.Error;
        }

        byte* entries = stackalloc byte[EntriesSize];
        while (true)
        {
            SysResult size = Raw.Call(SYS_getdents64, directory.Number, (nint)entries, EntriesSize);
            if (size.Raw <= 0)
            {
                return size.Error;
            }

            for (int at = 0; at < size.Value;)
            {
                // struct linux_dirent64: d_ino, d_off, the record's length at 16, the type, the name at 19.
                int length = *(ushort*)(entries + at + 16);
                ReadOnlySpan<byte> name = new(entries + at + 19, length - 19);
                if (Utf8Parser.TryParse(name, out long number, out int used) && name[used] == 0)
                {
                    numbers.Add((int)number);
                }

                at += length;
            }
        }
    }

    // In one go, which gives all that there is room for of a file of one record.
    private static SysResult Read(int proc, int number, ReadOnlySpan<byte> name, Span<byte> text)
    {
        Span<byte> path = stackalloc byte[PathSize];
        using Fd file = Open(proc, Path(path, number, name), O_RDONLY);
        fixed (byte* start = text)
        {
            return file.IsOpen ? SysResult.Of(read(file.Number, start, text.Length)) : file.Error;
        }
    }

    private static SysResult Read(Fd file, Span<byte> text)
    {
        int length = 0;
        SysResult got = file.IsOpen ? 1 : file.Error;
        fixed (byte* start = text)
        {
            while (got.Raw > 0 && length < text.Length)
            {
                got = SysResult.Of(read(file.Number, start + length, text.Length - length));
                length += Math.Max(got.Value, 0);
            }
        }

        return got.IsError ? got : length;
    }

    private static ReadOnlySpan<byte> Path(Span<byte> path, int number, ReadOnlySpan<byte> name)
    {
        _ = number.TryFormat(path, out int length);
        name.CopyTo(path[length..]);
        path[length + name.Length] = 0;
        return path[..(length + name.Length)];
    }
}
