namespace SetNsLastPid.Commands;

/// <summary><c>nslp set PID --server SOCKET</c>: asks a server, and never does it itself.</summary>
internal static unsafe class SetClient
{
    private const string Name = "set";

    // A lap through the 4,194,304 numbers of a namespace takes some twenty seconds.
    private const double DefaultSeconds = 60;

    // How long to wait for a server that is just being started.
    private const double StartSeconds = 3;
    private const int PauseMilliseconds = 5;

    /// <summary>Does not return once the number is set.</summary>
    internal static int Run(SetOptions options)
    {
        long start = Stopwatch.GetTimestamp();
        double seconds = double.IsFinite(options.Timeout) ? options.Timeout : DefaultSeconds;
        if (UnixSocket.IsMangled(options.Server))
        {
            return Output.Fail(Name, $"cannot reach server '{options.Server}': its path is not UTF-8");
        }

        sockaddr_un address;
        int length = UnixSocket.Fill(&address, Encoding.UTF8.GetBytes(options.Server!));
        if (length == 0)
        {
            return Output.Fail(
                Name, $"cannot reach server '{options.Server}': a socket's path has 1 to {UnixSocket.MaxPathLength} bytes");
        }

        using Fd socket = Open();
        if (!socket.IsOpen)
        {
            return Output.Fail(Name, "cannot make a socket", socket.Error);
        }

        int fd = socket.Number;
        _ = UnixSocket.Limit(fd, SO_SNDTIMEO, seconds);
        // Connected, so that nobody else can answer.
        for (Errno failed; (failed = UnixSocket.Connect(fd, &address, length)) != 0;)
        {
            bool isSocket = IsSocketOrNothing(options.Server!);
            bool mayCome = isSocket && failed is (Errno.ENOENT or Errno.ECONNREFUSED);
            if (!mayCome || Stopwatch.GetElapsedTime(start).TotalSeconds >= Math.Min(seconds, StartSeconds))
            {
                return isSocket
                    ? FailToReach(options.Server!, failed)
                    : Output.Fail(Name, $"cannot reach server '{options.Server}': it is not a socket");
            }

            _ = poll(null, 0, PauseMilliseconds);
        }

        // Whatever else there is to do is done before.
        if (OwnProgram.HasThread(options.LastPid))
        {
            return Output.Fail(
                Name,
                $"cannot make {options.LastPid} the last PID: nslp itself got it",
                help: "run it again: nslp will get a different PID");
        }

        uint request = (uint)options.LastPid;
        SysResult sent = SysResult.Of((long)send(fd, &request, sizeof(uint), MSG_NOSIGNAL));
        if (sent.IsError)
        {
            return sent.Error == Errno.EAGAIN ? FailToAnswer(options, seconds) : FailToReach(options.Server!, sent.Error);
        }

        byte answer;
        SysResult got;
        do
        {
            _ = UnixSocket.Limit(fd, SO_RCVTIMEO, seconds - Stopwatch.GetElapsedTime(start).TotalSeconds);
            got = SysResult.Of((long)recv(fd, &answer, 1, 0));
        }
        while (got.Error == Errno.EINTR);

        if (got.Raw != 1)
        {
            return got.Error == Errno.EAGAIN
                ? FailToAnswer(options, seconds)
                : Output.Fail(Name, $"cannot receive from server '{options.Server}'", got.Error);
        }

        socket.Dispose();
        return answer == 0
            ? Finish(options, start)
            : Output.Fail(
                Name, $"cannot make {options.LastPid} the last PID: server '{options.Server}' refused", help: "its log says why");
    }

    private static Fd Open()
    {
        Fd socket = UnixSocket.Open();
        // An abstract name that the kernel chooses (unix_autobind): without an address there is no answer.
        sockaddr address = new() { sa_family = AF_UNIX };
        Errno error = socket.IsOpen ? SysResult.Of(bind(socket.Number, &address, sockaddr_un.sun_path_offset)).Error : 0;
        if (error != 0)
        {
            socket.Dispose();
            return new Fd(error);
        }

        return socket;
    }

    private static bool IsSocketOrNothing(string path) =>
        UnixSocket.Look(AT_FDCWD, Encoding.UTF8.GetBytes(path + '\0'), 0, out statx found) != 0 || UnixSocket.IsSocket(found);

    private static int FailToReach(string server, Errno error) => Output.Fail(
        Name,
        $"cannot reach server '{server}'",
        error,
        error switch
        {
            Errno.ENOENT => $"needs 'nslp serve {server}' running",
            Errno.ECONNREFUSED => $"no server is listening there: start 'nslp serve {server}'",
            Errno.EACCES => "needs permission to write to the socket",
            Errno.EPROTOTYPE => "that socket is not a datagram socket: it is of some other program",
            _ => null,
        });

    private static int FailToAnswer(SetOptions options, double seconds) => Output.Fail(
        Name, $"cannot make {options.LastPid} the last PID: no answer from server '{options.Server}' within {seconds} s");

    private static int Finish(SetOptions options, long start)
    {
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (options.Verbose)
        {
            Output.Say(Name, $"last_pid is {options.LastPid}, by server '{options.Server}', {seconds:F3} s");
        }

        int status = options.Json
            ? Output.PrintJson(Name, json =>
            {
                Set.WriteJson(json, options.Goal, "server", null, seconds);
                json.WriteNull("cycling");
            })
            : Output.Done;
        Kernel.exit_group(status);
        return status;
    }
}
