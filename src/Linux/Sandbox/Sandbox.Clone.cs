using System.Runtime.InteropServices;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;
using static Tmds.Linux.LibC;
using Seen = SetNsLastPid.Verification.Outcome;

namespace SetNsLastPid.Linux;

/// <summary>Clones.</summary>
internal sealed partial class Sandbox
{
    private const int P_PID = 1;
    private const int WEXITED = 4;
    private const int WNOWAIT = 0x01000000;
    private const int BadPointer = 8;

    // Not a descriptor of any process: file descriptors are below sysctl fs.nr_open.
    private const ulong ClosedFd = int.MaxValue;

    private static readonly ulong s_fork = (uint)CLONE_FILES | Kernel.CLONE_CHILD_SETTID;

    private Observation Clone(Step.Clone step)
    {
        SandboxAgent from = _agents[step.From];
        bool isNested = !step.Nesting.IsSame;
        bool isInit = isNested || _unborn.Contains(from.ChildrenIn);
        int space = isNested ? _parents.Count : from.ChildrenIn;
        bool isTranslated = isNested || space != from.Space || _parents[from.Space] >= 0;
        Ending.Fails? late = step.Ending as Ending.Fails;
        SandboxBirth? birth = step.Ending.IsLives && isInit
            ? NewBirth(from, step.Nesting, step.Capable, space)
            : null;
        Child child = birth is { } newborn ? Child.Becomes(newborn.Agent.Task)
            : step.Ending.IsLives ? Child.Sleeps()
            : Child.Exits();

        _order.Clear();
        AppendDrop(from, step.Capable);
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

        int clone = _order.Clone3(args, child, step.SetTid.ToArray());
        if (late is { How.IsDescriptorLimit: true })
        {
            AppendDescriptorLimit(_home.DescriptorLimit);
        }

        AppendRaise(_order, from, step.Capable);
        SandboxReads reads = from.AppendReads(_order, from.PidMaxFd);

        // A syscall that fails for every result of a clone that failed, and has no effect otherwise.
        _order.Require(_order.Call(Kernel.SYS_getpgid, _order.Result(clone)));
        if (isTranslated)
        {
            _order.Call(Kernel.SYS_fcntl, _home.OwnerFds.First, F_SETOWN, _order.Result(clone));
        }

        bool isReaped = !step.Ending.IsLives && !step.Ending.IsLingers;
        int wait = -1;
        if (isReaped && !isTranslated)
        {
            wait = _order.Call(Kernel.SYS_wait4, _order.Result(clone), 0, Kernel.__WALL, 0);
        }
        else if (!step.Ending.IsLives)
        {
            wait = AppendWaitForDeath(clone);
        }

        from.Task.Run(_order);
        from.Note(_order, reads);
        long pid = _order[clone];
        if (pid < 0)
        {
            birth?.Agent.Dispose();
            return See([Seen.NewRefused((Errno)(-pid))], from);
        }

        if (wait >= 0 && _order[wait] < 0)
        {
            throw new RemoteException("cannot wait for a process of the sandbox", (int)-_order[wait]);
        }

        if (isNested)
        {
            AddSpace(from.Space);
        }

        _unborn.Remove(space);
        if (birth is not null)
        {
            Finish(birth.Value);
        }

        int id = AddProcess(space, from.Space, (int)pid);
        Dictionary<int, (int First, int Second)> owners = Look(from, birth?.Agent);
        if (isReaped)
        {
            _processes.Remove(id);
            if (isTranslated)
            {
                StartReaping(from, (int)pid);
            }
        }

        return Report([Seen.NewGiven(Pids(space, at =>
            at == from.Space ? (int)pid
            : owners.TryGetValue(at, out (int First, int Second) pids) ? pids.First
            : Order.Int(ownPid)))]);
    }

    private int AppendWaitForDeath(int clone) =>
        _order.Call(
            Kernel.SYS_waitid, P_PID, _order.Result(clone), _order.Reserve(128), WEXITED | WNOWAIT | Kernel.__WALL, 0);

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
        _order.Call(Kernel.SYS_prlimit64, 0, Kernel.RLIMIT_NOFILE, _order.Put(Bytes(ref limit)), 0);

    private void StartReaping(SandboxAgent parent, int pid)
    {
        _reaping.Clear();
        _reaping.Call(Kernel.SYS_wait4, pid, 0, Kernel.__WALL, 0);
        _ = parent.Task.Submit(_reaping);
    }

    // All but those who have just looked.
    private Dictionary<int, (int First, int Second)> Look(SandboxAgent? told = null, SandboxAgent? newborn = null)
    {
        Dictionary<int, (int First, int Second)> owners = [];
        List<SandboxAgent> others = [.. _agents.Values.Where(agent => agent != told && agent != newborn)];
        others.ForEach(agent => agent.StartLooking());
        others.ForEach(agent => owners[agent.Space] = agent.FinishLooking());
        return owners;
    }

    private FSharpList<int> Pids(int space, Func<int, int> pidAt)
    {
        List<int> pids = [];
        for (; space >= 0; space = _parents[space])
        {
            pids.Add(pidAt(space));
        }

        return ListModule.OfSeq(pids);
    }

    private Observation Report(IEnumerable<Seen> outcomes) =>
        new(ListModule.OfSeq(outcomes), ListModule.OfSeq(_agents.Values.Select(agent => agent.Reading)));
}
