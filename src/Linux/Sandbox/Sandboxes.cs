using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

/// <summary>Makes PID namespaces in which nothing happens but what is asked for. Without CAP_SYS_ADMIN they are in a user
/// namespace. All of it is gone after <see cref="Dispose"/>, and when nslp dies. Not thread-safe.</summary>
internal sealed class Sandboxes : ISandboxes, IDisposable
{
    private const string LastPidPath = "/proc/sys/kernel/ns_last_pid";
    private const string PidMaxPath = "/proc/sys/kernel/pid_max";

    private readonly Zygote _zygote;
    private readonly KernelRules _kernel = Kernel.Rules;

    /// <summary>Prepares for sandboxes; best on the main thread, before there are others. Throws
    /// <see cref="RemoteException"/> where there can be none, and where the kernel answers otherwise than it ever
    /// should.</summary>
    /// <param name="here">In nslp's own PID namespace instead of new ones, with pid_max written even if it is the whole
    /// system's: for a kernel on which nothing else happens.</param>
    internal Sandboxes(bool here = false)
    {
        IsHere = here;
        _zygote = Zygote.Start();
        try
        {
            RequireStrictWrites();
            LastPidFd = Open(LastPidPath, O_RDWR, "needs CONFIG_CHECKPOINT_RESTORE and a writable /proc/sys");
            OwnerFds = (Open(LastPidPath, O_RDONLY), Open(LastPidPath, O_RDONLY));
            PidMaxFd = Open(PidMaxPath, O_RDONLY);
            DescriptorLimit = RaiseDescriptorLimit();
            Base = NewBase();
            Setting = Probe();
            if (!here)
            {
                RequireRoom();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Setting Setting { get; }

    /// <summary>The parent of the outermost init of each sandbox.</summary>
    internal SandboxAgent Base { get; } = null!;

    /// <summary>A descriptor of ns_last_pid, open for reading and writing in every process of a sandbox: it stands for
    /// the namespace of whoever uses it.</summary>
    internal int LastPidFd { get; }

    /// <summary>A descriptor of the pid_max of nslp's own namespace, or of the whole system before 6.14.</summary>
    internal int PidMaxFd { get; }

    /// <summary>Two descriptors in every process of a sandbox that are given an owner (F_SETOWN) to learn its PIDs:
    /// F_GETOWN tells the PID in the namespace of whoever asks (pid_vnr in f_getown, fs/fcntl.c).</summary>
    internal (int First, int Second) OwnerFds { get; }

    internal rlimit64 DescriptorLimit { get; }

    /// <summary>Whether their outermost namespace is nslp's own.</summary>
    internal bool IsHere { get; }

    /// <summary>Whether pid_max may be written: where each namespace has one of its own, or all is our own.</summary>
    internal bool WritesPidMax => IsHere || _kernel.PidMaxPerNamespace;

    internal RemoteTask NewTask() => _zygote.NewTask();

    internal Order NewOrder() => _zygote.Root.NewOrder();

    public ISandbox Open() => new Sandbox(this);

    public void Dispose() => _zygote.Dispose();

    // The model knows no other way of writing elsewhere than at offset 0 (proc_first_pos_non_zero_ignore,
    // kernel/sysctl.c).
    private static void RequireStrictWrites()
    {
        const string Path = "/proc/sys/kernel/sysctl_writes_strict";
        string value = "1";
        try
        {
            value = File.ReadAllText(Path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }

        if (value != "1")
        {
            throw new RemoteException(
                $"cannot compare what is written at an offset: kernel.sysctl_writes_strict is {value}", 0,
                "needs kernel.sysctl_writes_strict = 1 (sysctl), the default");
        }
    }

    private int Open(string path, int flags, string? help = null)
    {
        using Order order = NewOrder();
        int open = order.Call(Kernel.SYS_openat, AT_FDCWD, order.Put(path), flags | O_CLOEXEC);
        _zygote.Root.Run(order);
        return !order[open].IsError
            ? order[open].Value
            : throw new RemoteException(
                $"cannot open {path}{(flags == O_RDWR ? " for writing" : "")}", order[open].Error, help);
    }

    // Two descriptors for each namespace that there ever is in a sandbox add up.
    private unsafe rlimit64 RaiseDescriptorLimit()
    {
        rlimit64 limit;
        Raw.Call(Kernel.SYS_prlimit64, 0, Kernel.RLIMIT_NOFILE, 0, (nint)(&limit));
        limit.rlim_cur = limit.rlim_max;
        using Order order = NewOrder();
        order.Call(Kernel.SYS_prlimit64, 0, Kernel.RLIMIT_NOFILE, order.PutValue(limit), 0);
        _zygote.Root.Run(order);
        return limit;
    }

    private static unsafe Capabilities ReadCapabilities(RemoteTask task)
    {
        using Order order = task.NewOrder();
        nint capabilities = order.Reserve(sizeof(Capabilities));
        order.Call(Kernel.SYS_capget, order.Put(Capabilities.Header), capabilities);
        task.Run(order);
        return MemoryMarshal.Read<Capabilities>(Order.Bytes(capabilities, sizeof(Capabilities)));
    }

    private SandboxAgent NewBase()
    {
        RemoteTask root = _zygote.Root;
        Capabilities capabilities = ReadCapabilities(root);
        (int Uid, int Gid) ids = Namespaces.ReadUser(root);
        if (capabilities.HasSysAdmin)
        {
            return new SandboxAgent(this, root, -1, ids, capabilities);
        }

        RemoteTask task;
        try
        {
            task = root.Fork(Kernel.CLONE_NEWUSER);
        }
        catch (RemoteException e)
        {
            throw new RemoteException("cannot create a user namespace", e.Errno, Namespaces.WhyNot(e.Errno));
        }

        try
        {
            Namespaces.MapUser(task, ids, asRoot: true);
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            // As user 0 without CAP_SETFCAP (verify_root_map, kernel/user_namespace.c; 5.12). All that does not work then
            // is a user namespace in the sandbox.
        }

        return new SandboxAgent(this, task, -1, (0, 0), ReadCapabilities(task));
    }

    private Setting Probe()
    {
        try
        {
            using Sandbox sandbox = new(this);
            return new Setting(
                _kernel,
                outerLevels: sandbox.CountLevels() - 1,
                ownUser: !sandbox.CanChooseOutside(),
                pidMax: sandbox.Start.Readings.Head.PidMax,
                makesUsers: sandbox.CanMakeUsers(),
                writesPidMax: WritesPidMax);
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            throw new RemoteException(e.Message, 0, Namespaces.WhyNot(e.Errno));
        }
    }

    // A limit that is met in the middle of a run would look like a difference.
    private void RequireRoom()
    {
        try
        {
            using Sandbox sandbox = new(this);
            sandbox.Fill();
        }
        catch (RemoteException e) when (e.Errno == Errno.EAGAIN)
        {
            throw new RemoteException(
                $"cannot make {Resolve.MostAgents + Resolve.MostChildren} processes", e.Errno,
                "needs a higher RLIMIT_NPROC (ulimit -u), or pids.max of its cgroup");
        }
    }
}
