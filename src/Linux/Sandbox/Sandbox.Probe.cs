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
        return TryClone(Child.Exits(), flags: Kernel.CLONE_NEWPID) == Errno.ENOSPC ? ones.Length + 1 : ones.Length;
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
        Step clone = Step.NewClone(
            0, Nesting.NewUserAndPid, FSharpList<int>.Empty, true, Ending.Exits);
        return _agents[0].Capabilities.HasSetFcap && Perform(clone).Outcomes.Head.IsGiven;
    }

    /// <summary>How many levels are around the sandbox, by how many go into it.</summary>
    internal int CountLevelsAround()
    {
        int made = 0;
        while (Perform(Step.NewClone(made, Nesting.NewPid, FSharpList<int>.Empty, true, Ending.Lives)).Outcomes.Head.IsGiven)
        {
            made++;
        }

        return Limits.Levels - made;
    }

    /// <summary>The errno of a clone in the outermost namespace, 0 where it makes a process.</summary>
    internal Errno TryClone(Child child, ReadOnlySpan<int> setTid = default, ulong flags = 0)
    {
        AwaitReaping();
        _order.Clear();
        int clone = AppendClone(_order, new clone_args { flags = flags }, child, setTid);
        _agents[0].Task.Run(_order);
        return _order[clone].Error;
    }

    /// <summary>The errno of writing what is no number, which nobody stores, to pid_max: EINVAL where a number may be
    /// written.</summary>
    internal Errno TryToWritePidMax()
    {
        AwaitReaping();
        return RunOne(_agents[0], true, Kernel.SYS_pwrite64, _agents[0].PidMaxFd, default, 1, 0, "x"u8).Error;
    }

    /// <summary>The descriptor of the outermost namespace, or why there is none.</summary>
    internal SysResult Descriptor => _descriptors[0];
}

/// <summary>Finds out in a sandbox what the kernel has and how it behaves. No number is taken but in there, and nothing is
/// changed. Where that tells nothing, the version does.</summary>
internal sealed class SandboxProbe(Sandboxes home, Sandbox sandbox)
{
    private bool _hasSetTid, _hasPidfd, _hasNamespaces;

    /// <summary>Whether what is written at another offset than 0 is ignored.</summary>
    internal bool WritesStrictly { get; private set; } = true;

    /// <summary>Opens pid_max in a new namespace for a caller who is not the system's root and has all capabilities there.
    /// </summary>
    /// <returns>0 where each namespace has a pid_max; EACCES where only the system's root may write it (sysctl_perm,
    /// fs/proc/proc_sysctl.c); another errno tells nothing.</returns>
    internal static Errno TryPidMax(SandboxAgent parent)
    {
        const int Nobody = 65534;
        RemoteTask task;
        try
        {
            task = parent.Task.Fork(Kernel.CLONE_NEWPID);
        }
        catch (RemoteException e)
        {
            return e.Errno == Errno.EACCES ? Errno.EPERM : e.Errno;
        }

        using Order order = task.NewOrder();
        int user = -1;
        // User 0 of a namespace that a mere user made is somebody else outside anyway.
        if (Raw.Call(Kernel.SYS_geteuid).Value == 0)
        {
            // The saved one stays, or all capabilities would go.
            user = order.Call(Kernel.SYS_setresuid, -1, Nobody, -1);
            order.Require(user);
            order.Call(Kernel.SYS_capset, order.Put(Capabilities.Header), order.PutValue(parent.Capabilities.Raised));
        }

        int open = order.Call(Kernel.SYS_openat, AT_FDCWD, order.Put("/proc/sys/kernel/pid_max"), O_RDWR | O_CLOEXEC);
        task.Run(order);
        Errno error = user >= 0 && order[user].IsError ? Errno.EINVAL : order[open].Error;
        task.End();
        return error;
    }

