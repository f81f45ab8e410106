namespace SetNsLastPid.Linux;

/// <summary>A datagram as it was received, and who sent it.</summary>
internal struct Datagram
{
    /// <summary>Its first four bytes as a number of this machine's byte order; undefined if it has fewer.</summary>
    internal uint Value;

    /// <summary>How many bytes it had, however many were kept.</summary>
    internal uint Length;

    /// <summary>The sender as the kernel vouches for it. The process is 0 when it is not seen in this PID namespace, the
    /// user is that of /proc/sys/kernel/overflowuid when it has no number in this user namespace.</summary>
    internal ucred Sender;

    /// <summary>The length of <see cref="Address"/>; 0 when the sender's socket is not bound.</summary>
    internal int AddressLength;

    /// <summary>Where to answer: a path as the sender wrote it, or an abstract name.</summary>
    internal sockaddr_un Address;

    // The longest path has no NUL of its own.
    private readonly ushort _end;
}

/// <summary>Receives datagrams, as many at once as wait, and answers them. Allocates nothing once it is made.</summary>
/// <param name="fd">A unix datagram socket with SO_PASSCRED.</param>
/// <param name="limits">Whether waiting for a datagram ends by itself after 30 ms, which is a setting of the socket.</param>
/// <param name="nobody">The number of users that have none in this user namespace, -1 where all have one.</param>
internal sealed unsafe class Mailbox(int fd, bool limits, long nobody)
{
    internal const int Capacity = 64;

    // Room for credentials alone: what a sender adds, such as descriptors, does not fit and is dropped (scm_recv,
    // include/net/scm.h, puts credentials first).
    private const int ControlSize = 32;

    private readonly Datagram* _datagrams = Allocate<Datagram>();
    private readonly mmsghdr* _headers = Allocate<mmsghdr>();
    private readonly iovec* _vectors = Allocate<iovec>();
    private readonly long* _control = Allocate<long>(ControlSize / sizeof(long));

    /// <summary>Whether <see cref="Receive"/> may wait.</summary>
    internal bool CanWait { get; } = limits && UnixSocket.Limit(fd, SO_RCVTIMEO, 0.03);

    /// <summary>How many bytes of answers the kernel takes before they are read, its own overhead included.</summary>
    internal int SendBuffer => UnixSocket.Get(fd, SO_SNDBUF) is { IsError: false } size ? size.Value : 0;

    /// <summary>How many bytes of answers nobody has read yet, the kernel's overhead included.</summary>
    internal int Unread
    {
        get
        {
            int size = 0;
            return Raw.Call(Kernel.SYS_ioctl, fd, Kernel.SIOCOUTQ, (nint)(&size)).IsError ? 0 : size;
        }
    }

    /// <summary>One of those that the last <see cref="Receive"/> brought.</summary>
    internal ref readonly Datagram this[int index] => ref _datagrams[index];

    /// <summary>Waits until there is a datagram, or another descriptor can be read.</summary>
    /// <param name="milliseconds">How long; -1 without end.</param>
    /// <returns>Whether the other one can be read.</returns>
    internal bool Wait(int other, int milliseconds)
    {
        pollfd* fds = stackalloc pollfd[] { new() { fd = fd, events = POLLIN }, new() { fd = other, events = POLLIN } };
        return poll(fds, 2, milliseconds) > 0 && fds[1].revents != 0;
    }

