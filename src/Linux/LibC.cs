// Stands in for the package Tmds.LibC until that can be had: the part of it that this project uses, under its
// names and signatures. Then this file is deleted and a PackageReference takes its place.
// One difference, and it goes with the file: the package captures errno by SetLastError, which an assembly with
// DisableRuntimeMarshalling may not use (MarshalDirectiveException), so errno is read from the thread instead.
// The runtime keeps it over its own work at the return of a call.

using System.Runtime.InteropServices;

namespace Tmds.Linux;

#pragma warning disable CS8981 // C's names are lower case.

internal static unsafe partial class LibC
{
    private const string libc = "libc.so.6";

    public static int errno => Marshal.GetLastSystemError();

    // errno.h
    public static int EPERM => 1;
    public static int ENOENT => 2;
    public static int ESRCH => 3;
    public static int EINTR => 4;
    public static int EIO => 5;
    public static int EBADF => 9;
    public static int ECHILD => 10;
    public static int EAGAIN => 11;
    public static int EACCES => 13;
    public static int EFAULT => 14;
    public static int EINVAL => 22;
    public static int EMFILE => 24;
    public static int ERANGE => 34;
    public static int ENOSYS => 38;
    public static int EPROTO => 71;
    public static int ETIMEDOUT => 110;

    // fcntl.h
    public static int AT_FDCWD => -100;
    public static int O_RDONLY => 0;
    public static int O_WRONLY => 1;
    public static int O_RDWR => 2;
    public static int O_CREAT => 0x40;
    public static int O_EXCL => 0x80;
    public static int O_DIRECTORY => Arm64 ? 0x4000 : 0x10000;
    public static int O_CLOEXEC => 0x80000;

    [DllImport(libc)]
    public static extern int open(byte* pathname, int flags, mode_t mode = default);
    [DllImport(libc)]
    public static extern int openat(int dirfd, byte* pathname, int flags, mode_t mode = default);

    // sched.h
    public static int CLONE_VM => 0x00000100;
    public static int CLONE_FS => 0x00000200;
    public static int CLONE_FILES => 0x00000400;
    public static int CLONE_SIGHAND => 0x00000800;
    public static int CLONE_VFORK => 0x00004000;
    public static int CLONE_THREAD => 0x00010000;
    public static int CLONE_SYSVSEM => 0x00040000;
    public static int CLONE_IO => unchecked((int)0x80000000);

    [DllImport(libc)]
    public static extern int clone(
        void* fn, void* child_stack, int flags, void* arg, pid_t* ptid = null, void* newtls = null, pid_t* ctid = null);

    // signal.h
    public static int SIGHUP => 1;
    public static int SIGINT => 2;
    public static int SIGQUIT => 3;
    public static int SIGKILL => 9;
    public static int SIGUSR1 => 10;
    public static int SIGUSR2 => 12;
    public static int SIGPIPE => 13;
    public static int SIGTERM => 15;
    public static int SIGCHLD => 17;
    public static int SIGCONT => 18;
    public static int SIGSTOP => 19;
    public static int SIGTSTP => 20;
    public static int SA_SIGINFO => 0x00000004;
    public static int SA_ONSTACK => 0x08000000;
    public static int SA_RESTART => 0x10000000;
    public static int SIG_SETMASK => 2;
    public static void* SIG_DFL => (void*)0;
    public static void* SIG_IGN => (void*)1;

    [DllImport(libc)]
    public static extern int kill(pid_t pid, int signum);
    [DllImport(libc)]
    public static extern int sigaction(int signum, sigaction* act, sigaction* oldact);
    [DllImport(libc)]
    public static extern int sigfillset(sigset_t* set);
    [DllImport(libc)]
    public static extern int pthread_sigmask(int how, sigset_t* set, sigset_t* oldset);

    // sys/mman.h
    public static int PROT_READ => 1;
    public static int PROT_WRITE => 2;
    public static int MAP_PRIVATE => 0x02;
    public static int MAP_ANONYMOUS => 0x20;
    public static void* MAP_FAILED => (void*)-1;

    [DllImport(libc)]
    public static extern void* mmap(void* addr, size_t length, int prot, int flags, int fd, off_t offset);
    [DllImport(libc)]
    public static extern int munmap(void* addr, size_t length);

