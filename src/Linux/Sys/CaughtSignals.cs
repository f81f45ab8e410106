using System.Runtime.CompilerServices;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Signals to nslp as records in a pipe, whichever thread gets them. One object at a time.</summary>
/// <remarks>
/// The handler writes the siginfo_t to the pipe and returns. For signalfd the signals would have to be blocked in all
/// threads, and the runtime's own way makes one, which takes a PID. The pipe holds 512 records; what comes beyond is
/// dropped, as a pending signal would be.
/// </remarks>
internal sealed unsafe class CaughtSignals : IDisposable
{
    private const int RecordSize = 128; // sizeof(siginfo_t)

    // Without initialisers, and set before the handler is compiled: it must not find a class to be initialised.
    private static delegate*<long, long, long, long, long, long, long, long> s_syscall;
    private static delegate*<int*> s_errno;
    private static int s_writer;

    private readonly List<(int Signal, sigaction Old)> _caught = [];
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
        long error = Raw.Call(SYS_pipe2, (nint)pipe, O_CLOEXEC | O_NONBLOCK);
        if (error < 0)
        {
            throw new RemoteException("cannot make a pipe", (int)-error);
        }

        (Descriptor, s_writer) = (pipe[0], pipe[1]);
    }

    /// <summary>What poll(2) finds readable when <see cref="Next"/> has a signal.</summary>
    internal int Descriptor { get; }

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

    /// <summary>Lets the calling thread get a signal that whoever started nslp may have blocked, until
    /// <see cref="Release"/>.</summary>
    internal void Unblock(int signal)
    {
        sigset_t set, old;
        _ = sigemptyset(&set);
        _ = sigaddset(&set, signal);
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
    internal CaughtSignal Next(bool wait)
    {
        byte* record = stackalloc byte[RecordSize];
        while (true)
        {
            long got = Raw.Call(SYS_read, Descriptor, (nint)record, RecordSize);
            if (got == RecordSize)
            {
                // siginfo_t: si_signo, si_errno, si_code, padding, si_pid.
                return new CaughtSignal(*(int*)record, *(int*)(record + 8), *(int*)(record + 16));
            }

            if (!wait)
            {
                return default;
            }

            long poll = (uint)Descriptor | ((long)POLLIN << 32);
            _ = Raw.Call(SYS_ppoll, (nint)(&poll), 1, 0, 0, sizeof(ulong));
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
        close(Descriptor);
        close(s_writer);
    }

    /// <summary>Runs in any thread at any point, also in one that the runtime has stopped or does not know.</summary>
    /// <remarks>
    /// So it may be nothing but machine code: it calls libc as <see cref="TaskLoop"/> does, and touches no object. While it
    /// runs all signals are blocked, the runtime's own too.
    /// </remarks>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Handle(int signal, byte* info, void* context)
    {
        int* errno = s_errno();
        int interrupted = *errno;
        _ = s_syscall(SYS_write, s_writer, (nint)info, RecordSize, 0, 0, 0);
        *errno = interrupted;
    }
}
