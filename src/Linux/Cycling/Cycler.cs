using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>What a burst or a step did.</summary>
/// <param name="Consumed">How many PIDs it consumed; the kernel may have skipped others that were in use.</param>
/// <param name="Error">The errno of the call that ended it, such as EAGAIN at RLIMIT_NPROC; ECHILD when a task was born by
/// mistake: the flavour must not be used again. 0 for none, also where the deadline or <see cref="Cycler.Stop"/> ended it.</param>
internal readonly record struct CycleResult(long Consumed, Errno Error);

internal interface ICycler : IDisposable
{
    Flavour Flavour { get; }

    /// <summary>The numbers of the threads that it made, once they are ended; 0 where one could not be made.</summary>
    int[] Threads { get; }

    /// <summary>Consumes so many PIDs; fewer only together with an error or a stop.</summary>
    /// <param name="count">0 or more.</param>
    /// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to stop.</param>
    CycleResult Burst(long count, long deadline);
}

/// <summary>Consumes PIDs by one <see cref="Flavour"/>, exactly as many as ordered, on several threads.</summary>
/// <remarks>The threads are made at once, which consumes a PID each; afterwards nothing but the orders does. The caller
/// does not wait for them: who is late finds the less to do. Between orders they wait on a futex. One caller at a time.
/// Where they have <see cref="FullFiles"/> the caller, whose table is the process's, sleeps as soon as one of them is at
/// it.</remarks>
internal sealed unsafe class Cycler : ICycler
{
    // Threads look at the deadline, and the shared count, once a chunk: some 50 us, which is as long as they wait for
    // each other at the end.
    private const int Chunk = 8;

    // Waking the others takes as long as some ten calls; below this they are left asleep.
    private const int WorthWaking = 64;

    // For so long a thread that has nothing to do looks whether that changes, before it sleeps: to be woken takes 50 us on
    // an idle machine and milliseconds on a busy one, and the time between two orders is shorter.
    private static readonly long s_patience = Stopwatch.Frequency / 5_000;

    private const int WorkerStackSize = 128 * 1024;

    private readonly CyclingTask[] _tasks;
    private readonly Thread[] _workers;
    private readonly CyclerState* _state;

