using System.Diagnostics;
using System.Runtime.InteropServices;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// SIGTERM, SIGINT and SIGHUP as something to look at instead of something that happens. SIGINT and SIGHUP that were
/// ignored from the start stay so: nohup and a shell's background jobs ask for it.
/// </summary>
/// <remarks>
/// A signal to the process goes to any thread that does not block it, and the runtime has threads of its own, which
/// run its handlers. So the signals must be blocked in all of them, which only a mask does that the whole program
/// started with: hence <see cref="Hold"/> before an execve, and this after it.
/// </remarks>
internal sealed unsafe class StopSignals
{
    private const int StackSize = 128 * 1024;

    // Repeated until the thread has seen that a signal came: the first may come just before its system call.
    private const int WakeNanoseconds = 1_000_000;

    private readonly int _thread;
    private readonly TimeSpan _patience;
    private readonly Func<bool> _mayEnd;
    private readonly Action<bool> _end;
    private int _received;
    private int _isAcknowledged;

    /// <summary>
    /// Makes a thread that waits for the signals, which takes one PID. Once a signal has come, system calls that the
    /// calling thread waits in fail with EINTR until <see cref="Acknowledge"/>. Throws <see cref="RemoteException"/>.
    /// </summary>
    /// <param name="patience">How long the process may take to end by itself after a signal.</param>
    /// <param name="mayEnd">Asked each millisecond after a signal: whether this thread may end the process.</param>
    /// <param name="end">Ends the process. False when that was not allowed, but the time is up.</param>
    internal StopSignals(TimeSpan patience, Func<bool> mayEnd, Action<bool> end)
    {
        _patience = patience;
        _mayEnd = mayEnd;
        _end = end;
        _thread = (int)syscall(SYS_gettid);
        // A handler that does nothing, and no SA_RESTART: all that is wanted is the EINTR.
        sigaction action = default;
        action.sa_handler = Raw.Nothing;
        _ = LibC.sigaction(SIGUSR1, &action, null);
        try
        {
            new Thread(Wait, StackSize) { IsBackground = true }.Start();
        }
        catch (OutOfMemoryException)
        {
            // The likely one of the errnos that the runtime makes this of.
            throw new RemoteException("cannot make a thread", EAGAIN);
        }
    }

    /// <summary>The signal that came, or 0.</summary>
    internal int Received => Volatile.Read(ref _received);

    /// <summary>The thread that made this knows that a signal came.</summary>
    internal void Acknowledge() => Volatile.Write(ref _isAcknowledged, 1);

    /// <summary>Whether the calling thread blocks the signals.</summary>
    internal static bool AreHeld
    {
        get
        {
            sigset_t mask;
            _ = pthread_sigmask(SIG_BLOCK, null, &mask);
            return sigismember(&mask, SIGTERM) == 1;
        }
    }

    /// <summary>Blocks the signals in the calling thread, and so in the program that it turns into by execve.</summary>
    internal static void Hold()
    {
        sigset_t set;
        Fill(&set);
        _ = pthread_sigmask(SIG_BLOCK, &set, null);
    }

    private static void Fill(sigset_t* set)
    {
        _ = sigemptyset(set);
        _ = sigaddset(set, SIGTERM);
        AddUnlessIgnored(set, SIGINT);
        AddUnlessIgnored(set, SIGHUP);
    }

    private static void AddUnlessIgnored(sigset_t* set, int signal)
    {
        sigaction old;
        _ = LibC.sigaction(signal, null, &old);
        if (old.sa_handler != SIG_IGN)
        {
            _ = sigaddset(set, signal);
        }
    }

    private void Wait()
    {
        sigset_t set;
        Fill(&set);
        int signal;
        while (sigwait(&set, &signal) != 0)
        {
        }

        Volatile.Write(ref _received, signal);
        int never = 0;
        timespec pause = new() { tv_nsec = WakeNanoseconds };
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < _patience;)
        {
            if (_mayEnd())
            {
                _end(true);
            }

            if (Volatile.Read(ref _isAcknowledged) == 0)
            {
                _ = tgkill(getpid(), _thread, SIGUSR1);
            }

            _ = futex_wait(&never, 0, &pause);
        }

        _end(false);
    }
}
