/// What `nslp doctor` makes of what was seen on a machine.
module SetNsLastPid.Tests.Properties.ExaminationTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

let private none = enum<Errno> 0

let private tried name errno major minor =
    {
        Name = name
        Errno = errno
        SinceMajor = major
        SinceMinor = minor
    }

let private free =
    {
        MaxUserNamespaces = 15000
        MaxPidNamespaces = 15000
        UnprivilegedUsernsClone = -1
        AppArmorRestricts = -1
        Profile = "unconfined"
        Seccomp = 0
    }

/// Root on a kernel of today, where all works.
let private root =
    {
        Major = 6
        Minor = 18
        Kernel = KernelRules.ofVersion 6 18
        UserId = 0
        HasCheckpointRestore = true
        HasSysAdmin = true
        IsInBoundingSet = true
        OwnsPidNamespace = true
        HasContainerMark = false
        HasHostNamespaces = true
        Confinement = free
        HasProcSys = true
        OpenLastPid = none
        WriteLastPid = Errno.EINVAL
        Lock = none
        Clone3 = Errno.EINVAL
        SetTid = Errno.EEXIST
        Flavours = [ tried "cgroup-thread" none 5 7; tried "exiting-thread" none 0 0 ]
        NewPidns = Attempt.Works
        MapRoot = Attempt.Works
        Verify = Attempt.Works
    }

let private user =
    { root with
        UserId = 1000
        HasCheckpointRestore = false
        HasSysAdmin = false
        WriteLastPid = Errno.EPERM
        SetTid = Errno.EPERM
    }

let private refusesWrite (errno: Errno) =
    { user with
        OpenLastPid = errno
        WriteLastPid = none
    }

let private confined confinement failure (errno: Errno) =
    { user with
        Confinement = confinement
        MapRoot = Attempt.Failed(errno, failure)
    }

let private inContainer seen =
    { seen with
        HasContainerMark = true
        HasHostNamespaces = false
        IsInBoundingSet = false
    }

let private docker = { free with Seccomp = 2 }

