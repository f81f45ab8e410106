namespace SetNsLastPid.Commands;

/// <summary><c>nslp serve</c>: makes numbers the last PID for others, who ask on a unix datagram socket.</summary>
/// <remarks>The protocol is that of set_ns_last_pid: a request is the PID, four bytes in this machine's order; the answer
/// is one byte, 0 when it is the last PID, 1 when not.</remarks>
internal static class Serve
{
    private const string Name = "serve";
    private const int DefaultMode = 0x180; // 0600

    /// <summary>Serves, until a signal comes.</summary>
    internal static int Run(ServeOptions options)
    {
        int descriptors = ServiceManager.Descriptors;
        if (descriptors == 0 && string.IsNullOrEmpty(options.Socket))
        {
            return Output.Wrong(Name, options.Socket is null ? "SOCKET is missing" : "SOCKET is empty");
        }

        if (descriptors == 1 && (options.Socket is not null || options.Mode >= 0 || options.Group is not null))
        {
            return Output.Wrong(Name, "SOCKET, --mode and --group cannot be used with a socket from LISTEN_FDS");
        }

        try
        {
            if (descriptors > 1)
            {
                throw new RemoteException($"LISTEN_FDS passes {descriptors} sockets; serve takes one");
            }

            long group = options.Group is null ? -1 : Accounts.FindGroup(options.Group);
            long nobody = Accounts.FindOverflowUser();
            uint[] users = Array.ConvertAll(options.AllowUsers, user => Accounts.FindUser(user, nobody));
            using CaughtSignals signals = new();
            signals.CatchEndOfServer();
            using ServeWay way = new(options.Method, options.Timeout);
            using ServerSocket socket = options.Socket is null
                ? new ServerSocket(ServiceManager.FirstDescriptor)
                : new ServerSocket(options.Socket, options.Mode >= 0 ? options.Mode : DefaultMode, group);
            ServeLoop loop = new(new Mailbox(socket.Descriptor, socket.IsOwn, nobody), signals, way, users, new ServeLog(options.Verbose));
            return Run(loop, socket, way.Description);
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    private static int Run(ServeLoop loop, ServerSocket socket, string description)
    {
        using ServiceManager manager = new();
        if (manager.Error != 0)
        {
            Output.Say(Name, $"warning: cannot reach the service manager at NOTIFY_SOCKET: {Output.Describe(manager.Error)}");
        }

        Output.Say(Name, $"listening on '{socket.Path}', by {description}");
        manager.Notify("READY=1"u8, wait: true);
        try
        {
            loop.Run();
            manager.Notify("STOPPING=1"u8, wait: false);
        }
        finally
        {
            Errno left = socket.Remove();
            if (left != 0)
            {
                Output.Say(Name, $"cannot remove '{socket.Path}': {Output.Describe(left)}");
            }
        }

        loop.TurnAway(everyone: socket.IsOwn);
        Output.Say(Name, $"stopping on signal {loop.Signal}");
        return Output.Done;
    }
}
