using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>A unix datagram socket to listen on, and its place in the file system.</summary>
/// <remarks>
/// Everything about the path is done below one descriptor of its directory and follows no symbolic link in its last
/// part. Nothing is locked, since whoever may read a directory may keep its lock. Of several servers that start at once
/// over a dead socket, each moves it aside before it removes it, and puts back what turns out to be another's.
/// </remarks>
internal sealed unsafe class ServerSocket
{
    private const int OwnerOnly = 0x180; // 0600

    // How often to find the path free and then taken.
    private const int Attempts = 100;

    // asm-generic/socket.h, since 6.16: senders of descriptors get EPERM.
    private const int SO_PASSRIGHTS = 83;

    private readonly int _directory = -1;
    private readonly byte[] _name = [];

    // Keeps the inode from being freed, so that no other file can get its number.
    private readonly int _pin = -1;

    /// <summary>Takes a socket that was made by another, as systemd passes them on. Throws <see cref="RemoteException"/>.</summary>
    internal ServerSocket(int fd)
    {
        int domain = ReadOption(fd, SO_DOMAIN), type = ReadOption(fd, SO_TYPE);
        Descriptor = fd;
        Path = domain == AF_UNIX && type == SOCK_DGRAM ? SocketAddress.OfSocket(fd) : "";
        if (Path == "")
        {
            throw new RemoteException(
                "cannot serve the descriptor of LISTEN_FDS: it is no unix datagram socket that is bound",
                -Math.Min(0, Math.Min(domain, type)));
        }

        Prepare(fd);
    }

