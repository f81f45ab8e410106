// The part of Tmds.LibC that the server and its client use: see LibC.cs, with which this file goes.

using System.Runtime.InteropServices;

namespace Tmds.Linux;

#pragma warning disable CS8981 // C's names are lower case.

internal static unsafe partial class LibC
{
    // errno.h
    public static int ELOOP => 40;
    public static int ENAMETOOLONG => 36;
    public static int ENOTSOCK => 88;
    public static int EPROTOTYPE => 91;
    public static int EADDRINUSE => 98;
    public static int ECONNREFUSED => 111;
    public static int ECANCELED => 125;

    // fcntl.h
    public static int AT_SYMLINK_NOFOLLOW => 0x100;
    public static int AT_EMPTY_PATH => 0x1000;
    public static int O_NOFOLLOW => Arm64 ? 0x8000 : 0x20000;
    public static int O_PATH => 0x200000;

    // poll.h
    public static short POLLIN => 0x001;
    public static short POLLOUT => 0x004;

    [DllImport(libc)]
    public static extern int poll(pollfd* fds, ulong_t nfds, int timeout);

    // signal.h
    public static int SIG_BLOCK => 0;
    public static int SIG_UNBLOCK => 1;

    [DllImport(libc)]
    public static extern int sigemptyset(sigset_t* set);
    [DllImport(libc)]
    public static extern int sigaddset(sigset_t* set, int signum);
    [DllImport(libc)]
    public static extern int sigismember(sigset_t* set, int signum);
    [DllImport(libc)]
    public static extern int sigwait(sigset_t* set, int* sig);

    // sys/socket.h
    public static int AF_UNIX => 1;
    public static int MSG_DONTWAIT => 0x40;
    public static int MSG_NOSIGNAL => 0x4000;
    public static int MSG_TRUNC => 0x20;
    public static int MSG_WAITFORONE => 0x10000;
    public static int SCM_CREDENTIALS => 2;
    public static int SO_DOMAIN => 39;
    public static int SO_PASSCRED => 16;
    public static int SO_RCVTIMEO => 20;
    public static int SO_SNDBUF => 7;
    public static int SO_SNDTIMEO => 21;
    public static int SO_TYPE => 3;
    public static int SOCK_CLOEXEC => 0x80000;
    public static int SOCK_DGRAM => 2;
    public static int SOL_SOCKET => 1;

    [DllImport(libc)]
    public static extern int socket(int domain, int type, int protocol);
    [DllImport(libc)]
    public static extern int bind(int socket, sockaddr* address, socklen_t address_len);
    [DllImport(libc)]
    public static extern int connect(int socket, sockaddr* address, socklen_t address_len);
    [DllImport(libc)]
    public static extern int getsockname(int socket, sockaddr* address, socklen_t* address_len);
    [DllImport(libc)]
    public static extern int getsockopt(int socket, int level, int optname, void* optval, socklen_t* optlen);
    [DllImport(libc)]
    public static extern int setsockopt(int socket, int level, int optname, void* optval, socklen_t optlen);
    [DllImport(libc)]
    public static extern ssize_t recv(int socket, void* buf, size_t len, int flags);
    [DllImport(libc)]
    public static extern int recvmmsg(int socket, mmsghdr* msgvec, uint vlen, int flags, timespec* timeout);
    [DllImport(libc)]
    public static extern ssize_t send(int socket, void* buf, size_t len, int flags);
    [DllImport(libc)]
    public static extern ssize_t sendto(
        int socket, void* buf, size_t len, int flags, sockaddr* address, socklen_t address_len);

    // sys/stat.h
    public static uint STATX_TYPE => 0x1;
    public static uint STATX_UID => 0x8;
    public static uint STATX_INO => 0x100;

    [DllImport(libc)]
    public static extern int chmod(byte* path, mode_t mode);
    [DllImport(libc)]
    public static extern int fchmod(int fd, mode_t mode);
    [DllImport(libc)]
    public static extern int statx(int dirfd, byte* pathname, int flags, uint mask, statx* statxbuf);
    [DllImport(libc)]
    public static extern mode_t umask(mode_t mode);

    public static mode_t S_IFMT => 0xf000;
    public static mode_t S_IFSOCK => 0xc000;
    public static mode_t S_IFLNK => 0xa000;

    // unistd.h, grp.h
    [DllImport(libc)]
    public static extern int fchownat(int dirfd, byte* path, uid_t owner, gid_t group, int flags);
    [DllImport(libc)]
    public static extern uid_t geteuid();
    [DllImport(libc)]
    public static extern int getgrnam_r(byte* name, group* grp, byte* buffer, size_t buflen, group** result);
    [DllImport(libc)]
    public static extern int unlinkat(int dirfd, byte* pathname, int flags);
}

internal unsafe struct group
{
    public byte* gr_name;
    public byte* gr_passwd;
    public gid_t gr_gid;
    public byte** gr_mem;
}

