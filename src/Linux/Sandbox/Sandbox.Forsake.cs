using SetNsLastPid.Verification;
using static Tmds.Linux.LibC;
using Seen = SetNsLastPid.Verification.Outcome;

namespace SetNsLastPid.Linux;

/// <summary>Leaders that die and whose number lives on.</summary>
internal sealed partial class Sandbox
{
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
            _order.Clear();
            nint ownPid = _order.Reserve(sizeof(int));
            int clone = _order.Clone3(
                new clone_args { flags = s_fork, child_tid = (ulong)ownPid }, Child.Becomes(leader));
            _order.Require(clone);
            _order.Call(Kernel.SYS_fcntl, _home.OwnerFds.First, F_SETOWN, _order.Result(clone));
            from.Task.Run(_order);
            long pid = _order[clone];
            if (pid < 0)
            {
                return See([Seen.NewRefused((Errno)(-pid))]);
            }

            Await(leader);
            long memberPid = life[member];
            if (memberPid == Instruction.NotRun)
            {
                throw new RemoteException("cannot make a leader in the sandbox");
            }

            // Both live until all have looked, for a number is told of a process only while there is one.
            Dictionary<int, (int First, int Second)> owners = Look();
            int Leader(int at) => owners.TryGetValue(at, out (int First, int Second) pids) ? pids.First : Order.Int(ownPid);
            int Member(int at) => owners.TryGetValue(at, out (int First, int Second) pids) ? pids.Second : (int)memberPid;
            List<Seen> outcomes = [Seen.NewGiven(Pids(space, Leader))];
            outcomes.Add(memberPid < 0
                ? Seen.NewRefused((Errno)(-memberPid))
                : Seen.NewGiven(Pids(space, Member)));

            life.Clear();
            life.Call(Kernel.SYS_exit_group, 0);
            _ = leader.Submit(life);
            if (leader.Wait(RemoteTask.DefaultTimeout) < 0)
            {
                throw new RemoteException("cannot reap a leader in the sandbox");
            }

            _unborn.Remove(space);
            _nextProcess++;
            if (memberPid >= 0)
            {
                int id = AddProcess(space, space, (int)memberPid);
                if (isInit)
                {
                    _processes.Remove(id);
                }
            }

            return Report(outcomes);
        }
        finally
        {
            leader.End();
        }
    }

    // What a leader does: it leads, and has a child. Returns where that is made.
    private int AppendLife(Order life, Bond bond)
    {
        life.Require(bond.IsGroup ? life.Call(Kernel.SYS_setpgid, 0, 0) : life.Call(Kernel.SYS_setsid));
        int member = life.Clone3(new clone_args { flags = (uint)CLONE_FILES }, Child.Sleeps());
        life.Require(member);
        life.Call(Kernel.SYS_fcntl, _home.OwnerFds.Second, F_SETOWN, life.Result(member));
        if (bond.IsSessionAlone)
        {
            life.Call(Kernel.SYS_setpgid, life.Result(member), life.Result(member));
        }

        return member;
    }
}
