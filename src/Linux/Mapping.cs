using System.Globalization;
using System.Text;

namespace SetNsLastPid.Linux;

/// <summary>One line of /proc/self/maps.</summary>
/// <param name="Start">first address</param>
/// <param name="End">first address after it</param>
/// <param name="IsExecutable">mapped PROT_EXEC</param>
/// <param name="Path">file or [name], empty if anonymous</param>
internal sealed record Mapping(long Start, long End, bool IsExecutable, string Path)
{
    private const int AT_FDCWD = -100;
    private const int O_CLOEXEC = 0x80000;

    internal bool Contains(nint address) => address >= Start && address < End;

    /// <summary>All mappings of this process by rising address; none if the file cannot be read.</summary>
    internal static unsafe List<Mapping> ReadAll()
    {
        List<Mapping> mappings = [];
        byte[] text = new byte[64 * 1024];
        int length = 0;
        fixed (byte* path = "/proc/self/maps\0"u8)
        {
            long fd = Raw.Call(Kernel.SYS_openat, AT_FDCWD, (nint)path, O_CLOEXEC);
            if (fd < 0)
            {
                return mappings;
            }

            while (true)
            {
                if (text.Length - length < 4096)
                {
                    Array.Resize(ref text, text.Length * 2);
                }

                long got;
                fixed (byte* at = &text[length])
                {
                    got = Raw.Call(Kernel.SYS_read, fd, (nint)at, text.Length - length);
                }

                if (got <= 0)
                {
                    break;
                }

                length += (int)got;
            }

            Raw.Call(Kernel.SYS_close, fd);
        }

        ReadOnlySpan<byte> rest = text.AsSpan(0, length);
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
