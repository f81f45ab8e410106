namespace SetNsLastPid

/// What confines a process, as /proc tells it.
type Confinement =
    {
        /// user.max_user_namespaces; -1 where there is no such setting, as for the other ones.
        MaxUserNamespaces: int
        /// user.max_pid_namespaces.
        MaxPidNamespaces: int
        /// kernel.unprivileged_userns_clone: Debian's, in its kernels before 5.10's default of 1 and wherever an
        /// administrator set it.
        UnprivilegedUsernsClone: int
        /// kernel.apparmor_restrict_unprivileged_userns: Ubuntu's. The namespace is made, but without capabilities in it.
        AppArmorRestricts: int
        /// The profile or label that a security module gave the process (/proc/self/attr/current); empty without one.
        Profile: string
        /// The seccomp mode: 0 for none, 2 for a filter; -1 where that cannot be read.
        Seccomp: int
    }

/// What came of making a PID namespace, or what needs one. The messages name the step and the errno.
[<RequireQualifiedAccess>]
type Attempt =
    /// It works.
    | Works
    /// User 0 may not be user 0 of a user namespace: it lacks CAP_SETFCAP (verify_root_map, kernel/user_namespace.c; 5.12).
    | RootUnmapped
    /// Its /proc cannot be mounted.
    | ProcUnmounted of Errno: Errno * Message: string
    /// Another step fails; the errno is 0 where there is none.
    | Failed of Errno: Errno * Message: string

/// A way of consuming a PID that was tried.
type TriedFlavour =
    {
        Name: string
        /// Why it does not work, 0 if it does: EPROTO when last_pid did not move, ECHILD when a task was born by mistake.
        Errno: Errno
        /// The first version of Linux that has it.
        SinceMajor: int
        SinceMinor: int
    }

/// What trying the methods of choosing a PID came to, and what else there was to see. Errno values are 0 for success.
type Observed =
    {
        /// The kernel's release.
        Major: int
        Minor: int
        /// How it behaves, as far as that was seen; else by the release.
        Kernel: KernelRules
        UserId: int
        /// Whether CAP_CHECKPOINT_RESTORE is effective.
        HasCheckpointRestore: bool
        /// Whether CAP_SYS_ADMIN is effective.
        HasSysAdmin: bool
        /// Whether the bounding set has the capability that is wanted, so that a program started by root has it.
        IsInBoundingSet: bool
        /// Whether the user namespace of the process owns its PID namespace.
        OwnsPidNamespace: bool
        /// Whether something says that it is a container: files that engines leave there, the environment of the first
        /// process, the name of the cgroup.
        HasContainerMark: bool
        /// Whether its UTS, IPC and cgroup namespaces are the initial ones.
        HasHostNamespaces: bool
        Confinement: Confinement
        /// Whether /proc/sys/kernel has pid_max.
        HasProcSys: bool
        /// The errno of opening ns_last_pid for writing.
        OpenLastPid: Errno
        /// The errno of writing there what is no number: EINVAL where a number would be taken.
        WriteLastPid: Errno
        /// The errno of locking it; ETIMEDOUT when somebody else holds the lock.
        Lock: Errno
        /// The errno of clone3 without arguments: EINVAL where there is such a call.
        Clone3: Errno
        /// The errno of clone3 with set_tid for a number in use: EEXIST where a free one would be given.
        SetTid: Errno
        /// Every way of consuming a PID, the best first.
        Flavours: TriedFlavour list
        /// Making a PID namespace with its /proc.
        NewPidns: Attempt
        /// The same in a user namespace made for it, with the user as its root.
        MapRoot: Attempt
        /// Making what verify works in.
        Verify: Attempt
    }

    /// Whether it is a container. A mark alone is none: a host made from an image may have the file of an engine.
    member seen.IsContainer = seen.HasContainerMark && not seen.HasHostNamespaces

