using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>Serves by writing ns_last_pid.</summary>
/// <remarks>
/// Without CRIU's lock, unlike <c>nslp set</c>: the lock is for the write and the fork that follows it, and the fork is
/// the client's. A client that holds the lock while it asks would wait for itself.
/// </remarks>
internal sealed class ServeByWrite : IServeWay
{
    private readonly LastPid _lastPid;
    private int _pidMax;

    private ServeByWrite(LastPid lastPid) => _lastPid = lastPid;

    /// <inheritdoc/>
    public string Method => "write";

    /// <inheritdoc/>
    public bool TakesLong => false;

    /// <summary>Finds out whether this process may write, without writing anything.</summary>
    /// <param name="way">Null when it may not.</param>
    /// <returns>0, or an errno turned.</returns>
    internal static int Create(out ServeByWrite? way)
    {
        way = null;
        int error = LastPid.OpenForWriting(out LastPid? lastPid);
        if (error < 0)
        {
            return error;
        }

        // Out of every range. The capability is looked at first (pid_ns_ctl_handler, kernel/pid_namespace.c).
        error = lastPid!.Write(int.MaxValue);
        if (error != -EINVAL)
        {
            lastPid.Dispose();
            return error == 0 ? -EIO : error;
        }

        way = new ServeByWrite(lastPid);
        return 0;
    }

    /// <inheritdoc/>
    public string? Set(int pid, int client, out int error)
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

        error = -_lastPid.Write(pid);
        return error == 0 ? null : "";
    }
}
