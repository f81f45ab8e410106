using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// One PID namespace, as it can be seen and moved from where nslp or a helper of it stands. Nothing here decides
/// anything, and nothing consumes a PID but <see cref="Consume"/>.
/// </summary>
internal interface IPidSpace : IDisposable
{
    /// <summary>The first number that is never handed out, or an errno turned.</summary>
    int ReadPidMax();

    /// <summary>last_pid, 0 or more, or an errno turned.</summary>
    int ReadLastPid();

    /// <summary>Takes CRIU's lock, flock on ns_last_pid, which stays held until the space is disposed. Where that file
    /// cannot be opened there is nobody to share it with.</summary>
    /// <param name="timeout">How long to wait for it.</param>
    /// <returns>0, or an errno turned: ETIMEDOUT when another kept it.</returns>
    int Lock(TimeSpan timeout);

    /// <summary>Makes <paramref name="pid"/> the last PID by a write under that lock.</summary>
    /// <param name="pid">0 to pid_max.</param>
    /// <param name="timeout">How long to wait for the lock.</param>
    /// <returns>0, or an errno turned.</returns>
    int WriteLastPid(int pid, TimeSpan timeout);

    /// <summary>Makes ready for <see cref="Consume"/>: finds a way that works, or tries the one named.</summary>
    /// <param name="flavour">The name of a <see cref="CyclingClone"/>, or null for the best.</param>
    /// <returns>0, or an errno turned: why the way named, or the last resort, does not work here.</returns>
    int PrepareToConsume(string? flavour);

    /// <summary>The name of the way that <see cref="PrepareToConsume"/> found; empty before.</summary>
    string Flavour { get; }

    /// <summary>Consumes so many PIDs.</summary>
    /// <param name="count">1 or more.</param>
    /// <param name="deadline">A time of <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> at which to stop.</param>
    CycleResult Consume(long count, long deadline);

    /// <summary>Every number that is seen to be held, which takes milliseconds.</summary>
    PidSet ReadNumbersInUse();

    /// <summary>The numbers of the processes and threads that consume, nslp's own: in use until they end.</summary>
    PidSet ReadOwnNumbers();

    /// <summary>Who holds a number.</summary>
    Holder FindHolder(int pid);

    /// <summary>A descriptor of a /proc of this namespace, which stays the space's; below 0 when there is none.</summary>
    int ProcDirectory { get; }

    /// <summary>Whether nslp itself lives in it.</summary>
    bool IsHere => false;

    /// <summary>Whether /proc may not show all tasks of it: there is none, or it has hidepid.</summary>
    bool MayBeBlind => IsHere && (ProcDirectory < 0 || ProcMount.HidesTasks(ProcDirectory));

    /// <summary>Whether a process or thread has that number, also where /proc hides it.</summary>
    bool HasTask(int number);

    /// <summary>Whether a process group has that number.</summary>
    bool HasGroup(int number);

    /// <summary>The first number of some of which it is not certain that nobody holds it, as thread, process, group or
    /// session: F_SETOWN finds no such number then (f_setown, fs/fcntl.c; tells so since 4.14, before never). Where it cannot
    /// be asked that is the first of them; where it can, it is held.</summary>
    /// <param name="first">1 or more.</param>
    /// <param name="last">The last of them.</param>
    /// <returns>Above <paramref name="last"/> when all are free.</returns>
    int FindHeld(int first, int last);

    /// <summary>Whether it is certain that nobody holds a number: see <see cref="FindHeld"/>.</summary>
    bool IsFree(int number) => FindHeld(number, number) != number;

    /// <summary>Whether <see cref="FindHeld"/> can be asked: whether it finds free what no task ever has.</summary>
    bool KnowsHeld => IsFree(int.MaxValue);

    /// <summary>Whether a number is one of nslp's own here, which is free when nslp has ended.</summary>
    bool IsOwn(int number);

    /// <summary>Whether a number is held, in about a microsecond and also where /proc hides its holder; a session
    /// without a process or group of that number is not noticed.</summary>
    bool IsHeld(int number) => HasTask(number) || HasGroup(number);
}
