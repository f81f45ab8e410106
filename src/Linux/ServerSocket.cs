using System.Text;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>A unix datagram socket to listen on, and its place in the file system.</summary>
/// <remarks>
/// Everything about the path is done below one descriptor of its directory and follows no symbolic link in its last
/// part. While something there is judged, replaced or removed, that directory is locked with flock: of two servers
/// that start at once one finds the other listening. The lock leaves no file behind.
/// </remarks>
internal sealed unsafe class ServerSocket : IDisposable
{
    private const int OwnerOnly = 0x180; // 0600

    // asm-generic/socket.h, since 6.16: senders of descriptors get EPERM.
    private const int SO_PASSRIGHTS = 83;

    private readonly byte[] _name;
    private readonly int _directory;

    // Keeps the inode from being freed, so that no other file can get its number.
    private readonly int _pin;

    private ServerSocket(int fd, string path, byte[] name, int directory, int pin)
    {
        Descriptor = fd;
        Path = path;
        _name = name;
        _directory = directory;
        _pin = pin;
    }

    /// <summary>The descriptor to receive from.</summary>
    internal int Descriptor { get; }

    /// <summary>Where clients find it, for messages.</summary>
    internal string Path { get; }

    /// <summary>Takes a socket that was made by another, as systemd passes them on.</summary>
    internal static SocketStep Inherit(int fd, out ServerSocket? socket, out int error)
    {
        socket = null;
        int domain = ReadOption(fd, SO_DOMAIN), type = ReadOption(fd, SO_TYPE);
        error = -Math.Min(0, Math.Min(domain, type));
        string path = domain == AF_UNIX && type == SOCK_DGRAM ? SocketAddress.OfSocket(fd) : "";
        if (path == "")
        {
            return SocketStep.Inherited;
        }

        Prepare(fd);
        socket = new ServerSocket(fd, path, [], -1, -1);
        return SocketStep.None;
    }

    /// <summary>
    /// Makes a socket and binds it to a path. A socket there on which nobody listens is replaced; nothing else is.
    /// The permissions are never wider than asked for, from the first moment on.
    /// </summary>
    /// <param name="path">Where.</param>
    /// <param name="mode">The permissions, 0 to 0777 octal.</param>
    /// <param name="group">The number of the group, -1 for that of the process.</param>
    /// <param name="patience">How long to wait for the lock of the directory.</param>
    /// <param name="socket">The socket, or null.</param>
    /// <param name="error">The errno of what failed, 0 where there is none.</param>
    internal static SocketStep Create(
        string path, int mode, long group, TimeSpan patience, out ServerSocket? socket, out int error)
    {
        socket = null;
        error = 0;
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        int slash = bytes.AsSpan().LastIndexOf((byte)'/');
        byte[] name = [.. bytes.AsSpan(slash + 1), 0];
        if (name is [0] or [(byte)'.', 0] or [(byte)'.', (byte)'.', 0])
        {
            return SocketStep.Name;
        }

        sockaddr_un address;
        int length = SocketAddress.Fill(&address, bytes);
        if (length == 0)
        {
            return SocketStep.Length;
        }

        byte[] parent = slash < 0 ? [(byte)'.', 0] : [.. bytes.AsSpan(0, Math.Max(slash, 1)), 0];
        int directory = Open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
        {
            error = -directory;
            return SocketStep.Directory;
        }

        int fd = -1, pin = -1;
        error = -FileLock.Take(directory, patience);
        SocketStep step = error != 0 ? SocketStep.Lock : MakeRoom(directory, name, out error);
        if (step == SocketStep.None)
        {
            step = Bind(&address, length, directory, name, mode, group, out fd, out pin, out error);
        }

        _ = flock(directory, LOCK_UN);
        if (step != SocketStep.None)
        {
            close(directory);
            return step;
        }

        socket = new ServerSocket(fd, path, name, directory, pin);
        return SocketStep.None;
    }

    /// <summary>Removes the socket from its path if that is still ours.</summary>
    /// <param name="patience">How long to wait for the lock of the directory; without the lock nothing is removed.</param>
    /// <returns>0, or an errno turned, after which it may be there still.</returns>
    internal int Remove(TimeSpan patience)
    {
        int error = _directory < 0 ? 0 : FileLock.Take(_directory, patience);
        if (_directory < 0 || error != 0)
        {
            return error;
        }

        fixed (byte* name = _name)
        {
            error = Look(_directory, name, AT_SYMLINK_NOFOLLOW, out statx there);
            statx ours = default;
            error = error != 0 ? error : LookAt(_pin, out ours);
            if (error == 0 && IsSame(there, ours) && unlinkat(_directory, name, 0) != 0)
            {
                error = -errno;
            }
        }

        _ = flock(_directory, LOCK_UN);
        return error == -ENOENT ? 0 : error;
    }

    /// <summary>Closes the socket; the path stays.</summary>
    public void Dispose()
    {
        close(Descriptor);
        if (_directory >= 0)
        {
            close(_pin);
            close(_directory);
        }
    }

