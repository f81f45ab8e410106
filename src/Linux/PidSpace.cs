using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>One PID namespace, as it can be seen and moved from where nslp or a helper of it stands: last_pid is that of
/// who reads or writes, and what is consumed comes from where the clones are made. Nothing here decides anything, and
/// nothing consumes a PID but <see cref="Cycler"/>.</summary>
internal sealed unsafe class PidSpace : IDisposable
{
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(1);

    private readonly ICaller _caller;
    private readonly RemoteTask? _inside;
    private readonly int _process;
    private readonly Zygote? _zygote;
    private Fd? _proc;
    private LastPid? _reader, _writer, _lock, _load;

    private bool _isLocked, _isDisposed;

    /// <summary>The namespace that nslp itself lives in.</summary>
    internal PidSpace() => _caller = OwnCaller.Instance;

    /// <summary>The namespace that a task lives in, which must have mounted /proc in a mount namespace that is not
    /// nslp's.</summary>
    /// <param name="inside">The task; it stays the caller's.</param>
    /// <param name="number">Its PID in nslp's own namespace; 0 where it has not mounted /proc, so that there is none.</param>
    /// <param name="process">The process whose namespace it is, or 0.</param>
    /// <param name="zygote">What ends with it, or null.</param>
    internal PidSpace(RemoteTask inside, int number, int process = 0, Zygote? zygote = null)
    {
        (_inside, _process, _zygote) = (inside, process, zygote);
        _caller = new HelperCaller(inside);
        _proc = number == 0 ? new Fd(Errno.ENOENT) : Proc.OpenOf(number);
    }

    /// <summary>The PID namespace of a process. Where it is not nslp's own that costs a PID in it. Throws
    /// <see cref="RemoteException"/> if it cannot be entered.</summary>
    /// <param name="process">A process, or 0 for nslp itself.</param>
    internal static PidSpace Open(int process)
    {
        if (NamespaceLinks.IsOwn(process))
        {
            return new PidSpace();
        }

        Zygote zygote = Zygote.Start();
        try
        {
            Namespaces.Enter(zygote.Root, process);
            RemoteTask inside = Namespaces.ForkInside(zygote.Root);
            return new PidSpace(inside, inside.Pid, process, zygote);
        }
        catch
        {
            zygote.Dispose();
            throw;
        }
    }

    internal bool IsHere => _inside is null;

    /// <summary>A /proc of this namespace; below 0 when there is none.</summary>
    internal int ProcDirectory
    {
        get
        {
            if (_proc is null)
            {
                _proc = Proc.Open();
                if (_proc.IsOpen && ProcMount.IsOfOtherNamespace(_proc.Number))
                {
                    _proc.Dispose();
                }
            }

            return _proc.Number;
        }
    }

    /// <summary>Whether /proc may not show all tasks of it: there is none, or it has hidepid.</summary>
    internal bool MayBeBlind => IsHere && (ProcDirectory < 0 || ProcMount.HidesTasks(ProcDirectory));

    /// <summary>What consumes PIDs, once <see cref="PrepareToConsume"/> found a flavour; null before.</summary>
    internal ICycler? Cycler { get; private set; }

    internal SysResult ReadPidMax() => LastPid.ReadPidMax(_caller);

    /// <summary>pid_max; where it cannot be read, the largest there is.</summary>
    internal int PidMaxOrLimit => ReadPidMax() is { IsError: false } pidMax ? pidMax.Value : Limits.PidMax;

    /// <summary>Whether pid_max may be written from there; nothing is written.</summary>
    internal bool MayWritePidMax => LastPid.MayWritePidMax(_caller);

    /// <summary>The session of nslp, as it is numbered there: 0 for one of outside.</summary>
    internal int Session => Math.Max(_caller.Call(SYS_getsid, 0).Value, 0);

    /// <summary>The same of the process group.</summary>
    internal int Group => Math.Max(_caller.Call(SYS_getpgid, 0).Value, 0);

    internal SysResult ReadLastPid() => Reader.Read();