/// Whether a method works, and why not.
type Finding =
    {
        /// Its name; stable.
        Name: string
        /// Whether it works.
        Works: bool
        /// How it works, or why it does not.
        Reason: string
        /// What would make it work, each by itself: commands and settings; empty where nothing is known to.
        Cures: string list
    }

/// What kernels have since some version.
type Feature =
    {
        /// Its name; stable.
        Name: string
        Text: string
        Since: string
        /// Whether the kernel's own version is that or a later one.
        IsThere: bool
    }

/// What is to be said of a machine.
type Diagnosis =
    {
        /// The methods, in the order in which they are worth having.
        Methods: Finding list
        /// The ways of consuming a PID.
        Flavours: Finding list
        /// What the kernel's version has and lacks.
        Features: Feature list
        /// Where the kernel is not what its release says, such as `as 6.14 in pid_max`.
        Surprises: string list
        /// Whether a PID can be chosen in any way.
        CanChoose: bool
        /// What comes of it all, in a sentence.
        Advice: string
    }

/// From what was tried on a machine to what works there, why not, and what would help.
[<RequireQualifiedAccess>]
module Examination =
    /// Names the setting or profile that keeps a user from making user and PID namespaces, judged by the errno and by
    /// what confines the process; null if nothing there explains it.
    let whyNoNamespace (errno: int) (seen: Confinement) : string | null =
        let isLabelled =
            seen.Profile <> ""
            && seen.Profile <> "unconfined"
            && not (seen.Profile.Contains ':')

        match enum<Errno> errno with
        | Errno.ENOSPC when seen.MaxUserNamespaces = 0 -> "user.max_user_namespaces is 0 (sysctl)"
        | Errno.ENOSPC when seen.MaxPidNamespaces = 0 -> "user.max_pid_namespaces is 0 (sysctl)"
        | Errno.ENOSPC -> "user.max_user_namespaces, user.max_pid_namespaces or 32 levels are used up"
        | Errno.EINVAL -> "needs a kernel with CONFIG_USER_NS and CONFIG_PID_NS"
        | Errno.EPERM
        | Errno.EACCES
        | Errno.ENOSYS ->
            if seen.UnprivilegedUsernsClone = 0 then
                "kernel.unprivileged_userns_clone is 0 (sysctl)"
            elif seen.AppArmorRestricts > 0 then
                "kernel.apparmor_restrict_unprivileged_userns is set (sysctl): needs an AppArmor profile with 'userns'"
            elif isLabelled then
                $"confined by the security profile '%s{seen.Profile}'"
            elif seen.Seccomp = 2 then
                "filtered by a seccomp profile, as those of containers are"
            else
                "needs root, or a user who may make user namespaces, and no chroot"
        | _ -> null

    let private number (errno: Errno) = string (int errno)

    let private since major minor seen =
        seen.Major > major || (seen.Major = major && seen.Minor >= minor)

    let private named name (works, reason, cures) =
        {
            Name = name
            Works = works
            Reason = reason
            Cures = cures
        }

    let private works (how: string) : bool * string * string list = true, how, []

    let private fails (reason: string) (cures: string list) = false, reason, cures

    let private capability seen =
        if since 5 9 seen then
            "CAP_CHECKPOINT_RESTORE"
        else
            "CAP_SYS_ADMIN"

    // A file capability only where it is one of choosing PIDs: doc/security.md.
    let private capabilityCures (seen: Observed) =
        let name = (capability seen).Substring 4
        let lower = name.ToLowerInvariant()

        let raised (user: string) =
            $"setpriv {user}--inh-caps=+{lower}" + $" --ambient-caps=+{lower} COMMAND"

        match seen.IsInBoundingSet, seen.UserId with
        | false, user when seen.IsContainer ->
            let asRoot = if user = 0 then "" else "--user 0 "
            [ $"docker run {asRoot}--cap-add {name}" + " ..." ]
        | false, _ -> [ $"systemd: CapabilityBoundingSet=CAP_%s{name} in the unit, or none" ]
        | true, 0 -> [ raised "" + ", from a shell that has it" ]
        | true, user ->
            [
                "sudo nslp ..."
                if since 5 9 seen then
                    $"sudo setcap cap_{lower}+ep $(command -v nslp), for all who may execute it"
                "sudo " + raised "--reuid=$(id -u) --regid=$(id -g) --clear-groups "
                $"sudo nslp serve /run/nslp.sock --mode 666 --allow-user {string user} & nslp set PID --server /run/nslp.sock"
            ]

    // Why what the capability allows is refused.
    let private refused seen =
        let isHeld = seen.HasSysAdmin || (seen.HasCheckpointRestore && since 5 9 seen)

        if not isHeld then
            fails $"%s{capability seen} is missing" (capabilityCures seen)
        elif not seen.OwnsPidNamespace then
            fails
                $"%s{capability seen} must be held in the user namespace that owns this PID namespace, not in this one"
                [
                    "run nslp outside this user namespace"
                    "a PID namespace of this one: nslp spawn PID --new-pidns -- COMMAND"
                ]
        else
            fails
                $"refused in spite of %s{capability seen}: a security module or a BPF program of the cgroup forbids it"
                []

    let private readOnlyCures (seen: Observed) =
        if seen.IsContainer then
            [
                $"docker run --cap-add %s{(capability seen).Substring 4} -v /proc/sys/kernel/ns_last_pid:/proc/sys/kernel/ns_last_pid ..."
            ]
        else
            [
                "systemd: ReadWritePaths=/proc/sys/kernel/ns_last_pid in the unit"
                "f=/proc/sys/kernel/ns_last_pid; mount --bind $f $f && mount -o remount,bind,rw $f"
            ]

    let private closed (seen: Observed) =
        match seen.Confinement.Profile with
        | ""
        | "unconfined" -> fails "a security module keeps it closed" []
        | label when label.Contains ':' ->
            fails
                $"SELinux keeps it closed to '%s{label}': see ausearch -m avc"
                [
                    if seen.IsContainer then
                        "docker run --security-opt label=disable ..."
                ]
        | profile ->
            fails
                $"AppArmor's profile '%s{profile}' keeps it closed"
                [
                    if seen.IsContainer then
                        "docker run --security-opt apparmor=unconfined ..."
                    "in the profile: @{PROC}/sys/kernel/ns_last_pid rw,"
                ]

    let private write seen =
        match seen.OpenLastPid, seen.WriteLastPid with
        | Errno.EROFS, _ -> fails "/proc/sys/kernel/ns_last_pid is read-only" (readOnlyCures seen)
        | Errno.ENOENT, _ when seen.HasProcSys ->
            fails
                "there is no ns_last_pid: the kernel was built without CONFIG_CHECKPOINT_RESTORE"
                [ "a kernel with CONFIG_CHECKPOINT_RESTORE=y" ]
        | Errno.ENOENT, _ -> fails "there is no /proc/sys" [ "mount -t proc proc /proc" ]
        | (Errno.EACCES | Errno.EPERM), _ -> closed seen
        | open', _ when int open' <> 0 -> fails $"ns_last_pid cannot be opened (errno {number open'})" []
        | _, Errno.EINVAL -> works "ns_last_pid may be written"
        | _, Errno.EPERM -> refused seen
        | _, Errno.EACCES -> closed seen
        | _, other -> fails $"ns_last_pid cannot be written (errno {number other})" []

    let private noMoreTasks =
        "no more tasks are allowed: RLIMIT_NPROC or pids.max of the cgroup"

    let private taskLimitCures =
        [
            "ulimit -u NUMBER; docker run --pids-limit NUMBER ...; systemd: TasksMax=NUMBER"
        ]

    let private seccompCures =
        [
            "docker run --security-opt seccomp=FILE ..., with clone3 allowed in the profile"
            "docker run --cap-add SYS_ADMIN ...: the default profile then allows clone3"
        ]

    let private clone3 seen =
        let isFiltered = seen.Confinement.Seccomp = 2
        let tooOld = $"needs Linux 5.5, and this is {string seen.Major}.{string seen.Minor}"

        match seen.Clone3, seen.SetTid with
        | (Errno.ENOSYS | Errno.EPERM | Errno.EACCES), _ when since 5 3 seen ->
            if isFiltered then
                fails
                    ($"a seccomp profile refuses clone3, which Linux {string seen.Major}"
                     + $".{string seen.Minor} has")
                    seccompCures
            else
                fails $"clone3 is refused (errno {number seen.Clone3}), and by no seccomp profile" []
        | Errno.ENOSYS, _ -> fails tooOld []
        | _, Errno.EEXIST -> works "exact, whatever others do"
        | _, Errno.EPERM -> refused seen
        | _, Errno.E2BIG when since 5 5 seen -> fails "clone3 has no set_tid here" []
        | _, Errno.E2BIG -> fails tooOld []
        | _, Errno.EAGAIN -> fails noMoreTasks taskLimitCures
        | _, errno -> fails $"clone3 with set_tid fails in an unexpected way (errno {number errno})" []

    let private flavour seen (tried: TriedFlavour) =
        let version = $"{string tried.SinceMajor}.{string tried.SinceMinor}"
        let isNew = not (since tried.SinceMajor tried.SinceMinor seen)

        match tried.Errno with
        | errno when int errno = 0 -> works ""
        | Errno.EPROTO -> fails "it does not move last_pid" []
        | Errno.ECHILD -> fails "it creates a task" []
        | Errno.EAGAIN -> fails noMoreTasks taskLimitCures
        | Errno.ENOENT -> fails "last_pid cannot be read without /proc" [ "mount -t proc proc /proc" ]
        | _ when isNew -> fails $"needs Linux %s{version}" []
        | Errno.ENOSYS
        | Errno.EPERM
        | Errno.EACCES when seen.Confinement.Seccomp = 2 -> fails "a seccomp profile refuses it" []
        | errno -> fails $"this kernel refuses it (errno {number errno})" []

    let private cycle (flavours: Finding list) =
        match List.filter (fun (found: Finding) -> found.Works) flavours, flavours with
        | best :: others, _ ->
            let more =
                match others.Length with
                | 0 -> "the only way of consuming PIDs here"
                | n -> $"and {string n} other ways of consuming PIDs work"

            works $"by %s{best.Name}; %s{more}"
        | [], [] -> fails "no way of consuming PIDs was tried" []
        | [], _ ->
            let last = List.last flavours
            fails $"no way of consuming PIDs works; the last one tried: %s{last.Reason}" last.Cures

    let private locking seen =
        match seen.Lock with
        | Errno.ETIMEDOUT -> works "somebody else, CRIU perhaps, holds it now"
        | errno when int errno = 0 -> works "CRIU's lock on ns_last_pid can be taken"
        | Errno.ENOENT -> fails "there is no ns_last_pid to lock" []
        | errno -> fails $"ns_last_pid cannot be locked (errno {number errno})" []

    let private namespaceCures (seen: Observed) (errno: Errno) =
        match errno, seen.Confinement with
        | Errno.ENOSPC, { MaxUserNamespaces = 0 } -> [ "sysctl -w user.max_user_namespaces=15000" ]
        | Errno.ENOSPC, { MaxPidNamespaces = 0 } -> [ "sysctl -w user.max_pid_namespaces=15000" ]
        | (Errno.EPERM | Errno.EACCES), { UnprivilegedUsernsClone = 0 } ->
            [ "sysctl -w kernel.unprivileged_userns_clone=1" ]
        | (Errno.EPERM | Errno.EACCES), limits when limits.AppArmorRestricts > 0 ->
            [
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
                "an AppArmor profile for nslp with the rule: userns,"
            ]
        | (Errno.EPERM | Errno.EACCES | Errno.ENOSYS), { Seccomp = 2 } when seen.IsContainer ->
            [ "docker run --cap-add SYS_ADMIN ..." ]
        | _ -> []

    let private space how (seen: Observed) (attempt: Attempt) =
        match attempt with
        | Attempt.Works -> works how
        | Attempt.RootUnmapped ->
            fails "user 0 may be user 0 of a new user namespace only with CAP_SETFCAP" [ "call nslp as another user" ]
        | Attempt.ProcUnmounted(Errno.EPERM, message) ->
            // mount_too_revealing, fs/namespace.c: no new /proc where parts of the old one are covered.
            fails
                $"%s{message}; parts of /proc are covered here, as containers do"
                [
                    if seen.IsContainer then
                        "docker run --security-opt systempaths=unconfined ..."
                    else
                        "umount what is mounted on or below /proc: findmnt -R /proc"
                ]
        | Attempt.ProcUnmounted(Errno.EINVAL, message) -> fails $"%s{message}; / is no mount point, as in a chroot" []
        | Attempt.ProcUnmounted(errno, message)
        | Attempt.Failed(errno, message) ->
            let why =
                match whyNoNamespace (int errno) seen.Confinement with
                | null -> ""
                | reason -> $"; %s{reason}"

            fails (message + why) (namespaceCures seen errno)

    let private features seen =
        let feature name text major minor isThere =
            {
                Name = name
                Text = text
                Since = $"{string major}.{string minor}"
                IsThere = isThere
            }

        [
            feature "clone3" "clone3" 5 3 (since 5 3 seen)
            feature "set_tid" "set_tid of clone3" 5 5 (since 5 5 seen)
            feature "clone_into_cgroup" "CLONE_INTO_CGROUP" 5 7 seen.Kernel.ClonesIntoCgroup
            feature "cap_checkpoint_restore" "CAP_CHECKPOINT_RESTORE" 5 9 (since 5 9 seen)
            feature "pidfd_of_thread" "CLONE_PIDFD of threads" 6 9 seen.Kernel.PidfdOfThread
            feature "pid_max_per_namespace" "a pid_max for each PID namespace" 6 14 seen.Kernel.PidMaxPerNamespace
        ]

    let private advise clone3 write cycle =
        let spawn = "nslp spawn gives exactly the PID asked for, by clone3"

        match clone3, write, cycle with
        | true, true, _ -> spawn + "; nslp set writes."
        | true, false, true -> spawn + "; nslp set cycles."
        | true, false, false -> spawn + "; nslp set does not work."
        | false, true, _ -> "nslp set and spawn write: exact unless somebody else forks in between."
        | false, false, true -> "nslp set and spawn cycle: exact unless somebody else forks in between."
        | false, false, false -> "No PID can be chosen here."

    /// What is to be said of what was observed.
    let diagnose (seen: Observed) : Diagnosis =
        let flavours =
            [ for tried in seen.Flavours -> named tried.Name (flavour seen tried) ]

        let clone3 = named "clone3" (clone3 seen)
        let write = named "write" (write seen)
        let cycle = named "cycle" (cycle flavours)

        {
            Methods =
                [
                    clone3
                    write
                    cycle
                    named "lock" (locking seen)
                    named
                        "new-pidns"
                        (space "nslp spawn --new-pidns: every PID from 2 on is free inside" seen seen.NewPidns)
                    named
                        "map-root"
                        (space "nslp spawn --new-pidns --map-root: without any privilege" seen seen.MapRoot)
                    named "verify" (space "nslp verify can compare the model with this kernel" seen seen.Verify)
                ]
            Flavours = flavours
            Features = features seen
            Surprises = KernelRules.surprises (KernelRules.ofVersion seen.Major seen.Minor) seen.Kernel
            CanChoose = clone3.Works || write.Works || cycle.Works
            Advice = advise clone3.Works write.Works cycle.Works
        }
