using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

internal sealed partial class Sandbox
{
    private const int BadPointer = 8;

    // Not a descriptor of any process: file descriptors are below sysctl fs.nr_open.
    private const ulong ClosedFd = int.MaxValue;

    private static readonly ulong s_fork = (uint)CLONE_FILES | Kernel.CLONE_CHILD_SETTID;

    private Observation Clone(Step.Clone step)
    {
        if (step.Ending is not Ending.Fails { How.IsPidsCgroup: true })
        {
            return Clone(step, null);
        }

        PidsCgroup full = _home.PidsCgroup!;
        full.Make(_home.Base.Task);
        try
        {
            return Clone(step, full);
        }
        finally
        {
            full.Remove(_home.Base.Task);
        }
    }

    private Observation Clone(Step.Clone step, PidsCgroup? full)
    {
        SandboxAgent from = _agents[step.From];
        bool isNested = !step.Nesting.IsSame;
        bool isInit = isNested || _unborn.Contains(from.ChildrenIn);
        int space = isNested ? _parents.Count : from.ChildrenIn;
        bool isTranslated = isNested || space != from.Space || _parents[from.Space] >= 0;
        Ending.Fails? late = step.Ending as Ending.Fails;
        Birth? birth = step.Ending.IsLives && isInit
            ? NewBirth(from, step.Nesting, step.Capable, space)
            : null;
        Child child = birth is { } newborn ? Child.Becomes(newborn.Agent.Task)
            : step.Ending.IsLives ? Child.Sleeps()
            : Child.Exits();

        _order.Clear();
        int enter = full is null ? -1 : _order.Write(full.Processes, "0");
        if (full is not null)
        {
            _order.Require(enter);
        }

        AppendCapset(_order, step.Capable, from.Capabilities.Dropped);
        nint ownPid = _order.Reserve(sizeof(int));
        clone_args args = new()
        {
            flags = s_fork
                | (step.Nesting.IsSame ? 0 : Kernel.CLONE_NEWPID)
                | (step.Nesting.IsNewUserAndPid ? Kernel.CLONE_NEWUSER : 0),
            child_tid = (ulong)ownPid,
        };
        if (step.Ending.IsLives && birth is null)
        {
            // A sleeper tells nobody that it is born: it might write there when the memory has another use.
            args.flags &= ~Kernel.CLONE_CHILD_SETTID;
        }
        else if (late is not null)
        {
            BecomeLate(ref args, late);
        }

        int clone = AppendClone(_order, args, child, step.SetTid.ToArray());
        if (late is { How.IsDescriptorLimit: true })
        {
            AppendDescriptorLimit(_home.DescriptorLimit);
        }

        AppendCapset(_order, step.Capable, from.Capabilities.Raised);
        int leave = full is null ? -1 : _order.Write(full.Home, "0");
        int reads = from.AppendReads(_order);

        // A syscall that fails for every result of a clone that failed, and has no effect otherwise.
        _order.Require(_order.Call(Kernel.SYS_getpgid, _order.Result(clone)));
        if (isTranslated)
        {
            _order.Call(Kernel.SYS_fcntl, _home.Pipe.Read, F_SETOWN, _order.Result(clone));
        }

        bool isReaped = !step.Ending.IsLives && !step.Ending.IsLingers;
        int wait = -1;
        if (isReaped && !isTranslated)
        {
            wait = _order.Call(Kernel.SYS_wait4, _order.Result(clone), 0, Kernel.__WALL, 0);
        }
        else if (!step.Ending.IsLives)
        {
            wait = _order.Call(
                Kernel.SYS_waitid, Kernel.P_PID, _order.Result(clone), _order.Reserve(128),
                Kernel.WEXITED | Kernel.WNOWAIT | Kernel.__WALL, 0);
        }

        from.Task.Run(_order);
        if (full is not null)
        {
            RemoteException.ThrowIf(_order.Used(enter).Error, "cannot enter a pids cgroup");
            RemoteException.ThrowIf(_order.Used(leave).Error, "cannot leave a pids cgroup");
        }

        from.Note(_order, reads);
        if (_order[clone].IsError)
        {
            birth?.Agent.Dispose();
            return See([Outcome.NewRefused(_order[clone].Error)], from);
        }

        int pid = _order[clone].Value;
        RemoteException.ThrowIf(wait >= 0 ? _order[wait].Error : 0, "cannot wait for a process of the sandbox");

        if (isNested)
        {
            AddSpace(from.Space);
        }

        _unborn.Remove(space);
        if (birth is not null)
        {
            Finish(birth.Value);
        }

        int id = AddProcess(space, from.Space, pid);
        Dictionary<int, (int First, int Second)> owners = Look(from, birth?.Agent);
        if (isReaped)
        {
            _processes.Remove(id);
            if (isTranslated)
            {
                _reaping.Clear();
                _reaping.Call(Kernel.SYS_wait4, pid, 0, Kernel.__WALL, 0);
                _ = from.Task.Submit(_reaping);
            }
        }

        return Report([Outcome.NewGiven(Pids(
            space, at => at == from.Space ? pid : PidAt(owners, at, Order.Int(ownPid)).First))]);
    }

