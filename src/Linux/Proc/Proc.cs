using System.Buffers.Text;
using System.Text;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Files of /proc, read without the runtime's file layer: that is slow, and loses errno in exceptions.</summary>
/// <remarks>What is not on procfs, as where something is mounted over it, is not there (ENOENT).</remarks>
internal static unsafe class Proc
{
    private const int PathSize = 64;
    private const int EntriesSize = 32768;

    /// <summary>Room for a <c>struct statfs</c>, which has 120 bytes.</summary>
    internal const int StatfsSize = 128;

    /// <summary>The type of file system that <c>fstatfs</c> tells first; linux/magic.h.</summary>
    internal const long PROC_SUPER_MAGIC = 0x9fa0;

    /// <summary>Opens /proc itself.</summary>
    /// <returns>A descriptor for the other calls, or an errno turned.</returns>
    internal static int Open() => Open(AT_FDCWD, "/proc"u8, O_RDONLY | O_DIRECTORY);

    /// <summary>Opens /proc as a process sees it that has a mount namespace of its own.</summary>
    /// <returns>A descriptor for the other calls, or an errno turned.</returns>
    internal static int OpenOf(int process) =>
        Open(AT_FDCWD, Encoding.ASCII.GetBytes($"/proc/{process}/root/proc\0"), O_RDONLY | O_DIRECTORY);

    /// <summary>Reads the beginning of a file of one process or thread.</summary>
    /// <param name="proc">/proc, or a task directory in it.</param>
    /// <param name="number">The process or thread. A thread that is not listed is found too.</param>
    /// <param name="name">The file below its directory, with the '/' before it.</param>
    /// <param name="text">Where to read to.</param>
    /// <returns>The length read, or an errno turned: ENOENT and ESRCH mean that there is no such task.</returns>
    internal static int Read(int proc, int number, ReadOnlySpan<byte> name, Span<byte> text)
    {
        Span<byte> path = stackalloc byte[PathSize];
        return ReadAndClose(Open(proc, Path(path, number, name), O_RDONLY), text);
    }

    /// <summary>Reads the beginning of any file, also one that is not of /proc.</summary>
    /// <param name="path">The path, and a NUL.</param>
    /// <param name="text">Where to read to.</param>
    /// <returns>The length read, or an errno turned.</returns>
    internal static int ReadAny(ReadOnlySpan<byte> path, Span<byte> text)
    {
        fixed (byte* pathname = path)
        {
            int fd = open(pathname, O_RDONLY | O_CLOEXEC);
            return ReadAndClose(fd < 0 ? -errno : fd, text);
        }
    }

    private static int ReadAndClose(int fd, Span<byte> text)
    {
        if (fd < 0)
        {
            return fd;
        }

        int length = 0;
        fixed (byte* start = text)
        {
            while (length < text.Length)
            {
                long got = read(fd, start + length, text.Length - length);
                if (got <= 0)
                {
                    length = got < 0 ? -errno : length;
                    break;
                }

                length += (int)got;
            }
        }

        close(fd);
        return length;
    }

    /// <summary>Reads the whole of a file of one process, whatever its length.</summary>
    /// <returns>0 or an errno turned.</returns>
    internal static int ReadAll(int proc, int number, ReadOnlySpan<byte> name, out byte[] text)
    {
        text = new byte[4096];
        int length;
        while ((length = Read(proc, number, name, text)) == text.Length)
        {
            text = new byte[text.Length * 4];
        }

        Array.Resize(ref text, Math.Max(length, 0));
        return Math.Min(length, 0);
    }

    /// <summary>Reads the whole of a file, whatever its length.</summary>
    /// <param name="directory">/proc, or AT_FDCWD for an absolute path.</param>
    /// <param name="path">The path, and a NUL.</param>
    /// <param name="text">What is in it.</param>
    /// <returns>0 or an errno turned.</returns>
    internal static int ReadAllAt(int directory, ReadOnlySpan<byte> path, out byte[] text)
    {
        text = new byte[4096];
        int length;
        while ((length = ReadAndClose(Open(directory, path, O_RDONLY), text)) == text.Length)
        {
            text = new byte[text.Length * 4];
        }

        Array.Resize(ref text, Math.Max(length, 0));
        return Math.Min(length, 0);
    }

    /// <summary>Adds the numbers of the processes that /proc lists.</summary>
    /// <returns>0 or an errno turned; then some may be missing.</returns>
    internal static int ListProcesses(int proc, List<int> numbers) => List(proc, "."u8, numbers);

    /// <summary>Adds the numbers of a process's threads, its own among them.</summary>
    /// <returns>0 or an errno turned; then some may be missing.</returns>
    internal static int ListThreads(int proc, int process, List<int> numbers)
    {
        Span<byte> path = stackalloc byte[PathSize];
        return List(proc, Path(path, process, "/task"u8), numbers);
    }

    /// <summary>Adds the numbers of this process's threads, as the mount has them.</summary>
    /// <returns>0 or an errno turned; then some may be missing.</returns>
    internal static int ListOwnThreads(int proc, List<int> numbers) => List(proc, "self/task"u8, numbers);

    /// <summary>Reads <c>/proc/N/stat</c>.</summary>
    /// <returns>0 or an errno turned.</returns>
    internal static int ReadStat(int proc, int number, out ProcStat stat)
    {
        Span<byte> text = stackalloc byte[1024];
        int length = Read(proc, number, "/stat"u8, text);
        stat = default;
        return length < 0 ? length : ProcStat.TryParse(text[..length], out stat) ? 0 : -EIO;
    }

    private static int List(int proc, ReadOnlySpan<byte> path, List<int> numbers)
    {
        int fd = Open(proc, path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
        {
            return fd;
        }

        byte* entries = stackalloc byte[EntriesSize];
        int size;
        while ((size = getdents64(fd, entries, EntriesSize)) > 0)
        {
            for (int at = 0; at < size;)
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

        int error = size < 0 ? -errno : 0;
        close(fd);
        return error;
    }

    /// <summary>Opens a file or directory of /proc. Never waits, whatever was put in its place.</summary>
    /// <param name="directory">/proc, or AT_FDCWD for an absolute path.</param>
    /// <param name="path">The path, and a NUL.</param>
    /// <param name="flags">O_RDONLY or O_RDWR, and O_DIRECTORY.</param>
    /// <returns>A descriptor, or an errno turned.</returns>
    internal static int Open(int directory, ReadOnlySpan<byte> path, int flags)
    {
        int fd;
        fixed (byte* pathname = path)
        {
            // To open a FIFO may take for ever.
            fd = openat(directory, pathname, flags | O_CLOEXEC | O_NONBLOCK);
        }

        if (fd < 0)
        {
            return -errno;
        }

        long* statfs = stackalloc long[StatfsSize / sizeof(long)];
        if (Raw.Call(SYS_fstatfs, fd, (nint)statfs) < 0 || statfs[0] != PROC_SUPER_MAGIC)
        {
            close(fd);
            return -ENOENT;
        }

        return fd;
    }

    private static ReadOnlySpan<byte> Path(Span<byte> path, int number, ReadOnlySpan<byte> name)
    {
        _ = number.TryFormat(path, out int length);
        name.CopyTo(path[length..]);
        path[length + name.Length] = 0;
        return path[..(length + name.Length)];
    }
}
