using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary>How the server makes a number the last PID: by writing it, or where that is not allowed by consuming PIDs.</summary>
/// <remarks>It writes without CRIU's lock, unlike <c>nslp set</c>: the lock is for the write and the fork that follows it,
/// and the fork is the client's. A client that holds the lock while it asks would wait for itself.</remarks>
internal sealed class ServeWay : IDisposable
{
    private readonly LastPid? _writer;
    private readonly PidSpace? _space;
    private readonly double _timeout;
    private int _pidMax;

    /// <summary>Finds out what is allowed, without moving last_pid. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="timeout">Seconds after which to give up on a request; may be infinite.</param>
    internal ServeWay(Method asked, double timeout)
    {
        _timeout = timeout;
        Complaint? complaint = null;
        foreach (Method method in Approach.methods(asked, makesProcess: false, ListModule.OfArray([GoalModule.after(0)])))
        {
            complaint = method.IsWrite ? TryToWrite(out _writer) : TryToCycle(out _space);
            if (complaint is null)
            {
                return;
            }
        }

        throw new RemoteException(complaint!.Message, complaint.Errno, complaint.Help);
    }

    internal bool IsCycling => _space is not null;

    internal string Method => IsCycling ? "cycle" : "write";

    /// <summary>The method, and how PIDs are consumed.</summary>
    internal string Description => _space is null ? Method : $"{Method}, {_space.Cycler!.Flavour.Name}";

    /// <summary>Makes <paramref name="pid"/> the last PID.</summary>
    /// <param name="pid">0 or more.</param>
    /// <param name="client">The process that asks, 0 when it is not seen here.</param>
    /// <param name="interrupt">What to do every now and then when it takes long; true gives up.</param>
    internal End Set(int pid, int client, Func<bool> interrupt) =>
        _space is null ? Write(pid) : Cycle(_space, pid, client, interrupt);

    public void Dispose()
    {
        _writer?.Dispose();
        _space?.Dispose();
    }

    private static Complaint? TryToWrite(out LastPid? writer)
    {
        writer = LastPid.OpenForWriting();
        Errno error = writer.Error != 0 ? writer.Error : writer.TryToWrite();
        if (error == Errno.EINVAL)
        {
            return null;
        }

        Stage stage = writer.Error != 0 ? Stage.OpenLastPid : Stage.WriteLastPid;
        writer.Dispose();
        writer = null;
        return Words.look(stage, error);
    }

    private static Complaint? TryToCycle(out PidSpace? space)
    {
        space = new PidSpace();
        SysResult last = space.ReadLastPid();
        Errno error = last.IsError ? last.Error : space.PrepareToConsume();
        if (error == 0)
        {
            return null;
        }

        space.Dispose();
        space = null;
        return Words.look(last.IsError ? Stage.ReadLastPid : Stage.ConsumePids, error);
    }

    private End Write(int pid)
    {
        // The kernel takes pid_max itself too. Below the last known one its own check is enough, should that have
        // been lowered since.
        if (pid >= _pidMax)
        {
            SysResult pidMax = LastPid.ReadPidMax();
            if (pidMax.IsError)
            {
                return End.NewFailed(Stage.ReadPidMax, pidMax.Error);
            }

            _pidMax = pidMax.Value;
            if (pid >= _pidMax)
            {
                return End.NewHopeless(Obstacle.OutOfRange);
            }
        }

        Errno error = _writer!.Write(pid);
        return error == 0 ? End.Done : End.NewFailed(Stage.WriteLastPid, error);
    }

    private End Cycle(PidSpace space, int pid, int client, Func<bool> interrupt)
    {
        long deadline = double.IsFinite(_timeout)
            ? Stopwatch.GetTimestamp() + (long)(_timeout * Stopwatch.Frequency)
            : long.MaxValue;
        // Whether the client ends now, as nslp set does, or goes on to fork, cannot be known. So its numbers are taken
        // for free by then, unless that makes it impossible.
        Goal goal = GoalModule.after(pid);
        End end = new LandingRun(space, goal, () => ThreadsOf(client), interrupt).Run(deadline);
        return end is End.Hopeless { Why: Obstacle.Ours }
            ? new LandingRun(space, goal, () => PidSetModule.empty, interrupt).Run(deadline)
            : end;
    }

    // The server stays, so its own numbers are in use like any other's.
    private static PidSet ThreadsOf(int client)
    {
        List<int> threads = [];
        using Fd proc = Proc.Open();
        if (client != 0 && proc.IsOpen)
        {
            _ = Proc.ListThreads(proc.Number, client, threads);
        }

        return PidSetModule.ofSeq(threads);
    }
}
