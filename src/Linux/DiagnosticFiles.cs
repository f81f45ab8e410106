using System.Globalization;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// The socket and the two pipes that the runtime makes for debuggers in $TMPDIR or /tmp, named after the process. It
/// removes them when the process ends, but not when that ends by exit_group or a signal, or goes on as another program.
/// </summary>
internal static unsafe class DiagnosticFiles
{
    /// <summary>Removes them. Makes no thread and leaves other processes' files alone.</summary>
    internal static void Remove()
    {
        if (ReadStartTime() is not { } start)
        {
            return;
        }

        string directory = Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } temporary ? temporary : "/tmp";
        string process = string.Concat(((int)getpid()).ToString(CultureInfo.InvariantCulture), "-", start);
        Unlink(string.Concat(directory, "/dotnet-diagnostic-", process, "-socket\0"));
        Unlink(string.Concat(directory, "/clr-debug-pipe-", process, "-in\0"));
        Unlink(string.Concat(directory, "/clr-debug-pipe-", process, "-out\0"));
    }

    private static void Unlink(string name)
    {
        fixed (byte* path = Utf8Text.ToBytes(name))
        {
            _ = unlinkat(AT_FDCWD, path, 0);
        }
    }

    // The 22nd field of stat, in clock ticks: the runtime tells apart by it two processes that have a PID in turn.
    private static string? ReadStartTime()
    {
        const int Size = 1024, FieldsAfterName = 20, Digits = 20;
        byte* text = stackalloc byte[Size];
        char* time = stackalloc char[Digits];
        int length = 0;
        fixed (byte* path = "/proc/self/stat"u8)
        {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
            {
                return null;
            }

            int size = (int)read(fd, text, Size);
            close(fd);
            int fields = 0;
            for (int i = 0; i < size; i++)
            {
                // The name, in brackets, may hold any character.
                fields = text[i] == (byte)')' ? 0 : text[i] == (byte)' ' ? fields + 1 : fields;
                length = text[i] == (byte)')' ? 0 : length;
                if (fields == FieldsAfterName && text[i] != (byte)' ' && length < Digits)
                {
                    time[length++] = (char)text[i];
                }
            }
        }

        return length == 0 ? null : new string(time, 0, length);
    }
}
