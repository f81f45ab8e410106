using System.Globalization;
using System.Text;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

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
