namespace SetNsLastPid.Linux;

/// <summary>A pids cgroup in which no process can be made. There is one for no longer than it takes to try.</summary>
internal sealed class PidsCgroup
{
    private const int Mode = 0x1ed; // 0755

    // For two seconds, every 20 ms: the process in there is about to end as well.
    private const int Tries = 100;

    private static readonly timespec s_pause = new() { tv_nsec = 20_000_000 };

    private readonly string _path;

    // Version 1: below nslp's own cgroup. Version 2: below the root, as a cgroup that has processes, such as nslp's own, gives no
    // controller to those below it.
    private PidsCgroup(string parent, string home)
    {
        _path = $"{parent}/nslp-verify-{Guid.NewGuid():N}";
        Processes = $"{_path}/cgroup.procs";
        Home = $"{home}/cgroup.procs";
    }

    /// <summary>The file by which a process enters it, writing "0".</summary>
    internal string Processes { get; }

    /// <summary>The file by which it returns.</summary>
    internal string Home { get; }

    /// <summary>Where there can be one; null where no pids cgroup is mounted.</summary>
    internal static PidsCgroup? Find()
    {
        string[][] groups = [.. Lines("/proc/self/cgroup\0"u8).Select(line => line.Split(':', 3)).Where(parts => parts.Length == 3)];
        string[][] mounts = [.. Lines("/proc/self/mounts\0"u8).Select(line => line.Split(' ')).Where(words => words.Length > 3)];
        bool isFirst = groups.Any(HasPids);
        string? own = groups.Where(isFirst ? HasPids : parts => parts[1] == "").Select(parts => parts[2].TrimEnd('/')).FirstOrDefault();
        string? root = mounts
            .Where(words => isFirst ? words[2] == "cgroup" && words[3].Split(',').Contains("pids") : words[2] == "cgroup2")
            .Select(words => words[1]).FirstOrDefault();
        return own is null || root is null ? null : new PidsCgroup(isFirst ? root + own : root, root + own);

        static bool HasPids(string[] parts) => parts[1].Split(',').Contains("pids");
    }

    /// <summary>Makes it. Throws <see cref="RemoteException"/>.</summary>
    internal void Make(RemoteTask task)
    {
        using Order order = task.NewOrder();
        int make = order.Call(Kernel.SYS_mkdirat, AT_FDCWD, order.Put(_path), Mode);
        order.Require(make);
        int limit = order.Write($"{_path}/pids.max", "0");
        task.Run(order);
        RemoteException.ThrowIf(order[make].Error, "cannot make a pids cgroup");
        if (order.Used(limit).IsError)
        {
            Remove(task);
            throw new RemoteException("cannot limit a pids cgroup", order.Used(limit).Error);
        }
    }

    /// <summary>Has a task wait for the end of nslp, and then remove it: SIGKILL may come while it is there. The task does nothing
    /// else from then on.</summary>
    internal void RemoveAfterOwner(RemoteTask task)
    {
        SysResult owner = task.Call(Kernel.SYS_pidfd_open, Environment.ProcessId);
        if (owner.IsError)
        {
            return;
        }

        task.Call(Kernel.SYS_prctl, Kernel.PR_SET_PDEATHSIG, 0);
        Order order = task.NewOrder();
        order.Call(Kernel.SYS_ppoll, order.PutValue(new pollfd { fd = owner.Value, events = POLLIN }), 1, 0, 0);
        nint path = order.Put(_path), pause = order.PutValue(s_pause);
        for (int i = 0; i < Tries; i++)
        {
            order.Expect(order.Call(Kernel.SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR), -EBUSY, -EBUSY, exit: 0);
            order.Call(Kernel.SYS_nanosleep, pause, 0);
        }

        _ = task.Submit(order);
    }

    /// <summary>Whether it is still there because it could not be removed.</summary>
    internal bool IsLeft { get; private set; }

    /// <summary>Removes it, if no process is in there.</summary>
    internal void Remove(RemoteTask task)
    {
        using Order order = task.NewOrder();
        int remove = order.Call(Kernel.SYS_unlinkat, AT_FDCWD, order.Put(_path), AT_REMOVEDIR);
        task.Run(order);
        IsLeft = order[remove].IsError;
    }

    private static string[] Lines(ReadOnlySpan<byte> path)
    {
        _ = Proc.ReadAllAt(AT_FDCWD, path, out byte[] text);
        return Encoding.UTF8.GetString(text).Split('\n');
    }
}