    /// <summary>Makes the threads. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="threads">How many consume, 1 or more: the caller is one of them, unless it sleeps. There are fewer
    /// where no more can be made.</param>
    internal Cycler(Flavour flavour, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Flavour = flavour;
        _state = (CyclerState*)mmap(
            null, sizeof(CyclerState), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        RemoteException.ThrowIf(_state == MAP_FAILED ? SysResult.Of(-1).Error : 0, "cannot map memory");

        int tasks = threads + (flavour.FillsFiles ? 1 : 0);
        _tasks = new CyclingTask[tasks];
        Threads = new int[tasks - 1];
        for (int i = 0; i < tasks; i++)
        {
            _tasks[i] = new CyclingTask(flavour);
        }

        int cpu = sched_getcpu();
        List<Thread> workers = [];
        for (int i = 1; i < tasks; i++)
        {
            int number = i;
            Thread worker = new(() => Work(_tasks[number], cpu, number), WorkerStackSize) { IsBackground = true };
            try
            {
                worker.UnsafeStart();
            }
            catch (OutOfMemoryException)
            {
                // What the runtime makes of any errno, EAGAIN for want of PIDs too.
                break;
            }

            workers.Add(worker);
        }

        _workers = [.. workers];
    }

    public Flavour Flavour { get; }

    public int[] Threads { get; }

    public CycleResult Burst(long count, long deadline = long.MaxValue)
    {
        bool all = _workers.Length > 0 && count >= WorthWaking;
        bool lowers = Flavour.LimitsFiles || (Flavour.FillsFiles && all);
        FileLimit limit = default;
        if (lowers && limit.Lower(Flavour.FillsFiles ? FullFiles.Size : 0) is not 0 and var error)
        {
            return new CycleResult(0, error);
        }

        try
        {
            return Run(count, deadline, all);
        }
        finally
        {
            if (lowers)
            {
                limit.Restore();
            }
        }
    }

    /// <summary>Ends a burst from another thread within a few milliseconds.</summary>
    internal void Stop() => Volatile.Write(ref _state->Stop, 1);

    public void Dispose()
    {
        _state->Exit = 1;
        Interlocked.Increment(ref _state->Order);
        _ = futex_wake(&_state->Order, int.MaxValue);
        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        foreach (CyclingTask task in _tasks)
        {
            task.Dispose();
        }

        munmap(_state, sizeof(CyclerState));
    }

    private CycleResult Run(long count, long deadline, bool all)
    {
        _state->Consumed = 0;
        _state->Error = 0;
        _state->Deadline = deadline;
        Volatile.Write(ref _state->Stop, 0);
        // Last: a worker that is late may take part at once.
        Volatile.Write(ref _state->Left, count);
        if (all)
        {
            Interlocked.Increment(ref _state->Order);
            _ = futex_wake(&_state->Order, int.MaxValue);
        }

        bool yields = all && Flavour.FillsFiles;
        TakePart(_tasks[0], ref _state->Left, yields);
        WaitForEnd(yields ? 0 : s_patience);
        // After a stop there is something left, which who comes late now must not take.
        Volatile.Write(ref _state->Left, 0);
        return new CycleResult(_state->Consumed, (Errno)_state->Error);
    }

    private void Work(CyclingTask task, int cpu, int number)
    {
        Threads[number - 1] = Raw.Call(Kernel.SYS_gettid).Value;
        Cpus.Move(cpu, number);
        if (Flavour.FillsFiles)
        {
            // What makes it fail makes this thread slow, no more.
            _ = FullFiles.Make();
        }

        int done = 0;
        while (true)
        {
            done = Await(&_state->Order, done, s_patience);
            if (Volatile.Read(ref _state->Exit) != 0)
            {
                return;
            }

            Interlocked.Increment(ref _state->Working);
            TakePart(task, ref _state->Left);
            if (Interlocked.Decrement(ref _state->Working) == 0)
            {
                Interlocked.Increment(ref _state->Ends);
                _ = futex_wake(&_state->Ends, 1);
            }
        }
    }

    // Until others do, if it is one that yields to them: on a busy machine they may be woken only after the deadline.
    private void TakePart(CyclingTask task, ref long left, bool yields = false)
    {
        BlockedSignals signals = default;
        if (Flavour.Call == CyclingCall.Child)
        {
            signals.Block();
        }

        while (Volatile.Read(ref _state->Stop) == 0 && !(yields && Volatile.Read(ref _state->Working) != 0))
        {
            long some = Interlocked.Add(ref left, -Chunk) + Chunk;
            if (some <= 0)
            {
                break;
            }

            if (Stopwatch.GetTimestamp() >= _state->Deadline)
            {
                Stop();
                break;
            }

            Errno error = 0;
            long consumed = 0;
            for (long take = Math.Min(some, Chunk); consumed < take; consumed++)
            {
                error = task.Consume();
                if (error != 0)
                {
                    break;
                }
            }

            Interlocked.Add(ref _state->Consumed, consumed);
            if (error != 0)
            {
                Interlocked.CompareExchange(ref _state->Error, (int)error, 0);
                Stop();
                break;
            }
        }

        if (Flavour.Call == CyclingCall.Child)
        {
            signals.Restore();
        }
    }

    // Until nothing is left that a thread could take on, and none has.
    private void WaitForEnd(long patience)
    {
        while (true)
        {
            // First, and what there is to take before who takes: any end after this is one to wake up for.
            int ends = Volatile.Read(ref _state->Ends);
            bool isOver = Volatile.Read(ref _state->Left) <= 0 || Volatile.Read(ref _state->Stop) != 0;
            if (isOver && Volatile.Read(ref _state->Working) == 0)
            {
                return;
            }

            _ = Await(&_state->Ends, ends, patience);
        }
    }

    // Waits until a word has another value than this, which it returns.
    private static int Await(int* word, int value, long patience)
    {
        long start = Stopwatch.GetTimestamp();
        int other;
        while ((other = Volatile.Read(ref *word)) == value)
        {
            if (Stopwatch.GetTimestamp() - start >= patience)
            {
                _ = futex_wait(word, value, null);
            }
        }

        return other;
    }
}

/// <summary>What the threads of a <see cref="Cycler"/> share. Fields that all write have cache lines of their own.</summary>
[StructLayout(LayoutKind.Explicit, Size = 320)]
internal struct CyclerState
{
    /// <summary>How many orders there were. A futex.</summary>
    [FieldOffset(0)]
    internal int Order;

    [FieldOffset(4)]
    internal int Exit;

    /// <summary>In ticks of Stopwatch.</summary>
    [FieldOffset(8)]
    internal long Deadline;

    /// <summary>How many threads besides the caller's carry out an order.</summary>
    [FieldOffset(64)]
    internal int Working;

    /// <summary>How often <see cref="Working"/> came down to 0. A futex.</summary>
    [FieldOffset(68)]
    internal int Ends;

    /// <summary>How many PIDs no thread has taken on yet; below zero when all are.</summary>
    [FieldOffset(128)]
    internal long Left;

    [FieldOffset(192)]
    internal long Consumed;

    [FieldOffset(256)]
    internal int Error;

    [FieldOffset(260)]
    internal int Stop;
}
