using System.Diagnostics;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp serve</c>: makes numbers the last PID for others, who ask on a unix datagram socket.</summary>
/// <remarks>
/// The protocol is that of set_ns_last_pid: a request is the PID, four bytes in this machine's order; the answer is
/// one byte, 0 when it is the last PID, 1 when not. The server runs in a second incarnation of the program, which
/// has the signals blocked in all its threads, and a runtime that makes no thread later on and opens no door for
/// debuggers: through that, every process of the same user could use the server's capability as it likes.
/// </remarks>
internal static class Serve
{
    private const string Name = "serve";
    private const int DefaultMode = 0x180; // 0600

    private static readonly TimeSpan s_lockPatience = TimeSpan.FromSeconds(5);

    // Together they stay below 100 ms from the signal to the end.
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan s_removePatience = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_turnAwayPatience = TimeSpan.FromMilliseconds(20);

    // A third of the time that is cycled in between.
    private static readonly long s_flooded = Stopwatch.Frequency / 300;

    private static readonly string[] s_runtime =
    [
        "DOTNET_TieredCompilation=0",
        "DOTNET_gcConcurrent=0",
        // A collection each 256 KiB: after cycling the server is 34 MB large instead of 49, and no slower.
        "DOTNET_GCgen0size=0x40000",
        "DOTNET_EnableDiagnostics=0",
    ];

    /// <summary>Checks the options and turns this process into the server.</summary>
    /// <returns>The exit status, when that fails.</returns>
    internal static int Run(ServeOptions options)
    {
        bool isPassedOn = ServiceManager.Descriptors > 0;
        if (isPassedOn && ServiceManager.Descriptors != 1)
        {
            return Output.Fail(Name, $"cannot serve {ServiceManager.Descriptors} sockets, one is wanted from LISTEN_FDS");
        }

        if (!isPassedOn && string.IsNullOrEmpty(options.Socket))
        {
            return Output.Wrong(Name, options.Socket is null ? "SOCKET is missing" : "SOCKET is empty");
        }

        if (SocketAddress.IsMangled(options.Socket))
        {
            return Output.Fail(Name, $"cannot listen on '{options.Socket}': its path is not UTF-8");
        }

        if (isPassedOn && (options.Socket is not null || options.Mode >= 0 || options.Group is not null))
        {
            return Output.Wrong(Name, "a socket was passed on in LISTEN_FDS: SOCKET, --mode and --group are not for that one");
        }

        long group = options.Group is null ? -1 : Accounts.FindGroup(options.Group);
        if (options.Group is not null && group < 0)
        {
            return Output.Fail(Name, $"there is no group '{options.Group}'");
        }

        uint[] users = new uint[options.AllowUsers.Length];
        for (int i = 0; i < users.Length; i++)
        {
            long user = Accounts.FindUser(options.AllowUsers[i]);
            if (user < 0)
            {
                return Output.Fail(Name, $"there is no user '{options.AllowUsers[i]}'");
            }

            if (user == Accounts.FindOverflowUser())
            {
                return Output.Fail(
                    Name,
                    $"cannot tell user '{options.AllowUsers[i]}' from others",
                    help: $"every user without a number in this user namespace appears as {user}");
            }

            users[i] = (uint)user;
        }

        ServeSettings settings = new(
            options.Socket ?? "",
            options.Method,
            options.Mode >= 0 ? options.Mode : DefaultMode,
            group,
            users,
            options.Timeout,
            options.Verbose);
        StopSignals.Hold();
        return Output.Fail(
            Name, "cannot start the program anew", -OwnProgram.Restart([settings.ToVariable(), .. s_runtime]));
    }

    /// <summary>Serves, until a signal ends the process.</summary>
    /// <returns>The exit status, when it cannot.</returns>
    internal static int Run(ServeSettings settings)
    {
        if (!StopSignals.AreHeld)
        {
            return Output.Fail(Name, "cannot hold back SIGTERM");
        }

        IServeWay? way = FindWay(settings, out OwnPidSpace? space, out int status);
        if (way is null && space is null)
        {
            return status;
        }

        SocketStep step = settings.Socket == ""
            ? ServerSocket.Inherit(ServiceManager.FirstDescriptor, out ServerSocket? socket, out int error)
            : ServerSocket.Create(settings.Socket, settings.Mode, settings.Group, s_lockPatience, out socket, out error);
        if (step != SocketStep.None)
        {
            return ServeErrors.Fail(Name, step, settings, error);
        }

        int connected = ServiceManager.Connect(out ServiceManager? manager);
        if (connected != 0)
        {
            Output.Say(Name, $"warning: cannot reach the service manager at NOTIFY_SOCKET: {Output.Describe(-connected)}");
        }

        ServeLoop? loop = null;
        StopSignals? stop = null;
        void End(bool isOrderly)
        {
            _ = manager?.Notify("STOPPING=1"u8, wait: false);
            int left = socket!.Remove(s_removePatience);
            if (left != 0)
            {
                Output.Say(Name, $"cannot remove '{socket.Path}': {Output.Describe(-left)}");
            }

            if (isOrderly)
            {
                long deadline = Stopwatch.GetTimestamp() + (long)(s_turnAwayPatience.TotalSeconds * Stopwatch.Frequency);
                loop!.TurnAway(deadline, everyone: settings.Socket != "");
            }

            Output.Say(Name, $"stopping on signal {stop!.Received}");
            Kernel.exit_group(Output.Done);
        }

        try
        {
            stop = new StopSignals(s_stopPatience, () => loop?.TryTakeOver() == true, End);
        }
        catch (RemoteException e)
        {
            _ = socket!.Remove(s_removePatience);
            return Output.Fail(Name, e);
        }

        loop = new ServeLoop(socket!.Descriptor, settings, new ServeLog(settings.IsVerbose), stop);
        way ??= new ServeByCycle(new ServePidSpace(space!, stop, () => loop.LetIn(s_flooded)), settings.Timeout);
        Output.Say(Name, $"listening on '{socket.Path}', by {way.Method}{(space is null ? "" : ", " + space.Flavour)}");
        _ = manager?.Notify("READY=1"u8, wait: true);

        int failed = loop.Run(way);

        if (failed == 0)
        {
            End(isOrderly: true);
        }

        _ = Output.Fail(Name, $"cannot receive from '{socket.Path}'", -failed);
        _ = socket.Remove(s_removePatience);
        Kernel.exit_group(Output.Failed);
        return Output.Failed;
    }

    // A way by writing, or else a namespace ready to consume PIDs, or else a status.
    private static ServeByWrite? FindWay(ServeSettings settings, out OwnPidSpace? space, out int status)
    {
        space = null;
        status = Output.Failed;
        int error;
        if (settings.Method != SetMethod.Cycle)
        {
            error = -ServeByWrite.Create(out ServeByWrite? way);
            if (way is not null)
            {
                return way;
            }

            if (settings.Method == SetMethod.Write)
            {
                status = Output.Fail(
                    Name,
                    "cannot write ns_last_pid",
                    error,
                    (Errno)error == Errno.EPERM ? "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN" : null);
                return null;
            }
        }

        OwnPidSpace own = new();
        int last = own.ReadLastPid();
        error = last < 0 ? -last : -own.PrepareToConsume(null);
        if (error != 0)
        {
            status = last < 0
                ? Output.Fail(Name, "cannot read last_pid from /proc", error, Output.NeedsProc(error))
                : Output.Fail(Name, "cannot consume PIDs here", error);
            return null;
        }

        space = own;
        return null;
    }
}
