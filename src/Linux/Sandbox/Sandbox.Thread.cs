using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

internal sealed partial class Sandbox
{
    // Longer than the number of a thread was seen to be in use after its process (37 ms), on a machine however busy.
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(2);

    public void Settle() => System.Threading.Thread.Sleep(s_settling);

    /// <summary>Why no thread can be made that lives and executes a program; null if one can.</summary>
    internal string? WhyNoThread()
    {
        try
        {
            // A program executed by another user than 0 has no capability.
            Step thread = Step.NewThread(0, ListModule.OfSeq([50]), Fate.Execs);
            return Perform(thread).Outcomes is [_, Outcome.Given] ? null : "a thread cannot choose its TID";
        }
        catch (RemoteException e)
        {
            return e.Message;
        }
    }

    private Observation Thread(Step.Thread step)
    {
        SandboxAgent from = _agents[step.From];
        int space = from.ChildrenIn;
        RemoteTask leader = _home.NewTask();
        using Order life = leader.NewOrder();
        try
        {
            int file = AppendExecute(life, step.SetTid.ToArray());
            _ = leader.Submit(life);
            (int clone, nint ownPid) = BeginWithLeader(leader);
            nint tid = _order.Reserve(sizeof(long));
            // struct pollfd: POLLIN.
            nint poll = _order.PutValue((uint)_home.Pipe.Read | (1L << 32));
            int wait = _order.Call(Kernel.SYS_ppoll, poll, 1, _order.PutValue((Seconds: 5L, Nanoseconds: 0L)), 0, 8);
            _order.Expect(wait, 1);
            int read = _order.Call(Kernel.SYS_read, _home.Pipe.Read, tid, sizeof(long));
            from.Task.Run(_order);
            if (_order[clone].IsError)
            {
                return See([Outcome.NewRefused(_order[clone].Error)]);
            }

            if (!_order.HasRun(read))
            {
                throw new RemoteException("cannot execute a program that makes a thread", life[life.Count - 1].Error);
            }

            int pid = leader.Release();
            _ = from.Task.Call(Kernel.SYS_close, life[file].Value);
            SysResult thread = new(MemoryMarshal.Read<long>(Order.Bytes(tid, sizeof(long))));
            Dictionary<int, (int First, int Second)> owners = Look();
            Outcome made = Outcome.NewGiven(Pids(space, at => PidAt(owners, at, Order.Int(ownPid)).First));
            Outcome second = Of(thread, Outcome.NewGiven(Pids(space, at => PidAt(owners, at, thread.Value).Second)));
            AddProcess(space, from.Space, pid);
            if (!thread.IsError)
            {
                _nextProcess++;
                if (step.Fate.IsExecs)
                {
                    Execute(from, pid);
                }
            }

            return Report([made, second]);
        }
        finally
        {
            leader.End();
        }
    }

    // The program has ended when its process can be waited for.
    private void Execute(SandboxAgent from, int pid)
    {
        _order.Clear();
        _order.Require(_order.Call(Kernel.SYS_kill, pid, ThreadProgram.Go));
        int wait = _order.Call(
            Kernel.SYS_waitid, Kernel.P_PID, pid, _order.Reserve(128), Kernel.WEXITED | Kernel.WNOWAIT | Kernel.__WALL, 0);
        from.Task.Run(_order);
        RemoteException.ThrowIf(_order[wait].Error, "cannot have a thread execute a program");
    }

    // What a leader does: it executes a program that makes a thread. Returns where the file is made.
    private int AppendExecute(Order life, ReadOnlySpan<int> setTid)
    {
        byte[] program = ThreadProgram.New(setTid, _home.Pipe.Write, _home.ExitProgram);
        int file = life.Call(Kernel.SYS_memfd_create, life.Put(""), MFD_CLOEXEC);
        life.Require(file);
        life.Call(Kernel.SYS_write, life.Result(file), life.Put(program), program.Length);
        nint empty = life.Put("");
        nint arguments = life.PutValue((First: empty, End: (nint)0));
        life.Call(Kernel.SYS_execveat, life.Result(file), empty, arguments, arguments + sizeof(long), AT_EMPTY_PATH);
        return file;
    }
}
