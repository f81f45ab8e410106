namespace SetNsLastPid.Linux;

/// <summary>Unix datagram sockets: their addresses, their settings, and what is at a path.</summary>
internal static unsafe class UnixSocket
{
    /// <summary>The longest path of a socket, in bytes. The kernel would take one more; but that path would have no NUL at
    /// its end, and clients copy it with strcpy.</summary>
    internal static int MaxPathLength => sockaddr_un.sun_path_length - 1;

    /// <summary>Whether the runtime, which takes arguments for UTF-8, put U+FFFD where a path has something else: it would be
    /// that of another file.</summary>
    internal static bool IsMangled(string? path) => path is not null && path.Contains('\uFFFD');

    /// <summary>Fills in the address of a path.</summary>
    /// <param name="path">Bytes without a NUL; with '@' for its first, after systemd's fashion, an abstract name if
    /// <paramref name="mayBeAbstract"/>.</param>
    /// <returns>The length of the address, or 0 when the path is empty or too long.</returns>
    internal static int Fill(sockaddr_un* address, ReadOnlySpan<byte> path, bool mayBeAbstract = false)
    {
        *address = default;
        if (path.IsEmpty || path.Length > MaxPathLength)
        {
            return 0;
        }

        bool isAbstract = mayBeAbstract && path[0] == '@';
        address->sun_family = AF_UNIX;
        path.CopyTo(new Span<byte>(address->sun_path, sockaddr_un.sun_path_length));
        address->sun_path[0] = isAbstract ? (byte)0 : path[0];
        return sockaddr_un.sun_path_offset + path.Length + (isAbstract ? 0 : 1);
    }

    /// <summary>The path that a socket is bound to; empty for none, with '@' first for an abstract name.</summary>
    internal static string PathOf(int fd)
    {
        sockaddr_un address;
        socklen_t length = sizeof(sockaddr_un);
        if (getsockname(fd, (sockaddr*)&address, &length) != 0 || length <= (uint)sockaddr_un.sun_path_offset)
        {
            return "";
        }

        ReadOnlySpan<byte> path = new(address.sun_path, (int)length - sockaddr_un.sun_path_offset);
        return path[0] == 0 ? "@" + Encoding.UTF8.GetString(path[1..]) : Encoding.UTF8.GetString(path.TrimEnd((byte)0));
    }

    internal static Fd Open() => new(SysResult.Of(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)));

    /// <summary>Connects a socket; nobody else can send to it then.</summary>
    internal static Errno Connect(int fd, sockaddr_un* address, int length) =>
        SysResult.Of(connect(fd, (sockaddr*)address, length)).Error;

    /// <summary>A number among the settings of SOL_SOCKET.</summary>
    internal static SysResult Get(int fd, int option)
    {
        int value = 0;
        socklen_t length = sizeof(int);
        SysResult got = SysResult.Of(getsockopt(fd, SOL_SOCKET, option, &value, &length));
        return got.IsError ? got : value;
    }

    internal static void Set(int fd, int option, int value) => _ = setsockopt(fd, SOL_SOCKET, option, &value, sizeof(int));

    /// <summary>Sets a time limit, SO_RCVTIMEO or SO_SNDTIMEO.</summary>
    internal static bool Limit(int fd, int option, double seconds)
    {
        // 0 would be for ever.
        seconds = Math.Max(seconds, 1e-6);
        timeval limit = new() { tv_sec = (long)seconds, tv_usec = (int)((seconds - Math.Truncate(seconds)) * 1e6) };
        return setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(timeval)) == 0;
    }

    /// <summary>The address of a socket that is open by O_PATH.</summary>
    internal static int Fill(sockaddr_un* address, Fd file) => Fill(address, Encoding.ASCII.GetBytes($"/proc/self/fd/{file.Number}"));

    /// <summary>Looks at an open file, without waiting for a file system.</summary>
    internal static Errno Look(Fd file, out statx found)
    {
        Errno error = Look(file.Number, "\0"u8, AT_EMPTY_PATH | Kernel.AT_STATX_DONT_SYNC, out found);
        return file.IsOpen ? error : file.Error;
    }

    /// <summary>Looks at a file: its type, owner and number.</summary>
    internal static Errno Look(int directory, ReadOnlySpan<byte> name, int flags, out statx found)
    {
        statx got;
        fixed (byte* start = name)
        {
            Errno error = SysResult.Of(LibC.statx(directory, start, flags, STATX_TYPE | STATX_UID | STATX_INO, &got)).Error;
            found = got;
            return error;
        }
    }

    internal static bool IsSocket(in statx found) => (found.stx_mode & (ushort)S_IFMT) == (ushort)S_IFSOCK;
}
