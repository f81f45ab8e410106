using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>A unix datagram socket to listen on, and its place in the file system.</summary>
/// <remarks>Everything about the path is done below one descriptor of its directory and follows no symbolic link in its
/// last part. Nothing is locked, since whoever may read a directory may keep its lock. Of several servers that start at
/// once over a dead socket, each moves it aside before it removes it, and puts back what turns out to be
/// another's.</remarks>
internal sealed unsafe class ServerSocket : IDisposable
{
    private const int OwnerOnly = 0x180; // 0600

    // How often to find the path free and then taken.
    private const int Attempts = 100;

    // asm-generic/socket.h, since 6.16: senders of descriptors get EPERM.
    private const int SO_PASSRIGHTS = 83;

    private readonly Fd? _directory;
    private readonly byte[] _name = [];
    private readonly Fd _socket;

    // Keeps the inode from being freed, so that no other file can get its number.
    private readonly Fd? _pin;

    /// <summary>Takes a socket that was made by another, as systemd passes them on. Throws <see cref="RemoteException"/>.</summary>
    internal ServerSocket(int fd)
    {
        SysResult domain = UnixSocket.Get(fd, SO_DOMAIN), type = UnixSocket.Get(fd, SO_TYPE);
        _socket = new Fd(fd);
        Path = domain.Raw == AF_UNIX && type.Raw == SOCK_DGRAM ? UnixSocket.PathOf(fd) : "";
        if (Path == "")
        {
            throw new RemoteException(
                "cannot serve the descriptor of LISTEN_FDS: it is not a bound unix datagram socket",
                (domain.IsError ? domain : type).Error);
        }

        Prepare();
    }