    private int AppendClone(Order order, clone_args args, Child child, ReadOnlySpan<int> setTid = default) => _home.HasClone3
        ? order.Clone3(args, child, setTid)
        : order.Clone(args.flags, child, 0, (long)args.child_tid);

    private unsafe Observation Malformed(Step.Malformed step)
    {
        SandboxAgent from = _agents[step.From];
        _order.Clear();
        ulong array = (ulong)_order.PutValue(from.Reading.LastPid + 1);
        (clone_args args, int size) = step.Flaw.Tag switch
        {
            Flaw.Tags.SizeWithoutArray => (new clone_args { set_tid_size = 1 }, sizeof(clone_args)),
            Flaw.Tags.ArrayWithoutSize => (new clone_args { set_tid = array }, sizeof(clone_args)),
            Flaw.Tags.SizeTooLarge => (new clone_args { set_tid_size = Limits.Levels + 1 }, sizeof(clone_args)),
            Flaw.Tags.UnreadableArray => (new clone_args { set_tid = BadPointer, set_tid_size = 1 }, sizeof(clone_args)),
            Flaw.Tags.CutBeforeSize => (new clone_args { set_tid = array }, 72),
            Flaw.Tags.ExitSignal => (new clone_args { exit_signal = 0x100 }, sizeof(clone_args)),
            Flaw.Tags.UnknownFlag => (new clone_args { flags = Kernel.CLONE_DETACHED }, sizeof(clone_args)),
            Flaw.Tags.ThreadAlone => (new clone_args { flags = (uint)CLONE_THREAD }, sizeof(clone_args)),
            Flaw.Tags.SiblingOfInit => (new clone_args { flags = Kernel.CLONE_PARENT }, sizeof(clone_args)),
            _ => throw new UnreachableException(),
        };
        int clone = _order.Clone3(_order.PutValue(args), size, Child.Exits());
        RunAndLook(from);
        return See([Of(_order[clone], Outcome.NewGiven(ListModule.OfSeq([_order[clone].Value])))], from);
    }

    private void BecomeLate(ref clone_args args, Ending.Fails late)
    {
        if (late.AsThread)
        {
            // Should a thread be born by mistake, it finds no return address there and ends its process.
            args.flags = Kernel.ThreadFlags | (args.flags & (Kernel.CLONE_NEWPID | Kernel.CLONE_NEWUSER));
            args.child_tid = 0;
            args.stack = (ulong)_order.Reserve(64);
            args.stack_size = 64;
        }

        if (late.How.IsPidsCgroup)
        {
            return;
        }

        if (late.How.IsCgroup)
        {
            args.flags |= Kernel.CLONE_INTO_CGROUP;
            args.cgroup = ClosedFd;
            return;
        }

        args.flags |= Kernel.CLONE_PIDFD;
        args.pidfd = BadPointer;
        if (late.How.IsDescriptorLimit)
        {
            args.pidfd = (ulong)_order.Reserve(sizeof(int));
            AppendDescriptorLimit(_home.DescriptorLimit with { rlim_cur = 0 });
        }
    }

