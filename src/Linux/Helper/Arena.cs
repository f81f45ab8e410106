using System.Numerics;

namespace SetNsLastPid.Linux;

/// <summary>Shared anonymous memory that lies at the same address in nslp, the zygote and every process that the zygote
/// makes, until it calls execve: a header, the slots of the tasks, and chunks that orders are written into.</summary>
internal sealed unsafe class Arena : IDisposable
{
    internal const int Slots = 64;
    internal const int Chunks = 64;
    internal const int ChunkSize = 32 * 1024;

    private const int HeaderSize = 4096;

    private static readonly int s_chunksOffset = HeaderSize + (Slots * sizeof(TaskSlot));

    private ulong _slotsInUse;
    private ulong _chunksInUse;

    /// <summary>Maps the arena. Throws <see cref="RemoteException"/> with mmap's errno.</summary>
    /// <param name="extra">how many bytes more, at <see cref="Extra"/></param>
    internal Arena(int extra)
    {
        Size = s_chunksOffset + (Chunks * ChunkSize) + extra;
        SysResult mapped = Raw.Call(Kernel.SYS_mmap, 0, Size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        RemoteException.ThrowIf(mapped.Error, "cannot map shared memory");
        Address = (nint)mapped.Raw;
    }

    internal nint Address { get; private set; }

    internal int Size { get; }

    /// <summary>Memory that orders may point to and that is never given back; zeroed, page-aligned.</summary>
    internal nint Extra => Address + s_chunksOffset + (Chunks * ChunkSize);

    internal ArenaHeader* Header => (ArenaHeader*)Address;

    internal TaskSlot* Slot(int number) => (TaskSlot*)(Address + HeaderSize) + number;

    /// <summary>Takes a free slot and clears it. Throws InvalidOperationException if all are in use.</summary>
    internal int TakeSlot()
    {
        int number = BitOperations.TrailingZeroCount(~_slotsInUse);
        if (number >= Slots)
        {
            throw new InvalidOperationException($"more than {Slots} tasks");
        }

        _slotsInUse |= 1UL << number;
        TaskSlot* slot = Slot(number);
        *slot = default;
        slot->ListHead = (nint)(&slot->AliveNext);
        slot->ListFutexOffset = TaskSlot.FutexOffset;
        slot->AliveNext = (nint)(&slot->BusyNext);
        slot->BusyNext = (nint)slot;
        return number;
    }

    /// <summary>Gives a slot back whose task is gone or was never born.</summary>
    internal void FreeSlot(int number) => _slotsInUse &= ~(1UL << number);

    /// <summary>Takes adjacent chunks. Throws InvalidOperationException if so many are not free in a row.</summary>
    internal nint TakeChunks(int count)
    {
        ulong mask = Mask(count);
        for (int first = 0; first + count <= Chunks; first++)
        {
            if ((_chunksInUse & (mask << first)) == 0)
            {
                _chunksInUse |= mask << first;
                return Address + s_chunksOffset + (first * ChunkSize);
            }
        }

        throw new InvalidOperationException($"no room for an order of {count * ChunkSize} bytes");
    }

    internal void FreeChunks(nint address, int count)
    {
        int first = (int)((address - Address - s_chunksOffset) / ChunkSize);
        _chunksInUse &= ~(Mask(count) << first);
    }

    /// <summary>Unmaps the arena in this process; no task and no order may be used after it.</summary>
    public void Dispose()
    {
        if (Address != 0)
        {
            Raw.Call(Kernel.SYS_munmap, Address, Size);
            Address = 0;
        }
    }

    private static ulong Mask(int count) => count >= 64 ? ulong.MaxValue : (1UL << count) - 1;
}

/// <summary>The first bytes of the shared arena: what every task reads and the owner wrote before the first clone.</summary>
internal struct ArenaHeader
{
    internal ulong AllSignals;

    /// <summary>The mask of the thread that cloned the zygote, which a child needs back before execve.</summary>
    internal ulong OwnerMask;

    /// <summary>struct timespec: how long an idle task sleeps before it looks whether the owner still lives.</summary>
    internal long TickSeconds;
    internal long TickNanoseconds;

    /// <summary>struct timespec of a poll that does not wait.</summary>
    internal long ZeroSeconds;
    internal long ZeroNanoseconds;

    /// <summary>pidfd of the owner, open in every task; negative where the kernel has none (before 5.3).</summary>
    internal int OwnerPidfd;

    internal int OwnerPid;

    /// <summary>How often an idle task looks for an order before it sleeps; 0 with one CPU.</summary>
    internal int Spins;
}

/// <summary>The shared memory through which one task takes orders. It begins with the robust_list_head that the task
/// registers (set_robust_list), holding the two words <see cref="Alive"/> and <see cref="Busy"/>: at the task's death,
/// however it comes, and at its execve the kernel marks a word that still holds the task's TID with FUTEX_OWNER_DIED and
/// wakes who waits there (handle_futex_death, kernel/futex/core.c). So no one ever waits for a task that is gone.</summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct TaskSlot
{
    /// <summary><see cref="Busy"/> while an order waits for a task that is not born yet: a TID that nobody can have
    /// (FUTEX_TID_MASK is far above PID_MAX_LIMIT).</summary>
    internal const int Unborn = Kernel.FUTEX_TID_MASK;

    /// <summary><see cref="Order"/>: nothing to do.</summary>
    internal const int NoOrder = 0;

    /// <summary><see cref="Order"/>: <see cref="Program"/> is to be run.</summary>
    internal const int NewOrder = 1;

    /// <summary><see cref="Order"/>: nothing to do, and the task sleeps on the word.</summary>
    internal const int Asleep = 2;

    /// <summary>Distance from a list node to its futex word: robust_list_head's futex_offset.</summary>
    internal const int FutexOffset = 8;

    internal const int HeadSize = 24;

    internal nint ListHead;
    internal nint ListFutexOffset;
    internal nint ListPending;

    internal nint AliveNext;

    /// <summary>0 before birth, then the task's TID in its own PID namespace, FUTEX_OWNER_DIED after.</summary>
    internal int Alive;

    internal nint BusyNext;

    /// <summary>0 when idle; the TID (or <see cref="Unborn"/>) while an order is under way, with FUTEX_WAITERS while
    /// the owner sleeps on it; FUTEX_OWNER_DIED if the task went away over it.</summary>
    internal int Busy;

    internal nint Program;
    internal int Count;

    internal int Order;

    /// <summary>A struct pollfd for the owner's pidfd; the kernel writes its last field.</summary>
    internal int PollFd;

    internal short PollEvents;
    internal short PollRevents;
}
