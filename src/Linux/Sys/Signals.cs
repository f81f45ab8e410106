using System.Runtime.CompilerServices;
using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>A signal that came to nslp.</summary>
/// <param name="Number">Which; 0 for none.</param>
/// <param name="Code">si_code: above 0 it comes from the kernel, as all that a terminal sends does.</param>
/// <param name="Sender">The PID of the sender, if a process sent it; 0 for one outside the PID namespace.</param>
internal readonly record struct CaughtSignal(int Number, int Code, int Sender)
{
    /// <summary>Whether the kernel sent it, so that all of the process group got it.</summary>
    internal bool IsFromKernel => Code > 0;
}

/// <summary>Signals to nslp as records in a pipe, whichever thread gets them. One object at a time.</summary>
/// <remarks>The handler writes the siginfo_t to the pipe and returns. For signalfd the signals would have to be blocked in
/// all threads, and the runtime's own way makes one, which takes a PID. The pipe holds 512 records; what comes beyond is
/// dropped, as a pending signal would be.</remarks>
internal sealed unsafe class CaughtSignals : IDisposable
{
    private const int RecordSize = 128; // sizeof(siginfo_t)

    // Without initialisers, and set before the handler is compiled: it must not find a class to be initialised.
    private static delegate*<long, long, long, long, long, long, long, long> s_syscall;
    private static delegate*<int*> s_errno;
    private static int s_writer;

    private readonly List<(int Signal, sigaction Old)> _caught = [];
    private readonly Fd _reader, _writer;
    private sigset_t? _mask;

    /// <summary>Makes the pipe and the handler; catches nothing yet. Throws <see cref="RemoteException"/>.</summary>
    internal CaughtSignals()
    {
        s_syscall = Raw.Syscall;
        s_errno = Raw.ErrnoLocation;
        s_writer = -1;
        // Under the JIT: or the first signal would have it compiled, in the handler.
        Handle(0, null, null);
        int* pipe = stackalloc int[2];
        SysResult made = Raw.Call(SYS_pipe2, (nint)pipe, O_CLOEXEC | O_NONBLOCK);
        RemoteException.ThrowIf(made.Error, "cannot make a pipe");
        (_reader, _writer) = (new Fd(pipe[0]), new Fd(pipe[1]));
        s_writer = _writer.Number;
    }

    /// <summary>What poll(2) finds readable when <see cref="Next"/> has a signal.</summary>
    internal int Descriptor => _reader.Number;

    /// <summary>Catches a signal from now on, whatever was set for it.</summary>
    internal void Catch(int signal)
    {
        sigaction old, action = default;
        action.sa_sigaction = (delegate*<int, byte*, void*, void>)&Handle;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        _ = sigfillset(&action.sa_mask);
        if (sigaction(signal, &action, &old) == 0)
        {
            _caught.Add((signal, old));
        }
    }

    /// <summary>Catches those of some signals that are not ignored: nohup and a shell's background jobs ask for that.</summary>
    internal void CatchUnlessIgnored(params ReadOnlySpan<int> signals)
    {
        foreach (int signal in signals)
        {
            sigaction found;
            if (sigaction(signal, null, &found) == 0 && found.sa_handler != SIG_IGN)
            {
                Catch(signal);
            }
        }
    }

    /// <summary>Catches the signals that end a command, unless they are ignored.</summary>
    internal void CatchEnd() => CatchUnlessIgnored(SIGHUP, SIGINT, SIGQUIT, SIGTERM);

    /// <summary>Catches the signals that end a server, SIGTERM even if it is ignored.</summary>
    internal void CatchEndOfServer()
    {
        Catch(SIGTERM);
        CatchUnlessIgnored(SIGINT, SIGHUP);
        Unblock(SIGTERM, SIGINT, SIGHUP);
    }

    /// <summary>Lets the calling thread get signals that whoever started nslp may have blocked, until
    /// <see cref="Release"/>.</summary>
    internal void Unblock(params ReadOnlySpan<int> signals)
    {
        sigset_t set, old;
        _ = sigemptyset(&set);
        foreach (int signal in signals)
        {
            _ = sigaddset(&set, signal);
        }

        _ = pthread_sigmask(SIG_UNBLOCK, &set, &old);
        _mask = old;
    }

