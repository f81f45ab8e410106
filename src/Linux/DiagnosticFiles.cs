using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// The socket and the two pipes that the runtime leaves for debuggers in $TMPDIR or /tmp, named after the process. It
/// removes them when the process ends, but not when that ends by exit_group or goes on as another program.
/// </summary>
internal static unsafe class DiagnosticFiles
{
    private static readonly string[] s_names = ["dotnet-diagnostic-{0}-socket", "clr-debug-pipe-{0}-in", "clr-debug-pipe-{0}-out"];

    /// <summary>Removes them. Makes no thread and leaves other processes' files alone.</summary>
    internal static void Remove()
    {
        string directory = Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } temporary ? temporary : "/tmp";
        if (ReadStartTime() is not { } start)
        {
            return;
        }

        string process = $"{(int)getpid()}-{start}";
        foreach (string name in s_names)
        {
            fixed (byte* path = Encoding.UTF8.GetBytes($"{directory}/{name.Replace("{0}", process)}\0"))
            {
                _ = unlinkat(AT_FDCWD, path, 0);
            }
        }
    }

    // The 22nd field of stat, in clock ticks: the runtime tells apart by it two processes that have a PID in turn.
    private static string? ReadStartTime()
    {
        const int Size = 1024, FieldsAfterName = 20;
        byte* text = stackalloc byte[Size];
        fixed (byte* path = "/proc/self/stat"u8)
        {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
            {
                return null;
            }

            long length = read(fd, text, Size);
            close(fd);
            string stat = Encoding.UTF8.GetString(text, (int)Math.Max(length, 0));
            string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ');
            return fields.Length > FieldsAfterName ? fields[FieldsAfterName] : null;
        }
    }
}
