using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// Rids the zygote of what it inherited and will never touch: the memory of the runtime and the descriptors that are
/// closed on execve anyway. A fork copies page tables and mappings, so this is what makes its children cheap.
/// </summary>
internal static unsafe class ZygoteTrim
{
    private const int ScannedWords = 64;
    private const long StackBelow = 64 * 1024;
    private const long TlsBelow = 16 * 1024;
    private const long TlsAbove = 32 * 1024;
    private const long CodeReach = 16 * 1024;
    private const int UnusedDescriptorsInARow = 64;

    private static long* s_words;

    /// <summary>
    /// Appends the munmap and close calls. Kept are: the arena, libc (its syscall() and the GOT that leads to errno),
    /// the page of errno and its surroundings (glibc's rseq area, which the kernel writes to, lies there too), a piece
    /// of the stack around <paramref name="frame"/>, the code of <see cref="TaskLoop"/>, the vdso, and
    /// <paramref name="pidfd"/>.
    /// </summary>
    internal static void Append(Order order, Arena arena, nint libcSyscall, nint errno, nint frame, int pidfd)
    {
        long* words = stackalloc long[2 * ScannedWords];
        FindCode(words);
        List<Mapping> mappings = Mapping.ReadAll();
        if (mappings.Count == 0)
        {
            return;
        }

        string libc = "";
        foreach (Mapping m in mappings)
        {
            libc = m.Contains(libcSyscall) ? m.Path : libc;
        }

        PageRanges kept = new();
        foreach (Mapping m in mappings)
        {
            if (m.Contains(arena.Address)
                || m.Path.StartsWith("[v", StringComparison.Ordinal)
                || (m.Path == libc && libc.Length > 0))
            {
                kept.Add(m, m.Start, m.End);
                continue;
            }

            if (m.IsExecutable && (m.Path.Length == 0 || m.Path.StartsWith("/memfd:", StringComparison.Ordinal)))
            {
                for (int i = 0; i < 2 * ScannedWords; i++)
                {
                    // From a return address: the method may reach into the mapping before or after.
                    kept.Add(m, words[i] - CodeReach, words[i] + CodeReach);
                }
            }

            if (m.Contains(errno))
            {
                kept.Add(m, errno - TlsBelow, errno + TlsAbove);
            }

            if (m.Contains(frame))
            {
                kept.Add(m, frame - StackBelow, frame + Environment.SystemPageSize);
            }
        }

        long from = mappings[0].Start;
        for (int i = 0; i < kept.Count; i++)
        {
            Unmap(order, from, kept.Start(i));
            from = Math.Max(from, kept.End(i));
        }

        CloseOnExec(order, pidfd);
    }

    /// <summary>
    /// Fills <paramref name="words"/> with the stack below and above a call that <see cref="TaskLoop.Start"/> makes:
    /// one of them is the return address into it. The runtime has no call that tells where a method's code lies; the
    /// address of a method is that of a stub.
    /// </summary>
    private static void FindCode(long* words)
    {
        ArenaHeader header = default;
        TaskSlot slot = default;
        int errno = 0;
        s_words = words;
        TaskLoop.Start(&header, &slot, &CopyStack, &errno);
    }

    // Stands in for libc's syscall(): clone "returns" 1, so Start is a parent and comes back.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static long CopyStack(long number, long a0, long a1, long a2, long a3, long a4, long a5)
    {
        long here = 0;
        long* from = &here - ScannedWords;
        for (int i = 0; i < 2 * ScannedWords; i++)
        {
            s_words[i] = from[i];
        }

        return 1;
    }

    private static void Unmap(Order order, long start, long end)
    {
        if (start < end)
        {
            order.Call(Kernel.SYS_munmap, start, end - start);
        }
    }

    private static void CloseOnExec(Order order, int pidfd)
    {
        for (int fd = 3, unused = 0; unused < UnusedDescriptorsInARow && order.Count < 200; fd++)
        {
            SysResult flags = Raw.Call(Kernel.SYS_fcntl, fd, F_GETFD);
            unused = flags.IsError ? unused + 1 : 0;
            if (!flags.IsError && (flags.Value & FD_CLOEXEC) != 0 && fd != pidfd)
            {
                order.Call(Kernel.SYS_close, fd);
            }
        }
    }
}

/// <summary>Ranges of whole pages, sorted by their start; they may overlap.</summary>
internal sealed class PageRanges
{
    private long[] _bounds = new long[32];

    /// <summary>How many there are.</summary>
    internal int Count { get; private set; }

    internal long Start(int index) => _bounds[2 * index];

    /// <summary>The first address after range <paramref name="index"/>.</summary>
    internal long End(int index) => _bounds[(2 * index) + 1];

    /// <summary>Adds the pages of <paramref name="mapping"/> that meet the addresses from..to, if any.</summary>
    internal void Add(Mapping mapping, long from, long to)
    {
        long start = Math.Max(mapping.Start, from & -Environment.SystemPageSize);
        long end = Math.Min(mapping.End, (to + Environment.SystemPageSize - 1) & -Environment.SystemPageSize);
        if (start >= end)
        {
            return;
        }

        if (2 * Count == _bounds.Length)
        {
            Array.Resize(ref _bounds, 2 * _bounds.Length);
        }

        int at = 2 * Count++;
        for (; at > 0 && _bounds[at - 2] > start; at -= 2)
        {
            _bounds[at] = _bounds[at - 2];
            _bounds[at + 1] = _bounds[at - 1];
        }

        _bounds[at] = start;
        _bounds[at + 1] = end;
    }
}

/// <summary>One line of /proc/self/maps.</summary>
/// <param name="Start">first address</param>
/// <param name="End">first address after it</param>
/// <param name="IsExecutable">mapped PROT_EXEC</param>
/// <param name="Path">file or [name], empty if anonymous</param>
internal sealed record Mapping(long Start, long End, bool IsExecutable, string Path)
{
    internal bool Contains(nint address) => address >= Start && address < End;

    /// <summary>All mappings of this process by rising address; none if the file cannot be read.</summary>
    internal static List<Mapping> ReadAll()
    {
        List<Mapping> mappings = [];
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/maps\0"u8, out byte[] text);
        ReadOnlySpan<byte> rest = text;
        while (rest.IndexOf((byte)'\n') is >= 0 and var newline)
        {
            mappings.Add(Parse(rest[..newline]));
            rest = rest[(newline + 1)..];
        }

        return mappings;
    }

    // 7f0000000000-7f0000001000 r-xp 00000000 fe:00 1234      /path with blanks
    private static Mapping Parse(ReadOnlySpan<byte> line)
    {
        int dash = line.IndexOf((byte)'-');
        int blank = line.IndexOf((byte)' ');
        long start = (long)ulong.Parse(line[..dash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        long end = (long)ulong.Parse(
            line[(dash + 1)..blank], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        bool executable = line[blank + 3] == 'x';
        ReadOnlySpan<byte> rest = line[(blank + 1)..];
        for (int field = 0; field < 4; field++)
        {
            int next = rest.IndexOf((byte)' ');
            rest = next < 0 ? default : rest[(next + 1)..];
        }

        return new Mapping(start, end, executable, Encoding.UTF8.GetString(rest).TrimStart(' '));
    }
}
