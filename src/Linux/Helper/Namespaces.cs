using System.Globalization;
using System.Text;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>What of a namespace could not be made.</summary>
internal enum NamespaceStep
{
    /// <summary>It was about something else.</summary>
    None,

    /// <summary>Entering the namespace of a process.</summary>
    Enter,

    /// <summary>A process, perhaps the first of a PID namespace.</summary>
    Clone,

    /// <summary>The user namespace.</summary>
    UserNamespace,

    /// <summary>The user or group of it.</summary>
    UserMap,

    /// <summary>User 0 of it for a user 0 without CAP_SETFCAP.</summary>
    RootMap,

    /// <summary>The PID namespace, with the mount namespace of its /proc.</summary>
    PidNamespace,

    /// <summary>A mount namespace alone.</summary>
    MountNamespace,

    /// <summary>The mount of /proc.</summary>
    MountProc,
}

/// <summary>
/// Namespaces in which tasks and their children live. What makes one throws <see cref="RemoteException"/>, whose
/// <see cref="RemoteException.Step"/> is the step that failed.
/// </summary>
internal static class Namespaces
{
    /// <summary>
    /// From now on children of the task are in the PID namespace of a process. Where that takes the privileges of the
    /// user namespace that the process is in, as for one that an ordinary user made, the task enters that too.
    /// </summary>
    internal static void Enter(RemoteTask task, int process)
    {
        Errno error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
        if (error == Errno.EPERM && Enter(task, $"/proc/{process}/ns/user", Kernel.CLONE_NEWUSER) == 0)
        {
            error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
            DieWithOwner(task);
        }

        string what = $"cannot enter the PID namespace of process {process}";
        if (error == Errno.ENOENT && IsProcMounted())
        {
            throw new RemoteException($"{what}: there is no such process", step: NamespaceStep.Enter);
        }

        if (error != 0)
        {
            throw new RemoteException(what, error, error == Errno.ENOENT ? "needs /proc mounted" : null, NamespaceStep.Enter);
        }
    }

    /// <summary>
    /// From now on children of the task are in a new PID namespace and, as the task itself, in a new mount namespace
    /// with its /proc. Where the task may not make these, a user namespace is made around them.
    /// </summary>
    /// <param name="task">Not itself the first process of a PID namespace.</param>
    /// <param name="mapRoot">Make a user namespace in any case, with the user and the group as 0.</param>
    /// <returns>
    /// The first process, a child of the task. It takes orders, holds the namespace alive, and lets orphans go without
    /// a trace.
    /// </returns>
    internal static RemoteTask Create(RemoteTask task, bool mapRoot)
    {
        Unshare(task, mapRoot, newMounts: true);
        return ForkInit(task, mountProc: true);
    }

    /// <summary>From now on children of the task are in a new PID namespace, the first of them as its init. Where the task may
    /// not make one, a user namespace is made around it.</summary>
    /// <param name="task">Not itself the first process of a PID namespace.</param>
    /// <param name="mapRoot">Make a user namespace in any case, with the user and the group as 0.</param>
    /// <param name="newMounts">Make a mount namespace, too, for the task and its children.</param>
    internal static void Unshare(RemoteTask task, bool mapRoot, bool newMounts)
    {
        ulong flags = Kernel.CLONE_NEWPID | (newMounts ? Kernel.CLONE_NEWNS : 0);
        SysResult unshared = mapRoot ? Errno.EPERM : task.Call(SYS_unshare, flags);
        if (unshared.Error == Errno.EPERM)
        {
            UnshareUser(task, mapRoot);
            unshared = task.Call(SYS_unshare, flags);
        }

        if (unshared.IsError)
        {
            throw new RemoteException("cannot make a PID namespace", unshared.Error, step: NamespaceStep.PidNamespace);
        }
    }

    /// <summary>The init of the namespace that the task's children are in from now on: see <see cref="Create"/>.</summary>
    /// <param name="task">Its parent.</param>
    /// <param name="mountProc">Mount the namespace's /proc, in the mount namespace of the task.</param>
    internal static RemoteTask ForkInit(RemoteTask task, bool mountProc) =>
        task.Fork(prepare: init =>
        {
            using Order order = init.NewOrder();
            // Orphans become its children with SIGCHLD for their exit signal, and who ignores that need not wait
            // (do_notify_parent, kernel/signal.c).
            nint ignore = order.Reserve(4 * sizeof(long));
            Order.Bytes(ignore, 1)[0] = 1;
            order.Call(SYS_rt_sigaction, SIGCHLD, ignore, 0, sizeof(ulong));
            init.Run(order);
            if (mountProc)
            {
                MountProc(init);
            }
        });

    /// <summary>Makes <paramref name="pidMax"/> the pid_max of a task's namespace. Since 6.14 there is one for each.</summary>
    internal static void SetPidMax(RemoteTask task, int pidMax)
    {
        using Order order = task.NewOrder();
        int write = AppendPidMax(order, pidMax);
        task.Run(order);
        if (order.Used(write).IsError)
        {
            throw NoPidMax(order.Used(write).Error);
        }
    }