    /// <summary>
    /// Makes a socket and binds it to a path. A socket there on which nobody listens is replaced; nothing else is.
    /// The permissions are never wider than asked for, from the first moment on. Throws <see cref="RemoteException"/>.
    /// </summary>
    /// <param name="path">Where.</param>
    /// <param name="mode">The permissions, 0 to 0777 octal.</param>
    /// <param name="group">The number of the group, -1 for that of the process.</param>
    internal ServerSocket(string path, int mode, long group)
    {
        Path = path;
        if (SocketAddress.IsMangled(path))
        {
            throw new RemoteException($"cannot listen on '{path}': its path is not UTF-8");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(path);
        int slash = bytes.AsSpan().LastIndexOf((byte)'/');
        _name = [.. bytes.AsSpan(slash + 1), 0];
        if (_name is [0] or [(byte)'.', 0] or [(byte)'.', (byte)'.', 0])
        {
            throw new RemoteException($"cannot listen on '{path}': it names a directory");
        }

        sockaddr_un address;
        int length = SocketAddress.Fill(&address, bytes);
        if (length == 0)
        {
            throw new RemoteException(
                $"cannot listen on '{path}': it has {bytes.Length} bytes, the path of a socket has {SocketAddress.MaxPathLength} at most");
        }

        byte[] parent = slash < 0 ? [(byte)'.', 0] : [.. bytes.AsSpan(0, Math.Max(slash, 1)), 0];
        _directory = Open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Check(_directory, $"cannot open the directory of '{path}'");
        Descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        Check(Descriptor < 0 ? -errno : 0, "cannot make a socket");
        // Before the path is there, so that no request comes without credentials.
        Prepare(Descriptor);
        Bind(&address, length, mode & OwnerOnly);
        try
        {
            _pin = Open(_directory, _name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
            Check(_pin, $"cannot look at '{path}'");
            Widen(mode, group);
        }
        catch (RemoteException)
        {
            _ = Remove();
            throw;
        }
    }

    /// <summary>The descriptor to receive from.</summary>
    internal int Descriptor { get; }

    /// <summary>Whether it was made here, for this process alone.</summary>
    internal bool IsOwn => _directory >= 0;

    /// <summary>Where clients find it, for messages.</summary>
    internal string Path { get; }

    /// <summary>Removes the socket from its path if that is still ours.</summary>
    /// <returns>0, or an errno turned, after which it may be there still.</returns>
    internal int Remove()
    {
        if (!IsOwn)
        {
            return 0;
        }

        fixed (byte* name = _name)
        {
            int error = Look(_directory, _name, out statx there);
            // Where it could not be looked at after binding, a socket of this user is it.
            bool isOurs = error == 0 && (_pin < 0 ? IsOwnSocket(there) : IsSame(there, _pin));
            if (isOurs && unlinkat(_directory, name, 0) != 0)
            {
                error = -errno;
            }

            return error == -ENOENT ? 0 : error;
        }
    }

    private void Bind(sockaddr_un* address, int length, int mode)
    {
        // Both go into the permissions of the path (unix_bind_bsd, net/unix/af_unix.c): belt and braces.
        _ = fchmod(Descriptor, (ushort)mode);
        for (int i = 0; i < Attempts; i++)
        {
            mode_t old = umask((ushort)(0x1ff & ~mode));
            int error = bind(Descriptor, (sockaddr*)address, length) == 0 ? 0 : -errno;
            _ = umask(old);
            if (error == 0)
            {
                return;
            }

            Check(error == -EADDRINUSE ? 0 : error, $"cannot listen on '{Path}'");
            RemoveDead();
        }

        throw new RemoteException($"cannot listen on '{Path}': somebody changes it at the same time");
    }

    // Removes a socket on which nobody listens; throws if something else is there.
    private void RemoveDead()
    {
        int error = Look(_directory, _name, out statx there);
        if (error == -ENOENT)
        {
            return;
        }

        Check(error, $"cannot look at '{Path}'");
        int kind = there.stx_mode & (ushort)S_IFMT;
        if (kind != (ushort)S_IFSOCK)
        {
            throw new RemoteException(
                $"cannot listen on '{Path}': {(kind == (ushort)S_IFLNK ? "a symbolic link" : "something else than a socket")} is there");
        }

        int found = Open(_directory, _name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (found == -ENOENT)
        {
            return;
        }

        Check(found, $"cannot look at '{Path}'");
        int probed = Probe(found);
        if (probed == 0)
        {
            throw new RemoteException($"cannot listen on '{Path}': somebody does already");
        }

        Check(probed == -ECONNREFUSED ? 0 : probed, $"cannot find out whether somebody listens on '{Path}'");
        MoveAside(found);
        _ = close(found);
    }

    // Only what was found to be dead goes, not what came in its place: another server's socket is put back.
    private void MoveAside(int dead)
    {
        byte[] aside = Encoding.UTF8.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $".nslp-{Environment.ProcessId}-{Stopwatch.GetTimestamp()}\0"));
        fixed (byte* name = _name, other = aside)
        {
            if (Look(_directory, _name, out statx there) != 0 || !IsSame(there, dead))
            {
                return;
            }

            int moved = (int)Raw.Call(SYS_renameat2, _directory, (nint)name, _directory, (nint)other, RENAME_NOREPLACE);
            Check(moved == -ENOENT ? 0 : moved, $"cannot remove '{Path}', on which nobody listens");
            if (moved != 0)
            {
                return;
            }

            if (Look(_directory, aside, out there) == 0 && IsSame(there, dead))
            {
                _ = unlinkat(_directory, other, 0);
            }
            else
            {
                // If a third one is bound there by now, this one stays aside rather than be lost.
                _ = Raw.Call(SYS_renameat2, _directory, (nint)other, _directory, (nint)name, RENAME_NOREPLACE);
            }
        }
    }

    // connect(2) answers ECONNREFUSED if and only if no socket is bound to the inode (unix_find_bsd,
    // net/unix/af_unix.c); a listener of another type EPROTOTYPE, one that is connected elsewhere EPERM.
    private static int Probe(int found)
    {
        int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        Check(probe < 0 ? -errno : 0, "cannot make a socket");
        sockaddr_un address;
        int length = SocketAddress.Fill(&address, Encoding.UTF8.GetBytes($"/proc/self/fd/{found}"));
        int error = connect(probe, (sockaddr*)&address, length) == 0 ? 0 : -errno;
        _ = close(probe);
        return error == -EPROTOTYPE || error == -EPERM ? 0 : error;
    }

    private void Widen(int mode, long group)
    {
        Check(LookAt(_pin, out statx ours), $"cannot look at '{Path}'");
        if (!IsOwnSocket(ours))
        {
            throw new RemoteException($"cannot listen on '{Path}': somebody changes it at the same time");
        }

        fixed (byte* itself = Encoding.UTF8.GetBytes($"/proc/self/fd/{_pin}\0"), empty = "\0"u8, acl = "system.posix_acl_access\0"u8)
        {
            bool isGiven = group < 0 || fchownat(_pin, empty, uint.MaxValue, (uint)group, AT_EMPTY_PATH) == 0;
            Check(isGiven ? 0 : -errno, $"cannot give '{Path}' to group {group}");
            // A default ACL of the directory would grant others what the bits grant the group.
            _ = removexattr(itself, acl);
            bool isWide = mode == (mode & OwnerOnly) || chmod(itself, (ushort)mode) == 0;
            Check(isWide ? 0 : -errno, $"cannot give '{Path}' the permissions 0{Convert.ToString(mode, 8)}");
        }
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

    private static int LookAt(int fd, out statx found) => Look(fd, [0], AT_EMPTY_PATH, out found);

    private static int Look(int directory, byte[] name, out statx found) => Look(directory, name, AT_SYMLINK_NOFOLLOW, out found);

    private static int Look(int directory, byte[] name, int flags, out statx found)
    {
        statx got;
        fixed (byte* start = name)
        {
            int result = LibC.statx(directory, start, flags, STATX_TYPE | STATX_UID | STATX_INO, &got) == 0 ? 0 : -errno;
            found = got;
            return result;
        }
    }

    private static bool IsOwnSocket(in statx found) =>
        (found.stx_mode & (ushort)S_IFMT) == (ushort)S_IFSOCK && found.stx_uid == geteuid();

    private static bool IsSame(in statx found, int file) =>
        LookAt(file, out statx other) == 0 && found.stx_ino == other.stx_ino
        && found.stx_dev_major == other.stx_dev_major && found.stx_dev_minor == other.stx_dev_minor;

    private static void Check(int result, string failure)
    {
        if (result < 0)
        {
            throw new RemoteException(failure, -result);
        }
    }
}