    // unistd.h
    [DllImport(libc)]
    public static extern int close(int fd);
    [DllImport(libc)]
    public static extern ssize_t read(int fd, void* buf, size_t count);
    [DllImport(libc)]
    public static extern ssize_t write(int fd, void* buf, size_t count);
    [DllImport(libc)]
    public static extern ssize_t pread(int fd, void* buf, size_t count, off_t offset);
    [DllImport(libc)]
    public static extern ssize_t pwrite(int fd, void* buf, size_t count, off_t offset);
    [DllImport(libc)]
    public static extern ssize_t readlink(byte* pathname, byte* buf, size_t bufsize);
    [DllImport(libc)]
    public static extern pid_t getpid();
    [DllImport(libc)]
    public static extern int execve(byte* filename, byte** arg, byte** env);

    [DllImport(libc)]
    public static extern syscall_arg syscall(syscall_arg number);
    [DllImport(libc)]
    public static extern syscall_arg syscall(syscall_arg number, syscall_arg arg1);
    [DllImport(libc)]
    public static extern syscall_arg syscall(syscall_arg number, syscall_arg arg1, syscall_arg arg2);
    [DllImport(libc)]
    public static extern syscall_arg syscall(
        syscall_arg number, syscall_arg arg1, syscall_arg arg2, syscall_arg arg3);
    [DllImport(libc)]
    public static extern syscall_arg syscall(
        syscall_arg number, syscall_arg arg1, syscall_arg arg2, syscall_arg arg3, syscall_arg arg4);
    [DllImport(libc)]
    public static extern syscall_arg syscall(
        syscall_arg number, syscall_arg arg1, syscall_arg arg2, syscall_arg arg3, syscall_arg arg4, syscall_arg arg5);
    [DllImport(libc)]
    public static extern syscall_arg syscall(
        syscall_arg number,
        syscall_arg arg1,
        syscall_arg arg2,
        syscall_arg arg3,
        syscall_arg arg4,
        syscall_arg arg5,
        syscall_arg arg6);

    private static bool Arm64 => System.Runtime.Intrinsics.Arm.ArmBase.Arm64.IsSupported;
}

internal readonly struct size_t
{
    private readonly ulong __value;

    internal size_t(ulong value) => __value = value;

    public static implicit operator ulong(size_t arg) => arg.__value;
    public static explicit operator int(size_t arg) => (int)arg.__value;
    public static implicit operator size_t(uint arg) => new(arg);
    public static implicit operator size_t(int arg) => new((uint)arg);
    public static implicit operator size_t(ushort arg) => new(arg);
    public static explicit operator size_t(ulong arg) => new(arg);
}

internal readonly struct ssize_t
{
    private readonly long __value;

    internal ssize_t(long value) => __value = value;

    public static implicit operator long(ssize_t arg) => arg.__value;
    public static explicit operator int(ssize_t arg) => (int)arg.__value;
    public static implicit operator ssize_t(int arg) => new(arg);
    public static explicit operator ssize_t(long arg) => new(arg);
}

internal readonly struct syscall_arg
{
    private readonly ssize_t __value;

    private syscall_arg(long value) => __value = new ssize_t(value);

    public static implicit operator syscall_arg(size_t arg) => new((long)(ulong)arg);
    public static implicit operator syscall_arg(ssize_t arg) => new(arg);
    public static implicit operator syscall_arg(uint arg) => new(arg);
    public static implicit operator syscall_arg(int arg) => new(arg);
    public static unsafe implicit operator syscall_arg(void* arg) => new((long)arg);
    public static implicit operator ssize_t(syscall_arg arg) => arg.__value;
    public static explicit operator int(syscall_arg arg) => (int)arg.__value;
}

internal readonly struct pid_t
{
    private readonly int __value;

    private pid_t(int value) => __value = value;

    public static implicit operator int(pid_t arg) => arg.__value;
    public static implicit operator pid_t(int arg) => new(arg);
}

internal readonly struct off_t
{
    private readonly long __value;

    private off_t(long value) => __value = value;

    public static implicit operator long(off_t arg) => arg.__value;
    public static implicit operator off_t(long arg) => new(arg);
}

internal readonly struct mode_t
{
    private readonly uint __value;

    private mode_t(uint value) => __value = value;

    public static implicit operator mode_t(ushort arg) => new(arg);
    public static explicit operator ushort(mode_t arg) => (ushort)arg.__value;
}

[StructLayout(LayoutKind.Explicit)]
internal unsafe struct sigset_t
{
    [FieldOffset(0)]
    private readonly size_t __align;
    [FieldOffset(0)]
    private fixed byte __data[128];
}

internal unsafe struct sigaction
{
    private void* __handler;
    public void* sa_handler { readonly get => __handler; set => __handler = value; }
    public void* sa_sigaction { readonly get => __handler; set => __handler = value; }
    public sigset_t sa_mask;
    public int sa_flags { get; set; }
    public void* sa_restorer { get; set; }
}
