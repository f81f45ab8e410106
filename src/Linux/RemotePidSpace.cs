using System.Diagnostics;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// A PID namespace that nslp does not live in, seen and moved by a task that does: last_pid is that of who reads or
/// writes, and what is consumed comes from where the clones are made.
/// </summary>
internal sealed unsafe class RemotePidSpace : IPidSpace
{
    private const int TextSize = 128;
    private const int Batch = 128;

    private readonly Zygote? _zygote;
    private readonly RemoteTask _inside;
    private readonly int _process;
    private readonly int _proc;
    private LastPid? _lock;
    private Order? _step;
    private Order? _batch;
    private CyclingClone? _way;
    private bool _isDisposed;

    /// <summary>The namespace that a task lives in. The task must have mounted /proc in a mount namespace that is not
    /// nslp's.</summary>
    /// <param name="inside">The task; it stays the caller's.</param>
    internal RemotePidSpace(RemoteTask inside)
        : this(null, inside, 0)
    {
    }

    private RemotePidSpace(Zygote? zygote, RemoteTask inside, int process)
    {
        _zygote = zygote;
        _inside = inside;
        _process = process;
        _proc = Proc.OpenOf(inside.Pid).Release();
    }

    /// <inheritdoc/>
    public string Flavour => _way?.Name ?? "";

    /// <inheritdoc/>
    public int ProcDirectory => _proc;

