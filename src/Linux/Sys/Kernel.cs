using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

// What is declared here passes numbers and addresses alone.
[assembly: DisableRuntimeMarshalling]
// libc comes from where the system has it, never from beside the program.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace SetNsLastPid.Linux;

#pragma warning disable CS8981 // The kernel's names are lower case.

/// <summary>The part of the kernel's interface that Tmds.LibC does not have, as the kernel spells it.</summary>
/// <remarks>Its calls are made by <see cref="Raw.Call"/>, those that Tmds.LibC has by <see cref="SysResult.Of"/>.</remarks>
internal static unsafe class Kernel
{
    // asm/unistd_64.h, and asm-generic/unistd.h for arm64: constants to the compiler, as one machine is compiled for.
    internal static int SYS_read => X64 ? 0 : 63;
    internal static int SYS_write => X64 ? 1 : 64;
    internal static int SYS_close => X64 ? 3 : 57;
    internal static int SYS_lseek => X64 ? 8 : 62;
    internal static int SYS_mmap => X64 ? 9 : 222;
    internal static int SYS_munmap => X64 ? 11 : 215;
    internal static int SYS_rt_sigaction => X64 ? 13 : 134;
    internal static int SYS_rt_sigprocmask => X64 ? 14 : 135;
    internal static int SYS_ioctl => X64 ? 16 : 29;
    internal static int SYS_pread64 => X64 ? 17 : 67;
    internal static int SYS_pwrite64 => X64 ? 18 : 68;
    internal static int SYS_getpid => X64 ? 39 : 172;
    internal static int SYS_clone => X64 ? 56 : 220;
    internal static int SYS_execve => X64 ? 59 : 221;
    internal static int SYS_wait4 => X64 ? 61 : 260;
    internal static int SYS_uname => X64 ? 63 : 160;
    internal static int SYS_kill => X64 ? 62 : 129;
    internal static int SYS_fcntl => X64 ? 72 : 25;
    internal static int SYS_flock => X64 ? 73 : 32;
    internal static int SYS_geteuid => X64 ? 107 : 175;
    internal static int SYS_getegid => X64 ? 108 : 177;
    internal static int SYS_setpgid => X64 ? 109 : 154;
    internal static int SYS_getppid => X64 ? 110 : 173;
    internal static int SYS_setsid => X64 ? 112 : 157;
    internal static int SYS_getsid => X64 ? 124 : 156;
    internal static int SYS_getpriority => X64 ? 140 : 141;
    internal static int SYS_prctl => X64 ? 157 : 167;
    internal static int SYS_fstatfs => X64 ? 138 : 44;
    internal static int SYS_mkdirat => X64 ? 258 : 34;
    internal static int SYS_unlinkat => X64 ? 263 : 35;
    internal static int SYS_mount => X64 ? 165 : 40;
    internal static int SYS_gettid => X64 ? 186 : 178;
    internal static int SYS_sched_setscheduler => X64 ? 144 : 119;
    internal static int SYS_sched_setaffinity => X64 ? 203 : 122;
    internal static int SYS_sched_getaffinity => X64 ? 204 : 123;
    internal static int SYS_futex => X64 ? 202 : 98;
    internal static int SYS_getdents64 => X64 ? 217 : 61;
    internal static int SYS_clock_gettime => X64 ? 228 : 113;
    internal static int SYS_exit_group => X64 ? 231 : 94;
    internal static int SYS_waitid => X64 ? 247 : 95;
    internal static int SYS_openat => X64 ? 257 : 56;
    internal static int SYS_ppoll => X64 ? 271 : 73;
    internal static int SYS_nanosleep => X64 ? 35 : 101;
    internal static int SYS_removexattr => X64 ? 197 : 14;
    internal static int SYS_sched_yield => X64 ? 24 : 124;
    internal static int SYS_tgkill => X64 ? 234 : 131;
    internal static int SYS_unshare => X64 ? 272 : 97;
    internal static int SYS_set_robust_list => X64 ? 273 : 99;
    internal static int SYS_get_robust_list => X64 ? 274 : 100;
    internal static int SYS_eventfd2 => X64 ? 290 : 19;
    internal static int SYS_dup3 => X64 ? 292 : 24;
    internal static int SYS_pipe2 => X64 ? 293 : 59;
    internal static int SYS_sendfile => X64 ? 40 : 71;
    internal static int SYS_splice => X64 ? 275 : 76;
    internal static int SYS_memfd_create => X64 ? 319 : 279;
    internal static int SYS_prlimit64 => X64 ? 302 : 261;
    internal static int SYS_recvmmsg => X64 ? 299 : 243;
    internal static int SYS_renameat2 => X64 ? 316 : 276;
    internal static int SYS_setns => X64 ? 308 : 268;
    internal static int SYS_capget => X64 ? 125 : 90;
    internal static int SYS_capset => X64 ? 126 : 91;
    internal static int SYS_dup => X64 ? 32 : 23;
    internal static int SYS_getpgid => X64 ? 121 : 155;
    internal static int SYS_setresuid => X64 ? 117 : 147;
    internal static int SYS_rt_sigtimedwait => X64 ? 128 : 137;
    internal static int SYS_execveat => X64 ? 322 : 281;
    internal static int SYS_pidfd_open => 434;
    internal static int SYS_clone3 => 435;
    internal static int SYS_close_range => 436;
    internal static int SYS_openat2 => 437;

