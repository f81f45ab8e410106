using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>
/// The shared memory through which one task takes orders. It begins with the robust_list_head that the task registers
/// (set_robust_list), holding the two words <see cref="Alive"/> and <see cref="Busy"/>: at the task's death, however
/// it comes, and at its execve the kernel marks a word that still holds the task's TID with FUTEX_OWNER_DIED and wakes
/// who waits there (handle_futex_death, kernel/futex/core.c). So no one ever waits for a task that is gone.
/// </summary>
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

    /// <summary>sizeof(struct robust_list_head).</summary>
    internal const int HeadSize = 24;

    internal nint ListHead;
    internal nint ListFutexOffset;
    internal nint ListPending;

    internal nint AliveNext;

    /// <summary>0 before birth, then the task's TID in its own PID namespace, FUTEX_OWNER_DIED after.</summary>
    internal int Alive;

    private readonly int _pad0;

    internal nint BusyNext;

    /// <summary>0 when idle; the TID (or <see cref="Unborn"/>) while an order is under way, with FUTEX_WAITERS while
    /// the owner sleeps on it; FUTEX_OWNER_DIED if the task went away over it.</summary>
    internal int Busy;

    private readonly int _pad1;

    internal nint Program;
    internal int Count;

    /// <summary>How many instructions of the last order were run.</summary>
    internal int Executed;

    internal int Order;

    private readonly int _pad2;

    /// <summary>A struct pollfd for the owner's pidfd; the kernel writes its last field.</summary>
    internal int PollFd;

    internal short PollEvents;
    internal short PollRevents;
}