    /// <summary>Makes a socket and binds it to a path. A socket there on which nobody listens is replaced; nothing else is.
    /// The permissions are never wider than asked for, from the first moment on. Throws
    /// <see cref="RemoteException"/>.</summary>
    /// <param name="mode">The permissions, 0 to 0777 octal.</param>
    /// <param name="group">The number of the group, -1 for that of the process.</param>
    internal ServerSocket(string path, int mode, long group)
    {
        Path = path;
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        int slash = bytes.AsSpan().LastIndexOf((byte)'/');
        _name = [.. bytes.AsSpan(slash + 1), 0];
        sockaddr_un address;
        int length = UnixSocket.Fill(&address, bytes);
        string? wrong = UnixSocket.IsMangled(path) ? "its path is not UTF-8"
            : _name is [0] or [(byte)'.', 0] or [(byte)'.', (byte)'.', 0] ? "it names a directory"
            : length == 0 ? $"it is {bytes.Length} bytes long; a socket's path has at most {UnixSocket.MaxPathLength}"
            : null;
        if (wrong is not null)
        {
            throw Unusable(wrong);
        }

        byte[] parent = slash < 0 ? [(byte)'.', 0] : [.. bytes.AsSpan(0, Math.Max(slash, 1)), 0];
        _directory = Fd.Open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY);
        _socket = UnixSocket.Open();
        bool isBound = false;
        try
        {
            RemoteException.ThrowIf(_directory.Error, $"cannot open the directory of '{path}'");
            RemoteException.ThrowIf(_socket.Error, "cannot make a socket");
            // Before the path is there, so that no request comes without credentials.
            Prepare();
            Bind(&address, length, mode & OwnerOnly);
            isBound = true;
            _pin = Fd.Open(_directory.Number, _name, O_PATH | O_NOFOLLOW);
            Widen(_pin, mode, group);
        }
        catch (RemoteException)
        {
            _ = isBound ? Remove() : 0;
            Dispose();
            throw;
        }
    }

    internal int Descriptor => _socket.Number;

    /// <summary>Whether it was made here, for this process alone.</summary>
    internal bool IsOwn => _directory is not null;

    /// <summary>Where clients find it, for messages.</summary>
    internal string Path { get; }

    /// <summary>Removes the socket from its path if that is still ours.</summary>
    /// <returns>Why it may be there still, or 0.</returns>
    internal Errno Remove()
    {
        if (_directory is null)
        {
            return 0;
        }

        Errno error = Look(_name, out statx there);
        // For where it could not be looked at after binding.
        bool isOurs = IsOwnSocket(there);
        if (error == 0 && _pin is { IsOpen: true })
        {
            error = UnixSocket.Look(_pin, out statx ours);
            isOurs = IsSame(there, ours);
        }

        error = error == 0 && isOurs ? Unlink(_name) : error;
        return error == Errno.ENOENT ? 0 : error;
    }

    /// <summary>Closes it; <see cref="Remove"/> comes before.</summary>
    public void Dispose()
    {
        _pin?.Dispose();
        _directory?.Dispose();
        _socket.Dispose();
    }

    private int Directory => _directory!.Number;

    private RemoteException Unusable(string why) => new($"cannot listen on '{Path}': {why}");

    private void Bind(sockaddr_un* address, int length, int mode)
    {
        for (int i = 0; i < Attempts; i++)
        {
            mode_t old = umask((ushort)(0x1ff & ~mode));
            Errno error = SysResult.Of(bind(Descriptor, (sockaddr*)address, length)).Error;
            _ = umask(old);
            if (error == 0)
            {
                return;
            }

            RemoteException.ThrowIf(error == Errno.EADDRINUSE ? 0 : error, $"cannot listen on '{Path}'");
            RemoveDead();
        }

        throw Unusable("somebody else is changing it");
    }

    // Removes a socket on which nobody listens; throws if something else is there.
    private void RemoveDead()
    {
        using Fd found = Fd.Open(Directory, _name, O_PATH | O_NOFOLLOW);
        if (found.Error == Errno.ENOENT)
        {
            return;
        }

        RemoteException.ThrowIf(UnixSocket.Look(found, out statx there), $"cannot look at '{Path}'");
        if (!UnixSocket.IsSocket(there))
        {
            bool isLink = (there.stx_mode & (ushort)S_IFMT) == (ushort)S_IFLNK;
            throw Unusable(isLink ? "a symbolic link is there" : "something that is not a socket is there");
        }

        // connect(2) answers ECONNREFUSED if and only if no socket is bound to the inode (unix_find_bsd,
        // net/unix/af_unix.c); a listener of another type EPROTOTYPE, one that is connected elsewhere EPERM.
        using Fd probe = UnixSocket.Open();
        RemoteException.ThrowIf(probe.Error, "cannot make a socket");
        sockaddr_un address;
        Errno probed = UnixSocket.Connect(probe.Number, &address, UnixSocket.Fill(&address, found));
        if (probed is 0 or Errno.EPROTOTYPE or Errno.EPERM)
        {
            throw Unusable("another server uses it");
        }

        RemoteException.ThrowIf(
            probed == Errno.ECONNREFUSED ? 0 : probed, $"cannot find out whether somebody listens on '{Path}'");
        MoveAside(there);
    }

    // Only what was found to be dead goes, not what came in its place: another server's socket is put back.
    private void MoveAside(in statx dead)
    {
        byte[] aside = Encoding.UTF8.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $".nslp-{Environment.ProcessId}-{Stopwatch.GetTimestamp()}\0"));
        if (Look(_name, out statx there) != 0 || !IsSame(there, dead))
        {
            return;
        }

        Errno moved = Move(_name, aside);
        if (moved == 0)
        {
            // If a third one is bound there by now, what is not dead stays aside rather than be lost.
            _ = Look(aside, out there) == 0 && IsSame(there, dead) ? Unlink(aside) : Move(aside, _name);
            return;
        }

        RemoteException.ThrowIf(moved == Errno.ENOENT ? 0 : moved, $"cannot remove '{Path}', on which nobody listens");
    }

    private void Widen(Fd pin, int mode, long group)
    {
        RemoteException.ThrowIf(UnixSocket.Look(pin, out statx ours), $"cannot look at '{Path}'");
        if (!IsOwnSocket(ours))
        {
            throw Unusable("somebody else is changing it");
        }

        fixed (byte* itself = Encoding.UTF8.GetBytes($"/proc/self/fd/{pin.Number}\0"), empty = "\0"u8, acl = "system.posix_acl_access\0"u8)
        {
            SysResult given = group < 0 ? 0 : SysResult.Of(fchownat(pin.Number, empty, uint.MaxValue, (uint)group, AT_EMPTY_PATH));
            RemoteException.ThrowIf(given.Error, $"cannot give '{Path}' to group {group}");
            // A default ACL of the directory would grant others what the bits grant the group.
            _ = Raw.Call(SYS_removexattr, (nint)itself, (nint)acl);
            SysResult widened = mode == (mode & OwnerOnly) ? 0 : SysResult.Of(chmod(itself, (ushort)mode));
            RemoteException.ThrowIf(widened.Error, $"cannot give '{Path}' the permissions 0{Convert.ToString(mode, 8)}");
        }
    }

    private void Prepare()
    {
        UnixSocket.Set(Descriptor, SO_PASSCRED, 1);
        // Closing a descriptor that a sender put into a datagram can take long. Kernels before 6.16 do not know it.
        UnixSocket.Set(Descriptor, SO_PASSRIGHTS, 0);
    }

    private Errno Look(byte[] name, out statx found) =>
        UnixSocket.Look(Directory, name, AT_SYMLINK_NOFOLLOW, out found);

    private Errno Move(byte[] from, byte[] to)
    {
        fixed (byte* old = from, other = to)
        {
            return Raw.Call(SYS_renameat2, Directory, (nint)old, Directory, (nint)other, RENAME_NOREPLACE).Error;
        }
    }

    private Errno Unlink(byte[] name)
    {
        fixed (byte* start = name)
        {
            return SysResult.Of(unlinkat(Directory, start, 0)).Error;
        }
    }

    private static bool IsOwnSocket(in statx found) => UnixSocket.IsSocket(found) && found.stx_uid == geteuid();

    private static bool IsSame(in statx one, in statx other) =>
        one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major && one.stx_dev_minor == other.stx_dev_minor;
}
