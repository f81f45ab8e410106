namespace SetNsLastPid.Linux;

/// <summary>Which namespaces processes live in, by the links in /proc/N/ns.</summary>
internal static class NamespaceLinks
{
    /// <summary>Whether a process, or 0 for nslp itself, is known to live in nslp's own PID namespace.</summary>
    internal static bool IsOwn(int process)
    {
        if (process == 0)
        {
            return true;
        }

        string? link = ReadLink($"/proc/{process}/ns/pid");
        return link is not null && link == ReadLink("/proc/self/ns/pid");
    }

    /// <summary>Whether nslp lives in the initial PID namespace.</summary>
    internal static bool IsInitial() => ReadLink("/proc/self/ns/pid") == "pid:[4026531836]"; // PROC_PID_INIT_INO

    /// <summary>Whether nslp is known to live in the initial UTS, IPC and cgroup namespaces, the PID namespace apart: no
    /// container does.</summary>
    internal static bool AreOthersInitial() => // PROC_UTS_INIT_INO, PROC_IPC_INIT_INO, PROC_CGROUP_INIT_INO: linux/proc_ns.h
        ReadLink("/proc/self/ns/uts") == "uts:[4026531838]"
        && ReadLink("/proc/self/ns/ipc") == "ipc:[4026531839]"
        && ReadLink("/proc/self/ns/cgroup") == "cgroup:[4026531835]";

    /// <summary>Whether the user namespace of this process owns its PID namespace: else none of its capabilities counts
    /// there.</summary>
    internal static bool OwnsPidNamespace()
    {
        using Fd pid = Fd.Open(AT_FDCWD, "/proc/self/ns/pid"u8, O_RDONLY | O_NONBLOCK);
        // EPERM for an owner further out.
        using Fd owner = new(pid.IsOpen ? Raw.Call(Kernel.SYS_ioctl, pid.Number, Kernel.NS_GET_USERNS) : pid.Error);
        return owner.IsOpen && ReadLink($"/proc/self/fd/{owner.Number}") == ReadLink("/proc/self/ns/user");
    }

    private static string? ReadLink(string path) => new FileInfo(path).LinkTarget;
}