internal unsafe struct iovec
{
    public void* iov_base { readonly get; set; }
    public size_t iov_len { readonly get; set; }
}

internal unsafe struct msghdr
{
    public void* msg_name { readonly get; set; }
    public socklen_t msg_namelen { readonly get; set; }
    public iovec* msg_iov { readonly get; set; }
    private ssize_t __msg_iovlen;
    public int msg_iovlen { readonly get => (int)__msg_iovlen; set => __msg_iovlen = value; }
    public void* msg_control { readonly get; set; }
    private size_t __msg_controllen;
    public socklen_t msg_controllen { readonly get => (uint)(ulong)__msg_controllen; set => __msg_controllen = (uint)value; }
    public int msg_flags { readonly get; set; }
}

internal struct mmsghdr
{
    public msghdr msg_hdr { readonly get; set; }
    public uint msg_len { readonly get; set; }
}

internal struct cmsghdr
{
    private size_t __cmsg_len;
    public socklen_t cmsg_len { readonly get => (uint)(ulong)__cmsg_len; set => __cmsg_len = (uint)value; }
    public int cmsg_level { readonly get; set; }
    public int cmsg_type { readonly get; set; }
}

internal struct pollfd
{
    public int fd { readonly get; set; }
    public short events { readonly get; set; }
    public short revents { readonly get; set; }
}

internal unsafe struct sockaddr
{
    public sa_family_t sa_family { readonly get; set; }
    private fixed byte __sa_data[14];
}

internal unsafe struct sockaddr_un
{
    public sa_family_t sun_family { readonly get; set; }
    public fixed byte sun_path[108];
    public static int sun_path_length => 108;
    public static int sun_path_offset => 2;
}

internal struct ucred
{
    public pid_t pid { readonly get; set; }
    public uid_t uid { readonly get; set; }
    public gid_t gid { readonly get; set; }
}

internal struct timespec
{
    public time_t tv_sec { readonly get; set; }
    public long_t tv_nsec { readonly get; set; }
}

internal struct timeval
{
    public time_t tv_sec { readonly get; set; }
    public long_t tv_usec { readonly get; set; }
}

internal struct statx_timestamp
{
    public long tv_sec;
    public uint tv_nsec;
    private int __reserved;
}

internal unsafe struct statx
{
    public uint stx_mask;
    public uint stx_blksize;
    public ulong stx_attributes;
    public uint stx_nlink;
    public uint stx_uid;
    public uint stx_gid;
    public ushort stx_mode;
    private fixed ushort __spare0[1];
    public ulong stx_ino;
    public ulong stx_size;
    public ulong stx_blocks;
    public ulong stx_attributes_mask;
    public statx_timestamp stx_atime;
    public statx_timestamp stx_btime;
    public statx_timestamp stx_ctime;
    public statx_timestamp stx_mtime;
    public uint stx_rdev_major;
    public uint stx_rdev_minor;
    public uint stx_dev_major;
    public uint stx_dev_minor;
    private fixed ulong __spare2[14];
}

internal readonly struct sa_family_t
{
    private readonly ushort __value;

    private sa_family_t(ushort value) => __value = value;

    public static implicit operator int(sa_family_t arg) => arg.__value;
    public static implicit operator sa_family_t(int arg) => new((ushort)arg);
}

internal readonly struct socklen_t
{
    private readonly uint __value;

    private socklen_t(uint value) => __value = value;

    public static implicit operator uint(socklen_t arg) => arg.__value;
    public static explicit operator int(socklen_t arg) => (int)arg.__value;
    public static implicit operator socklen_t(uint arg) => new(arg);
    public static implicit operator socklen_t(int arg) => new((uint)arg);
}

internal readonly struct uid_t
{
    private readonly uint __value;

    private uid_t(uint value) => __value = value;

    public static implicit operator uint(uid_t arg) => arg.__value;
    public static implicit operator uid_t(uint arg) => new(arg);
}

internal readonly struct gid_t
{
    private readonly uint __value;

    private gid_t(uint value) => __value = value;

    public static implicit operator uint(gid_t arg) => arg.__value;
    public static implicit operator gid_t(uint arg) => new(arg);
}

internal readonly struct ulong_t
{
    private readonly ulong __value;

    private ulong_t(ulong value) => __value = value;

    public static implicit operator ulong_t(uint arg) => new(arg);
    public static implicit operator ulong_t(int arg) => new((uint)arg);
}

internal readonly struct time_t
{
    private readonly long __value;

    private time_t(long value) => __value = value;

    public static implicit operator long(time_t arg) => arg.__value;
    public static implicit operator time_t(long arg) => new(arg);
}

internal readonly struct long_t
{
    private readonly long __value;

    private long_t(long value) => __value = value;

    public static implicit operator long(long_t arg) => arg.__value;
    public static implicit operator long_t(int arg) => new(arg);
    public static explicit operator long_t(long arg) => new(arg);
}