    /// <summary>Notes what is not there. Returns how many levels are around the sandbox.</summary>
    internal int Facilities()
    {
        _hasNamespaces = !home.IsHere || sandbox.TryClone(Child.Exits(), default, Kernel.CLONE_NEWPID) is var nested
            && (nested == 0 || Fails(nested, "CLONE_NEWPID", Facility.Namespaces, Facility.Users, Facility.Setns));
        if (home.HasClone3)
        {
            Errno setTid = sandbox.TryClone(Child.Exits(), [1]);
            _hasSetTid = setTid == Errno.EEXIST || Fails(setTid, "set_tid of clone3", Facility.SetTid);
            Errno pidfd = TryLate(Late.PidfdPointer, asThread: false);
            _hasPidfd = pidfd == Errno.EFAULT || Fails(pidfd, "CLONE_PIDFD", Facility.Pidfd);
            if (WhyNoPidsCgroup() is { } why)
            {
                home.Add(0, why, Facility.PidsCgroup);
            }

            Errno cgroup = TryLate(Late.Cgroup, asThread: false);
            _ = cgroup is Errno.EBADF or Errno.E2BIG || Fails(cgroup, "CLONE_INTO_CGROUP", Facility.IntoCgroup);

            // What goes wrong there leaves a sandbox of no use.
            using Sandbox threads = new(home);
            if (threads.WhyNoThread() is { } whyNot)
            {
                home.Add(0, whyNot, Facility.Threads);
            }
        }

        // EBADF where it is open for reading only, which was noted.
        if (ErrnoOf(sandbox.Perform(Step.NewWriteLastPid(0, "x", 0, true))) is var write && write is not (Errno.EINVAL or Errno.EBADF))
        {
            home.Add(write, "ns_last_pid", Facility.LastPid);
        }
        else if (write == Errno.EINVAL)
        {
            WritesStrictly = sandbox.Perform(Step.NewWriteLastPid(0, "x", 1, true)).Outcomes.Head is Outcome.Wrote;
            if (!sandbox.CanSplice())
            {
                home.Add(0, "ns_last_pid takes no splice or sendfile", Facility.Splice);
            }
        }

        if (home.WritesPidMax && sandbox.TryToWritePidMax() is var max && max != Errno.EINVAL)
        {
            home.Add(max, "pid_max", Facility.PidMax);
        }

        if (_hasNamespaces)
        {
            Errno setns = sandbox.Descriptor.Error is not 0 and var unopened
                ? unopened
                : ErrnoOf(sandbox.Perform(Step.NewEnter(0, 0, true)));
            _ = setns == 0 || Fails(setns, sandbox.Descriptor.IsError ? "/proc/self/ns/pid" : "setns", Facility.Setns);
            if (!sandbox.CanMakeUsers())
            {
                home.Add(0, "no user namespace can be made in the sandbox", Facility.Users);
            }
        }

        if (_hasSetTid)
        {
            return sandbox.CountLevels() - 1;
        }

        using Sandbox levels = new(home);
        return _hasNamespaces ? levels.CountLevelsAround() : 1;
    }

    /// <summary>What was seen of the rules but that of pid_max.</summary>
    internal IEnumerable<SeenRule> Rules(int outerLevels)
    {
        if (home.HasClone3)
        {
            if (TryLate(Late.Cgroup, asThread: false) is var cgroup && cgroup is Errno.EBADF or Errno.E2BIG)
            {
                yield return new SeenRule(KernelRule.ClonesIntoCgroup, isNew: cgroup == Errno.EBADF);
            }

            if (TryLate(Late.PidfdPointer, asThread: true) is var thread && thread is Errno.EFAULT or Errno.EINVAL && _hasPidfd)
            {
                yield return new SeenRule(KernelRule.PidfdOfThread, isNew: thread == Errno.EFAULT);
            }
        }

        // 1 is in use in the sandbox, and 0 is out of range around it.
        if (_hasSetTid && outerLevels > 0
            && sandbox.TryClone(Child.Exits(), [1, 0]) is var first && first is Errno.EEXIST or Errno.EINVAL)
        {
            yield return new SeenRule(KernelRule.ChecksBeforePicks, isNew: first == Errno.EINVAL);
        }

        if (_hasSetTid && TryUnborn(
            Step.NewClone(0, Nesting.Same, ListModule.OfSeq([2]), false, Ending.Exits)) is var unborn
            && unborn is Errno.EINVAL or Errno.EPERM)
        {
            yield return new SeenRule(KernelRule.ChecksInitAfterPick, isNew: unborn == Errno.EPERM);
        }

        if (_hasPidfd && TryUnborn(
            Step.NewClone(0, Nesting.Same, FSharpList<int>.Empty, true, Ending.NewFails(Late.PidfdPointer, false)),
            Step.NewClone(0, Nesting.Same, FSharpList<int>.Empty, true, Ending.Exits)) is var second
            && second is 0 or Errno.ENOMEM)
        {
            yield return new SeenRule(KernelRule.FailedFirstCloneKills, isNew: second == 0);
        }
    }

    private bool Fails(Errno errno, string what, params ReadOnlySpan<Facility> facilities)
    {
        home.Add(errno, errno == 0 ? $"{what} is not looked at" : what, facilities);
        return false;
    }

    private string? WhyNoPidsCgroup()
    {
        try
        {
            return home.PidsCgroup is null ? "no pids cgroup is mounted"
                : TryLate(Late.PidsCgroup, asThread: false) is var errno && errno != Errno.EAGAIN ? "a full pids cgroup refuses nothing"
                : null;
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            return e.Message;
        }
    }

    private Errno TryLate(Late late, bool asThread) => ErrnoOf(sandbox.Perform(
        Step.NewClone(0, Nesting.Same, FSharpList<int>.Empty, true, Ending.NewFails(late, asThread))));

    // What the last of some steps comes to in a sandbox whose next process is the first of a new namespace; EIO where there is
    // none.
    private Errno TryUnborn(params ReadOnlySpan<Step> steps)
    {
        if (!_hasNamespaces)
        {
            return Errno.EIO;
        }

        using Sandbox unborn = new(home);
        Errno errno = ErrnoOf(unborn.Perform(Step.NewUnshare(0, true)));
        if (errno != 0)
        {
            return Errno.EIO;
        }

        foreach (Step step in steps)
        {
            errno = ErrnoOf(unborn.Perform(step));
        }

        return errno;
    }

    private static Errno ErrnoOf(Observation seen) => seen.Outcomes.Head is Outcome.Refused refused ? refused.Item : 0;
}
