namespace SetNsLastPid.Linux;

/// <summary>Who makes the system calls in a PID namespace: nslp itself, or a helper of it that lives there.</summary>
internal interface ICaller : IDisposable
{
    internal const int Size = 256;

    /// <summary>Memory that calls may point to, at one address for the caller and for nslp.</summary>
    nint Memory { get; }

    /// <summary>Makes a call. Throws <see cref="RemoteException"/> where the helper has gone.</summary>
    SysResult Call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0);

    /// <summary>Makes a call with its third argument from <paramref name="first"/> to <paramref name="last"/>, as long as
    /// each fails with that errno.</summary>
    /// <returns>The first argument with which it did not; above <paramref name="last"/> when there is none.</returns>
    long CallWhile(Errno errno, long number, long a0, long a1, long first, long last);
}

internal sealed unsafe class OwnCaller : ICaller
{
    /// <summary>The one that there is. Its memory is for one thread.</summary>
    internal static readonly OwnCaller Instance = new();

    public nint Memory { get; } = (nint)NativeMemory.Alloc(ICaller.Size);

    public SysResult Call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0) => Raw.Call(number, a0, a1, a2, a3);

    public long CallWhile(Errno errno, long number, long a0, long a1, long first, long last)
    {
        while (first <= last && Raw.Call(number, a0, a1, first).Error == errno)
        {
            first++;
        }

        return first;
    }

    /// <summary>Does nothing: everybody shares the one instance.</summary>
    public void Dispose()
    {
    }
}

/// <summary>A helper; it stays whoever's it was.</summary>
internal sealed class HelperCaller : ICaller
{
    private const int Batch = 128;

    private readonly RemoteTask _task;
    private readonly Order _memory;

    internal HelperCaller(RemoteTask task)
    {
        (_task, _memory) = (task, task.NewOrder());
        Memory = _memory.Reserve(ICaller.Size);
    }

    public nint Memory { get; }

    public SysResult Call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0) =>
        _task.Call(number, a0, a1, a2, a3);

    public long CallWhile(Errno errno, long number, long a0, long a1, long first, long last)
    {
        using Order calls = _task.NewOrder();
        for (; first <= last; first += Batch)
        {
            calls.Clear();
            int count = (int)Math.Min(Batch, last - first + 1);
            for (int i = 0; i < count; i++)
            {
                calls.Call(number, a0, a1, first + i);
            }

            _task.Run(calls);
            for (int i = 0; i < count; i++)
            {
                if (calls[i].Error != errno)
                {
                    return first + i;
                }
            }
        }

        return last + 1;
    }

    public void Dispose() => _memory.Dispose();
}

/// <summary>To run before all that is ordinary, and so at once when it is time.</summary>
internal static class Punctual
{
    private const int LowestPriority = 1;

    /// <summary>Asks for SCHED_FIFO, which children do not inherit.</summary>
    /// <returns>EPERM without CAP_SYS_NICE.</returns>
    internal static Errno Become(ICaller caller)
    {
        Marshal.WriteInt32(caller.Memory, LowestPriority);
        return caller.Call(
            Kernel.SYS_sched_setscheduler, 0, Tmds.Linux.LibC.SCHED_FIFO | Tmds.Linux.LibC.SCHED_RESET_ON_FORK, caller.Memory).Error;
    }
}
