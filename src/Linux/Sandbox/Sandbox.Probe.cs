using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

internal sealed partial class Sandbox
{
    /// <summary>Whether a process in the sandbox may choose PIDs in the namespace around it.</summary>
    // The first is free here, the second in use there: EPERM comes before EEXIST.
    internal bool CanChooseOutside() => TryClone(Child.Exits(), [2, 1]) != Errno.EPERM;

    /// <summary>How many levels of PID namespaces a process in the sandbox is seen at. Throws
    /// <see cref="RemoteException"/> with clone3's errno where set_tid is refused altogether.</summary>
    internal int CountLevels()
    {
        // 1 is in use at every level, so a set_tid of ones is refused with EEXIST, unless it has more entries than there
        // are levels: that is looked at first (alloc_pid, kernel/pid.c). Since 7.0 a level further out at which the caller
        // may not choose is seen before the number in use: EPERM.
        int[] ones = [.. Enumerable.Repeat(1, Limits.Levels)];
        for (int count = 1; count <= ones.Length; count++)
        {
            Errno errno = TryClone(Child.Exits(), ones.AsSpan(0, count));
            if (errno == Errno.EINVAL && count > 1)
            {
                return count - 1;
            }

            if (errno != Errno.EEXIST && (errno != Errno.EPERM || count == 1))
            {
                throw new RemoteException("cannot choose PIDs in a PID namespace by clone3", errno);
            }
        }

        // clone3 takes no more entries than that, but there may be one level more; then it is the deepest.
        _order.Clear();
        int nested = _order.Clone3(new clone_args { flags = Kernel.CLONE_NEWPID }, Child.Exits());
        _order.Require(nested);
        _order.Call(Kernel.SYS_wait4, _order.Result(nested), 0, Kernel.__WALL, 0);
        _agents[0].Task.Run(_order);
        return _order[nested].Error == Errno.ENOSPC ? ones.Length + 1 : ones.Length;
    }

    /// <summary>Makes as many processes as a sandbox has at most. Throws <see cref="RemoteException"/> with clone3's errno
    /// where a limit forbids it. They end with the sandbox.</summary>
    internal void Fill()
    {
        for (int made = 0; made < Resolve.MostAgents + Resolve.MostChildren; made++)
        {
            RemoteException.ThrowIf(TryClone(Child.Sleeps()), "cannot make a process");
        }
    }

    /// <summary>Whether a user namespace can be made in the sandbox. Leaves one behind if so.</summary>
    internal bool CanMakeUsers()
    {
        // Without CAP_SETFCAP it could not have the user of the one around it: see Capabilities.Dropped.
        Step.Clone clone = (Step.Clone)Step.NewClone(
            0, Nesting.NewUserAndPid, FSharpList<int>.Empty, true, Ending.Exits);
        return _agents[0].Capabilities.HasSetFcap && Clone(clone).Outcomes.Head.IsGiven;
    }

    private Errno TryClone(Child child, ReadOnlySpan<int> setTid = default)
    {
        _order.Clear();
        int clone = _order.Clone3(default, child, setTid);
        _agents[0].Task.Run(_order);
        return _order[clone].Error;
    }
}
