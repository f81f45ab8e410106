namespace SetNsLastPid.Linux;

/// <summary>What the child of a clone in an <see cref="Order"/> does.</summary>
internal readonly struct Child
{
    /// <summary>The task it becomes; null if it exits.</summary>
    internal readonly RemoteTask? Task;

    /// <summary>0 to 255, its exit status if it exits.</summary>
    internal readonly int Status;

    /// <summary>It sleeps until it is killed.</summary>
    internal readonly bool IsSleeper;

    private Child(RemoteTask? task, int status, bool isSleeper = false)
    {
        Task = task;
        Status = status;
        IsSleeper = isSleeper;
    }

    /// <summary>It calls exit_group(<paramref name="status"/>) and nothing else.</summary>
    internal static Child Exits(int status = 0) => new(null, status);

    /// <summary>It becomes <paramref name="task"/>, runs the order that is already submitted to that task if there is
    /// one, and takes orders from then on.</summary>
    internal static Child Becomes(RemoteTask task) => new(task, 0);

    /// <summary>It sleeps until it is killed, takes no slot, and does not die with its parent: only for a PID namespace
    /// whose init does.</summary>
    internal static Child Sleeps() => new(null, 0, isSleeper: true);
}
