namespace SetNsLastPid.Linux;

/// <summary>What systemd and its likes tell a service, and what it tells them: sd_listen_fds(3), sd_notify(3).</summary>
internal sealed unsafe class ServiceManager : IDisposable
{
    internal const int FirstDescriptor = 3;

    private const int PatienceSeconds = 1;

    private readonly Fd? _socket;

    /// <summary>Connects to the socket of the NOTIFY_SOCKET variable, if there is one.</summary>
    internal ServiceManager()
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 0 } path)
        {
            return;
        }

        sockaddr_un address;
        int length = UnixSocket.Fill(&address, Encoding.UTF8.GetBytes(path), mayBeAbstract: true);
        _socket = UnixSocket.Open();
        Error = length == 0 ? Errno.ENAMETOOLONG
            : _socket.IsOpen ? UnixSocket.Connect(_socket.Number, &address, length)
            : _socket.Error;
        _ = UnixSocket.Limit(_socket.Number, SO_SNDTIMEO, PatienceSeconds);
    }

    /// <summary>How many descriptors were passed on to this very process; 0 for none.</summary>
    internal static int Descriptors =>
        Environment.GetEnvironmentVariable("LISTEN_PID") is { } pid
        && pid == ((int)getpid()).ToString(CultureInfo.InvariantCulture)
        && int.TryParse(
            Environment.GetEnvironmentVariable("LISTEN_FDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : 0;

    /// <summary>Why it cannot be reached; 0 when it can, or when there is none.</summary>
    internal Errno Error { get; }

    /// <summary>Sends a message such as READY=1, and leaves it when the manager does not take it.</summary>
    /// <param name="wait">Whether to wait a second when the manager's queue is full.</param>
    internal void Notify(ReadOnlySpan<byte> message, bool wait)
    {
        if (_socket is null || Error != 0)
        {
            return;
        }

        fixed (byte* start = message)
        {
            _ = send(_socket.Number, start, message.Length, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
        }
    }

    public void Dispose() => _socket?.Dispose();
}
