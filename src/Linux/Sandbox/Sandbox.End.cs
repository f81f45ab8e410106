using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;
using static Tmds.Linux.LibC;
using Seen = SetNsLastPid.Verification.Outcome;

namespace SetNsLastPid.Linux;

/// <summary>Deaths.</summary>
internal sealed partial class Sandbox
{
    private Observation End(int id)
    {
        SandboxProcess process = _processes[id];
        SandboxAgent parent = _agents[process.Parent];
        _order.Clear();
        int kill = _order.Call(Kernel.SYS_kill, process.Pid, SIGKILL);
        _order.Require(kill);
        int wait = _order.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0);
        _order.Require(wait);
        SandboxReads reads = parent.AppendReads(_order, parent.PidMaxFd);
        parent.Task.Run(_order);
        long failed = _order[kill] < 0 ? _order[kill] : _order[wait];
        if (failed < 0)
        {
            throw new RemoteException("cannot end a process of the sandbox", (int)-failed);
        }

        parent.Note(_order, reads);
        _processes.Remove(id);
        return See([Seen.Done], parent);
    }

    private Observation EndInit(int space, FSharpList<int> reaped)
    {
        SandboxAgent init = _agents[space];
        SandboxAgent parent = _agents[_parents[space]];
        _order.Clear();
        int kill = _order.Call(Kernel.SYS_kill, init.Task.Pid, SIGKILL);
        parent.Task.Run(_order);
        if (_order[kill] < 0)
        {
            throw new RemoteException("cannot end an init of the sandbox", (int)-_order[kill]);
        }

        // The init is gone only when all that were in its namespace are reaped (zap_pid_ns_processes,
        // kernel/pid_namespace.c), and those with a parent elsewhere only by that one.
        foreach (int id in reaped)
        {
            Wait(_processes[id]);
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

        return See([Seen.Done]);
    }

    private void Wait(SandboxProcess process)
    {
        _order.Clear();
        int wait = _order.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0);
        _agents[process.Parent].Task.Run(_order);
        if (_order[wait] < 0)
        {
            throw new RemoteException("cannot reap a process of the sandbox", (int)-_order[wait]);
        }
    }

    // For where the outermost namespace goes on: ends all but the inits.
    private void EndEach()
    {
        AwaitReaping();
        foreach (SandboxProcess process in _processes.Values.Where(process => !IsInit(process)))
        {
            _order.Clear();
            _order.Call(Kernel.SYS_kill, process.Pid, SIGKILL);
            _order.Call(Kernel.SYS_wait4, process.Pid, 0, Kernel.__WALL, 0);
            _agents[process.Parent].Task.Run(_order);
        }
    }

    private bool IsInit(SandboxProcess process) =>
        _parents[process.Space] == process.Parent
            && _agents.TryGetValue(process.Space, out SandboxAgent? init) && init.Task.Pid == process.Pid;
}
