using System.Diagnostics;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Consumes PIDs by one <see cref="CyclingClone"/>, exactly as many as ordered, on several threads.</summary>
/// <remarks>
/// The threads are made at once; that and a trial consume some PIDs, afterwards nothing but the orders does.
/// Between orders they wait on a futex. One caller at a time.
/// </remarks>
internal sealed unsafe class Cycler : IDisposable
{
    // Threads look at the deadline, and the shared count, once a chunk: some 0.2 ms.
    private const int Chunk = 32;

    // Waking the others takes as long as some ten calls; below this they are left asleep.
    private const int WorthWaking = 4 * Chunk;

    private const int WorkerStackSize = 128 * 1024;

    private readonly CyclingClone _way;
    private readonly CyclingTask[] _tasks;
    private readonly Thread[] _workers;
    private readonly CyclerState* _state;

    /// <summary>Makes the threads. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="way">How to consume.</param>
    /// <param name="threads">1 or more, the caller's included. There are fewer where no more can be made.</param>
    internal Cycler(CyclingClone way, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _way = way;
        _state = (CyclerState*)mmap(
            null, sizeof(CyclerState), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (_state == MAP_FAILED)
        {
            throw new RemoteException("cannot map memory", errno);
        }

        _tasks = new CyclingTask[threads];
        for (int i = 0; i < threads; i++)
        {
            _tasks[i] = new CyclingTask(way);
        }

        List<Thread> workers = [];
        for (int i = 1; i < threads; i++)
        {
            CyclingTask task = _tasks[i];
            Thread worker = new(() => Work(task), WorkerStackSize) { IsBackground = true };
            try
            {
                worker.Start();
            }
            catch (OutOfMemoryException)
            {
                // What the runtime makes of any errno, EAGAIN for want of PIDs too.
                break;
            }

            workers.Add(worker);
        }

        _workers = [.. workers];

        // While RLIMIT_NOFILE is 0 the runtime can load no assembly, so that all code of a burst must have run once
        // before. Without the limit the call fails with EFAULT; it too consumes a PID.
        _ = Run(1, long.MaxValue, all: _workers.Length > 0);
    }

    /// <summary>How many threads consume, the caller's included.</summary>
    internal int Threads => _workers.Length + 1;

    /// <summary>Consumes <paramref name="count"/> PIDs on all threads.</summary>
    /// <param name="count">0 or more.</param>
    /// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to stop.</param>
    /// <returns>Fewer than ordered only together with an error or a stop.</returns>
    internal CycleResult Burst(long count, long deadline = long.MaxValue)
    {
        FileLimit limit = default;
        if (_way.LimitsFiles && limit.Lower() is not 0 and int error)
        {
            return new CycleResult(0, error, false);
        }

        try
        {
            return Run(count, deadline, _workers.Length > 0 && count >= WorthWaking);
        }
        finally
        {
            if (_way.LimitsFiles)
            {
                limit.Restore();
            }
        }
    }

    /// <summary>Consumes one PID on the calling thread.</summary>
    internal CycleResult Step() => Burst(1);

    /// <summary>Ends a burst from another thread within a few milliseconds.</summary>
    internal void Stop() => Volatile.Write(ref _state->Stop, 1);

    /// <summary>Ends the threads.</summary>
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
        _state->Left = count;
        _state->Consumed = 0;
        _state->Error = 0;
        _state->Stop = 0;
        _state->Deadline = deadline;
        if (all)
        {
            _state->Working = _workers.Length;
            Interlocked.Increment(ref _state->Order);
            _ = futex_wake(&_state->Order, int.MaxValue);
        }

        TakePart(_tasks[0]);
        if (all)
        {
            WaitWhileWorking();
        }

        return new CycleResult(_state->Consumed, _state->Error, _state->Stop != 0 && _state->Error == 0);
    }

    private void Work(CyclingTask task)
    {
        int done = 0;
        while (true)
        {
            while (Volatile.Read(ref _state->Order) == done)
            {
                _ = futex_wait(&_state->Order, done, null);
            }

            if (Volatile.Read(ref _state->Exit) != 0)
            {
                return;
            }

            done++;
            TakePart(task);
            if (Interlocked.Decrement(ref _state->Working) == 0)
            {
                _ = futex_wake(&_state->Working, 1);
            }
        }
    }

    private void TakePart(CyclingTask task)
    {
        BlockedSignals signals = default;
        if (_way.Call == CyclingCall.Child)
        {
            signals.Block();
        }

        while (Volatile.Read(ref _state->Stop) == 0)
        {
            long left = Interlocked.Add(ref _state->Left, -Chunk) + Chunk;
            if (left <= 0)
            {
                break;
            }

            if (Stopwatch.GetTimestamp() >= _state->Deadline)
            {
                Stop();
                break;
            }

            int error = 0;
            long consumed = 0;
            for (long take = Math.Min(left, Chunk); consumed < take; consumed++)
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
                Interlocked.CompareExchange(ref _state->Error, error, 0);
                Stop();
                break;
            }
        }

        if (_way.Call == CyclingCall.Child)
        {
            signals.Restore();
        }
    }

    private void WaitWhileWorking()
    {
        while (true)
        {
            int working = Volatile.Read(ref _state->Working);
            if (working == 0)
            {
                return;
            }

            _ = futex_wait(&_state->Working, working, null);
        }
    }
}
