using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Starts a command as a child of nslp, with the PID asked for or not at all: the child is a copy of the zygote, looks
/// at its PID and only then calls execve. It gets what nslp was given, but for its PID. Not thread-safe.</summary>
internal sealed unsafe class Launcher : IDisposable
{
    private const long PIPEFS_MAGIC = 0x50495045;

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    private readonly ExecImage _image;
    private readonly Order _make;
    private readonly Order _begin;
    private readonly int _getPid, _execute;

    // What must not fail before execve, and what there is to say if it does.
    private readonly List<(int Used, Func<Errno, RemoteException> Describe)> _musts = [];
    private readonly int _mark;
    private LastPid? _lastPid;

    private Launcher(Zygote zygote, ExecImage image, Given given, LaunchSettings settings, int mark)
    {
        (Zygote, Maker, _mark) = (zygote, zygote.Root, mark);
        _image = image;
        image.CopyTo(zygote.Arena.Extra);
        SetSignals(zygote.Root, given.IgnoredSignals);
        _make = zygote.Root.NewOrder();
        _begin = zygote.Root.NewOrder();
        if (mark >= 0)
        {
            _begin.Call(SYS_fcntl, mark, F_SETOWN, _begin.Result(_begin.Call(SYS_getpid)));
        }

        _getPid = _begin.Call(SYS_getpid);
        _begin.Call(SYS_prctl, PR_SET_PDEATHSIG, 0);
        if (settings.NewSession)
        {
            Must(_begin.Call(SYS_setsid), error => new RemoteException("cannot make a session", error));
        }
        else if (settings.TakesTerminal)
        {
            // Also where it has the terminal already. Where there is none, and in another's session, nothing happens.
            _begin.Call(SYS_setpgid, 0, 0);
            _begin.Call(SYS_ioctl, 0, TIOCSPGRP, (nint)(&_begin.Program[_getPid].Result));
        }

        if (settings.IsInit && settings.NewProc)
        {
            Must(Namespaces.AppendMountProc(_begin), Namespaces.NoProc);
        }

        if (settings.IsInit && settings.PidMax > 0)
        {
            Must(Namespaces.AppendPidMax(_begin, settings.PidMax), Namespaces.NoPidMax);
        }

        if (settings.LetsPipesGo)
        {
            LetPipesGo(_begin);
        }

        if (settings.Report >= 0)
        {
            _begin.Call(SYS_close, settings.Report);
        }

        // Only here: before, one of the signals would find the zygote's idea of it.
        _begin.Call(SYS_rt_sigprocmask, SIG_SETMASK, _begin.PutValue(zygote.OwnerMask), 0, sizeof(ulong));
        _execute = _begin.Call(SYS_execve);
    }

    /// <summary>The process that makes the child, and others as needed.</summary>
    internal Zygote Zygote { get; }

    /// <summary>What else there is to do while the command is being started, if anything: gives when it is to be called again, a
    /// time of <see cref="Stopwatch.GetTimestamp"/>.</summary>
    internal Func<long>? Meanwhile { get; set; }

    /// <summary>The process of it that makes the child: a child of nslp, in whose namespace of PIDs for children that one
    /// will live.</summary>
    internal RemoteTask Maker { get; set; }

    /// <summary>Makes ready: starts a zygote, to be called by the main thread. Throws
    /// <see cref="RemoteException"/>.</summary>
    internal static Launcher Start(Given given, LaunchSettings settings)
    {
        ExecImage image = new(given.Arguments, given.Environment);
        // An open file that all have. Its owner, set in one PID namespace, is told as the number in that of the one who asks
        // (f_getown, fs/fcntl.c).
        int mark = -1;
        if (settings.IsMarked)
        {
            SysResult made = Raw.Call(SYS_eventfd2, 0, O_CLOEXEC);
            RemoteException.ThrowIf(made.Error, "cannot make a file");
            mark = made.Value;
        }

        return new Launcher(Zygote.Start(image.Size), image, given, settings, mark);
    }

    /// <summary>The PID of a task in nslp's own namespace, whoever's child it is. Needs <see cref="LaunchSettings.IsMarked"/>.
    /// </summary>
    internal int NumberOf(RemoteTask task)
    {
        if (_mark < 0)
        {
            return task.Pid;
        }

        using Order order = task.NewOrder();
        order.Call(SYS_fcntl, _mark, F_SETOWN, order.Result(order.Call(SYS_getpid)));
        task.Run(order);
        return Raw.Call(SYS_fcntl, _mark, F_GETOWN).Value;
    }

