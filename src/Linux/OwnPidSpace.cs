using static Tmds.Linux.LibC;
using Tmds.Linux;

namespace SetNsLastPid.Linux;

/// <summary>The PID namespace that nslp itself lives in.</summary>
internal sealed class OwnPidSpace : IPidSpace
{
    private const int NotOpened = int.MinValue;

    private LastPid? _reader;
    private LastPid? _writer;
    private Cycler? _cycler;
    private int _proc = NotOpened;

    // Whether what is mounted at /proc numbers processes as another namespace does.
    private bool? _isOtherProc;

    /// <inheritdoc/>
    public bool IsHere => true;

    /// <inheritdoc/>
    public string Flavour { get; private set; } = "";

    /// <inheritdoc/>
    public int ReadPidMax() => LastPid.ReadPidMax();

    /// <inheritdoc/>
    public int ReadLastPid()
    {
        if ((_writer ?? _reader) is { } open)
        {
            return open.Read();
        }

        int error = LastPid.OpenForReading(out _reader);
        return error < 0 ? error : _reader!.Read();
    }

    /// <inheritdoc/>
    public int Lock(TimeSpan timeout)
    {
        // Opens it.
        int last = ReadLastPid();
        return last < 0 || _writer is not null || _reader!.IsLoadavg ? Math.Min(last, 0) : _reader.Lock(timeout);
    }

    /// <inheritdoc/>
    public int WriteLastPid(int pid, TimeSpan timeout)
    {
        if (_writer is null)
        {
            int error = LastPid.OpenForWriting(out LastPid? writer);
            if (error < 0 || (error = writer!.Lock(timeout)) < 0)
            {
                writer?.Dispose();
                return error;
            }

            _writer = writer;
        }

        return _writer.Write(pid);
    }

    /// <inheritdoc/>
    public int PrepareToConsume(string? flavour)
    {
        if (_cycler is not null)
        {
            return 0;
        }

        // Opens the reader too.
        int last = ReadLastPid();
        if (last < 0)
        {
            return last;
        }

        try
        {
            int threads = Environment.ProcessorCount;
            CyclingClone? way = flavour is null
                ? CyclingProbe.FindBest((_writer ?? _reader)!, threads)
                : CyclingClone.Find(flavour);
            // Where none works not even a child can be made, and the last of the ways says why.
            int error = flavour is null && way is not null ? 0
                : CyclingProbe.Probe(way ?? CyclingClone.All[^1], (_writer ?? _reader)!);
            // Or does not: who takes and frees the only free number does not move the cursor.
            error = way is null && (error == 0 || error == EPROTO) ? EAGAIN : error;
            if (error != 0)
            {
                return -error;
            }

            // Who makes a real child sleeps until it is gone.
            int sleepers = way!.Call == CyclingCall.Child ? 2 : 0;
            _cycler = new Cycler(way, threads + sleepers);
            Flavour = way.Name;
            return 0;
        }
        catch (RemoteException e)
        {
            return -e.Errno;
        }
    }

    /// <inheritdoc/>
    public CycleResult Consume(long count, long deadline) => _cycler!.Burst(count, deadline);

    /// <inheritdoc/>
    public PidSet ReadNumbersInUse()
    {
        using Fd proc = Proc.Open();
        return proc.IsOpen && !ProcMount.IsOfOtherNamespace(proc.Number)
            ? ProcTable.Read(proc.Number).ReadNumbers()
            : PidSetModule.empty;
    }

    /// <inheritdoc/>
    public PidSet ReadOwnNumbers()
    {
        PidSet own = PidSetModule.empty;
        using Fd proc = Proc.Open();
        if (!proc.IsOpen)
        {
            return own;
        }

        _isOtherProc ??= ProcMount.IsOfOtherNamespace(proc.Number);
        List<int> threads = [];
        _ = Proc.ListOwnThreads(proc.Number, threads);
        foreach (int number in threads)
        {
            own = PidSetModule.add(_isOtherProc.Value ? ProcMount.FindOwnNumber(proc.Number, number) : number, own);
        }

        return own;
    }

    /// <inheritdoc/>
    public Holder FindHolder(int pid) =>
        ProcDirectory < 0 ? new Holder(HolderKind.Unknown) : Holder.Find(ProcDirectory, pid, this);

    /// <inheritdoc/>
    public int ProcDirectory
    {
        get
        {
            if (_proc == NotOpened)
            {
                _proc = Proc.Open().Release();
                if (_proc >= 0 && ProcMount.IsOfOtherNamespace(_proc))
                {
                    close(_proc);
                    _proc = -ENOENT;
                }
            }

            return _proc;
        }
    }

    /// <inheritdoc/>
    public bool HasTask(int number) => kill(number, 0) == 0 || errno == EPERM;

    /// <inheritdoc/>
    public bool HasGroup(int number) => Kernel.getpriority(Kernel.PRIO_PGRP, number) >= 0;

    /// <inheritdoc/>
    public int FindHeld(int first, int last)
    {
        // A file of nobody else: it would send him signals.
        int fd = (int)Raw.Call(Kernel.SYS_eventfd2);
        if (fd < 0)
        {
            return first;
        }

        long number = first;
        while (number <= last && Raw.Call(Kernel.SYS_fcntl, fd, LibC.F_SETOWN, number) == -ESRCH)
        {
            number++;
        }

        close(fd);
        return (int)number;
    }

    /// <inheritdoc/>
    public bool IsOwn(int number) => OwnProgram.HasThread(number);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_proc >= 0)
        {
            close(_proc);
            _proc = NotOpened;
        }

        _cycler?.Dispose();
        _reader?.Dispose();
        _writer?.Dispose();
        (_cycler, _reader, _writer) = (null, null, null);
    }
}
