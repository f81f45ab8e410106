using System.Runtime.InteropServices;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Receives datagrams, as many at once as wait, and answers them. Allocates nothing.</summary>
internal sealed unsafe class Mailbox : IDisposable
{
    /// <summary>How many datagrams one call receives at most.</summary>
    internal const int Capacity = 64;

    // Room for credentials alone: what a sender adds, such as descriptors, does not fit and is dropped (scm_recv,
    // include/net/scm.h, puts credentials first).
    private const int ControlSize = 32;

    private const int ValueSize = sizeof(uint);

    private readonly int _fd;
    private readonly mmsghdr* _headers;
    private readonly iovec* _vectors;
    private readonly Datagram* _datagrams;
    private readonly byte* _control;
    private int _used = Capacity;

    /// <param name="fd">A unix datagram socket with SO_PASSCRED; it stays the caller's.</param>
    internal Mailbox(int fd)
    {
        _fd = fd;
        _headers = (mmsghdr*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(mmsghdr));
        _vectors = (iovec*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(iovec));
        _datagrams = (Datagram*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(Datagram));
        _control = (byte*)NativeMemory.AllocZeroed(Capacity, ControlSize);
        for (int i = 0; i < Capacity; i++)
        {
            _vectors[i].iov_base = &_datagrams[i].Value;
            _vectors[i].iov_len = ValueSize;
            msghdr* header = (msghdr*)(_headers + i);
            header->msg_name = &_datagrams[i].Address;
            header->msg_iov = _vectors + i;
            header->msg_iovlen = 1;
            header->msg_control = _control + (i * ControlSize);
        }
    }

    /// <summary>How many bytes of answers the kernel takes before they are read, its own overhead included.</summary>
    internal int SendBuffer
    {
        get
        {
            int size = 0;
            socklen_t length = sizeof(int);
            return getsockopt(_fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 ? size : 0;
        }
    }

    /// <summary>How many bytes of answers nobody has read yet, the kernel's overhead included.</summary>
    internal int Unread
    {
        get
        {
            int size = 0;
            return Kernel.ioctl(_fd, Kernel.SIOCOUTQ, &size) == 0 ? size : 0;
        }
    }

    /// <summary>What the last <see cref="Receive"/> brought.</summary>
    internal Datagram* Datagrams => _datagrams;

    /// <summary>Receives what waits.</summary>
    /// <param name="wait">Whether to wait for the first datagram, or a signal.</param>
    /// <param name="most">How many datagrams at most, 1 to <see cref="Capacity"/>.</param>
    /// <returns>How many datagrams, 0 when none waits or a signal came, or an errno turned.</returns>
    internal int Receive(bool wait, int most)
    {
        // The kernel wrote into those that it used.
        for (int i = 0; i < _used; i++)
        {
            msghdr* header = (msghdr*)(_headers + i);
            header->msg_namelen = sizeof(sockaddr_un);
            header->msg_controllen = ControlSize;
        }

        int count = (int)Raw.Call(
            Kernel.SYS_recvmmsg, _fd, (nint)_headers, most, (int)MSG_TRUNC | (wait ? Kernel.MSG_WAITFORONE : (int)MSG_DONTWAIT));
        if (count < 0)
        {
            int error = -count;
            _used = 0;
            if (wait && error == EAGAIN)
            {
                // Whoever passed it on left it with O_NONBLOCK, which is not ours to change.
                pollfd pollfd = new() { fd = _fd, events = POLLIN };
                _ = poll(&pollfd, 1, -1);
            }

            return error == EAGAIN || error == EINTR ? 0 : -error;
        }

        _used = count;
        for (int i = 0; i < count; i++)
        {
            msghdr* header = (msghdr*)(_headers + i);
            Datagram* datagram = _datagrams + i;
            datagram->Length = _headers[i].msg_len;
            datagram->AddressLength = header->msg_namelen > (uint)sockaddr_un.sun_path_offset ? (int)header->msg_namelen : 0;
            cmsghdr* control = (cmsghdr*)header->msg_control;
            bool isKnown = header->msg_controllen == ControlSize && control->cmsg_type == SCM_CREDENTIALS;
            datagram->Sender = isKnown ? *(ucred*)(control + 1) : new ucred { uid = uint.MaxValue, gid = uint.MaxValue };
        }

        return count;
    }

    /// <summary>Answers a datagram with one byte.</summary>
    /// <returns>
    /// 0, also when the sender cannot be answered for want of an address; or an errno turned: EAGAIN when it does not
    /// read its answers, ECONNREFUSED or ENOENT when it is gone.
    /// </returns>
    internal int Answer(Datagram* datagram, byte answer)
    {
        if (datagram->AddressLength == 0)
        {
            return 0;
        }

        long sent = sendto(
            _fd, &answer, 1, MSG_DONTWAIT | MSG_NOSIGNAL, (sockaddr*)&datagram->Address, datagram->AddressLength);
        return sent == 1 ? 0 : -errno;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        NativeMemory.Free(_headers);
        NativeMemory.Free(_vectors);
        NativeMemory.Free(_datagrams);
        NativeMemory.Free(_control);
    }
}
