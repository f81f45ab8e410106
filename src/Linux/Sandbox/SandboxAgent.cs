using System.Buffers.Text;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

/// <summary>The init of a namespace of a sandbox, which does what is done in that namespace.</summary>
internal sealed class SandboxAgent(
    Sandboxes home, RemoteTask task, int space, (int Uid, int Gid) ids, Capabilities capabilities) : IDisposable
{
    // /proc/loadavg is the longest.
    private const int TextSize = 80;

    /// <summary>Where in an order ns_last_pid and then pid_max are read, and where the texts go.</summary>
    internal readonly record struct Reads(int First, nint LastText, nint MaxText);

    private Order? _look;
    private Reads _reads;
    private int _owners;

    internal RemoteTask Task => task;

    internal int Space { get; } = space;

    /// <summary>The namespace its children are made in (pid_for_children).</summary>
    internal int ChildrenIn { get; set; } = space;

    /// <summary>Its user and group as it sees them itself.</summary>
    internal (int Uid, int Gid) Ids => ids;

    /// <summary>What it may do when it does not go without.</summary>
    internal Capabilities Capabilities { get; set; } = capabilities;

    internal int PidMaxFd { get; set; }

    /// <summary>What it saw last.</summary>
    internal Reading Reading { get; private set; }

    internal Reads AppendReads(Order order, Arg pidMaxFd)
    {
        nint last = order.Reserve(TextSize);
        nint max = order.Reserve(TextSize);
        int read = order.Call(Kernel.SYS_pread64, home.LastPidFd, last, TextSize, 0);
        order.Call(Kernel.SYS_pread64, pidMaxFd, max, TextSize, 0);
        return new Reads(read, last, max);
    }

    /// <summary>Takes note of what an order with such reads saw. Throws <see cref="RemoteException"/> with the errno of
    /// a read that failed.</summary>
    internal void Note(Order order, Reads reads) =>
        Reading = new Reading(
            Space, Parse(order[reads.First], reads.LastText), Parse(order[reads.First + 1], reads.MaxText));

    /// <summary>Sets it to look at its namespace, and to see whom <see cref="Sandboxes.OwnerFds"/> belong to.</summary>
    internal void StartLooking()
    {
        if (_look is null)
        {
            _look = task.NewOrder();
            _reads = AppendReads(_look, PidMaxFd);
            _owners = _look.Call(Kernel.SYS_fcntl, home.OwnerFds.First, F_GETOWN);
            _look.Call(Kernel.SYS_fcntl, home.OwnerFds.Second, F_GETOWN);
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

    private static int Parse(SysResult length, nint text)
    {
        RemoteException.ThrowIf(length.Error, "cannot read ns_last_pid or pid_max in the sandbox");
        ReadOnlySpan<byte> word = Order.Bytes(text, length.Value);
        word = word[(word.LastIndexOf((byte)' ') + 1)..];
        return Utf8Parser.TryParse(word, out int value, out _)
            ? value
            : throw new RemoteException("cannot read ns_last_pid or pid_max in the sandbox: no number");
    }
}