    /// <summary>Appends what a task does for that.</summary>
    /// <returns>The write, for <see cref="Order.Used"/>.</returns>
    internal static int AppendPidMax(Order order, int pidMax) =>
        order.Write("/proc/sys/kernel/pid_max", pidMax.ToString(CultureInfo.InvariantCulture));

    /// <summary>Why pid_max was not set.</summary>
    internal static RemoteException NoPidMax(Errno error) => new(
        "cannot set pid_max of the new PID namespace", error,
        error is Errno.EROFS or Errno.EACCES or Errno.ENOENT ? "needs a writable /proc/sys/kernel/pid_max" : null);

    /// <summary>
    /// The first process (PID 1 inside) of a new PID namespace below that of the task's children; it takes orders.
    /// Where the task has no CAP_SYS_ADMIN, a user namespace is made along with it, owned by the task's user, who
    /// is 0 in it, as is the group: then PID 1 has all capabilities there.
    /// </summary>
    /// <param name="task">Its parent.</param>
    /// <param name="newUserNamespace">Make the user namespace in any case.</param>
    internal static RemoteTask Clone(RemoteTask task, bool newUserNamespace = false)
    {
        if (!newUserNamespace)
        {
            try
            {
                return task.Fork(Kernel.CLONE_NEWPID);
            }
            catch (RemoteException e) when (e.Errno == Errno.EPERM)
            {
                // No CAP_SYS_ADMIN: a user namespace gives it.
            }
        }

        (int uid, int gid) = ReadUser(task);
        return task.Fork(Kernel.CLONE_NEWUSER | Kernel.CLONE_NEWPID, init => MapUser(init, uid, gid, asRoot: true));
    }

    /// <summary>A child of a task that has entered a PID namespace, in a mount namespace with that one's /proc.</summary>
    internal static RemoteTask ForkInside(RemoteTask entered) => entered.Fork(prepare: UnshareProc);

    /// <summary>Gives a task a mount namespace whose /proc shows the PID namespace that it is in.</summary>
    internal static void UnshareProc(RemoteTask task)
    {
        Errno error = task.Call(SYS_unshare, Kernel.CLONE_NEWNS).Error;
        if (error != 0)
        {
            throw new RemoteException("cannot make a mount namespace", error, step: NamespaceStep.MountNamespace);
        }

        MountProc(task);
    }

    /// <summary>
    /// Lets the first process of a namespace live on without nslp, until another process in there ends. It takes no
    /// more orders.
    /// </summary>
    internal static void OutliveOwner(RemoteTask init, int process)
    {
        using Order prepare = init.NewOrder();
        prepare.Call(SYS_prctl, PR_SET_PDEATHSIG, 0);
        // Who reads a pipe until its end, as $(...) does, does not wait for the command.
        prepare.Call(SYS_close_range, 0, uint.MaxValue, 0);
        for (int stream = 0; stream <= 2; stream++)
        {
            prepare.Call(SYS_close, stream);
        }

        int open = prepare.Call(SYS_pidfd_open, process, 0);
        init.Run(prepare);
        if (prepare[open].IsError)
        {
            throw new RemoteException("cannot watch the command", prepare[open].Error);
        }

        // A struct pollfd: the descriptor, then what to wait for.
        Order watch = init.NewOrder();
        nint poll = watch.Put(BitConverter.GetBytes((uint)prepare[open].Value | ((long)POLLIN << 32)));
        int begun = watch.Call(SYS_getpid);
        watch.Call(SYS_ppoll, poll, 1, 0, 0, 0);
        watch.Call(SYS_exit_group, 0);
        init.Submit(watch);
        for (int i = 0; i < 1000 && !watch.HasRun(begun); i++)
        {
            Thread.Sleep(1);
        }
    }

    /// <summary>The user and the group of a task.</summary>
    internal static (int Uid, int Gid) ReadUser(RemoteTask task)
    {
        using Order order = task.NewOrder();
        int uid = order.Call(SYS_geteuid), gid = order.Call(SYS_getegid);
        task.Run(order);
        return (order[uid].Value, order[gid].Value);
    }

    /// <summary>Appends what a task in a new user namespace writes to have a user and a group there.</summary>
    /// <param name="order">The order.</param>
    /// <param name="uid">Its user outside.</param>
    /// <param name="gid">Its group outside.</param>
    /// <param name="asRoot">Inside they are 0, else the same.</param>
    /// <returns>The three writes, for <see cref="Order.Used"/>.</returns>
    internal static int[] AppendUserMap(Order order, int uid, int gid, bool asRoot)
    {
        // Without CAP_SETGID gid_map is taken only once setgroups is denied (new_idmap_permitted,
        // kernel/user_namespace.c; since 3.19). /proc/self is found although /proc may show an outer namespace: the
        // task has a number there too.
        string Map(int id) => string.Create(CultureInfo.InvariantCulture, $"{(asRoot ? 0 : id)} {id} 1");
        return
        [
            order.Write("/proc/self/setgroups", "deny"),
            order.Write("/proc/self/uid_map", Map(uid)),
            order.Write("/proc/self/gid_map", Map(gid)),
        ];
    }

