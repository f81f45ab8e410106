using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>What the threads of a <see cref="Cycler"/> share. Fields that all write have cache lines of their own.</summary>
[StructLayout(LayoutKind.Explicit, Size = 320)]
internal struct CyclerState
{
    /// <summary>How many orders there were. A futex.</summary>
    [FieldOffset(0)]
    internal int Order;

    /// <summary>1 when the threads are to end.</summary>
    [FieldOffset(4)]
    internal int Exit;

    /// <summary>A time of Stopwatch.</summary>
    [FieldOffset(8)]
    internal long Deadline;

    /// <summary>How many threads are not ready yet. A futex.</summary>
    [FieldOffset(16)]
    internal int Starting;

    /// <summary>How many threads besides the caller's carry out an order.</summary>
    [FieldOffset(64)]
    internal int Working;

    /// <summary>How often <see cref="Working"/> came down to 0. A futex.</summary>
    [FieldOffset(68)]
    internal int Ends;

    /// <summary>How many PIDs no thread has taken on yet; below zero when all are.</summary>
    [FieldOffset(128)]
    internal long Left;

    /// <summary>How many PIDs are consumed.</summary>
    [FieldOffset(192)]
    internal long Consumed;

    /// <summary>As in <see cref="CycleResult"/>.</summary>
    [FieldOffset(256)]
    internal int Error;

    /// <summary>1 when the burst is to end early.</summary>
    [FieldOffset(260)]
    internal int Stop;
}