    /// <summary>Takes CRIU's lock, flock on ns_last_pid, which stays held until the space is disposed. Where that file
    /// cannot be opened there is nobody to share it with.</summary>
    /// <param name="timeout">How long to wait for it; then it is ETIMEDOUT.</param>
    internal Errno Lock(TimeSpan timeout)
    {
        if (_isLocked)
        {
            return 0;
        }

        // The one that others in another namespace would take is on their own mount of /proc.
        LastPid file = IsHere ? Reader : _lock ??= LastPid.OpenOf(_process);
        Errno error = file.IsLoadavg || file.Error != 0 ? 0 : file.Lock(timeout);
        _isLocked = error == 0;
        return error;
    }

    internal void Unlock()
    {
        (IsHere ? Reader : _lock)?.Unlock();
        _isLocked = false;
    }

    /// <summary>Whether ns_last_pid may be written; changes nothing.</summary>
    internal End TryToWriteLastPid()
    {
        _writer ??= LastPid.OpenForWriting(_caller);
        return _writer.Error is not 0 and var unopened ? End.NewFailed(Stage.OpenLastPid, unopened)
            : _writer.TryToWrite() is not (0 or Errno.EINVAL) and var refused ? End.NewFailed(Stage.WriteLastPid, refused)
            : End.Done;
    }

    /// <summary>How many numbers of it are in use at most: each task of the machine holds its own, and may be the last of a group
    /// and of a session. Int32.MaxValue where that is not known.</summary>
    internal int CountNumbersInUseAtMost()
    {
        _load ??= LastPid.OpenLoad(_caller);
        return _load.ReadTasks() is { IsError: false, Value: < int.MaxValue / 3 and var tasks } ? 3 * tasks : int.MaxValue;
    }

    /// <summary>Has who acts in it run before others: see <see cref="Punctual"/>.</summary>
    internal Errno BePunctual() => Punctual.Become(_caller);

    /// <summary>Makes <paramref name="pid"/> the last PID by a write under that lock.</summary>
    /// <param name="pid">0 to pid_max.</param>
    internal End WriteLastPid(int pid, TimeSpan timeout)
    {
        _writer ??= LastPid.OpenForWriting(_caller);
        return _writer.Error is not 0 and var unopened ? End.NewFailed(Stage.OpenLastPid, unopened)
            : Lock(timeout) is not 0 and var kept ? End.NewFailed(Stage.LockLastPid, kept)
            : _writer.Write(pid) is not 0 and var refused ? End.NewFailed(Stage.WriteLastPid, refused)
            : End.Done;
    }

    /// <summary>Makes ready to consume PIDs: finds a flavour that works, or tries the one named; consumes some.</summary>
    /// <param name="flavour">Its name, or null for the best.</param>
    /// <returns>0, or why the one named, or the last resort, does not work here.</returns>
    internal Errno PrepareToConsume(string? flavour = null)
    {
        if (Cycler is not null)
        {
            return 0;
        }

        int threads = IsHere ? Environment.ProcessorCount : 1;
        Errno error = ReadLastPid().Error;
        if (error != 0)
        {
            return error;
        }

        foreach (Flavour way in Flavour.All)
        {
            if (flavour is null ? way.Suits(IsHere, threads) : way.Name == flavour)
            {
                error = Prepare(way, threads);
                if (error == 0)
                {
                    return 0;
                }
            }
        }

        return Approach.whyNoFlavour(error);
    }

    /// <summary>Ends what consumes. The numbers of its threads are free then.</summary>
    internal void EndThreads()
    {
        if (Cycler is not { } cycler)
        {
            return;
        }

        cycler.Dispose();
        Cycler = null;
        // Since 6.15 the kernel frees a thread's number only after the thread can no longer be seen (release_task, kernel/exit.c).
        bool isTold = KnowsHeld;
        _ = SpinWait.SpinUntil(
            () => Array.TrueForAll(cycler.Threads, number => !OwnProgram.HasThread(number) && (!isTold || HasTask(number) || IsFree(number))),
            s_end);
    }

    /// <summary>Every number that is seen to be held, which takes milliseconds.</summary>
    internal PidSet ReadNumbersInUse()
    {
        // What is mounted may change; not where a helper mounted it.
        using Fd? proc = IsHere ? Proc.Open() : null;
        return proc is { IsOpen: true } && !ProcMount.IsOfOtherNamespace(proc.Number) ? ProcTable.Read(proc.Number).ReadNumbers()
            : !IsHere && ProcDirectory >= 0 ? ProcTable.Read(ProcDirectory).ReadNumbers()
            : PidSetModule.empty;
    }