    /// <summary>Names the setting or profile that forbids namespaces, judged by the errno and by what /proc says; null if
    /// nothing there explains it.</summary>
    internal static string? WhyNot(Errno errno) => Examination.whyNoNamespace((int)errno, ReadConfinement());

    /// <summary>What keeps this process from making namespaces.</summary>
    internal static Confinement ReadConfinement() => new(
        maxUserNamespaces: Number("/proc/sys/user/max_user_namespaces"),
        maxPidNamespaces: Number("/proc/sys/user/max_pid_namespaces"),
        unprivilegedUsernsClone: Number("/proc/sys/kernel/unprivileged_userns_clone"),
        appArmorRestricts: Number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        profile: Printable.From(Encoding.UTF8.GetBytes(Read("/proc/self/attr/current") ?? "")),
        seccomp: int.TryParse(StatusLine("Seccomp:"), out int mode) ? mode : -1);

    /// <summary>Gives a task that is in a new user namespace a user and a group there.</summary>
    internal static void MapUser(RemoteTask task, int uid, int gid, bool asRoot)
    {
        using Order order = task.NewOrder();
        int[] writes = AppendUserMap(order, uid, gid, asRoot);
        task.Run(order);
        foreach (int write in writes)
        {
            Errno error = order.Used(write).Error;
            if (error == Errno.EPERM && uid == 0)
            {
                // verify_root_map, kernel/user_namespace.c.
                throw new RemoteException(
                    "cannot map root into a user namespace", error,
                    "needs CAP_SETFCAP as root (Linux 5.12), nothing as another user", NamespaceStep.RootMap);
            }

            if (error != 0)
            {
                throw new RemoteException(
                    $"cannot write /proc/self/{(write == writes[0] ? "setgroups" : write == writes[1] ? "uid_map" : "gid_map")}",
                    error, step: NamespaceStep.UserMap);
            }
        }
    }

    // No mount from here on is seen elsewhere, and /proc shows the PID namespace of the task.
    private static void MountProc(RemoteTask task)
    {
        using Order order = task.NewOrder();
        int mount = AppendMountProc(order);
        task.Run(order);
        if (order.Used(mount).IsError)
        {
            throw NoProc(order.Used(mount).Error);
        }
    }

    /// <summary>Appends what a task does for that.</summary>
    /// <returns>The second mount, for <see cref="Order.Used"/>.</returns>
    internal static int AppendMountProc(Order order)
    {
        order.Require(order.Call(SYS_mount, order.Put("none"), order.Put("/"), 0, MS_REC | MS_SLAVE, 0));
        nint proc = order.Put("proc");
        return order.Call(SYS_mount, proc, order.Put("/proc"), proc, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    }

    /// <summary>Why /proc was not mounted.</summary>
    internal static RemoteException NoProc(Errno error) => new(
        "cannot mount /proc for the PID namespace",
        error,
        error switch
        {
            Errno.ENOENT => "needs a directory /proc",
            Errno.EINVAL => "needs / to be a mount point, which the root of a chroot is when bound to itself (mount --bind)",
            // mount_too_revealing, fs/namespace.c.
            Errno.EPERM => "needs a /proc with nothing mounted over parts of it, as containers have it (podman: --security-opt "
                + "unmask=ALL); 'nslp spawn --no-proc' goes on with the old /proc",
            _ => null,
        },
        NamespaceStep.MountProc);

    private static bool IsProcMounted()
    {
        using Fd proc = Proc.Open();
        return proc.IsOpen;
    }

    private static Errno Enter(RemoteTask task, string path, ulong type)
    {
        using Order order = task.NewOrder();
        int enter = order.Use(path, O_RDONLY, SYS_setns, type);
        task.Run(order);
        return order.Used(enter).Error;
    }

    private static void UnshareUser(RemoteTask task, bool mapRoot)
    {
        (int uid, int gid) = ReadUser(task);
        Errno error = task.Call(SYS_unshare, Kernel.CLONE_NEWUSER).Error;
        if (error != 0)
        {
            throw new RemoteException("cannot make a user namespace", error, WhyNot(error), NamespaceStep.UserNamespace);
        }

        MapUser(task, uid, gid, mapRoot);
        DieWithOwner(task);
    }

    // Other credentials may have cleared it (commit_creds, kernel/cred.c).
    private static void DieWithOwner(RemoteTask task) => task.Call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);

    private static int Number(string path) => int.TryParse(Read(path), out int number) ? number : -1;

    private static string? StatusLine(string name) =>
        Read("/proc/self/status")?.Split('\n')
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim();

    private static string? Read(string path) =>
        Proc.ReadAllAt(AT_FDCWD, Encoding.ASCII.GetBytes(path + '\0'), out byte[] text) == 0
            ? Encoding.UTF8.GetString(text).Trim('\n', '\0', ' ')
            : null;
}