/// What was seen; the method; why it does not work; a part of one of its cures, empty for no cure.
let private cases: (string * Observed * string * string * string) list =
    [
        "no capability", user, "write", "CAP_CHECKPOINT_RESTORE is missing", "sudo nslp"
        "no capability, clone3",
        user,
        "clone3",
        "CAP_CHECKPOINT_RESTORE is missing",
        "--ambient-caps=+checkpoint_restore"
        "no /proc",
        { root with
            Flavours = [ tried "cgroup-thread" Errno.ENOENT 5 7 ]
        },
        "cycle",
        "no way of consuming PIDs works; the last one tried: last_pid cannot be read without /proc",
        "mount -t proc"
        "a chroot",
        { root with
            NewPidns = Attempt.ProcUnmounted(Errno.EINVAL, "cannot mount /proc for the PID namespace: Invalid argument")
        },
        "new-pidns",
        "cannot mount /proc for the PID namespace: Invalid argument; / is no mount point, as in a chroot",
        ""
        "no capability, the server", user, "clone3", "CAP_CHECKPOINT_RESTORE is missing", "--allow-user 1000"
        "no capability before 5.9",
        { user with Major = 5; Minor = 8 },
        "write",
        "CAP_SYS_ADMIN is missing",
        "+sys_admin"
        "no capability in a container",
        inContainer user,
        "clone3",
        "CAP_CHECKPOINT_RESTORE is missing",
        "docker run --user 0 --cap-add CHECKPOINT_RESTORE"
        "root without capability in a container",
        inContainer { user with UserId = 0 },
        "clone3",
        "CAP_CHECKPOINT_RESTORE is missing",
        "docker run --cap-add CHECKPOINT_RESTORE"
        "no capability in a unit",
        { user with IsInBoundingSet = false },
        "write",
        "CAP_CHECKPOINT_RESTORE is missing",
        "CapabilityBoundingSet=CAP_CHECKPOINT_RESTORE"
        "a capability of another user namespace",
        { root with
            OwnsPidNamespace = false
            WriteLastPid = Errno.EPERM
        },
        "write",
        "in the user namespace that owns this PID namespace",
        "--new-pidns"
        "a capability that does not help",
        { root with SetTid = Errno.EPERM },
        "clone3",
        "refused in spite of CAP_CHECKPOINT_RESTORE",
        ""
        "a read-only /proc/sys", refusesWrite Errno.EROFS, "write", "read-only", "mount -o remount,bind,rw"
        "a read-only /proc/sys in a unit", refusesWrite Errno.EROFS, "write", "read-only", "ReadWritePaths="
        "a read-only /proc/sys in a container",
        inContainer (refusesWrite Errno.EROFS),
        "write",
        "read-only",
        "-v /proc/sys/kernel/ns_last_pid:/proc/sys/kernel/ns_last_pid"
        "no CONFIG_CHECKPOINT_RESTORE",
        refusesWrite Errno.ENOENT,
        "write",
        "CONFIG_CHECKPOINT_RESTORE",
        "CONFIG_CHECKPOINT_RESTORE=y"
        "no /proc/sys",
        { refusesWrite Errno.ENOENT with
            HasProcSys = false
        },
        "write",
        "there is no /proc/sys",
        "mount -t proc"
        "AppArmor",
        inContainer
            { refusesWrite Errno.EACCES with
                Confinement =
                    { docker with
                        Profile = "docker-default (enforce)"
                    }
            },
        "write",
        "AppArmor's profile 'docker-default (enforce)'",
        "--security-opt apparmor=unconfined"
        "SELinux",
        { refusesWrite Errno.EACCES with
            Confinement =
                { free with
                    Profile = "system_u:system_r:container_t:s0"
                }
        },
        "write",
        "SELinux keeps it closed to 'system_u:system_r:container_t:s0'",
        ""
        "seccomp",
        inContainer
            { root with
                Clone3 = Errno.ENOSYS
                SetTid = Errno.ENOSYS
                Confinement = docker
            },
        "clone3",
        "a seccomp profile refuses clone3, which Linux 6.18 has",
        "--security-opt seccomp="
        "a seccomp profile that answers EPERM",
        { root with
            Clone3 = Errno.EPERM
            SetTid = Errno.EPERM
            Confinement = docker
        },
        "clone3",
        "a seccomp profile refuses clone3",
        "--cap-add SYS_ADMIN"
        "ENOSYS without a filter", { root with Clone3 = Errno.ENOSYS }, "clone3", "by no seccomp profile", ""
        "a kernel without clone3",
        { root with
            Major = 5
            Minor = 2
            Clone3 = Errno.ENOSYS
            SetTid = Errno.ENOSYS
        },
        "clone3",
        "needs Linux 5.5, and this is 5.2",
        ""
        "a kernel without set_tid",
        { root with
            Major = 5
            Minor = 4
            SetTid = Errno.E2BIG
        },
        "clone3",
        "needs Linux 5.5, and this is 5.4",
        ""
        "no more tasks",
        { user with
            Flavours = [ tried "exiting-thread" Errno.EAGAIN 0 0 ]
        },
        "cycle",
        "no more tasks are allowed",
        "ulimit -u"
        "max_user_namespaces",
        confined { free with MaxUserNamespaces = 0 } "cannot make a user namespace" Errno.ENOSPC,
        "map-root",
        "user.max_user_namespaces is 0",
        "sysctl -w user.max_user_namespaces="
        "max_pid_namespaces",
        confined { free with MaxPidNamespaces = 0 } "cannot make a PID namespace" Errno.ENOSPC,
        "map-root",
        "user.max_pid_namespaces is 0",
        "sysctl -w user.max_pid_namespaces="
        "Debian's switch",
        confined
            { free with
                UnprivilegedUsernsClone = 0
            }
            "cannot make a user namespace"
            Errno.EPERM,
        "map-root",
        "kernel.unprivileged_userns_clone is 0",
        "sysctl -w kernel.unprivileged_userns_clone=1"
        "Ubuntu's switch",
        confined { free with AppArmorRestricts = 1 } "cannot write /proc/self/uid_map" Errno.EACCES,
        "map-root",
        "kernel.apparmor_restrict_unprivileged_userns is set",
        "kernel.apparmor_restrict_unprivileged_userns=0"
        "a kernel without namespaces",
        confined free "cannot make a user namespace" Errno.EINVAL,
        "map-root",
        "CONFIG_USER_NS",
        ""
        "a seccomp profile against namespaces",
        inContainer (confined docker "cannot make a user namespace" Errno.EPERM),
        "map-root",
        "filtered by a seccomp profile",
        "--cap-add SYS_ADMIN"
        "user 0 without CAP_SETFCAP",
        { root with
            MapRoot = Attempt.RootUnmapped
        },
        "map-root",
        "CAP_SETFCAP",
        "another user"
        "a masked /proc",
        inContainer
            { user with
                MapRoot = Attempt.ProcUnmounted(Errno.EPERM, "cannot mount /proc for the PID namespace")
            },
        "map-root",
        "parts of /proc are covered here",
        "systempaths=unconfined"
    ]

