using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Consumes PIDs where a helper lives.</summary>
internal sealed unsafe class HelperCycler : ICycler
{
    private const int Batch = 128;

    private readonly RemoteTask _task;
    private readonly Order _step;
    private readonly Order _batch;

    private HelperCycler(RemoteTask task, Flavour flavour)
    {
        (_task, Flavour) = (task, flavour);
        _step = NewOrder(task, flavour, alone: false, 1);
        _batch = NewOrder(task, flavour, alone: false, Batch);
    }

    public Flavour Flavour { get; }

    public int[] Threads => [];

    /// <summary>Tries a flavour, first in memory of its own, where a task born by mistake does no harm; after that never
    /// again.</summary>
    /// <param name="error">0, or why it does not work: as of <see cref="CyclingProbe.Probe"/>.</param>
    internal static HelperCycler? TryMake(RemoteTask task, Flavour flavour, LastPid lastPid, out Errno error)
    {
        using Order alone = NewOrder(task, flavour, alone: true, 1);
        int before = lastPid.Read().Value;
        CycleResult result = Run(task, alone, flavour);
        error = result.Error != 0 ? result.Error
            : lastPid.Read().Value == before ? Errno.EPROTO
            : 0;
        return error == 0 ? new HelperCycler(task, flavour) : null;
    }

    public CycleResult Burst(long count, long deadline)
    {
        long done = 0;
        while (done < count && Stopwatch.GetTimestamp() < deadline)
        {
            CycleResult part = Run(_task, count - done >= Batch ? _batch : _step, Flavour);
            done += part.Consumed;
            if (part.Error != 0)
            {
                return part with { Consumed = done };
            }
        }

        return new CycleResult(done, 0);
    }

    public void Dispose()
    {
        _step.Dispose();
        _batch.Dispose();
    }

    private static Order NewOrder(RemoteTask task, Flavour flavour, bool alone, int calls)
    {
        Order order = task.NewOrder();
        // Alone it shares no memory: a task born by mistake does no harm to the helper.
        ulong flags = alone ? flavour.Flags & (CLONE_PIDFD | CLONE_INTO_CGROUP) : flavour.Flags;
        int signal = alone ? SIGCHLD : 0;
        clone_args args;
        CyclingTask.Fill(&args, flags);
        args.exit_signal = (ulong)signal;
        for (int i = 0; i < calls; i++)
        {
            if (flavour.Call == CyclingCall.Child)
            {
                int child = order.Clone(0, Child.Exits());
                order.Require(child);
                order.Call(SYS_wait4, order.Result(child), 0, __WALL, 0);
                continue;
            }

            // parent_tid, where the legacy call puts the pidfd, is third on all machines but s390.
            order.Expect(
                flavour.Call == CyclingCall.Clone3
                    ? order.Clone3(args, Child.Exits())
                    : order.Clone(flags | (uint)signal, Child.Exits(), CyclingTask.Unwritable),
                -flavour.Error);
        }

        return order;
    }

    private static CycleResult Run(RemoteTask task, Order order, Flavour flavour)
    {
        int each = flavour.Call == CyclingCall.Child ? 2 : 1;
        task.Run(order);
        for (int i = 0; i < order.Count; i += each)
        {
            SysResult result = order[i];
            if (flavour.Call == CyclingCall.Child ? result.IsError : result.Raw != -flavour.Error)
            {
                if (!result.IsError)
                {
                    task.Call(SYS_wait4, result.Value, 0, __WALL);
                }

                return new CycleResult(i / each, result.IsError ? result.Error : Errno.ECHILD);
            }
        }

        return new CycleResult(order.Count / each, 0);
    }
}
