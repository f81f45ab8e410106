using System.Numerics;
using System.Runtime.InteropServices;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// Shared anonymous memory that lies at the same address in nslp, the zygote and every process that the zygote makes,
/// until it calls execve: a header, the slots of the tasks, and chunks that orders are written into.
/// </summary>
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
        Address = (nint)Raw.Call(Kernel.SYS_mmap, 0, Size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (Address < 0 && Address > -4096)
        {
            throw new RemoteException("cannot map shared memory", (int)-Address);
        }
    }

    internal nint Address { get; private set; }

    internal int Size { get; }

    /// <summary>Memory that orders may point to and that is never given back; zeroed, page-aligned.</summary>
    internal nint Extra => Address + s_chunksOffset + (Chunks * ChunkSize);

    internal ArenaHeader* Header => (ArenaHeader*)Address;

    /// <summary>The slot with that number, 0 to <see cref="Slots"/> - 1.</summary>
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

    /// <summary>Gives back what <see cref="TakeChunks"/> took.</summary>
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
