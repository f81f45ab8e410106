using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>
/// Asks the allocator itself whether numbers are held, which settles what /proc cannot show: a clone3 that asks for the
/// number and fails in any case, with EEXIST before (alloc_pid) or with EBADF for its cgroup after. It makes nothing and
/// moves no cursor of the namespace, but those of the ones around it.
/// </summary>
internal sealed class ExactProbe : IDisposable
{
    private const int Batch = 100;
    private const int EEXIST = 17;
    private const int EBADF = 9;

    private readonly Zygote? _zygote;
    private readonly RemoteTask _task;

    private ExactProbe(Zygote? zygote, RemoteTask task)
    {
        _zygote = zygote;
        _task = task;
    }

    /// <summary>For nslp's own namespace. Throws <see cref="RemoteException"/>.</summary>
    internal static ExactProbe Start()
    {
        Zygote zygote = Zygote.Start();
        return new ExactProbe(zygote, zygote.Root);
    }

    /// <summary>For the namespace that a task lives in; it stays the caller's.</summary>
    internal static ExactProbe Of(RemoteTask task) => new(null, task);

    /// <summary>Asks.</summary>
    /// <param name="numbers">1 or more each.</param>
    /// <returns>
    /// For each of the numbers true for held, false for free, null where the answer is refused: without the
    /// capability, before Linux 5.7, above pid_max. Throws <see cref="RemoteException"/>.
    /// </returns>
    internal bool?[] Ask(IReadOnlyList<int> numbers)
    {
        bool?[] answers = new bool?[numbers.Count];
        using Order order = _task.NewOrder();
        for (int start = 0; start < answers.Length; start += Batch)
        {
            int count = Math.Min(Batch, answers.Length - start);
            order.Clear();
            for (int i = 0; i < count; i++)
            {
                clone_args args = new() { flags = CLONE_INTO_CGROUP, cgroup = int.MaxValue };
                order.Clone3(args, Child.Exits(), [numbers[start + i]]);
            }

            _task.Run(order);
            for (int i = 0; i < count; i++)
            {
                answers[start + i] = order[i] switch
                {
                    -EEXIST => true,
                    -EBADF => false,
                    // Without CONFIG_CGROUPS nothing fails, and a child was there for a moment.
                    > 0 => false,
                    _ => null,
                };
                if (order[i] > 0)
                {
                    _task.Call(SYS_wait4, order[i], 0, __WALL);
                }
            }
        }

        return answers;
    }

    /// <summary>Ends the process that asks, where this object made it.</summary>
    public void Dispose() => _zygote?.Dispose();
}