    /// <summary>The numbers of the processes and threads that consume, nslp's own: in use until they end.</summary>
    internal PidSet ReadOwnNumbers()
    {
        if (_inside is not null)
        {
            return PidSetModule.add(_inside.OwnPid, PidSetModule.empty);
        }

        PidSet own = PidSetModule.empty;
        using Fd proc = Proc.Open();
        if (proc.IsOpen)
        {
            bool isOther = ProcMount.IsOfOtherNamespace(proc.Number);
            List<int> threads = [];
            _ = Proc.ListOwnThreads(proc.Number, threads);
            foreach (int number in threads)
            {
                own = PidSetModule.add(isOther ? ProcMount.FindOwnNumber(proc.Number, number) : number, own);
            }
        }

        return own;
    }

    internal Holder FindHolder(int pid) => ProcDirectory < 0 ? new Holder(HolderKind.Unknown) : Holder.Find(ProcDirectory, pid, this);

    /// <summary>Whether a process or thread has that number, also where /proc hides it.</summary>
    internal bool HasTask(int number) => _caller.Call(SYS_kill, number, 0).Error is 0 or Errno.EPERM;

    /// <summary>Whether a process group has that number.</summary>
    internal bool HasGroup(int number) => !_caller.Call(SYS_getpriority, PRIO_PGRP, number).IsError;

    /// <summary>Whether a number is held, in about a microsecond and also where /proc hides its holder; a session
    /// without a process or group of that number is not noticed.</summary>
    internal bool IsHeld(int number) => HasTask(number) || HasGroup(number);

    /// <summary>The first number of some of which it is not certain that nobody holds it, as thread, process, group or
    /// session: F_SETOWN finds no such number then (f_setown, fs/fcntl.c; tells so since 4.14, before never). Where it cannot
    /// be asked that is the first of them; where it can, it is held.</summary>
    /// <param name="first">1 or more.</param>
    /// <param name="last">The last of them.</param>
    /// <returns>Above <paramref name="last"/> when all are free.</returns>
    internal long FindHeld(long first, long last)
    {
        // A file of nobody else: it would send him signals.
        SysResult file = _caller.Call(SYS_eventfd2);
        if (file.IsError)
        {
            return first;
        }

        long held = _caller.CallWhile(Errno.ESRCH, SYS_fcntl, file.Value, F_SETOWN, first, last);
        _ = _caller.Call(SYS_close, file.Value);
        return held;
    }

    /// <summary>Whether it is certain that nobody holds a number: see <see cref="FindHeld"/>.</summary>
    internal bool IsFree(int number) => FindHeld(number, number) != number;

    /// <summary>Whether <see cref="FindHeld"/> can be asked: whether it finds free what no task ever has.</summary>
    internal bool KnowsHeld => IsFree(int.MaxValue);

    /// <summary>Whether a number is one of nslp's own here, which is free when nslp has ended.</summary>
    internal bool IsOwn(int number) => _inside is null ? OwnProgram.HasThread(number) : number == _inside.OwnPid;

    /// <summary>Closes what it opened, and ends the helper that acts, where it made it.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        EndThreads();
        _reader?.Dispose();
        _writer?.Dispose();
        _lock?.Dispose();
        _load?.Dispose();
        _proc?.Dispose();
        _caller.Dispose();
        _zygote?.Dispose();
    }

    // Each open file is one that the caller must be allowed to have.
    private LastPid Reader => _writer is { Error: 0 } ? _writer : _reader ??= LastPid.OpenForReading(_caller);

    private Errno Prepare(Flavour way, int threads)
    {
        try
        {
            Errno error = IsHere ? CyclingProbe.Probe(way, Reader) : 0;
            // Who makes a real child sleeps until it is gone.
            Cycler = error != 0 ? null
                : IsHere ? new Cycler(way, threads + (way.Call == CyclingCall.Child ? 2 : 0))
                : HelperCycler.TryMake(_inside!, way, Reader, out error);
            return error;
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            return e.Errno;
        }
    }
}