let private methodOf name seen =
    (Examination.diagnose seen).Methods
    |> List.find (fun (found: Finding) -> found.Name = name)

[<Fact>]
let ``each known reason is told, with its cure`` () =
    for case, seen, name, reason, cure in cases do
        let found = methodOf name seen
        Assert.False(found.Works, case)
        Assert.True(found.Reason.Contains reason, $"%s{case}: %s{found.Reason}")

        if cure = "" then
            Assert.Empty found.Cures
        else
            Assert.True(List.exists (fun (c: string) -> c.Contains cure) found.Cures, $"%s{case}: %A{found.Cures}")

[<Fact>]
let ``where nothing is in the way everything works`` () =
    let diagnosis = Examination.diagnose root
    Assert.All(diagnosis.Methods, (fun found -> Assert.True(found.Works, found.Name)))
    Assert.All(diagnosis.Features, (fun feature -> Assert.True(feature.IsThere, feature.Name)))

[<Fact>]
let ``a flavour that the kernel is too old for says since when it is there`` () =
    let seen =
        { root with
            Major = 6
            Minor = 8
            Kernel = KernelRules.ofVersion 6 8
            Flavours =
                [
                    tried "pidfd-emfile-thread" Errno.EINVAL 6 9
                    tried "cgroup-process" none 5 7
                ]
        }

    let diagnosis = Examination.diagnose seen
    Assert.Equal("needs Linux 6.9", diagnosis.Flavours.Head.Reason)
    Assert.True((methodOf "cycle" seen).Works)

    Assert.Equal<string list>(
        [ "pidfd_of_thread"; "pid_max_per_namespace" ],
        [
            for feature in diagnosis.Features do
                if not feature.IsThere then
                    feature.Name
        ]
    )

[<Fact>]
let ``what the kernel was seen to do tells which features it has, and what is surprising of its release`` () =
    let backported =
        { root with
            Major = 5
            Minor = 14
            Kernel =
                KernelRules.withSeen
                    [
                        {
                            Rule = KernelRule.PidMaxPerNamespace
                            IsNew = true
                        }
                    ]
                    (KernelRules.ofVersion 5 14)
        }

    let isThere name seen =
        (Examination.diagnose seen).Features
        |> List.find (fun feature -> feature.Name = name)
        |> _.IsThere

    Assert.Equal<string list>([ "as 6.14 in pid_max" ], (Examination.diagnose backported).Surprises)
    Assert.True(isThere "pid_max_per_namespace" backported)
    Assert.False(isThere "pidfd_of_thread" backported)
    Assert.True(isThere "clone_into_cgroup" backported)
    Assert.Empty((Examination.diagnose root).Surprises)

