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

/// What differs between kernels, and between machines that run the same one only in the size of a page and in a sysctl.
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
        /// A thread frees its number only after its process can have been reaped (6.15, release_task in kernel/exit.c), so
        /// that it may be in use a moment longer.
        FreesThreadsLate: bool
        /// clone_args has `cgroup` (5.7); before, clone3 refuses one that is not 0 with E2BIG before it looks at anything
        /// else (copy_struct_from_user).
        ClonesIntoCgroup: bool
        /// What is written to a sysctl at another offset than 0 is ignored: kernel.sysctl_writes_strict = 1, the default.
        /// Otherwise it counts as if it were written at 0 (proc_first_pos_non_zero_ignore, kernel/sysctl.c).
        WritesStrictly: bool
        /// The bytes in a page of memory, which limit the text of ns_last_pid: 4096, or 16384 or 65536 on arm64.
        PageSize: int
        /// The largest pid_max: `Limits.PidMax`, but in the small worlds of the tests.
        PidMaxLimit: int
        /// The deepest level: `Limits.Levels`, but in the small worlds of the tests.
        Levels: int
    }

/// A rule that changed once. But for `FreesThreadsLate` a probe can see it: vendors change it in kernels with older versions.
[<RequireQualifiedAccess>]
type KernelRule =
    | PidMaxPerNamespace
    | PidfdOfThread
    | FailedFirstCloneKills
    | ChecksBeforePicks
    | ChecksInitAfterPick
    | FreesThreadsLate
    | ClonesIntoCgroup

/// What a probe saw of a rule of the running kernel.
[<Struct>]
type SeenRule =
    {
        Rule: KernelRule
        /// Whether the kernel does what mainline kernels do since the change.
        IsNew: bool
    }

/// Kernels by version, and by what they were seen to do.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module KernelRules =
    // Each rule, the mainline version that changed it, and what it is about.
    let private changes =
        [
            KernelRule.ClonesIntoCgroup, (5, 7), "CLONE_INTO_CGROUP"
            KernelRule.PidfdOfThread, (6, 9), "CLONE_PIDFD of threads"
            KernelRule.PidMaxPerNamespace, (6, 14), "pid_max"
            KernelRule.FreesThreadsLate, (6, 15), "numbers of threads"
            KernelRule.ChecksBeforePicks, (7, 0), "the order of set_tid's checks"
            KernelRule.ChecksInitAfterPick, (7, 1), "set_tid without an init"
            KernelRule.FailedFirstCloneKills, (7, 1), "a failed first clone"
        ]

    /// Whether a kernel does what mainline kernels do since the rule changed.
    let isNew (rule: KernelRule) (kernel: KernelRules) : bool =
        match rule with
        | KernelRule.PidMaxPerNamespace -> kernel.PidMaxPerNamespace
        | KernelRule.PidfdOfThread -> kernel.PidfdOfThread
        | KernelRule.FailedFirstCloneKills -> not kernel.FailedFirstCloneKills
        | KernelRule.ChecksBeforePicks -> kernel.ChecksBeforePicks
        | KernelRule.ChecksInitAfterPick -> kernel.ChecksInitAfterPick
        | KernelRule.FreesThreadsLate -> kernel.FreesThreadsLate
        | KernelRule.ClonesIntoCgroup -> kernel.ClonesIntoCgroup

    let private withRule kernel (seen: SeenRule) =
        match seen.Rule with
        | KernelRule.PidMaxPerNamespace ->
            { kernel with
                PidMaxPerNamespace = seen.IsNew
            }
        | KernelRule.PidfdOfThread ->
            { kernel with
                PidfdOfThread = seen.IsNew
            }
        | KernelRule.FailedFirstCloneKills ->
            { kernel with
                FailedFirstCloneKills = not seen.IsNew
            }
        | KernelRule.ChecksBeforePicks ->
            { kernel with
                ChecksBeforePicks = seen.IsNew
            }
        | KernelRule.ChecksInitAfterPick ->
            { kernel with
                ChecksInitAfterPick = seen.IsNew
            }
        | KernelRule.FreesThreadsLate ->
            { kernel with
                FreesThreadsLate = seen.IsNew
            }
        | KernelRule.ClonesIntoCgroup ->
            { kernel with
                ClonesIntoCgroup = seen.IsNew
            }

    /// The rules of a kernel whose version says one thing and which was seen to do another: what was seen counts.
    let withSeen (seen: SeenRule seq) (byVersion: KernelRules) : KernelRules = Seq.fold withRule byVersion seen

    /// The behaviour of a mainline kernel, by the first two numbers of its release (`uname -r`), with pages of 4096 bytes.
    /// For versions after 7.3 it is that of 7.3, the newest one this model was checked against.
    let ofVersion (major: int) (minor: int) : KernelRules =
        withSeen
            [
                for rule, since, _ in changes do
                    {
                        Rule = rule
                        IsNew = (major, minor) >= since
                    }
            ]
            {
                PidMaxPerNamespace = false
                PidfdOfThread = false
                FailedFirstCloneKills = true
                ChecksBeforePicks = false
                ChecksInitAfterPick = false
                FreesThreadsLate = false
                ClonesIntoCgroup = false
                WritesStrictly = true
                PageSize = 4096
                PidMaxLimit = Limits.PidMax
                Levels = Limits.Levels
            }

    /// The same with pages of so many bytes.
    let withPageSize (bytes: int) (kernel: KernelRules) : KernelRules = { kernel with PageSize = bytes }

    /// The same with what is written at another offset ignored or not.
    let withStrictWrites (isStrict: bool) (kernel: KernelRules) : KernelRules =
        { kernel with
            WritesStrictly = isStrict
        }

    /// Where a kernel is not what its version says, each in words, such as `as 6.14 in pid_max`.
    let surprises (byVersion: KernelRules) (kernel: KernelRules) : string list =
        [
            for rule, (major, minor), subject in changes do
                if isNew rule kernel <> isNew rule byVersion then
                    let when' = if isNew rule kernel then "as" else "as before"
                    $"{when'} {string major}" + $".{string minor} in {subject}"
        ]

    /// The newest kernel the model was checked against, 7.3.
    let newest: KernelRules = ofVersion 7 3
