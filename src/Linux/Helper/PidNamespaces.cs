using System.Text;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Makes the children of a zygote be born in another PID namespace.</summary>
internal static class PidNamespaces
{
    /// <summary>What <see cref="Create"/> says where root lacks CAP_SETFCAP (verify_root_map, kernel/user_namespace.c).</summary>
    internal const string RootUnmapped = "cannot map root into a user namespace";

    /// <summary>What <see cref="Create"/> says where /proc cannot be mounted.</summary>
    internal const string ProcUnmounted = "cannot mount /proc for the PID namespace";

    /// <summary>
    /// From now on children of the task are in the PID namespace of a process. Where that takes the privileges of the
    /// user namespace that the process is in, as for one that an ordinary user made, the task enters that too.
    /// Throws <see cref="RemoteException"/>.
    /// </summary>
    internal static void Enter(RemoteTask task, int process)
    {
        int error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
        if (error == EPERM && Enter(task, $"/proc/{process}/ns/user", Kernel.CLONE_NEWUSER) == 0)
        {
            error = Enter(task, $"/proc/{process}/ns/pid", Kernel.CLONE_NEWPID);
            DieWithOwner(task);
        }

        if (error == ENOENT && IsProcMounted())
        {
            throw new RemoteException($"cannot enter the PID namespace of process {process}: there is no such process");
        }

        if (error != 0)
        {
            throw new RemoteException(
                $"cannot enter the PID namespace of process {process}", error, error == ENOENT ? "needs /proc mounted" : null);
        }
    }

    /// <summary>
    /// From now on children of the task are in a new PID namespace and, as the task itself, in a new mount namespace
    /// with its /proc. Where the task may not make these, a user namespace is made around them.
    /// Throws <see cref="RemoteException"/> that names the step.
    /// </summary>
    /// <param name="task">Not itself the first process of a PID namespace.</param>
    /// <param name="mapRoot">Make a user namespace in any case, with the user and the group as 0.</param>
    /// <returns>
    /// The first process, a child of the task. It takes orders, holds the namespace alive, and lets orphans go without
    /// a trace.
    /// </returns>
    internal static RemoteTask Create(RemoteTask task, bool mapRoot)
    {
        long unshared = mapRoot ? -EPERM : task.Call(SYS_unshare, Kernel.CLONE_NEWNS | Kernel.CLONE_NEWPID);
        if (unshared == -EPERM)
        {
            NewUserNamespace(task, mapRoot);
            unshared = task.Call(SYS_unshare, Kernel.CLONE_NEWNS | Kernel.CLONE_NEWPID);
        }

        if (unshared < 0)
        {
            throw new RemoteException("cannot make a PID namespace", (int)-unshared);
        }

        RemoteTask init = task.Fork();
        try
        {
            using Order order = init.NewOrder();
            // Orphans become its children with SIGCHLD for their exit signal, and who ignores that need not wait
            // (do_notify_parent, kernel/signal.c).
            nint ignore = order.Reserve(4 * sizeof(long));
            Order.Bytes(ignore, 1)[0] = 1;
            order.Call(SYS_rt_sigaction, SIGCHLD, ignore, 0, sizeof(ulong));
            int mounted = MountProc(order);
            init.Run(order);
            ThrowIfFailed(order, mounted);
            return init;
        }
        catch
        {
            init.End();
            throw;
        }
    }

    /// <summary>
    /// Lets the first process of a namespace live on without nslp, until another process in there ends. It takes no
    /// more orders. Throws <see cref="RemoteException"/>.
    /// </summary>
    internal static void OutliveOwner(RemoteTask init, int process)
    {
        using Order prepare = init.NewOrder();
        prepare.Call(SYS_prctl, PR_SET_PDEATHSIG, 0);
        int open = prepare.Call(SYS_pidfd_open, process, 0);
        init.Run(prepare);
        if (prepare[open] < 0)
        {
            throw new RemoteException("cannot watch the command", (int)-prepare[open]);
        }

        // A struct pollfd: the descriptor, then what to wait for.
        Order watch = init.NewOrder();
        nint poll = watch.Put(BitConverter.GetBytes((uint)prepare[open] | ((long)POLLIN << 32)));
        int begun = watch.Call(SYS_getpid);
        watch.Call(SYS_ppoll, poll, 1, 0, 0, 0);
        watch.Call(SYS_exit_group, 0);
        init.Submit(watch);
        for (int i = 0; i < 1000 && watch[begun] == Instruction.NotRun; i++)
        {
            Thread.Sleep(1);
        }
    }

    /// <summary>Appends: no mount from here on is seen elsewhere, and /proc shows the PID namespace of the task.</summary>
    /// <returns>The last of the two instructions.</returns>
    internal static int MountProc(Order order)
    {
        order.Require(order.Call(SYS_mount, order.Put("none"), order.Put("/"), 0, MS_REC | MS_SLAVE, 0));
        nint proc = order.Put("proc");
        return order.Call(SYS_mount, proc, order.Put("/proc"), proc, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    }

    /// <summary>Throws if one of what <see cref="MountProc"/> appended failed.</summary>
    internal static void ThrowIfFailed(Order order, int mounted)
    {
        long error = order[mounted - 1] < 0 ? order[mounted - 1] : order[mounted];
        if (error < 0)
        {
            throw new RemoteException(
                ProcUnmounted,
                (int)-error,
                error == -ENOENT ? "needs a directory /proc"
                    : error == -EINVAL ? "needs / to be a mount point, which the root of a chroot is when bound to itself (mount --bind)"
                    : null);
        }
    }

    private static bool IsProcMounted()
    {
        using Fd proc = Proc.Open();
        return proc.IsOpen;
    }

    private static int Enter(RemoteTask task, string path, ulong type)
    {
        using Order order = task.NewOrder();
        int open = order.Call(SYS_openat, AT_FDCWD, order.Put(path), O_RDONLY | O_CLOEXEC);
        order.Require(open);
        int enter = order.Call(SYS_setns, order.Result(open), type);
        order.Call(SYS_close, order.Result(open));
        task.Run(order);
        return (int)-Math.Min(order[open] < 0 ? order[open] : order[enter], 0);
    }

    private static void NewUserNamespace(RemoteTask task, bool mapRoot)
    {
        using Order order = task.NewOrder();
        int uid = order.Call(SYS_geteuid);
        int gid = order.Call(SYS_getegid);
        int unshare = order.Call(SYS_unshare, Kernel.CLONE_NEWUSER);
        task.Run(order);
        if (order[unshare] < 0)
        {
            throw new RemoteException(
                "cannot make a user namespace", (int)-order[unshare], UserNamespaces.WhyNot((int)-order[unshare]));
        }

        // Without CAP_SETGID gid_map is taken only once setgroups is denied (new_idmap_permitted,
        // kernel/user_namespace.c; since 3.19).
        task.WriteFile("/proc/self/setgroups", "deny");
        try
        {
            task.WriteFile("/proc/self/uid_map", $"{(mapRoot ? 0 : order[uid])} {order[uid]} 1");
            task.WriteFile("/proc/self/gid_map", $"{(mapRoot ? 0 : order[gid])} {order[gid]} 1");
        }
        catch (RemoteException e) when (e.Errno == EPERM && order[uid] == 0)
        {
            throw new RemoteException(
                RootUnmapped, EPERM, "needs CAP_SETFCAP as root (Linux 5.12), nothing as another user");
        }

        DieWithOwner(task);
    }

    // Other credentials may have cleared it (commit_creds, kernel/cred.c).
    private static void DieWithOwner(RemoteTask task) => task.Call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
}
