using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

internal sealed partial class Sandbox
{
    private Observation End(int id)
    {
        Member process = _processes[id];
        SandboxAgent parent = _agents[process.Parent];
        _order.Clear();
        int kill = _order.Call(Kernel.SYS_kill, process.Pid, SIGKILL);
        int wait = _order.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0);
        RunAndLook(parent);
        RemoteException.ThrowIf(
            (_order[kill].IsError ? _order[kill] : _order[wait]).Error, "cannot end a process of the sandbox");
        _processes.Remove(id);
        return See([Outcome.Done], parent);
    }

    private Observation EndInit(int space, FSharpList<int> reaped)
    {
        SandboxAgent init = _agents[space];
        SandboxAgent parent = _agents[_parents[space]];
        RemoteException.ThrowIf(
            parent.Task.Call(Kernel.SYS_kill, init.Task.Pid, SIGKILL).Error, "cannot end an init of the sandbox");

        // The init is gone only when all that were in its namespace are reaped (zap_pid_ns_processes,
        // kernel/pid_namespace.c), and those with a parent elsewhere only by that one.
        foreach (int id in reaped)
        {
            Member process = _processes[id];
            RemoteException.ThrowIf(
                _agents[process.Parent].Task.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0).Error,
                "cannot reap a process of the sandbox");
        }

        List<int> within = [.. Enumerable.Range(0, _parents.Count).Where(other => IsWithin(space, other))];
        foreach (int other in within)
        {
            if (_agents.Remove(other, out SandboxAgent? agent))
            {
                agent.Dispose();
            }
        }

        foreach (int id in _processes.Where(p => within.Contains(p.Value.Space)).Select(p => p.Key).ToList())
        {
            _processes.Remove(id);
        }

        return See([Outcome.Done]);
    }

    // For where the outermost namespace goes on: ends all but the inits.
    private void EndEach()
    {
        AwaitReaping();
        foreach (Member process in _processes.Values.Where(process => !IsInit(process)))
        {
            _ = _agents[process.Parent].Task.Call(Kernel.SYS_kill, process.Pid, SIGKILL);
            _ = _agents[process.Parent].Task.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0);
        }
    }

    private bool IsInit(Member process) =>
        _parents[process.Space] == process.Parent
            && _agents.TryGetValue(process.Space, out SandboxAgent? init) && init.Task.Pid == process.Pid;

    // A leader dies, and its number lives on.
    private Observation Forsake(Step.Forsake step)
    {
        SandboxAgent from = _agents[step.From];
        int space = from.ChildrenIn;
        bool isInit = _unborn.Contains(space);
        RemoteTask leader = _home.NewTask();
        using Order life = leader.NewOrder();
        try
        {
            int member = AppendLife(life, step.Bond);
            _ = leader.Submit(life);
            (int clone, nint ownPid) = BeginWithLeader(leader);
            from.Task.Run(_order);
            if (_order[clone].IsError)
            {
                return See([Outcome.NewRefused(_order[clone].Error)]);
            }

            leader.AwaitIdle();
            SysResult memberPid = life[member];
            if (!life.HasRun(member))
            {
                throw new RemoteException("cannot make a leader in the sandbox");
            }

            // Both live until all have looked, for a number is told of a process only while there is one.
            Dictionary<int, (int First, int Second)> owners = Look();
            Outcome first = Outcome.NewGiven(Pids(space, at => PidAt(owners, at, Order.Int(ownPid)).First));
            Outcome second = Of(memberPid, Outcome.NewGiven(Pids(space, at => PidAt(owners, at, memberPid.Value).Second)));
            life.Clear();
            life.Call(Kernel.SYS_exit_group, 0);
            _ = leader.Submit(life);
            if (leader.Wait(RemoteTask.DefaultTimeout).IsError)
            {
                throw new RemoteException("cannot reap a leader in the sandbox");
            }

            _unborn.Remove(space);
            _nextProcess++;
            if (!memberPid.IsError)
            {
                int parent = step.Bond.IsSibling ? step.From : space;
                int id = AddProcess(space, parent, parent == space ? memberPid.Value : PidAt(owners, parent, memberPid.Value).Second);
                if (isInit)
                {
                    _processes.Remove(id);
                }
            }

            return Report([first, second]);
        }
        finally
        {
            leader.End();
        }
    }

    // An agent and a child of its fork at once.
    private Observation Race(Step.Race step)
    {
        SandboxAgent from = _agents[step.From];
        int space = from.ChildrenIn;
        RemoteTask maker = _home.NewTask();
        using Order life = maker.NewOrder();
        try
        {
            (int clone, nint ownPid) = BeginWithLeader(maker);
            from.Task.Run(_order);
            if (_order[clone].IsError)
            {
                return See([Outcome.NewRefused(_order[clone].Error)]);
            }

            _ = maker.Call(Kernel.SYS_getpid);
            Dictionary<int, (int First, int Second)> owners = Look();
            Outcome made = Outcome.NewGiven(Pids(space, at => PidAt(owners, at, Order.Int(ownPid)).First));

            int ours = AppendFork(_order, _home.Pipe.Read), theirs = AppendFork(life, _home.Pipe.Write);
            _ = maker.Submit(life);
            _ = from.Task.Submit(_order);
            from.Task.AwaitIdle();
            maker.AwaitIdle();
            SysResult own = _order[ours], other = life[theirs];
            owners = Look();
            Outcome first = Of(own, Outcome.NewGiven(Pids(space, at => owners[at].First)));
            Outcome second = Of(other, Outcome.NewGiven(Pids(space, at => owners[at].Second)));
            RemoteException.ThrowIf(maker.End().Error, "cannot reap a process of the sandbox");
            _nextProcess++;
            if (!own.IsError)
            {
                AddProcess(space, from.Space, own.Value);
            }

            if (!other.IsError)
            {
                AddProcess(space, space, other.Value);
            }

            return See([made, first, second]);
        }
        finally
        {
            maker.End();
        }
    }

    // Makes of `_order` one that begins with a child that becomes that task. Where that is made, and where its PID goes.
    private (int Clone, nint OwnPid) BeginWithLeader(RemoteTask leader)
    {
        _order.Clear();
        nint ownPid = _order.Reserve(sizeof(int));
        int clone = AppendClone(_order, new clone_args { flags = s_fork, child_tid = (ulong)ownPid }, Child.Becomes(leader));
        _order.Require(clone);
        _order.Call(Kernel.SYS_fcntl, _home.Pipe.Read, F_SETOWN, _order.Result(clone));
        return (clone, ownPid);
    }

    // A child that stays, and whom an open file belongs to.
    private int AppendFork(Order order, int owned)
    {
        order.Clear();
        int clone = AppendClone(order, new clone_args { flags = (uint)CLONE_FILES }, Child.Sleeps());
        order.Require(clone);
        order.Call(Kernel.SYS_fcntl, owned, F_SETOWN, order.Result(clone));
        return clone;
    }

    // What a leader does: it leads, and has a child or a sibling. Returns where that is made.
    private int AppendLife(Order life, Bond bond)
    {
        if (!bond.IsSibling)
        {
            life.Require(bond.IsGroup ? life.Call(Kernel.SYS_setpgid, 0, 0) : life.Call(Kernel.SYS_setsid));
        }

        ulong flags = (uint)CLONE_FILES | (bond.IsSibling ? Kernel.CLONE_PARENT : 0);
        int member = AppendClone(life, new clone_args { flags = flags }, Child.Sleeps());
        life.Require(member);
        life.Call(Kernel.SYS_fcntl, _home.Pipe.Write, F_SETOWN, life.Result(member));
        if (bond.IsSessionAlone)
        {
            life.Call(Kernel.SYS_setpgid, life.Result(member), life.Result(member));
        }

        return member;
    }
}
