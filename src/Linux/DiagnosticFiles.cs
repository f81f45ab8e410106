using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// The socket and the two pipes that the runtime makes for debuggers in $TMPDIR or /tmp, named after the process. It
/// removes them when the process ends, but not when that ends by exit_group or a signal, or goes on as another program.
/// </summary>
internal static unsafe class DiagnosticFiles
{
    private const int Size = 4096;

    /// <summary>Removes them. Makes no thread and leaves other processes' files alone.</summary>
    internal static void Remove()
    {
        byte* stat = stackalloc byte[Size];
        ReadOnlySpan<byte> start = ReadStartTime(stat);
        if (!start.IsEmpty)
        {
            Remove("/dotnet-diagnostic-"u8, start, "-socket"u8);
            Remove("/clr-debug-pipe-"u8, start, "-in"u8);
            Remove("/clr-debug-pipe-"u8, start, "-out"u8);
        }
    }

    private static void Remove(ReadOnlySpan<byte> name, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        string directory = Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } temporary ? temporary : "/tmp";
        byte* path = stackalloc byte[Size];
        Span<byte> rest = new(path, Size);
        if (Encoding.UTF8.GetByteCount(directory) > Size / 2)
        {
            return;
        }

        rest = rest[Encoding.UTF8.GetBytes(directory, rest)..];
        name.CopyTo(rest);
        rest = rest[name.Length..];
        _ = ((int)getpid()).TryFormat(rest, out int digits);
        rest = rest[digits..];
        rest[0] = (byte)'-';
        start.CopyTo(rest = rest[1..]);
        end.CopyTo(rest = rest[start.Length..]);
        rest[end.Length] = 0;
        _ = unlinkat(AT_FDCWD, path, 0);
    }

    // The 22nd field of stat, in clock ticks: the runtime tells apart by it two processes that have a PID in turn.
    private static ReadOnlySpan<byte> ReadStartTime(byte* stat)
    {
        const int FieldsBefore = 20;
        fixed (byte* path = "/proc/self/stat"u8)
        {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
            {
                return default;
            }

            long length = read(fd, stat, Size);
            close(fd);
            ReadOnlySpan<byte> rest = new(stat, (int)Math.Max(length, 0));
            rest = rest[(rest.LastIndexOf((byte)')') + 1)..];
            for (int i = 0; i < FieldsBefore; i++)
            {
                rest = rest[(rest.IndexOf((byte)' ') + 1)..];
            }

            return rest[..Math.Max(rest.IndexOf((byte)' '), 0)];
        }
    }
}
