namespace SetNsLastPid.Linux;

/// <summary>What keeps a number from being handed out.</summary>
internal enum HolderKind
{
    /// <summary>Nothing: the number is free.</summary>
    Nobody,

    /// <summary>A process; its first thread may have exited before the others.</summary>
    Process,

    /// <summary>A thread, other than the first, of a process.</summary>
    Thread,

    /// <summary>A process that ended and was not waited for.</summary>
    Zombie,

    /// <summary>A process group that outlived its leader.</summary>
    Group,

    /// <summary>A session that outlived its leader.</summary>
    Session,

    /// <summary>A thread of the kernel.</summary>
    KernelThread,

    /// <summary>Something that /proc does not show.</summary>
    Hidden,

    /// <summary>Nothing, and no process gets it: it is 0, or not below pid_max.</summary>
    OutOfRange,

    /// <summary>Nothing that is seen, but /proc does not show all: it cannot be told.</summary>
    Unknown,
}