    /// <summary>Sets all that is caught to what it was.</summary>
    internal void Release()
    {
        foreach ((int signal, sigaction old) in _caught)
        {
            sigaction action = old;
            _ = sigaction(signal, &action, null);
        }

        _caught.Clear();
        if (_mask is { } mask)
        {
            _ = pthread_sigmask(SIG_SETMASK, &mask, null);
            _mask = null;
        }
    }

    /// <summary>The next signal caught; waits for it without end if <paramref name="wait"/>, asleep.</summary>
    /// <returns>Signal 0 when there is none.</returns>
    internal CaughtSignal Next(bool wait) => NextBefore(wait ? long.MaxValue : 0);

    /// <summary>The next signal caught; waits for it, asleep.</summary>
    /// <param name="end">Until then, a time of <see cref="Stopwatch.GetTimestamp"/>, CLOCK_MONOTONIC.</param>
    /// <returns>Signal 0 when there is none by then.</returns>
    internal CaughtSignal NextBefore(long end)
    {
        byte* record = stackalloc byte[RecordSize];
        while (true)
        {
            if (Raw.Call(SYS_read, Descriptor, (nint)record, RecordSize).Raw == RecordSize)
            {
                // siginfo_t: si_signo, si_errno, si_code, padding, si_pid.
                return new CaughtSignal(*(int*)record, *(int*)(record + 8), *(int*)(record + 16));
            }

            long left = end == 0 ? 0 : end - Stopwatch.GetTimestamp();
            if (left <= 0)
            {
                return default;
            }

            long poll = (uint)Descriptor | ((long)POLLIN << 32);
            (long Seconds, long Nanoseconds) time = (left / Stopwatch.Frequency, left % Stopwatch.Frequency * (1_000_000_000 / Stopwatch.Frequency));
            _ = Raw.Call(SYS_ppoll, (nint)(&poll), 1, end == long.MaxValue ? 0 : (nint)(&time), 0, sizeof(ulong));
        }
    }

    /// <summary>Does to nslp what a signal does by default, also where it is blocked or ignored. Returns after a stop, and
    /// where the kernel lets the signal do nothing: to PID 1, and a stop to an orphaned process group.</summary>
    internal static void Suffer(int signal)
    {
        // The kernel's struct sigaction, as libc hides signals 32 and 33; all zero is SIG_DFL.
        (nint, nint, nint, nint) old, byDefault = default;
        ulong mask, unblocked = 1UL << (signal - 1);
        _ = Raw.Call(SYS_rt_sigaction, signal, (nint)(&byDefault), (nint)(&old), sizeof(ulong));
        _ = Raw.Call(SYS_rt_sigprocmask, SIG_UNBLOCK, (nint)(&unblocked), (nint)(&mask), sizeof(ulong));
        _ = kill(getpid(), signal);
        _ = Raw.Call(SYS_rt_sigprocmask, SIG_SETMASK, (nint)(&mask), 0, sizeof(ulong));
        _ = Raw.Call(SYS_rt_sigaction, signal, (nint)(&old), 0, sizeof(ulong));
    }

    /// <summary>Sets all to what it was and closes the pipe.</summary>
    public void Dispose()
    {
        Release();
        _reader.Dispose();
        _writer.Dispose();
    }

    /// <summary>Runs in any thread at any point, also in one that the runtime has stopped or does not know.</summary>
    /// <remarks>So it may be nothing but machine code: it calls libc as <see cref="TaskLoop"/> does, and touches no object.
    /// While it runs all signals are blocked, the runtime's own too.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Handle(int signal, byte* info, void* context)
    {
        int* errno = s_errno();
        int interrupted = *errno;
        _ = s_syscall(SYS_write, s_writer, (nint)info, RecordSize, 0, 0, 0);
        *errno = interrupted;
    }
}

/// <summary>Holds all signals off the calling thread and the tasks it makes: a task on a small stack, with its maker's TLS,
/// must not run one of the runtime's handlers.</summary>
internal unsafe ref struct BlockedSignals
{
    private sigset_t _old;

    internal void Block()
    {
        sigset_t all, old;
        _ = sigfillset(&all);
        _ = pthread_sigmask(SIG_SETMASK, &all, &old);
        _old = old;
    }

    internal readonly void Restore()
    {
        sigset_t old = _old;
        _ = pthread_sigmask(SIG_SETMASK, &old, null);
    }
}
