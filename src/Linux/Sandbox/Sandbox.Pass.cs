using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

internal sealed partial class Sandbox
{
    /// <summary>Whether splice and sendfile get to ns_last_pid: who lacks the capability is told so.</summary>
    internal bool CanSplice() => Array.TrueForAll(
        [Route.Splice, Route.SendFile],
        route => Perform(Step.NewPass(0, route, "x", 0, false)).Outcomes.Head is Outcome.Refused { Item: Errno.EPERM });

    // A text gets into ns_last_pid by another way than Write(Step.WriteLastPid).
    private Observation Pass(Step.Pass step)
    {
        SandboxAgent agent = _agents[step.Space];
        byte[] text = Encoding.Latin1.GetBytes(step.Text);
        SysResult opened = default;
        if (step.Route is Route.OpenedBy { Space: var opener })
        {
            _order.Clear();
            int open = AppendOpenLastPid(_order);
            _agents[opener].Task.Run(_order);
            opened = _order[open];
            RemoteException.ThrowIf(opened.Error, "cannot open ns_last_pid in the sandbox");
        }

        _order.Clear();
        nint content = _order.Put(text);
        int call;
        if (step.Route.IsOpenedBy)
        {
            AppendCapset(_order, step.Capable, agent.Capabilities.Dropped);
            call = _order.Call(Kernel.SYS_pwrite64, opened.Value, content, text.Length, step.Offset);
            AppendCapset(_order, step.Capable, agent.Capabilities.Raised);
            // All in the sandbox have the same descriptors.
            _order.Call(Kernel.SYS_close, opened.Value);
        }
        else if (step.Route.IsSplice)
        {
            // The two numbers that pipe2 stores; a call takes the lower half of what it is given.
            nint pipe = _order.Reserve(4 * sizeof(int));
            Arg from = new(pipe, 1), to = new(pipe + sizeof(int), 1);
            _order.Require(_order.Call(Kernel.SYS_pipe2, pipe, O_CLOEXEC));
            _order.Require(_order.Call(Kernel.SYS_write, to, content, text.Length));
            AppendCapset(_order, step.Capable, agent.Capabilities.Dropped);
            call = _order.Call(
                Kernel.SYS_splice, from, 0, _home.LastPidFd, _order.PutValue((long)step.Offset), text.Length, 0);
            AppendCapset(_order, step.Capable, agent.Capabilities.Raised);
            _order.Call(Kernel.SYS_close, from);
            _order.Call(Kernel.SYS_close, to);
        }
        else
        {
            int file = _order.Call(Kernel.SYS_memfd_create, _order.Put(""), 0);
            _order.Require(file);
            _order.Require(_order.Call(Kernel.SYS_write, _order.Result(file), content, text.Length));
            int open = AppendOpenLastPid(_order);
            _order.Call(Kernel.SYS_lseek, _order.Result(open), step.Offset, 0);
            AppendCapset(_order, step.Capable, agent.Capabilities.Dropped);
            call = _order.Call(
                Kernel.SYS_sendfile, _order.Result(open), _order.Result(file), _order.PutValue(0L), text.Length);
            AppendCapset(_order, step.Capable, agent.Capabilities.Raised);
            _order.Call(Kernel.SYS_close, _order.Result(open));
            _order.Call(Kernel.SYS_close, _order.Result(file));
        }

        RunAndLook(agent);
        return See([Of(_order[call], Outcome.NewWrote(_order[call].Value))], agent);
    }

    private static int AppendOpenLastPid(Order order)
    {
        int open = order.Call(Kernel.SYS_openat, AT_FDCWD, order.Put(LastPid.File), O_RDWR | O_CLOEXEC);
        order.Require(open);
        return open;
    }
}
