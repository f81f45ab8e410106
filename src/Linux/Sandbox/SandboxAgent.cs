using System.Buffers.Text;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

/// <summary>The init of a namespace of a sandbox, which does what is done in that namespace.</summary>
internal sealed unsafe class SandboxAgent(
    Sandboxes home, RemoteTask task, int space, (int Uid, int Gid) ids) : IDisposable
{
    // /proc/loadavg is the longest.
    private const int TextSize = 80;

    private Order? _look;
    private int _reads, _owners;

    internal RemoteTask Task => task;

    internal int Space { get; } = space;

    /// <summary>The namespace its children are made in (pid_for_children).</summary>
    internal int ChildrenIn { get; set; } = space;

    /// <summary>Its user and group as it sees them itself.</summary>
    internal (int Uid, int Gid) Ids => ids;

    /// <summary>What it may do when it does not go without.</summary>
    internal Capabilities Capabilities { get; set; }

    internal int PidMaxFd { get; set; }

    internal Reading Reading { get; private set; }

    /// <summary>Appends that ns_last_pid and then pid_max are read. Returns what <see cref="Note"/> takes.</summary>
    internal int AppendReads(Order order, Arg? pidMaxFd = null)
    {
        int reads = order.Call(Kernel.SYS_pread64, home.LastPidFd, order.Reserve(TextSize), TextSize, 0);
        order.Call(Kernel.SYS_pread64, pidMaxFd ?? PidMaxFd, order.Reserve(TextSize), TextSize, 0);
        return reads;
    }

    /// <summary>Takes note of what an order with such reads saw. Throws <see cref="RemoteException"/> with the errno of
    /// a read that failed.</summary>
    internal void Note(Order order, int reads) => Reading = new Reading(Space, Parse(order, reads), Parse(order, reads + 1));

    /// <summary>Sets it to look at its namespace, and to see whom the ends of <see cref="Sandboxes.Pipe"/> belong to.</summary>
    internal void StartLooking()
    {
        if (_look is null)
        {
            _look = task.NewOrder();
            _reads = AppendReads(_look);
            _owners = _look.Call(Kernel.SYS_fcntl, home.Pipe.Read, F_GETOWN);
            _look.Call(Kernel.SYS_fcntl, home.Pipe.Write, F_GETOWN);
        }

        _ = task.Submit(_look);
    }

    /// <returns>The PIDs here of the processes that the two descriptors belong to, 0 for none.</returns>
    internal (int First, int Second) FinishLooking()
    {
        task.AwaitIdle();
        Note(_look!, _reads);
        return (_look![_owners].Value, _look[_owners + 1].Value);
    }

    public void Dispose()
    {
        _ = task.End();
        _look?.Dispose();
    }

    private static int Parse(Order order, int read)
    {
        SysResult length = order[read];
        RemoteException.ThrowIf(length.Error, "cannot read ns_last_pid or pid_max in the sandbox");
        ReadOnlySpan<byte> word = Order.Bytes((nint)order.Program[read].A1, length.Value);
        // An init whose PID was chosen by set_tid leaves the cursor at 0, and last_pid at -1 (alloc_pid, kernel/pid.c).
        return Utf8Parser.TryParse(word[(word.LastIndexOf((byte)' ') + 1)..], out int value, out _)
            ? value
            : throw new RemoteException("cannot read ns_last_pid or pid_max in the sandbox: no number");
    }
}