    // linux/close_range.h
    internal static int CLOSE_RANGE_UNSHARE => 2;

    // linux/fs.h
    internal static int RENAME_NOREPLACE => 1;

    // linux/futex.h
    internal static int FUTEX_WAIT => 0;
    internal static int FUTEX_WAKE => 1;
    internal static int FUTEX_PRIVATE_FLAG => 128;
    internal const int FUTEX_WAITERS = unchecked((int)0x80000000);
    internal const int FUTEX_OWNER_DIED = 0x40000000;
    internal const int FUTEX_TID_MASK = 0x3fffffff;

    // linux/sched.h, as wide as the flags of clone3: Tmds.LibC has some of them as int.
    internal static ulong CLONE_PIDFD => 0x00001000;
    internal static ulong CLONE_PARENT => 0x00008000;
    internal static ulong CLONE_PARENT_SETTID => 0x00100000;
    internal static ulong CLONE_DETACHED => 0x00400000;
    internal static ulong CLONE_NEWNS => 0x00020000;
    internal static ulong CLONE_CHILD_SETTID => 0x01000000;
    internal static ulong CLONE_NEWUSER => 0x10000000;
    internal static ulong CLONE_NEWPID => 0x20000000;
    internal static ulong CLONE_INTO_CGROUP => 0x200000000;

    // linux/nsfs.h
    internal static int NS_GET_USERNS => 0xb701;

    // linux/openat2.h
    internal static ulong RESOLVE_NO_MAGICLINKS => 0x02;
    internal static ulong RESOLVE_CACHED => 0x20;

    // linux/prctl.h
    internal static int PR_SET_PDEATHSIG => 1;
    internal static int PR_SET_DUMPABLE => 4;
    internal static int PR_SET_NAME => 15;
    internal static int PR_SET_CHILD_SUBREAPER => 36;
    internal static int PR_CAPBSET_READ => 23;

    // linux/sockios.h
    internal static int SIOCOUTQ => 0x5411;

    // linux/stat.h
    internal static int AT_STATX_DONT_SYNC => 0x4000;

    // linux/time.h
    internal static int CLOCK_BOOTTIME => 7;

    // linux/wait.h
    internal static int P_PID => 1;
    internal static int WEXITED => 4;
    internal static int WNOWAIT => 0x01000000;
    internal static int WNOHANG => 1;
    internal static int WUNTRACED => 2;
    internal static int WSTOPPED => 2;
    internal static int WCONTINUED => 8;
    internal static int __WALL => 0x40000000;

