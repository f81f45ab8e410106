namespace SetNsLastPid.Linux;

/// <summary>Something in or around the zygote that could not be done; the message is ready for a person.</summary>
internal sealed class RemoteException : Exception
{
    internal const string NeedsTasks =
        "the limit of processes and threads is reached: see pids.max of the cgroup, ulimit -u, pid_max";

    /// <param name="what">"cannot VERB OBJECT"</param>
    /// <param name="errno">the reason; 0 if there is none</param>
    /// <param name="help">what would help, null if not known</param>
    internal RemoteException(string what, Errno errno = 0, string? help = null)
        : base(errno == 0 ? what : $"{what}: {Marshal.GetPInvokeErrorMessage((int)errno)}")
    {
        What = what;
        Errno = errno;
        Help = help ?? (errno == Errno.EAGAIN ? NeedsTasks : null);
    }

    internal RemoteException(Complaint complaint)
        : this(complaint.Message, complaint.Errno, complaint.Help)
    {
    }

    /// <summary>Throws where there is an errno; the rest is as of the constructor.</summary>
    internal static void ThrowIf(Errno errno, string what, string? help = null)
    {
        if (errno != 0)
        {
            throw new RemoteException(what, errno, help);
        }
    }

    /// <summary>What could not be done, without the reason.</summary>
    internal string What { get; }

    /// <summary>The errno that stopped it; 0 if it was none: a time limit, or a process that went away.</summary>
    internal Errno Errno { get; }

    internal string? Help { get; }

    /// <summary>What of a namespace it was about.</summary>
    internal NamespaceStep Step { get; init; }
}
