using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>What a user gets to read. Everything is written with write(2): the runtime's Console would make a thread, and
/// so take a PID.</summary>
internal static unsafe class Output
{
    internal const int Done = 0;

    /// <summary>It failed, or the answer is no: see <see cref="Words.failureStatus"/>.</summary>
    internal const int Failed = 1;

    internal const int Stdout = 1;

    /// <summary>The version of what --json prints: nothing of it changes its meaning or type, or goes.</summary>
    internal const int JsonVersion = 1;

    private const int Stderr = 2;
    private const int Mode = 0x1b6; // 0666, less the umask

    // What went wrong first.
    private static Complaint? s_error;

    /// <summary>Whether a JSON object was begun.</summary>
    internal static bool HasResult { get; set; }

    /// <summary>Ends a call with --json that has failed without a result: its object says why.</summary>
    internal static void PrintError(string command)
    {
        if (!HasResult && s_error is not null)
        {
            _ = PrintJson(command, _ => { });
        }
    }

    /// <summary>Writes what went wrong, null for nothing.</summary>
    internal static void WriteError(Utf8JsonWriter json) => json.WriteMaybe("error", s_error is not null, () =>
    {
        json.WriteString("message", WithErrno(s_error!.Message, s_error.Errno));
        json.WriteString("errno", NameOf(s_error.Errno));
        json.WriteString("help", s_error.Help);
    });

    /// <summary>Writes a result to stdout.</summary>
    /// <returns>The exit status: <see cref="Done"/>, or <see cref="Words.failureStatus"/> when the result could not be written.</returns>
    internal static int Print(string command, string text) => Print(command, Encoding.UTF8.GetBytes(text));

    internal static int Print(string command, ReadOnlySpan<byte> text, int output = Stdout)
    {
        Errno error = output > Stderr || Kernel.IsGiven(output) ? WriteTo(output, text) : Errno.EBADF;
        return error == 0 ? Done : Fail(
            command, "cannot write the result", error, error == Errno.EAGAIN ? "the reader is too slow, and stdout does not wait (O_NONBLOCK)" : null);
    }

    /// <summary>Writes a result to stdout: one JSON object on a line.</summary>
    /// <returns>As of <see cref="Print(string, string)"/>.</returns>
    internal static int PrintJson(string command, Action<Utf8JsonWriter> write)
    {
        Results results = new(command);
        results.WriteResult(() => write(results.Json));
        return results.End();
    }

    /// <summary>The value that was read. Throws <see cref="RemoteException"/> where there is none.</summary>
    internal static int Of(SysResult read, Stage stage) =>
        read.IsError && Words.look(stage, read.Error) is { } look ? throw new RemoteException(look) : read.Value;

    /// <summary>Says on stderr why a command failed: <c>nslp: command: message: strerror</c>, and what would help.</summary>
    /// <param name="command">The command's name, empty for nslp itself.</param>
    /// <param name="error">Why; 0 where there is no errno.</param>
    /// <param name="help">What would help, null when that is not known.</param>
    /// <returns><see cref="Words.failureStatus"/>.</returns>
    internal static int Fail(string command, string message, Errno error = 0, string? help = null)
    {
        Say(command, WithErrno(message, error));
        help ??= error == Errno.EAGAIN ? RemoteException.NeedsTasks : null;
        s_error ??= new Complaint(message, error, help);
        if (help is not null)
        {
            Say(command, help);
        }

        return Words.failureStatus(command);
    }

    internal static int Fail(string command, Complaint complaint) =>
        Fail(command, complaint.Message, complaint.Errno, complaint.Help);

    /// <summary>Says on stderr what a helper could not do, and what would help.</summary>
    internal static int Fail(string command, RemoteException e) => Fail(command, e.What, e.Errno, e.Help);

    /// <summary>Says on stderr which exception nslp cannot go on after: no stack trace, and a limit is not called a bug.</summary>
    internal static int Fail(Exception e) =>
        // Of threads the runtime says the same as of memory.
        e.GetBaseException() is OutOfMemoryException
            ? Fail("", "out of memory or threads", Errno.EAGAIN)
            : Fail("", $"cannot go on, which is a bug in nslp: {e.GetType().Name}: {e.Message}");

    /// <summary>Says on stderr what is wrong with the command line.</summary>
    internal static int Wrong(string command, string message)
    {
        Say(command, message);
        s_error ??= new Complaint(message, 0, null);
        SayAsIs($"Try 'nslp {(command == "" ? "" : command + " ")}--help' for more information.\n");
        return Words.misuseStatus(command);
    }

    /// <summary>Writes one line to stderr, whatever the user's own words in it are: '?' for each control.</summary>
    internal static void Say(string command, string message)
    {
        char[] line = (command == "" ? $"nslp: {message}" : $"nslp: {command}: {message}").ToCharArray();
        SayAsIs(new string(Array.ConvertAll(line, letter => char.IsControl(letter) ? '?' : letter)) + '\n');
    }

    /// <summary>Writes text to stderr, controls and all.</summary>
    internal static void SayAsIs(string text)
    {
        if (Kernel.IsGiven(Stderr))
        {
            _ = WriteTo(Stderr, Encoding.UTF8.GetBytes(text));
        }
    }

    /// <summary>The C library's words for an errno.</summary>
    internal static string Describe(Errno error) => Marshal.GetPInvokeErrorMessage((int)error);

    /// <summary>Its name, such as EPERM; null for 0.</summary>
    internal static string? NameOf(Errno error) => error == 0 ? null : error == Errno.EAGAIN ? "EAGAIN" : error.ToString();

    private static string WithErrno(string message, Errno error) => error == 0 ? message : $"{message}: {Describe(error)}";

    /// <summary>Makes a file to write to, which must not exist (EEXIST), as also a symbolic link does.</summary>
    internal static Fd CreateNew(string path)
    {
        fixed (byte* pathname = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return new Fd(SysResult.Of(open(pathname, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, Mode)));
        }
    }

    internal static Errno WriteTo(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (int done = 0; done < bytes.Length;)
            {
                SysResult written = SysResult.Of(write(fd, start + done, bytes.Length - done));
                if (written.IsError && written.Error != Errno.EINTR)
                {
                    return written.Error;
                }

                done += Math.Max(written.Value, 0);
            }
        }

        return 0;
    }
}