    // sys/file.h
    internal static int LOCK_EX => 2;
    internal static int LOCK_NB => 4;
    internal static int LOCK_UN => 8;

    // sys/resource.h
    internal static int PRIO_PGRP => 1;
    internal const int RLIMIT_NOFILE = 7;

    /// <summary>All that a thread of a process shares with the others.</summary>
    internal static ulong ThreadFlags =>
        (uint)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_IO);

    /// <summary>Whether this is x86-64, otherwise arm64.</summary>
    internal static bool X64 => X86Base.X64.IsSupported;

    /// <summary>Ends the process at once: no handler runs and nothing is flushed.</summary>
    internal static void exit_group(int status) => Raw.Call(SYS_exit_group, status);

    internal static SysResult futex_wait(int* word, int value, timespec* timeout) =>
        Raw.Call(SYS_futex, (nint)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, (nint)timeout);

    internal static SysResult futex_wake(int* word, int count) =>
        Raw.Call(SYS_futex, (nint)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count);

    /// <summary>What the model knows of the running kernel, by its release.</summary>
    internal static KernelRules Rules
    {
        get
        {
            Version version = Environment.OSVersion.Version;
            return KernelRulesModule.withPageSize(
                Environment.SystemPageSize, KernelRulesModule.ofVersion(version.Major, version.Minor));
        }
    }

    /// <summary>Whether a descriptor was given to the program by who started it, which alone outlives an execve. 0 to 2 may
    /// also be files that the runtime opened because they were closed.</summary>
    internal static bool IsGiven(int fd)
    {
        SysResult flags = Raw.Call(SYS_fcntl, fd, F_GETFD);
        return !flags.IsError && (flags.Value & FD_CLOEXEC) == 0;
    }

    internal static bool IsWritable(int fd) => (Raw.Call(SYS_fcntl, fd, F_GETFL).Value & O_ACCMODE) != O_RDONLY;

    internal static bool IsTerminal(int fd) => isatty(fd) == 1;

    /// <summary>The size of a terminal in characters; 0 where it does not know, and for what is no terminal.</summary>
    internal static (int Columns, int Rows) TerminalSize(int fd)
    {
        // struct winsize: rows, columns, and two more.
        ushort* size = stackalloc ushort[4];
        return Raw.Call(SYS_ioctl, fd, TIOCGWINSZ, (nint)size).IsError ? (0, 0) : (size[1], size[0]);
    }

    /// <summary>The kernel's release, as <c>uname -r</c> prints it; /proc/sys may be hidden.</summary>
    internal static string Release()
    {
        // struct new_utsname: six names of 65 bytes, the release is the third.
        const int Name = 65;
        byte* names = stackalloc byte[6 * Name];
        _ = Raw.Call(SYS_uname, (nint)names);
        return Marshal.PtrToStringUTF8((nint)(names + 2 * Name))!;
    }
}

/// <summary><c>struct clone_args</c> of linux/sched.h as of 5.7, when it got <c>cgroup</c>: 88 bytes.</summary>
internal struct clone_args
{
    internal ulong flags;
    internal ulong pidfd;
    internal ulong child_tid;
    internal ulong parent_tid;
    internal ulong exit_signal;
    internal ulong stack;
    internal ulong stack_size;
    internal ulong tls;
    internal ulong set_tid;
    internal ulong set_tid_size;
    internal ulong cgroup;
}

internal struct open_how
{
    internal ulong flags;
    internal ulong mode;
    internal ulong resolve;
}

/// <summary><c>struct rlimit64</c> of linux/resource.h: the limit in force and the most it may be raised to.</summary>
internal struct rlimit64
{
    internal ulong rlim_cur;
    internal ulong rlim_max;
}

internal struct timeval
{
    internal long tv_sec;
    internal long tv_usec;
}
