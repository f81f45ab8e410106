namespace SetNsLastPid

/// Error numbers of Linux (asm-generic/errno-base.h and errno.h; the same on x86-64 and arm64) that PID allocation
/// and what stands around it can give.
type Errno =
    | EPERM = 1
    | ENOENT = 2
    | ESRCH = 3
    | EINTR = 4
    | EIO = 5
    | E2BIG = 7
    | ENOEXEC = 8
    | EBADF = 9
    | ECHILD = 10
    | EAGAIN = 11
    | ENOMEM = 12
    | EACCES = 13
    | EFAULT = 14
    | EBUSY = 16
    | EEXIST = 17
    | ENODEV = 19
    | ENOTDIR = 20
    | EISDIR = 21
    | EINVAL = 22
    | EMFILE = 24
    | ENOSPC = 28
    | EROFS = 30
    | EPIPE = 32
    | ERANGE = 34
    | ENAMETOOLONG = 36
    | ENOSYS = 38
    | ENOTEMPTY = 39
    | ELOOP = 40
    | EPROTO = 71
    | ENOTSOCK = 88
    | EPROTOTYPE = 91
    | EOPNOTSUPP = 95
    | EAFNOSUPPORT = 97
    | EADDRINUSE = 98
    | ENOBUFS = 105
    | ETIMEDOUT = 110
    | ECONNREFUSED = 111
    | ESTALE = 116
    | ECANCELED = 125

/// Numbers that are the same in every kernel this model speaks of.
[<RequireQualifiedAccess>]
module Limits =
    /// The first number tried after a wrap while the cursor is above it: RESERVED_PIDS, kernel/pid.c.
    [<Literal>]
    let Reserved = 300

    /// The largest pid_max: PID_MAX_LIMIT on 64 bits, include/linux/threads.h. PIDs are below it.
    [<Literal>]
    let PidMax = 4194304

    /// The deepest level of a PID namespace, the initial one being level 0: MAX_PID_NS_LEVEL,
    /// include/linux/pid_namespace.h. Also the largest set_tid_size of clone3.
    [<Literal>]
    let Levels = 32

/// What differs between kernels. Two machines that run the same kernel agree on it.
type KernelRules =
    {
        /// pid_max belongs to each PID namespace and starts at 4194304 (6.14), instead of one for the whole system.
        PidMaxPerNamespace: bool
        /// CLONE_PIDFD may be combined with CLONE_THREAD (6.9), instead of EINVAL before any number is taken.
        PidfdOfThread: bool
        /// A clone that fails late as the first one into a new PID namespace leaves that namespace dead (until 7.0).
        FailedFirstCloneKills: bool
        /// Every set_tid entry is checked before the first number is taken (7.0), instead of level by level.
        ChecksBeforePicks: bool
        /// That a namespace has had no init is checked after the entry was free to take (7.1), instead of after its range.
        ChecksInitAfterPick: bool
        /// The largest pid_max: `Limits.PidMax`, but in the small worlds of the tests.
        PidMaxLimit: int
        /// The deepest level: `Limits.Levels`, but in the small worlds of the tests.
        Levels: int
    }

/// Kernels by version.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module KernelRules =
    /// The behaviour of a mainline kernel, by the first two numbers of its release (`uname -r`). For versions after
    /// 7.3 it is that of 7.3, the newest one this model was checked against.
    let ofVersion (major: int) (minor: int) : KernelRules =
        let since a b = major > a || (major = a && minor >= b)

        {
            PidMaxPerNamespace = since 6 14
            PidfdOfThread = since 6 9
            FailedFirstCloneKills = not (since 7 1)
            ChecksBeforePicks = since 7 0
            ChecksInitAfterPick = since 7 1
            PidMaxLimit = Limits.PidMax
            Levels = Limits.Levels
        }

    /// The newest kernel the model was checked against, 7.3.
    let newest: KernelRules = ofVersion 7 3
