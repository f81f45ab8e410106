using System.Runtime.InteropServices;
using System.Text;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>
/// What a user gets to read. Everything is written with write(2): the runtime's Console would make a thread, and so
/// take a PID.
/// </summary>
internal static unsafe class Output
{
    /// <summary>The command did what it was asked for.</summary>
    internal const int Done = 0;

    /// <summary>It could not.</summary>
    internal const int Failed = 1;

    /// <summary>It was called in a wrong way.</summary>
    internal const int Misused = 2;

    private const int Stdout = 1;
    private const int Stderr = 2;

    /// <summary>Writes a result to stdout.</summary>
    /// <returns>The exit status: <see cref="Done"/>, or <see cref="Failed"/> when the result could not be written.</returns>
    internal static int Print(string command, string text)
    {
        int error = Write(Stdout, text);
        return error == 0 ? Done : Fail(
            command, "cannot write the result", error, (Errno)error == Errno.EAGAIN ? "who reads it is too slow, and it must not wait" : null);
    }

    /// <summary>Says on stderr why a command failed: <c>nslp: command: message: strerror</c>, and what would help.</summary>
    /// <param name="command">The command's name, empty for nslp itself.</param>
    /// <param name="message">What failed, on what.</param>
    /// <param name="error">The errno, 0 for none.</param>
    /// <param name="help">What would help, null when that is not known.</param>
    /// <returns><see cref="Failed"/>.</returns>
    internal static int Fail(string command, string message, int error = 0, string? help = null)
    {
        Say(command, error == 0 ? message : $"{message}: {Describe(error)}");
        help ??= (Errno)error == Errno.EAGAIN ? RemoteException.NeedsTasks : null;
        if (help is not null)
        {
            Say(command, help);
        }

        return Failed;
    }

    /// <summary>Says on stderr why a command failed.</summary>
    /// <returns><see cref="Failed"/>.</returns>
    internal static int Fail(string command, Complaint complaint) =>
        Fail(command, complaint.Message, (int)complaint.Errno, complaint.Help);

    /// <summary>Says on stderr what a helper could not do, and what would help.</summary>
    /// <returns><see cref="Failed"/>.</returns>
    internal static int Fail(string command, RemoteException e) =>
        Fail(command, e.Message, 0, e.Help);

    /// <summary>Says on stderr what is wrong with the command line.</summary>
    /// <returns><see cref="Misused"/>.</returns>
    internal static int Wrong(string command, string message)
    {
        Say(command, message);
        _ = Write(Stderr, $"Try 'nslp {(command == "" ? "" : command + " ")}--help' for more information.\n");
        return Misused;
    }

    /// <summary>Writes one line to stderr, whatever the user's own words in it are: '?' for each control.</summary>
    internal static void Say(string command, string message)
    {
        char[] line = (command == "" ? $"nslp: {message}\n" : $"nslp: {command}: {message}\n").ToCharArray();
        for (int i = 0; i < line.Length - 1; i++)
        {
            line[i] = char.IsControl(line[i]) ? '?' : line[i];
        }

        _ = Write(Stderr, new string(line));
    }

    /// <summary>Writes text to stderr as it is.</summary>
    /// <returns><see cref="Failed"/>.</returns>
    internal static int Complain(string text)
    {
        _ = Write(Stderr, text);
        return Failed;
    }

    /// <summary>What would help where a file of /proc cannot be read with that errno; null when that is not known.</summary>
    internal static string? NeedsProc(int error) =>
        (Errno)error == Errno.ENOENT ? "needs /proc mounted, with its directory sys and nothing else mounted over it" : null;

    /// <summary>The C library's words for an errno.</summary>
    internal static string Describe(int error) => Marshal.GetPInvokeErrorMessage(error);

    private static int Write(int fd, string text) => Kernel.IsGiven(fd) ? WriteTo(fd, text) : EBADF;

    /// <summary>Writes a text whole to a file that nslp opened.</summary>
    /// <returns>0 or an errno.</returns>
    internal static int WriteTo(int fd, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        fixed (byte* start = bytes)
        {
            for (int done = 0; done < bytes.Length;)
            {
                SysResult written = SysResult.Of(write(fd, start + done, bytes.Length - done));
                if (written.IsError && written.Error != Errno.EINTR)
                {
                    return (int)written.Error;
                }

                done += Math.Max(written.Value, 0);
            }
        }

        return 0;
    }
}
