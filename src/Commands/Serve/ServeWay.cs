using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary>How the server makes a number the last PID: by writing it, or where that is not allowed by consuming PIDs.</summary>
/// <remarks>It writes without CRIU's lock, unlike <c>nslp set</c>: the lock is for the write and the fork that follows it,
/// and the fork is the client's. A client that holds the lock while it asks would wait for itself.</remarks>
internal sealed class ServeWay : IDisposable
{
    private readonly LastPid _writer = LastPid.OpenForWriting();
    private readonly PidSpace? _space;
    private readonly double _timeout;
    private int _pidMax;

    /// <summary>Finds out what is allowed, without moving last_pid. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="timeout">Seconds after which to give up on a request; may be infinite.</param>
    internal ServeWay(Method asked, double timeout)
    {
        _timeout = timeout;
        (Stage Stage, Errno Error) failed = (Stage.WriteLastPid, 0);
        foreach (Method method in Approach.methods(asked, makesProcess: false, ListModule.OfArray([GoalModule.after(0)])))
        {
            _space = method.IsWrite ? null : new PidSpace();
            failed = _space is null ? TryToWrite() : TryToCycle(_space);
            if (failed.Error == 0)
            {
                return;
            }
        }

        Dispose();
        throw new RemoteException(Words.look(failed.Stage, failed.Error));
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
        _writer.Dispose();
        _space?.Dispose();
    }

    private (Stage Stage, Errno Error) TryToWrite() =>
        _writer.Error != 0 ? (Stage.OpenLastPid, _writer.Error)
        : (Stage.WriteLastPid, _writer.TryToWrite() is var error && error == Errno.EINVAL ? 0 : error);

    private static (Stage Stage, Errno Error) TryToCycle(PidSpace space) =>
        space.ReadLastPid() is { IsError: true } last ? (Stage.ReadLastPid, last.Error) : (Stage.ConsumePids, space.PrepareToConsume());

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

        Errno error = _writer.Write(pid);
        return error == 0 ? End.Done : End.NewFailed(Stage.WriteLastPid, error);
    }

    private End Cycle(PidSpace space, int pid, int client, Func<bool> interrupt)
    {
        long deadline = LandingRun.After(_timeout, Stopwatch.GetTimestamp());
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