    /// <summary>The namespace of a process. It costs a PID in it. Throws <see cref="RemoteException"/>.</summary>
    internal static RemotePidSpace Enter(int process)
    {
        Zygote zygote = Zygote.Start();
        try
        {
            Namespaces.Enter(zygote.Root, process);
            return new RemotePidSpace(zygote, Namespaces.ForkInside(zygote.Root), process);
        }
        catch
        {
            zygote.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int ReadPidMax() => ReadNumber("/proc/sys/kernel/pid_max", lastField: false);

    /// <inheritdoc/>
    public int ReadLastPid()
    {
        int last = ReadNumber("/proc/sys/kernel/ns_last_pid", lastField: false);
        return last >= 0 ? last : ReadNumber("/proc/loadavg", lastField: true);
    }

    /// <inheritdoc/>
    public int Lock(TimeSpan timeout)
    {
        // The one that others in there would take is on their own mount of /proc.
        if (_lock is not null || _process == 0 || LastPid.OpenOf(_process, out _lock) != 0)
        {
            return 0;
        }

        int error = _lock!.Lock(timeout);
        if (error < 0)
        {
            _lock.Dispose();
            _lock = null;
        }

        return error;
    }

    /// <inheritdoc/>
    public int WriteLastPid(int pid, TimeSpan timeout)
    {
        int error = Lock(timeout);
        if (error < 0)
        {
            return error;
        }

        using Order order = _inside.NewOrder();
        int open = order.Call(
            SYS_openat, AT_FDCWD, order.Put("/proc/sys/kernel/ns_last_pid"), O_RDWR | O_CLOEXEC);
        order.Require(open);
        Span<byte> text = stackalloc byte[TextSize];
        _ = pid.TryFormat(text, out int length);
        int write = order.Call(SYS_pwrite64, order.Result(open), order.Put(text[..length]), length, 0);
        order.Call(SYS_close, order.Result(open));
        _inside.Run(order);
        long result = order[open] < 0 ? order[open] : order[write];
        return result < 0 ? (int)result : result == length ? 0 : -EIO;
    }

    /// <inheritdoc/>
    public int PrepareToConsume(string? flavour)
    {
        if (_way is not null)
        {
            return 0;
        }

        int error = -ENOSYS;
        foreach (CyclingClone way in CyclingClone.All)
        {
            // A limit of the helper, or a full table, is of no use: it could not open files to read last_pid.
            // A thread that exits cannot be made without a stack of its own.
            if (!way.LimitsFiles && !way.FillsFiles && (way.IsProcess || way.Call != CyclingCall.Child) && (flavour is null || way.Name == flavour))
            {
                error = Probe(way);
                if (error == 0)
                {
                    return 0;
                }
            }
        }

        // Who takes and frees the only free number does not move the cursor.
        return error == -EPROTO ? -EAGAIN : error;
    }

    /// <inheritdoc/>
    public CycleResult Consume(long count, long deadline)
    {
        long done = 0;
        while (done < count)
        {
            if (Stopwatch.GetTimestamp() >= deadline)
            {
                return new CycleResult(done, 0, true);
            }

            int error = Run(count - done >= Batch ? _batch! : _step!, _way!, out int consumed);
            done += consumed;
            if (error != 0)
            {
                return new CycleResult(done, error, false);
            }
        }

        return new CycleResult(done, 0, false);
    }

    /// <inheritdoc/>
    public PidSet ReadNumbersInUse() => _proc >= 0 ? ProcTable.Read(_proc).ReadNumbers() : PidSetModule.empty;

    /// <inheritdoc/>
    public PidSet ReadOwnNumbers() => PidSetModule.add(_inside.OwnPid, PidSetModule.empty);

    /// <inheritdoc/>
    public Holder FindHolder(int pid) =>
        _proc < 0 ? new Holder(HolderKind.Unknown) : Holder.Find(_proc, pid, this);

    /// <inheritdoc/>
    public bool HasTask(int number)
    {
        long result = _inside.Call(SYS_kill, number, 0);
        return result == 0 || result == -EPERM;
    }

    /// <inheritdoc/>
    public bool HasGroup(int number) => _inside.Call(SYS_getpriority, PRIO_PGRP, number) >= 0;

    /// <inheritdoc/>
    public int FindHeld(int first, int last)
    {
        using Order order = _inside.NewOrder();
        for (long start = first; start <= last; start += Batch)
        {
            order.Clear();
            int file = order.Call(SYS_eventfd2);
            int count = (int)Math.Min(Batch, last - start + 1);
            for (int i = 0; i < count; i++)
            {
                order.Call(SYS_fcntl, order.Result(file), F_SETOWN, start + i);
            }

            order.Call(SYS_close, order.Result(file));
            _inside.Run(order);
            for (int i = 0; i < count; i++)
            {
                if (order[file + 1 + i] != -ESRCH)
                {
                    return (int)start + i;
                }
            }
        }

        return unchecked(last + 1);
    }

    /// <inheritdoc/>
    public bool IsOwn(int number) => number == _inside.OwnPid;

    /// <summary>Ends the task that acts, where this object made it.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _step?.Dispose();
        _batch?.Dispose();
        _lock?.Dispose();
        if (_proc >= 0)
        {
            Tmds.Linux.LibC.close(_proc);
        }

        _zygote?.Dispose();
    }

    private int ReadNumber(string path, bool lastField)
    {
        using Order order = _inside.NewOrder();
        // Opened anew each time: since 6.14 pid_max belongs to the namespace of who opened the file.
        int open = order.Call(SYS_openat, AT_FDCWD, order.Put(path), O_CLOEXEC);
        order.Require(open);
        nint text = order.Reserve(TextSize);
        int read = order.Call(SYS_read, order.Result(open), text, TextSize);
        order.Call(SYS_close, order.Result(open));
        _inside.Run(order);
        long length = order[open] < 0 ? order[open] : order[read];
        return length < 0 ? (int)length : LastPid.Parse(Order.Bytes(text, (int)length), lastField);
    }

    // First in memory of its own, where a task born by mistake does no harm; after that never again.
    private int Probe(CyclingClone way)
    {
        using Order alone = NewConsumeOrder(way, alone: true, 1);
        int before = ReadLastPid();
        int error = Run(alone, way, out int consumed);
        if (consumed != 1)
        {
            return error < 0 ? -ECHILD : -error;
        }

        if (ReadLastPid() == before)
        {
            return -EPROTO;
        }

        _way = way;
        _step = NewConsumeOrder(way, alone: false, 1);
        _batch = NewConsumeOrder(way, alone: false, Batch);
        return 0;
    }

    private Order NewConsumeOrder(CyclingClone way, bool alone, int calls)
    {
        Order order = _inside.NewOrder();
        clone_args args;
        Span<long> call = stackalloc long[6];
        nint status = order.Reserve(sizeof(long));
        for (int i = 0; i < calls; i++)
        {
            if (way.Call == CyclingCall.Child)
            {
                int child = order.Clone(0, Child.Exits());
                order.Require(child);
                order.Call(SYS_wait4, order.Result(child), status, __WALL, 0);
                continue;
            }

            bool isClone3 = way.ToSystemCall(&args, call, alone) == SYS_clone3;
            order.Expect(
                isClone3 ? order.Clone3(args, Child.Exits()) : order.Clone((ulong)call[0], Child.Exits(), call[2]),
                -way.Error);
        }

        return order;
    }

    // An error below zero is the PID, turned, of a child born by mistake.
    private int Run(Order order, CyclingClone way, out int consumed)
    {
        int each = way.Call == CyclingCall.Child ? 2 : 1;
        _inside.Run(order);
        consumed = 0;
        for (int i = 0; i < order.Count; i += each)
        {
            long result = order[i];
            if (way.Call == CyclingCall.Child ? result < 0 : result != -way.Error)
            {
                if (result > 0)
                {
                    _inside.Call(SYS_wait4, result, 0, __WALL);
                }

                return (int)-result;
            }

            consumed++;
        }

        return 0;
    }
}