    /// <summary>Receives what is there. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="most">How many datagrams at most, 1 to <see cref="Capacity"/>.</param>
    /// <param name="wait">Whether to wait for so many, until 30 ms have passed or a signal comes.</param>
    internal int Receive(int most, bool wait = false)
    {
        for (int i = 0; i < most; i++)
        {
            _vectors[i] = new iovec { iov_base = &_datagrams[i].Value, iov_len = sizeof(uint) };
            *(msghdr*)(_headers + i) = new msghdr
            {
                msg_name = &_datagrams[i].Address,
                msg_namelen = sizeof(sockaddr_un),
                msg_iov = _vectors + i,
                msg_iovlen = 1,
                msg_control = _control + (i * ControlSize / sizeof(long)),
                msg_controllen = ControlSize,
            };
        }

        SysResult got = Raw.Call(Kernel.SYS_recvmmsg, fd, (nint)_headers, most, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
        if (got.IsError)
        {
            return got.Error is Errno.EAGAIN or Errno.EINTR ? 0 : throw new RemoteException("cannot receive", got.Error);
        }

        for (int i = 0; i < got.Value; i++)
        {
            msghdr* header = (msghdr*)(_headers + i);
            Datagram* datagram = _datagrams + i;
            datagram->Length = _headers[i].msg_len;
            // The longest is told to be one byte longer than what was copied.
            int length = Math.Min((int)header->msg_namelen, sizeof(sockaddr_un));
            datagram->AddressLength = length > sockaddr_un.sun_path_offset ? length : 0;
            cmsghdr* control = (cmsghdr*)header->msg_control;
            bool isKnown = header->msg_controllen == ControlSize && control->cmsg_type == SCM_CREDENTIALS;
            datagram->Sender = isKnown ? *(ucred*)(control + 1) : new ucred { uid = uint.MaxValue, gid = uint.MaxValue };
        }

        return got.Value;
    }

    /// <summary>Answers a datagram with one byte, where that is its sender's own to get.</summary>
    /// <remarks>The address is the sender's words, and sending is done with the server's rights. A relative path names
    /// another file here than there; an absolute one may (chroot, mount namespaces), so the socket must belong to the
    /// sender's user. An abstract name is open to everybody anyway.</remarks>
    /// <param name="error">What failed, or 0: EAGAIN when answers are not read, ECONNREFUSED or ENOENT when the sender is
    /// gone.</param>
    /// <returns>Null when it is sent, or there is no address; else why not, empty when the errno says it all.</returns>
    internal string? Answer(in Datagram datagram, byte answer, out Errno error)
    {
        error = 0;
        fixed (sockaddr_un* address = &datagram.Address)
        {
            if (datagram.AddressLength == 0 || address->sun_path[0] == 0)
            {
                return datagram.AddressLength == 0 ? null : Send(address, datagram.AddressLength, answer, out error);
            }

            if (address->sun_path[0] != '/')
            {
                return "its address is a relative path";
            }

            using Fd found = Find(address->sun_path);
            if (!found.IsOpen)
            {
                error = found.Error;
                return "";
            }

            uint user = datagram.Sender.uid;
            if (user == nobody || UnixSocket.Look(found, out statx at) != 0 || !UnixSocket.IsSocket(at) || at.stx_uid != user)
            {
                return "the socket at its address is not its user's";
            }

            // By the descriptor: what stands at the path now may be another.
            sockaddr_un link;
            return Send(&link, UnixSocket.Fill(&link, found), answer, out error);
        }
    }

    // What is bound is in the kernel's cache: nobody can make the server wait for a file system (RESOLVE_CACHED, since 5.12),
    // or lead it through its own /proc.
    private static Fd Find(byte* path)
    {
        const int Attempts = 16;
        int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        open_how how = new() { flags = (uint)flags, resolve = Kernel.RESOLVE_CACHED | Kernel.RESOLVE_NO_MAGICLINKS };
        SysResult opened = Errno.EAGAIN;
        for (int i = 0; i < Attempts && opened.Error == Errno.EAGAIN; i++)
        {
            // Fails so too when something else is being renamed at the same time.
            opened = Raw.Call(Kernel.SYS_openat2, AT_FDCWD, (nint)path, (nint)(&how), sizeof(open_how));
        }

        // Before 5.6, before 5.12, under a filter that does not know it.
        return new Fd(opened.Error is Errno.ENOSYS or Errno.EINVAL or Errno.EPERM
            ? Raw.Call(Kernel.SYS_openat, AT_FDCWD, (nint)path, flags)
            : opened);
    }

    private string? Send(sockaddr_un* address, int length, byte answer, out Errno error)
    {
        error = SysResult.Of((long)sendto(fd, &answer, 1, MSG_DONTWAIT | MSG_NOSIGNAL, (sockaddr*)address, length)).Error;
        return error == 0 ? null : "";
    }

    private static T* Allocate<T>(int times = 1)
        where T : unmanaged => (T*)NativeMemory.AllocZeroed(Capacity, (nuint)(times * sizeof(T)));
}
