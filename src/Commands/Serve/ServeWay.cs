using System.Diagnostics;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>How the server makes a number the last PID: by writing it, or where that is not allowed by consuming PIDs.</summary>
/// <remarks>
/// It writes without CRIU's lock, unlike <c>nslp set</c>: the lock is for the write and the fork that follows it, and the
/// fork is the client's. A client that holds the lock while it asks would wait for itself.
/// </remarks>
internal sealed class ServeWay
{
    private readonly LastPid? _writer;
    private readonly OwnPidSpace? _space;
    private readonly double _timeout;
    private int _pidMax;

    /// <summary>Finds out what is allowed, without moving last_pid. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="method">The method asked for.</param>
    /// <param name="timeout">Seconds after which to give up on a request; may be infinite.</param>
    internal ServeWay(SetMethod method, double timeout)
    {
        _timeout = timeout;
        if (method != SetMethod.Cycle)
        {
            int opened = LastPid.OpenForWriting(out _writer);
            int tried = opened < 0 ? opened : _writer!.TryToWrite();
            if (tried == -EINVAL)
            {
                return;
            }

            _writer = null;
            if (method == SetMethod.Write)
            {
                throw new RemoteException(
                    "cannot write ns_last_pid", -tried, tried == -EPERM ? "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN" : null);
            }
        }

        _space = new OwnPidSpace();
        int last = _space.ReadLastPid();
        if (last < 0)
        {
            throw new RemoteException("cannot read last_pid from /proc", -last, Output.NeedsProc(-last));
        }

        int error = -_space.PrepareToConsume(null);
        if (error != 0)
        {
            throw new RemoteException("cannot consume PIDs here", error);
        }
    }

    /// <summary>The name of the method, as of <c>--method</c>.</summary>
    internal string Method => _space is null ? "write" : "cycle";

    /// <summary>The method, and how PIDs are consumed.</summary>
    internal string Description => _space is null ? Method : $"{Method}, {_space.Flavour}";

    /// <summary>Makes <paramref name="pid"/> the last PID.</summary>
    /// <param name="pid">0 or more.</param>
    /// <param name="client">The process that asks, 0 when it is not seen here.</param>
    /// <param name="interrupt">What to do every now and then when it takes long; true gives up.</param>
    /// <param name="error">The errno of what failed, 0 for none; ECANCELED when given up.</param>
    /// <returns>Null when it is, else why not; empty when <paramref name="error"/> says it all.</returns>
    internal string? Set(int pid, int client, Func<bool> interrupt, out int error) =>
        _space is null ? Write(pid, out error) : Cycle(_space, pid, client, interrupt, out error);

    private string? Write(int pid, out int error)
    {
        error = 0;
        // The kernel takes pid_max itself too. Below the last known one its own check is enough, should that have
        // been lowered since.
        if (pid >= _pidMax)
        {
            _pidMax = LastPid.ReadPidMax();
            if (pid >= _pidMax)
            {
                error = -Math.Min(_pidMax, 0);
                return "out of range";
            }
        }

        error = -_writer!.Write(pid);
        return error == 0 ? null : "";
    }

    private string? Cycle(OwnPidSpace space, int pid, int client, Func<bool> interrupt, out int error)
    {
        long deadline = double.IsFinite(_timeout)
            ? Stopwatch.GetTimestamp() + (long)(_timeout * Stopwatch.Frequency)
            : long.MaxValue;
        // Whether the client ends now, as nslp set does, or goes on to fork, cannot be known. So its numbers are taken
        // for free by then, unless that makes it impossible.
        Landing landing = new(space, pid, leaving: () => ThreadsOf(client), interrupt: interrupt);
        LandingEnd end = landing.Run(deadline);
        if (landing.Obstacle is Obstacle.Ours)
        {
            landing = new Landing(space, pid, staysAlive: true, interrupt: interrupt);
            end = landing.Run(deadline);
        }

        error = end switch { LandingEnd.Broken => landing.Error, LandingEnd.Interrupted => ECANCELED, _ => 0 };
        return end switch
        {
            LandingEnd.Landed => null,
            LandingEnd.Hopeless => ObstacleText.Describe(landing.Obstacle!),
            LandingEnd.TimedOut => "no time left",
            LandingEnd.OutOfLaps => "others take PIDs too fast",
            _ => "",
        };
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
