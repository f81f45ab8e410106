using System.Globalization;
using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>What systemd and its likes tell a service, and what it tells them: sd_listen_fds(3), sd_notify(3).</summary>
internal sealed unsafe class ServiceManager
{
    /// <summary>The first descriptor that is passed on.</summary>
    internal const int FirstDescriptor = 3;

    private const int PatienceSeconds = 1;

    private readonly int _fd;

    private ServiceManager(int fd) => _fd = fd;

    /// <summary>How many descriptors were passed on to this very process; 0 for none.</summary>
    internal static int Descriptors =>
        Environment.GetEnvironmentVariable("LISTEN_PID") is { } pid
        && pid == ((int)getpid()).ToString(CultureInfo.InvariantCulture)
        && int.TryParse(
            Environment.GetEnvironmentVariable("LISTEN_FDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : 0;

    /// <summary>Connects to the socket of the NOTIFY_SOCKET variable.</summary>
    /// <param name="manager">Null when there is no such variable, or on an error.</param>
    /// <returns>0, or an errno turned.</returns>
    internal static int Connect(out ServiceManager? manager)
    {
        manager = null;
        string? path = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        if (string.IsNullOrEmpty(path))
        {
            return 0;
        }

        sockaddr_un address;
        int length = SocketAddress.Fill(&address, Encoding.UTF8.GetBytes(path), mayBeAbstract: true);
        if (length == 0)
        {
            return -ENAMETOOLONG;
        }

        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            return -errno;
        }

        timeval patience = new() { tv_sec = PatienceSeconds };
        _ = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(timeval));
        if (connect(fd, (sockaddr*)&address, length) != 0)
        {
            int error = errno;
            close(fd);
            return -error;
        }

        manager = new ServiceManager(fd);
        return 0;
    }

    /// <summary>Sends a message such as READY=1, and leaves it when the manager does not take it.</summary>
    /// <param name="message">Assignments, a line each.</param>
    /// <param name="wait">Whether to wait a second when the manager's queue is full.</param>
    internal void Notify(ReadOnlySpan<byte> message, bool wait)
    {
        fixed (byte* start = message)
        {
            _ = send(_fd, start, message.Length, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
        }
    }
}
