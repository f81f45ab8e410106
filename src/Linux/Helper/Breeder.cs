using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Makes processes that end at once, by the zygote, and waits for each before the next.</summary>
internal sealed class Breeder : IDisposable
{
    private readonly RemoteTask _root;
    private readonly Order _order;

    private Breeder(Zygote zygote, int count, Func<Order, int> make, Arg? file = null, Order? order = null)
    {
        _root = zygote.Root;
        _order = order ?? _root.NewOrder();
        for (int i = 0; i < count; i++)
        {
            int made = make(_order);
            _order.Require(made);
            _order.Require(_order.Call(SYS_wait4, _order.Result(made), 0, __WALL, 0));
        }

        if (file is { } opened)
        {
            _order.Call(SYS_close, opened);
        }
    }

    internal static Breeder ByClone(Zygote zygote, int count) => new(zygote, count, order => order.Clone(0, Child.Exits()));

    internal static Breeder BySetTid(Zygote zygote, int count, int pid) =>
        new(zygote, count, order => order.Clone3(default, Child.Exits(), [pid]));

    /// <summary>So many with one PID, by writing last_pid, as CRIU does it: under a lock that all who do so take.</summary>
    internal static Breeder ByWrite(Zygote zygote, int count, int pid)
    {
        Order opening = zygote.Root.NewOrder();
        int open = opening.Call(SYS_openat, AT_FDCWD, opening.Put("/proc/sys/kernel/ns_last_pid"), O_RDWR | O_CLOEXEC);
        opening.Require(open);
        Arg file = opening.Result(open);
        byte[] text = System.Text.Encoding.ASCII.GetBytes((pid - 1).ToString());
        return new Breeder(zygote, count, Make, file, opening);

        int Make(Order order)
        {
            order.Call(SYS_flock, file, LOCK_EX);
            order.Require(order.Call(SYS_pwrite64, file, order.Put(text), text.Length, 0));
            int made = order.Clone(0, Child.Exits());
            order.Call(SYS_flock, file, LOCK_UN);
            return made;
        }
    }

    internal Errno Run()
    {
        _root.Run(_order);
        for (int i = 0; i < _order.Count; i++)
        {
            if (_order[i].IsError)
            {
                return _order.HasRun(i) ? _order[i].Error : Errno.EIO;
            }
        }

        return 0;
    }

    public void Dispose() => _order.Dispose();
}
