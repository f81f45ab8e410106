using System.Diagnostics;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>
/// A PID namespace in which consuming stops soon after a signal, and in which something else gets its turn meanwhile.
/// </summary>
/// <param name="space">The namespace; it stays the caller's.</param>
/// <param name="stop">When to stop.</param>
/// <param name="meanwhile">What to do every now and then; must not consume a PID.</param>
internal sealed class ServePidSpace(IPidSpace space, StopSignals stop, Action meanwhile) : IPidSpace
{
    private static readonly long s_slice = Stopwatch.Frequency / 100;

    private long _lastTurn;

    /// <summary>A process whose numbers may be free by the time that the next one is made, or 0.</summary>
    internal int Client { get; set; }

    /// <inheritdoc/>
    public string Flavour => space.Flavour;

    /// <inheritdoc/>
    public int ReadPidMax() => space.ReadPidMax();

    /// <inheritdoc/>
    public int ReadLastPid() => space.ReadLastPid();

    /// <inheritdoc/>
    public int Lock(TimeSpan timeout) => space.Lock(timeout);

    /// <inheritdoc/>
    public int WriteLastPid(int pid, TimeSpan timeout) => space.WriteLastPid(pid, timeout);

    /// <inheritdoc/>
    public int PrepareToConsume(string? flavour) => space.PrepareToConsume(flavour);

    /// <inheritdoc/>
    /// <remarks>ECANCELED after a signal.</remarks>
    public CycleResult Consume(long count, long deadline)
    {
        long consumed = 0;
        while (stop.Received == 0)
        {
            long now = Stopwatch.GetTimestamp();
            if (now - _lastTurn >= s_slice)
            {
                meanwhile();
                now = _lastTurn = Stopwatch.GetTimestamp();
            }

            CycleResult result = space.Consume(count - consumed, Math.Min(deadline, now + s_slice));
            consumed += result.Consumed;
            if (result.Error != 0 || consumed >= count || (result.Stopped && Stopwatch.GetTimestamp() >= deadline))
            {
                return result with { Consumed = consumed };
            }
        }

        return new CycleResult(consumed, ECANCELED, false);
    }

    /// <inheritdoc/>
    public PidSet ReadNumbersInUse() => space.ReadNumbersInUse();

    /// <inheritdoc/>
    /// <remarks>Those of <see cref="Client"/>. The server stays, so its own are in use like any other's.</remarks>
    public PidSet ReadOwnNumbers()
    {
        List<int> threads = [];
        int proc = Client == 0 ? -1 : Proc.Open();
        if (proc >= 0)
        {
            _ = Proc.ListThreads(proc, Client, threads);
            _ = close(proc);
        }

        return PidSetModule.ofSeq(threads);
    }

    /// <inheritdoc/>
    public Holder FindHolder(int pid) => space.FindHolder(pid);

    /// <inheritdoc/>
    public int ProcDirectory => space.ProcDirectory;

    /// <inheritdoc/>
    public bool HasTask(int number) => space.HasTask(number);

    /// <inheritdoc/>
    public bool HasGroup(int number) => space.HasGroup(number);

    /// <inheritdoc/>
    public int FindHeld(int first, int last) => space.FindHeld(first, last);

    /// <inheritdoc/>
    public bool IsOwn(int number) => space.IsOwn(number);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