    private static SocketStep MakeRoom(int directory, byte[] name, out int error)
    {
        fixed (byte* start = name)
        {
            error = -Look(directory, start, AT_SYMLINK_NOFOLLOW, out statx there);
            if (error != 0)
            {
                bool isFree = error == ENOENT;
                error = isFree ? 0 : error;
                return isFree ? SocketStep.None : SocketStep.Look;
            }

            if (!IsSocket(there))
            {
                return (there.stx_mode & (ushort)S_IFMT) == (ushort)S_IFLNK ? SocketStep.Link : SocketStep.NotSocket;
            }

            int found = Open(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
            if (found < 0)
            {
                error = -found;
                return SocketStep.Look;
            }

            SocketStep step = Probe(found, out error);
            // Only what was found to be dead goes, not what came in its place.
            if (step == SocketStep.None
                && (Look(directory, start, AT_SYMLINK_NOFOLLOW, out there) != 0
                    || LookAt(found, out statx dead) != 0
                    || !IsSame(there, dead)))
            {
                step = SocketStep.Swapped;
            }

            if (step == SocketStep.None && unlinkat(directory, start, 0) != 0)
            {
                error = errno;
                step = SocketStep.Unlink;
            }

            close(found);
            return step;
        }
    }

    // connect(2) answers ECONNREFUSED if and only if no socket is bound to the inode (unix_find_bsd,
    // net/unix/af_unix.c); a listener of another type EPROTOTYPE, one that is connected elsewhere EPERM.
    private static SocketStep Probe(int found, out int error)
    {
        int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (probe < 0)
        {
            error = errno;
            return SocketStep.Make;
        }

        sockaddr_un address;
        int length = SocketAddress.Fill(&address, Encoding.UTF8.GetBytes($"/proc/self/fd/{found}"));
        error = connect(probe, (sockaddr*)&address, length) == 0 ? 0 : errno;
        close(probe);
        bool isDead = error == ECONNREFUSED;
        bool isBusy = error == 0 || error == EPROTOTYPE || error == EPERM;
        error = isDead || isBusy ? 0 : error;
        return isDead ? SocketStep.None : isBusy ? SocketStep.Busy : SocketStep.Probe;
    }

    private static SocketStep Bind(
        sockaddr_un* address, int length, int directory, byte[] name, int mode, long group,
        out int fd, out int pin, out int error)
    {
        pin = -1;
        error = 0;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            error = errno;
            return SocketStep.Make;
        }

        // Before the path is there, so that no request comes without credentials.
        Prepare(fd);
        // Both go into the permissions of the path (unix_bind_bsd): belt and braces.
        int first = mode & OwnerOnly;
        _ = fchmod(fd, (ushort)first);
        mode_t old = umask((ushort)(0x1ff & ~first));
        int bound = bind(fd, (sockaddr*)address, length);
        error = bound == 0 ? 0 : errno;
        _ = umask(old);
        if (bound != 0)
        {
            close(fd);
            return SocketStep.Bind;
        }

        SocketStep step = Widen(directory, name, mode, group, out pin, out error);
        if (step != SocketStep.None)
        {
            fixed (byte* start = name)
            {
                if (Look(directory, start, AT_SYMLINK_NOFOLLOW, out statx there) == 0 && IsOwnSocket(there))
                {
                    _ = unlinkat(directory, start, 0);
                }
            }

            close(fd);
            if (pin >= 0)
            {
                close(pin);
            }
        }

        return step;
    }

    private static SocketStep Widen(int directory, byte[] name, int mode, long group, out int pin, out int error)
    {
        statx ours = default;
        pin = Open(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        error = pin < 0 ? -pin : -LookAt(pin, out ours);
        if (error != 0 && error != ENOENT)
        {
            return SocketStep.Look;
        }

        if (error != 0 || !IsOwnSocket(ours))
        {
            error = 0;
            return SocketStep.Swapped;
        }

        fixed (byte* itself = Encoding.UTF8.GetBytes($"/proc/self/fd/{pin}\0"))
        fixed (byte* empty = "\0"u8)
        fixed (byte* acl = "system.posix_acl_access"u8)
        {
            if (group >= 0 && fchownat(pin, empty, uint.MaxValue, (uint)group, AT_EMPTY_PATH) != 0)
            {
                error = errno;
                return SocketStep.Group;
            }

            // A default ACL of the directory would grant others what the bits grant the group.
            _ = removexattr(itself, acl);
            if (mode != (mode & OwnerOnly) && chmod(itself, (ushort)mode) != 0)
            {
                error = errno;
                return SocketStep.Mode;
            }
        }

        return SocketStep.None;
    }

    private static void Prepare(int fd)
    {
        int on = 1, off = 0;
        _ = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(int));
        // Closing a descriptor that a sender put into a datagram can take long. Kernels before 6.16 do not know it.
        _ = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(int));
    }

    private static int ReadOption(int fd, int option)
    {
        int value = 0;
        socklen_t length = sizeof(int);
        return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -errno;
    }

    private static int Open(int directory, byte[] path, int flags)
    {
        fixed (byte* start = path)
        {
            int fd = openat(directory, start, flags);
            return fd < 0 ? -errno : fd;
        }
    }

    private static int LookAt(int fd, out statx found)
    {
        fixed (byte* empty = "\0"u8)
        {
            return Look(fd, empty, AT_EMPTY_PATH, out found);
        }
    }

    private static int Look(int directory, byte* name, int flags, out statx found)
    {
        statx got;
        int result = LibC.statx(directory, name, flags, STATX_TYPE | STATX_UID | STATX_INO, &got) == 0 ? 0 : -errno;
        found = got;
        return result;
    }

    private static bool IsSocket(in statx found) => (found.stx_mode & (ushort)S_IFMT) == (ushort)S_IFSOCK;

    private static bool IsOwnSocket(in statx found) => IsSocket(found) && found.stx_uid == geteuid();

    private static bool IsSame(in statx a, in statx b) =>
        a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}
