using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Makes processes that end at once, by the zygote, and waits for each before the next.</summary>
internal sealed class Breeder : IDisposable
{
    private readonly RemoteTask _root;
    private readonly Order _order;

    private Breeder(Zygote zygote, Action<Order> fill)
    {
        _root = zygote.Root;
        _order = _root.NewOrder();
        fill(_order);
    }

    internal static Breeder ByClone(Zygote zygote, int count) =>
        new(zygote, order => Repeat(order, count, () => order.Clone(0, Child.Exits())));

    internal static Breeder BySetTid(Zygote zygote, int count, int pid) =>
        new(zygote, order => Repeat(order, count, () => order.Clone3(default, Child.Exits(), [pid])));

    /// <summary>So many with one PID, by writing last_pid, as CRIU does it: under a lock that all who do so take.</summary>
    internal static Breeder ByWrite(Zygote zygote, int count, int pid) => new(zygote, order =>
    {
        int open = order.Call(SYS_openat, AT_FDCWD, order.Put(LastPid.File), O_RDWR | O_CLOEXEC);
        order.Require(open);
        Arg file = order.Result(open);
        string text = (pid - 1).ToString(CultureInfo.InvariantCulture);
        Repeat(order, count, () =>
        {
            order.Call(SYS_flock, file, LOCK_EX);
            order.Require(order.Call(SYS_pwrite64, file, order.Put(text), text.Length, 0));
            int made = order.Clone(0, Child.Exits());
            order.Call(SYS_flock, file, LOCK_UN);
            return made;
        });
        order.Call(SYS_close, file);
    });

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

    private static void Repeat(Order order, int count, Func<int> make)
    {
        for (int i = 0; i < count; i++)
        {
            int made = make();
            order.Require(made);
            order.Require(order.Call(SYS_wait4, order.Result(made), 0, __WALL, 0));
        }
    }
}