    private void AppendDescriptorLimit(rlimit64 limit) =>
        _order.Call(Kernel.SYS_prlimit64, 0, Kernel.RLIMIT_NOFILE, _order.PutValue(limit), 0);

    private FSharpList<int> Pids(int space, Func<int, int> pidAt)
    {
        List<int> pids = [];
        for (; space >= 0; space = _parents[space])
        {
            pids.Add(pidAt(space));
        }

        return ListModule.OfSeq(pids);
    }

    // Lays ready what the init of `space` does first: gets what it is going to need, and looks.
    private Birth NewBirth(SandboxAgent parent, Nesting nesting, bool capable, int space)
    {
        bool isUser = nesting.IsNewUserAndPid;
        RemoteTask task = _home.NewTask();
        SandboxAgent agent = new(_home, task, space, isUser ? (0, 0) : parent.Ids);
        _birth.Clear();
        int[] maps = [];
        if (isUser)
        {
            // Without a user and a group of its own a user namespace can have none below it (create_user_ns,
            // kernel/user_namespace.c).
            maps = Namespaces.AppendUserMap(_birth, parent.Ids, asRoot: true);
        }
        else
        {
            AppendCapset(_birth, capable, parent.Capabilities.Raised);
        }

        nint capabilities = _birth.Reserve(Marshal.SizeOf<Capabilities>());
        _birth.Call(Kernel.SYS_capget, _birth.Put(Capabilities.Header), capabilities);
        if (_home.IsHere && space == 0)
        {
            // Orphans are an init's, or those of the nearest that says so.
            _birth.Call(Kernel.SYS_prctl, Kernel.PR_SET_CHILD_SUBREAPER, 1);
        }

        int pidMax = _birth.Call(
            Kernel.SYS_openat, AT_FDCWD, _birth.Put("/proc/sys/kernel/pid_max"),
            (_home.WritesPidMax ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        int ns = _birth.Call(Kernel.SYS_openat, AT_FDCWD, _birth.Put("/proc/self/ns/pid"), O_CLOEXEC);
        int reads = agent.AppendReads(_birth, _birth.Result(pidMax));
        _ = task.Submit(_birth);
        return new Birth(agent, reads, pidMax, ns, maps, capabilities);
    }

    private void Finish(Birth birth)
    {
        SandboxAgent agent = birth.Agent;
        _agents[agent.Space] = agent;
        agent.Task.AwaitIdle();
        foreach (int map in birth.Maps)
        {
            RemoteException.ThrowIf(_birth.Used(map).Error, "cannot map the users of a new user namespace");
        }

        RemoteException.ThrowIf(_birth[birth.PidMax].Error, "cannot open pid_max of a new PID namespace");
        agent.PidMaxFd = _birth[birth.PidMax].Value;
        // Where it cannot be opened nobody enters.
        _descriptors[agent.Space] = _birth[birth.Namespace];
        agent.Capabilities = MemoryMarshal.Read<Capabilities>(Order.Bytes(birth.Capabilities, Marshal.SizeOf<Capabilities>()));
        agent.Note(_birth, birth.Reads);
    }

    // What an init does first, laid ready before it is born: its first look, and where in the order it opens pid_max and its
    // namespace, writes its user maps (empty without a user namespace of its own), and puts its capabilities.
    private readonly record struct Birth(
        SandboxAgent Agent, int Reads, int PidMax, int Namespace, int[] Maps, nint Capabilities);
}
