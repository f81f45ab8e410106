using System.Diagnostics;
using System.Globalization;
using System.Text;
using SetNsLastPid.Linux;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp set PID --server SOCKET</c>: asks a server, and never does it itself.</summary>
internal static unsafe class SetClient
{
    private const string Name = "set";

    // A lap through the 4,194,304 numbers of a namespace takes some twenty seconds.
    private const double DefaultSeconds = 60;

    // How long to wait for a server that is just being started.
    private const double StartSeconds = 1;
    private const int PauseMilliseconds = 5;

    /// <summary>Runs the command. Does not return once the number is set.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(SetOptions options)
    {
        using DefaultSignals signals = new();
        long start = Stopwatch.GetTimestamp();
        double seconds = double.IsFinite(options.Timeout) ? options.Timeout : DefaultSeconds;
        if (SocketAddress.IsMangled(options.Server))
        {
            return Output.Fail(Name, $"cannot reach server '{options.Server}': its path is not UTF-8");
        }

        sockaddr_un address;
        int length = SocketAddress.Fill(&address, Encoding.UTF8.GetBytes(options.Server!));
        if (length == 0)
        {
            return Output.Fail(
                Name, $"cannot reach server '{options.Server}': a socket's path has 1 to {SocketAddress.MaxPathLength} bytes");
        }

        int fd = Open(seconds);
        if (fd < 0)
        {
            return Output.Fail(Name, "cannot make a socket", -fd);
        }

        // Connected, so that nobody else can answer.
        while (connect(fd, (sockaddr*)&address, length) != 0)
        {
            int failed = errno;
            bool isSocket = IsSocketOrNothing(address.sun_path);
            bool mayCome = isSocket && (failed == ENOENT || failed == ECONNREFUSED);
            if (!mayCome || Stopwatch.GetElapsedTime(start).TotalSeconds >= Math.Min(seconds, StartSeconds))
            {
                return isSocket
                    ? FailToReach(options.Server!, failed)
                    : Output.Fail(Name, $"cannot reach server '{options.Server}': it is not a socket");
            }

            _ = poll(null, 0, PauseMilliseconds);
        }

        // Whatever else there is to do is done before.
        if (OwnProgram.HasThread(options.Pid))
        {
            return Output.Fail(
                Name,
                $"cannot make {options.Pid} the last PID: nslp itself got it",
                help: "the same call once more works, as it gets another PID");
        }

        uint request = (uint)options.Pid;
        if ((long)send(fd, &request, sizeof(uint), MSG_NOSIGNAL) != sizeof(uint))
        {
            return errno == EAGAIN ? FailToAnswer(options, seconds) : FailToReach(options.Server!, errno);
        }

        byte answer;
        long got;
        int error;
        do
        {
            SetTimeout(fd, SO_RCVTIMEO, seconds - Stopwatch.GetElapsedTime(start).TotalSeconds);
            got = recv(fd, &answer, 1, 0);
            error = got < 0 ? errno : 0;
        }
        while (error == EINTR);

        if (got != 1)
        {
            return error == EAGAIN
                ? FailToAnswer(options, seconds)
                : Output.Fail(Name, $"cannot receive from server '{options.Server}'", error);
        }

        return answer == 0
            ? Finish(options, start)
            : Output.Fail(
                Name, $"cannot make {options.Pid} the last PID: server '{options.Server}' refused", help: "its log says why");
    }

    private static int Open(double seconds)
    {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            return -errno;
        }

        // An abstract name that the kernel chooses (unix_autobind): without an address there is no answer.
        sockaddr address = new() { sa_family = AF_UNIX };
        if (bind(fd, &address, sockaddr_un.sun_path_offset) != 0)
        {
            int error = errno;
            close(fd);
            return -error;
        }

        SetTimeout(fd, SO_SNDTIMEO, seconds);
        return fd;
    }

    private static void SetTimeout(int fd, int option, double seconds)
    {
        // 0 would be for ever.
        seconds = Math.Max(seconds, 1e-6);
        timeval timeout = new() { tv_sec = (long)seconds, tv_usec = (int)((seconds - Math.Truncate(seconds)) * 1e6) };
        _ = setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeval));
    }

    private static bool IsSocketOrNothing(byte* path)
    {
        statx found;
        return LibC.statx(AT_FDCWD, path, 0, STATX_TYPE, &found) != 0 || (found.stx_mode & (ushort)S_IFMT) == (ushort)S_IFSOCK;
    }

    private static int FailToReach(string server, int error) => Output.Fail(
        Name,
        $"cannot reach server '{server}'",
        error,
        error == ENOENT ? $"needs 'nslp serve {server}' running"
        : error == ECONNREFUSED ? $"nobody listens there any more: needs 'nslp serve {server}' running"
        : error == EACCES ? "needs permission to write to the socket"
        : error == EPROTOTYPE ? "that is the socket of something else"
        : null);

    private static int FailToAnswer(SetOptions options, double seconds) => Output.Fail(
        Name,
        string.Create(
            CultureInfo.InvariantCulture,
            $"cannot make {options.Pid} the last PID: no answer from server '{options.Server}' within {seconds} s"));

    private static int Finish(SetOptions options, long start)
    {
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (options.Verbose)
        {
            Output.Say(
                Name,
                string.Create(CultureInfo.InvariantCulture, $"last_pid is {options.Pid}, by server '{options.Server}', {seconds:F3} s"));
        }

        int status = options.Json
            ? Output.Print(
                Name,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{{\"pid\":{options.Pid},\"method\":\"server\",\"seconds\":{seconds:F6}}}\n"))
            : Output.Done;
        // As in nslp set: numbers of threads that the next process may get must be free by then.
        if (status == Output.Done && OwnProgram.HasThreadFrom(options.Pid))
        {
            OwnProgram.ExitAfterThreads();
        }

        Kernel.exit_group(status);
        return status;
    }
}