let private errno =
    Gen.elements [ 0; 1; 2; 4; 5; 7; 9; 10; 11; 12; 13; 14; 17; 22; 24; 28; 30; 38; 71; 110 ]
    |> Gen.map enum<Errno>

let private attempt =
    gen {
        let! errno = errno

        return!
            Gen.elements
                [
                    Attempt.Works
                    Attempt.RootUnmapped
                    Attempt.ProcUnmounted(errno, "cannot mount /proc")
                    Attempt.Failed(errno, "cannot make a user namespace")
                ]
    }

let private confinement =
    gen {
        let! limits = Gen.listOfLength 4 (Gen.choose (-1, 2))

        let! profile =
            Gen.elements [ ""; "unconfined"; "docker-default (enforce)"; "a:b:c:s0" ]

        let! seccomp = Gen.choose (-1, 2)

        return
            {
                MaxUserNamespaces = limits[0]
                MaxPidNamespaces = limits[1]
                UnprivilegedUsernsClone = limits[2]
                AppArmorRestricts = limits[3]
                Profile = profile
                Seccomp = seccomp
            }
    }

/// Whatever may be seen, also what no kernel shows.
let private observed =
    gen {
        let! major, minor =
            Gen.elements [ 4, 19; 5, 2; 5, 4; 5, 8; 5, 15; 6, 8; 6, 12; 6, 18; 7, 0 ]

        let! flags = Gen.listOfLength 7 (Gen.elements [ false; true ])
        let! errnos = Gen.listOfLength 5 errno
        let! flavours = Gen.listOf errno
        let! attempts = Gen.listOfLength 3 attempt
        let! confinement = confinement
        let! user = Gen.elements [ 0; 1000 ]

        return
            {
                Major = major
                Kernel = KernelRules.ofVersion major minor
                Minor = minor
                UserId = user
                HasCheckpointRestore = flags[0]
                HasSysAdmin = flags[1]
                IsInBoundingSet = flags[2]
                OwnsPidNamespace = flags[3]
                HasContainerMark = flags[4]
                HasHostNamespaces = flags[6]
                Confinement = confinement
                HasProcSys = flags[5]
                OpenLastPid = errnos[0]
                WriteLastPid = errnos[1]
                Lock = errnos[2]
                Clone3 = errnos[3]
                SetTid = errnos[4]
                Flavours = List.mapi (fun i errno -> tried $"way-%d{i}" errno 5 7) flavours
                NewPidns = attempts[0]
                MapRoot = attempts[1]
                Verify = attempts[2]
            }
    }

[<Fact>]
let ``what is said to work was seen to work, and what does not has a reason`` () =
    Prop.forAll (Arb.fromGen observed) (fun seen ->
        let diagnosis = Examination.diagnose seen
        let works name = (methodOf name seen).Works

        Law.same "write" (seen.OpenLastPid = none && seen.WriteLastPid = Errno.EINVAL) (works "write")
        Law.same "cycle" (List.exists (fun (way: TriedFlavour) -> way.Errno = none) seen.Flavours) (works "cycle")
        Law.holds "clone3 works by EEXIST" (not (works "clone3") || seen.SetTid = Errno.EEXIST)
        Law.same "verify" (seen.Verify = Attempt.Works) (works "verify")
        Law.same "can choose" (works "clone3" || works "write" || works "cycle") diagnosis.CanChoose

        for found in diagnosis.Methods do
            Law.holds $"%s{found.Name} has a reason" (found.Reason <> "")
            Law.holds $"%s{found.Name} needs no cure" (not found.Works || found.Cures.IsEmpty)

        // CAP_SYS_ADMIN on a file would be everybody's way to become root.
        for cure in diagnosis.Methods |> List.collect (fun (found: Finding) -> found.Cures) do
            Law.holds
                "no file capability but that of choosing PIDs is advised"
                (not (cure.Contains("setcap", StringComparison.Ordinal))
                 || cure.Contains("setcap cap_checkpoint_restore+ep", StringComparison.Ordinal)))
    |> Law.checkProperty 2000
