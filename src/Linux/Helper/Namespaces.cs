using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Which part of making a namespace failed, where it says more than the errno.</summary>
internal enum NamespaceStep
{
    Other,

    /// <summary>Being user 0 of a user namespace, for a user 0 without CAP_SETFCAP.</summary>
    RootMap,

    /// <summary>The mount of its /proc.</summary>
    MountProc,
}

/// <summary>Namespaces in which tasks and their children live. What makes one throws
/// <see cref="RemoteException"/>.</summary>
internal static class Namespaces
{
    /// <summary>From now on children of the task are in the PID namespace of a process. Where that takes the privileges of
    /// the user namespace that the process is in, as for one that an ordinary user made, the task enters that
    /// too.</summary>
    internal static void Enter(RemoteTask task, int process)
    {
        Errno error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
        if (error == Errno.EPERM && Enter(task, $"/proc/{process}/ns/user", Kernel.CLONE_NEWUSER) == 0)
        {
            error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
            DieWithOwner(task);
        }

        string what = $"cannot enter the PID namespace of process {process}";
        if (error == Errno.ENOENT)
        {
            using Fd proc = Proc.Open();
            throw proc.IsOpen
                ? new RemoteException($"{what}: there is no such process")
                : new RemoteException(what, error, "needs /proc mounted");
        }

        RemoteException.ThrowIf(error, what);
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

        RemoteException.ThrowIf(unshared.Error, "cannot make a PID namespace");
    }

    /// <summary>The init of the namespace that the task's children are in from now on. It takes orders, holds the namespace
    /// alive, and lets orphans go without a trace.</summary>
    /// <param name="mountProc">Mount the namespace's /proc, in the mount namespace of the task.</param>
    internal static RemoteTask ForkInit(RemoteTask task, bool mountProc) =>
        task.Fork(prepare: init =>
        {
            using Order order = init.NewOrder();
            // Orphans become its children with SIGCHLD for their exit signal, and who ignores that need not wait
            // (do_notify_parent, kernel/signal.c).
            order.Call(SYS_rt_sigaction, SIGCHLD, order.PutValue((SIG_IGN: 1L, 0L, 0L, 0L)), 0, sizeof(ulong));
            init.Run(order);
            if (mountProc)
            {
                MountProc(init);
            }
        });

    /// <summary>Makes <paramref name="pidMax"/> the pid_max of a task's namespace. Since 6.14 there is one for each.</summary>
    internal static void SetPidMax(RemoteTask task, int pidMax) => Run(task, order => AppendPidMax(order, pidMax), NoPidMax);

    /// <summary>Appends what a task does for that.</summary>
    /// <returns>The write, for <see cref="Order.Used"/>.</returns>
    internal static int AppendPidMax(Order order, int pidMax) =>
        order.Write("/proc/sys/kernel/pid_max", pidMax.ToString(CultureInfo.InvariantCulture));

    /// <summary>Why pid_max was not set.</summary>
    internal static RemoteException NoPidMax(Errno error) => new(
        "cannot set pid_max of the new PID namespace", error,
        error is Errno.EROFS or Errno.EACCES or Errno.ENOENT ? "needs a writable /proc/sys/kernel/pid_max" : null);

    /// <summary>The first process (PID 1 inside) of a new PID namespace below that of the task's children; it takes orders.
    /// Where the task has no CAP_SYS_ADMIN, a user namespace is made along with it, owned by the task's user, who is 0 in
    /// it, as is the group: then PID 1 has all capabilities there.</summary>
    internal static RemoteTask Clone(RemoteTask task)
    {
        try
        {
            return task.Fork(Kernel.CLONE_NEWPID);
        }
        catch (RemoteException e) when (e.Errno == Errno.EPERM)
        {
            return CloneWithUser(task);
        }
    }

    internal static RemoteTask CloneWithUser(RemoteTask task)
    {
        (int Uid, int Gid) ids = ReadUser(task);
        return task.Fork(Kernel.CLONE_NEWUSER | Kernel.CLONE_NEWPID, init => MapUser(init, ids, asRoot: true));
    }

    /// <summary>A child of a task that has entered a PID namespace, in a mount namespace with that one's /proc.</summary>
    internal static RemoteTask ForkInside(RemoteTask entered) => entered.Fork(prepare: UnshareProc);

    /// <summary>Gives a task a mount namespace whose /proc shows the PID namespace that it is in.</summary>
    internal static void UnshareProc(RemoteTask task)
    {
        RemoteException.ThrowIf(task.Call(SYS_unshare, Kernel.CLONE_NEWNS).Error, "cannot make a mount namespace");
        MountProc(task);
    }

    /// <summary>Lets the first process of a namespace live on without nslp, until another process in there ends. It takes
    /// no more orders.</summary>
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
        RemoteException.ThrowIf(prepare[open].Error, "cannot watch the command");