    /// <summary>The PID of the command, started last, in the namespace of a task; <paramref name="otherwise"/> without
    /// <see cref="LaunchSettings.IsMarked"/>.</summary>
    internal int MarkedIn(RemoteTask task, int otherwise) =>
        _mark < 0 ? otherwise : task.Call(SYS_fcntl, _mark, F_GETOWN).Value;

    /// <summary>One try by clone3 with set_tid.</summary>
    /// <param name="pids">The PIDs, innermost namespace first: all of them, or no process is made.</param>
    internal Launch TryClone3(int[] pids) =>
        Try(pids[0], pids[0], child => _make.Clone3(new clone_args { flags = Kernel.CLONE_PARENT }, child, pids));

    /// <summary>One try to get a next PID from <paramref name="least"/> to <paramref name="most"/>.</summary>
    internal Launch TryNext(int least, int most) => Try(least, most, child => _make.Clone(Kernel.CLONE_PARENT, child));

    /// <summary>One try: makes <paramref name="least"/> - 1 the last PID of nslp's own namespace and clones at once.</summary>
    internal Launch TryWriteAndNext(int least, int most)
    {
        string text = (least - 1).ToString(CultureInfo.InvariantCulture);
        _lastPid ??= LastPid.OpenForWriting(new HelperCaller(Zygote.Root));
        if (_lastPid.Error != 0)
        {
            return new Launch(LaunchEnd.NotMade, 0, 0, _lastPid.Error);
        }

        return Try(least, most, child =>
        {
            _make.Require(_make.Call(SYS_pwrite64, _lastPid.Descriptor, _make.Put(text), text.Length, 0));
            return _make.Clone(Kernel.CLONE_PARENT, child);
        });
    }

    /// <summary>Ends the zygote and all it made but the command.</summary>
    public void Dispose() => Zygote.Dispose();

    // CLONE_PARENT: nslp is the parent. The exit signal is then the zygote's, none, until execve makes it SIGCHLD (de_thread,
    // fs/exec.c).
    private Launch Try(int least, int most, Func<Child, int> make)
    {
        RemoteTask child = Zygote.NewTask();
        _make.Clear();
        int made = make(Child.Becomes(child));
        _image.Rewind();
        _begin.Expect(_getPid, least, most, exit: 0);
        PutExecve(_begin, _execute);
        child.Submit(_begin);
        Maker.Run(_make);
        if (_make[made].IsError)
        {
            child.End();
            return new Launch(LaunchEnd.NotMade, 0, 0, (_make[0].IsError ? _make[0] : _make[made]).Error);
        }

        Errno awaited = Await(child);
        Errno error = 0;
        if (awaited == 0)
        {
            error = _begin[_execute].Error;
            while (awaited == 0 && _image.MoveNext(ref error))
            {
                using Order again = child.NewOrder();
                int execute = again.Call(SYS_execve);
                PutExecve(again, execute);
                awaited = child.Submit(again) ? Await(child) : Errno.ESRCH;
                error = again[execute].Error;
            }
        }

        Renumber(child);
        foreach ((int used, Func<Errno, RemoteException> describe) in _musts)
        {
            if (awaited == 0 && !_begin.HasRun(_execute) && _begin.Used(used) is { IsError: true, Raw: not Instruction.NotRun } failed)
            {
                child.End();
                throw describe(failed.Error);
            }
        }

        // Where it was killed before it could say, its status tells.
        int own = _begin.HasRun(_getPid) ? _begin[_getPid].Value : least;
        int number = child.Pid;
        if (awaited == 0)
        {
            child.End();
            return new Launch(LaunchEnd.NotExecuted, number, own, error);
        }

        if (own < least || own > most)
        {
            child.Wait(RemoteTask.DefaultTimeout);
            return new Launch(LaunchEnd.OtherPid, number, own, 0);
        }

        return new Launch(LaunchEnd.Running, child.Release(), own, 0);
    }

