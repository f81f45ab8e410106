using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

/// <summary>Makes PID namespaces in which nothing happens but what is asked for. Without CAP_SYS_ADMIN they are in a user
/// namespace. All of it is gone after <see cref="Dispose"/>, and when nslp dies. Not thread-safe.</summary>
internal sealed class Sandboxes : ISandboxes, IDisposable
{
    // Long enough to notice whoever forks five times a second.
    private static readonly TimeSpan s_watch = TimeSpan.FromSeconds(0.2);

    private readonly Zygote _zygote;
    private readonly KernelRules _byVersion;
    private readonly List<Lack> _lacks = [];

    /// <summary>Prepares for sandboxes, and probes what there is and how the kernel behaves; best on the main thread, before
    /// there are others. Throws <see cref="RemoteException"/> where there can be none, and where the kernel answers otherwise
    /// than it ever should.</summary>
    /// <param name="here">In nslp's own PID namespace instead of new ones.</param>
    /// <param name="ownsAll">With pid_max written even if it is the whole system's: for a kernel on which nothing else
    /// happens.</param>
    /// <param name="byVersion">The rules of what cannot be probed; null for those of the running kernel's version.</param>
    internal Sandboxes(bool here = false, bool ownsAll = false, KernelRules? byVersion = null)
    {
        IsHere = here;
        _byVersion = byVersion ?? Kernel.Rules;
        _zygote = Zygote.Start();
        try
        {
            LastPidFd = OpenLastPid();
            (Pipe, ExitProgram) = PrepareThreads();
            DescriptorLimit = RaiseDescriptorLimit();
            Errno clone3 = _zygote.Root.Call(Kernel.SYS_clone3, 0, 0).Error;
            HasClone3 = clone3 == Errno.EINVAL;
            if (!HasClone3)
            {
                Add(
                    clone3, "clone3", Facility.Clone3, Facility.SetTid, Facility.IntoCgroup, Facility.Pidfd, Facility.PidsCgroup,
                    Facility.Threads);
            }

            Base = NewBase();
            Setting = Probe(ownsAll);
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

    /// <summary>A descriptor of what tells the last PID, ns_last_pid if there is one, in every process of a sandbox: it stands
    /// for the namespace of whoever uses it.</summary>
    internal int LastPidFd { get; }

    /// <summary>A pipe that every process of a sandbox has, and in which a <see cref="ThreadProgram"/> tells of its thread. Each
    /// end is given an owner (F_SETOWN) to learn its PIDs: F_GETOWN tells the PID in the namespace of whoever asks (pid_vnr in
    /// f_getown, fs/fcntl.c).</summary>
    internal (int Read, int Write) Pipe { get; }

    internal int ExitProgram { get; }

    internal rlimit64 DescriptorLimit { get; }

    /// <summary>Whether their outermost namespace is nslp's own.</summary>
    internal bool IsHere { get; }

    /// <summary>Whether processes are made by clone3, otherwise by clone.</summary>
    internal bool HasClone3 { get; }

    /// <summary>Whether pid_max may be written: where each namespace has one of its own, or all is our own.</summary>
    internal bool WritesPidMax { get; private set; }

    /// <summary>Where a process of a sandbox can be in a full pids cgroup; null if nowhere.</summary>
    internal PidsCgroup? PidsCgroup { get; } = PidsCgroup.Find();

    internal RemoteTask NewTask() => _zygote.NewTask();

    /// <summary>An order with room for <paramref name="text"/> bytes besides its instructions.</summary>
    internal Order NewOrder(int text = 0) => _zygote.Root.NewOrder((Arena.ChunkSize + text) / 1024);

    /// <summary>nslp's own PID namespace as it is now.</summary>
    internal PidNamespace Observe()
    {
        using PidSpace space = new();
        SysResult pidMax = space.ReadPidMax(), lastPid = space.ReadLastPid();
        RemoteException.ThrowIf(pidMax.IsError ? pidMax.Error : lastPid.Error, "cannot read last_pid and pid_max");
        return PidNamespaceModule.withChoice(
            PidNamespaceModule.observed(lastPid.Value, pidMax.Value, space.ReadNumbersInUse()));
    }

    /// <summary>Whether somebody moves last_pid of nslp's own PID namespace while nslp does nothing.</summary>
    internal bool IsDisturbed()
    {
        using PidSpace space = new();
        SysResult before = space.ReadLastPid();
        Thread.Sleep(s_watch);
        return space.ReadLastPid() != before;
    }

    public ISandbox Open() => new Sandbox(this);

    public void Dispose()
    {
        if (PidsCgroup is { IsLeft: true } left)
        {
            left.Remove(Base.Task);
        }

        _zygote.Dispose();
    }

    /// <summary>Takes note of what is not there.</summary>
    internal void Add(Errno errno, string what, params ReadOnlySpan<Facility> facilities)
    {
        string why = errno == 0 ? what : $"{what}: {Marshal.GetPInvokeErrorMessage((int)errno)}";
        foreach (Facility facility in facilities)
        {
            _lacks.Add(new Lack(facility, why));
        }
    }

    // Without ns_last_pid (CONFIG_CHECKPOINT_RESTORE) nothing can be written, but the last PID is read elsewhere.
    private int OpenLastPid()
    {
        using HelperCaller root = new(_zygote.Root);
        LastPid file = LastPid.OpenForWriting(root);
        if (file.Error != 0)
        {
            Add(file.Error, "ns_last_pid", Facility.LastPid);
            file = LastPid.OpenForReading(root);
        }

        RemoteException.ThrowIf(file.Error, "cannot read the last PID", "needs /proc mounted");
        return file.Descriptor;
    }

    // These outlive execve. Without memfd_create no thread is made.
    private ((int Read, int Write) Pipe, int Exit) PrepareThreads()
    {
        byte[] program = ThreadProgram.Exit();
        using Order order = NewOrder();
        nint pipe = order.Reserve(2 * sizeof(int));
        order.Require(order.Call(Kernel.SYS_pipe2, pipe, 0));
        int file = order.Call(Kernel.SYS_memfd_create, order.Put(""), 0);
        order.Call(Kernel.SYS_write, order.Result(file), order.Put(program), program.Length);
        _zygote.Root.Run(order);
        return ((Order.Int(pipe), Order.Int(pipe + sizeof(int))), order[file].Value);
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
        if (capabilities.HasSysAdmin || IsHere)
        {
            return new SandboxAgent(this, root, -1, ids) { Capabilities = capabilities };
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

        return new SandboxAgent(this, task, -1, (0, 0)) { Capabilities = ReadCapabilities(task) };
    }

    private Setting Probe(bool ownsAll)
    {
        try
        {
            PidsCgroup?.RemoveAfterOwner(_zygote.Root.Fork());
            List<SeenRule> rules = [];
            Errno pidMax = SandboxProbe.TryPidMax(Base);
            if (pidMax is 0 or Errno.EACCES)
            {
                rules.Add(new SeenRule(KernelRule.PidMaxPerNamespace, isNew: pidMax == 0));
            }

            KernelRules kernel = KernelRulesModule.withSeen(rules, _byVersion);
            WritesPidMax = ownsAll || (!IsHere && kernel.PidMaxPerNamespace && pidMax is 0 or Errno.EPERM or Errno.EINVAL);
            if (!WritesPidMax)
            {
                Add(
                    kernel.PidMaxPerNamespace && !IsHere ? pidMax : 0,
                    kernel.PidMaxPerNamespace && !IsHere ? "pid_max" : "pid_max is not the sandbox's own", Facility.PidMax);
            }

            if (IsHere)
            {
                Add(0, "the sandbox has no init", Facility.Init);
            }

            using Sandbox sandbox = new(this);
            SandboxProbe probe = new(this, sandbox);
            int outerLevels = probe.Facilities();
            rules.AddRange(probe.Rules(outerLevels));
            kernel = KernelRulesModule.withStrictWrites(
                probe.WritesStrictly, KernelRulesModule.withSeen(rules, _byVersion));
            return new Setting(
                kernel,
                outerLevels,
                ownUser: _lacks.Any(lack => lack.Facility.IsSetTid) ? Base.Task != _zygote.Root : !sandbox.CanChooseOutside(),
                pidMax: sandbox.Start.Readings.Head.PidMax,
                lacks: ListModule.OfSeq(_lacks),
                surprises: KernelRulesModule.surprises(_byVersion, kernel));
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            throw e.Errno == Errno.EAGAIN ? NoRoom(e) : new RemoteException(e.What, e.Errno, Namespaces.WhyNot(e.Errno));
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
            throw NoRoom(e);
        }
    }

    private static RemoteException NoRoom(RemoteException e) =>
        new($"cannot make {Resolve.MostAgents + Resolve.MostChildren} processes", e.Errno,
            "needs a higher RLIMIT_NPROC (ulimit -u), or pids.max of its cgroup");
}