        // A struct pollfd: the descriptor, then what to wait for.
        Order watch = init.NewOrder();
        nint poll = watch.PutValue((uint)prepare[open].Value | ((long)POLLIN << 32));
        int begun = watch.Call(SYS_getpid);
        watch.Call(SYS_ppoll, poll, 1, 0, 0, 0);
        watch.Call(SYS_exit_group, 0);
        init.Submit(watch);
        for (int i = 0; i < 1000 && !watch.HasRun(begun); i++)
        {
            Thread.Sleep(1);
        }
    }

    internal static (int Uid, int Gid) ReadUser(RemoteTask task)
    {
        using Order order = task.NewOrder();
        int uid = order.Call(SYS_geteuid), gid = order.Call(SYS_getegid);
        task.Run(order);
        return (order[uid].Value, order[gid].Value);
    }

    /// <summary>Appends what a task in a new user namespace writes to have a user and a group there.</summary>
    /// <param name="ids">Its user and group outside.</param>
    /// <param name="asRoot">Inside they are 0, else the same.</param>
    /// <returns>The three writes, for <see cref="Order.Used"/>.</returns>
    internal static int[] AppendUserMap(Order order, (int Uid, int Gid) ids, bool asRoot)
    {
        // Without CAP_SETGID gid_map is taken only once setgroups is denied (new_idmap_permitted,
        // kernel/user_namespace.c; since 3.19). /proc/self is found although /proc may show an outer namespace: the
        // task has a number there too.
        string Map(int id) => string.Create(CultureInfo.InvariantCulture, $"{(asRoot ? 0 : id)} {id} 1");
        return
        [
            order.Write("/proc/self/setgroups", "deny"),
            order.Write("/proc/self/uid_map", Map(ids.Uid)),
            order.Write("/proc/self/gid_map", Map(ids.Gid)),
        ];
    }

    /// <summary>Names the setting or profile that forbids namespaces, judged by the errno and by what /proc says; null if
    /// nothing there explains it.</summary>
    internal static string? WhyNot(Errno errno) => Examination.whyNoNamespace((int)errno, ReadConfinement());

    internal static Confinement ReadConfinement() => new(
        maxUserNamespaces: Number("/proc/sys/user/max_user_namespaces"),
        maxPidNamespaces: Number("/proc/sys/user/max_pid_namespaces"),
        unprivilegedUsernsClone: Number("/proc/sys/kernel/unprivileged_userns_clone"),
        appArmorRestricts: Number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        profile: Printable.From(Encoding.UTF8.GetBytes(Read("/proc/self/attr/current") ?? "")),
        seccomp: int.TryParse(StatusLine("Seccomp:"), out int mode) ? mode : -1);

    internal static void MapUser(RemoteTask task, (int Uid, int Gid) ids, bool asRoot)
    {
        using Order order = task.NewOrder();
        int[] writes = AppendUserMap(order, ids, asRoot);
        task.Run(order);
        foreach (int write in writes)
        {
            Errno error = order.Used(write).Error;
            if (error == Errno.EPERM && ids.Uid == 0)
            {
                // verify_root_map, kernel/user_namespace.c.
                throw new RemoteException(
                    "cannot map root into a user namespace", error,
                    "as root it needs CAP_SETFCAP (Linux 5.12); another user needs nothing")
                { Step = NamespaceStep.RootMap };
            }

            RemoteException.ThrowIf(
                error,
                $"cannot write /proc/self/{(write == writes[0] ? "setgroups" : write == writes[1] ? "uid_map" : "gid_map")}");
        }
    }

    // No mount from here on is seen elsewhere, and /proc shows the PID namespace of the task.
    private static void MountProc(RemoteTask task) => Run(task, AppendMountProc, NoProc);

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
            Errno.EINVAL => "needs / to be a mount point; in a chroot, bind its root onto itself first (mount --bind)",
            // mount_too_revealing, fs/namespace.c.
            Errno.EPERM => "needs a /proc with nothing mounted over parts of it, as containers have it (podman: --security-opt "
                + "unmask=ALL); 'nslp spawn --no-proc' goes on with the old /proc",
            _ => null,
        })
    { Step = NamespaceStep.MountProc };

    private static void Run(RemoteTask task, Func<Order, int> append, Func<Errno, RemoteException> describe)
    {
        using Order order = task.NewOrder();
        int used = append(order);
        task.Run(order);
        if (order.Used(used).IsError)
        {
            throw describe(order.Used(used).Error);
        }
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
        (int Uid, int Gid) ids = ReadUser(task);
        Errno error = task.Call(SYS_unshare, Kernel.CLONE_NEWUSER).Error;
        if (error != 0)
        {
            throw new RemoteException("cannot make a user namespace", error, WhyNot(error));
        }

        MapUser(task, ids, mapRoot);
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