    // What stops the process group, as a terminal does, stops the child here too, while nslp catches it. It must stop
    // then, or nobody could go on.
    private Errno Await(RemoteTask child)
    {
        Errno awaited;
        long* info = stackalloc long[128 / sizeof(long)];
        while ((awaited = child.Await(Look())) == Errno.ETIMEDOUT)
        {
            *info = 0;
            Renumber(child);
            if (Raw.Call(SYS_waitid, P_PID, child.Pid, (nint)info, WSTOPPED | WNOHANG | __WALL, 0).Raw == 0 && *info != 0)
            {
                // siginfo_t: si_signo, si_errno, si_code, padding, si_pid, si_uid, si_status.
                CaughtSignals.Suffer(((int*)info)[6]);
                _ = Raw.Call(SYS_kill, child.Pid, SIGCONT);
            }
        }

        return awaited;

        TimeSpan Look() => Meanwhile is not { } work ? s_look
            : Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), Math.Min(work(), Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 10)));
    }

    // The maker may know it by another number than nslp, whose child it is.
    private void Renumber(RemoteTask child)
    {
        if (Maker != Zygote.Root && Raw.Call(SYS_fcntl, _mark, F_GETOWN) is { Value: > 0 } number)
        {
            child.Attach(null, number.Value);
        }
    }

    private void Must(int call, Func<Errno, RemoteException> describe)
    {
        _begin.Require(call);
        _musts.Add((call, describe));
    }

    private void PutExecve(Order order, int index)
    {
        Instruction* execve = order.Program + index;
        (execve->A0, execve->A1, execve->A2) = (_image.Path, _image.Arguments, _image.Environment);
    }

    // Who reads a pipe until its end, as $(...) does, would wait for the end of the command. A FIFO somebody has chosen.
    private static void LetPipesGo(Order order)
    {
        int none = -1;
        long* statfs = stackalloc long[Proc.StatfsSize / sizeof(long)];
        for (int stream = 1; stream <= 2; stream++)
        {
            if (Raw.Call(SYS_fstatfs, stream, (nint)statfs) == 0 && *statfs == PIPEFS_MAGIC)
            {
                none = none < 0 ? order.Call(SYS_openat, AT_FDCWD, order.Put("/dev/null"), O_RDWR | O_CLOEXEC) : none;
                order.Call(SYS_dup3, order.Result(none), stream, 0);
            }
        }
    }

    /// <summary>Sets a task's signals to be ignored, a bit each, or to their default: handlers must be gone before the mask is,
    /// as their code is not there. execve would make them default all the same.</summary>
    internal static void SetSignals(RemoteTask task, ulong ignored)
    {
        using Order order = task.NewOrder();
        nint byDefault = order.Reserve(4 * sizeof(long));
        nint ignore = order.PutValue((SIG_IGN: 1L, 0L, 0L, 0L));
        for (int signal = 1; signal <= 64; signal++)
        {
            if (signal != SIGKILL && signal != SIGSTOP)
            {
                bool isIgnored = (ignored >> (signal - 1) & 1) != 0;
                order.Call(SYS_rt_sigaction, signal, isIgnored ? ignore : byDefault, 0, sizeof(ulong));
            }
        }

        task.Run(order);
    }
}

/// <summary>How a command starts, but for its PID.</summary>
/// <param name="LetsPipesGo">It has no pipe as its standard output or error.</param>
/// <param name="NewSession">It leads a session of its own.</param>
/// <param name="TakesTerminal">It has a process group of its own, which has the terminal.</param>
/// <param name="IsInit">It is the first process of a new PID namespace.</param>
/// <param name="NewProc">It has the /proc of that namespace, else the one that nslp has.</param>
/// <param name="PidMax">pid_max of that namespace; 0 to leave it as it is.</param>
/// <param name="Report">A descriptor that it does not get; -1 for none.</param>
/// <param name="IsMarked">Its number can be told in namespaces in between: see <see cref="Launcher.NumberOf"/>.</param>
internal sealed record LaunchSettings(
    bool LetsPipesGo = false,
    bool NewSession = false,
    bool TakesTerminal = false,
    bool IsInit = false,
    bool NewProc = false,
    int PidMax = 0,
    int Report = -1,
    bool IsMarked = false);

/// <summary>How an attempt to start the command ended.</summary>
internal enum LaunchEnd
{
    /// <summary>It runs, as a child of nslp.</summary>
    Running,

    /// <summary>No process was made.</summary>
    NotMade,

    /// <summary>A process was made, got another PID and ended without doing anything; it was waited for.</summary>
    OtherPid,

    /// <summary>A process was made with the PID, but the command could not be executed; it was waited for.</summary>
    NotExecuted,
}

/// <summary>What an attempt to start the command came to.</summary>
/// <param name="Pid">The process's PID in nslp's own PID namespace; 0 when none was made.</param>
/// <param name="OwnPid">Its PID in its own; 0 when none was made.</param>
/// <param name="Error">The errno of clone, of the write before it or of execve; else 0.</param>
internal readonly record struct Launch(LaunchEnd End, int Pid, int OwnPid, Errno Error);
