using System.Runtime.InteropServices;
using Tmds.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Signals to nslp as records in a pipe, whichever thread gets them.</summary>
/// <remarks>
/// The handler is a few instructions of machine code that write(2) the siginfo_t to the pipe and return. Managed code
/// must not run in a handler; blocked signals (signalfd) would have to be blocked in threads that the runtime made
/// before Main; and the runtime's own way makes threads, which take PIDs. It touches no errno and is safe in any
/// thread at any point. The pipe holds 512 records; what comes beyond is dropped, as a pending signal would be.
/// </remarks>
internal sealed unsafe class CaughtSignals : IDisposable
{
    private const int RecordSize = 128; // sizeof(siginfo_t)
    private const int CodeSize = 4096;
    private const int PROT_EXEC = 4;
    private const int O_NONBLOCK = 0x800;
    private const short POLLIN = 1;

    private readonly List<(int Signal, sigaction Old)> _caught = [];
    private sigset_t? _mask;
    private readonly byte* _code;
    private readonly int _reader;
    private readonly int _writer;

    /// <summary>Makes the pipe and the handler; catches nothing yet. Throws <see cref="RemoteException"/>.</summary>
    internal CaughtSignals()
    {
        int* pipe = stackalloc int[2];
        long error = Raw.Call(SYS_pipe2, (nint)pipe, O_CLOEXEC | O_NONBLOCK);
        if (error < 0)
        {
            throw new RemoteException("cannot make a pipe", (int)-error);
        }

        (_reader, _writer) = (pipe[0], pipe[1]);
        _code = (byte*)mmap(null, CodeSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (_code == MAP_FAILED)
        {
            throw new RemoteException("cannot map memory", errno);
        }

        ReadOnlySpan<byte> code = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Arm64(_writer) : X64(_writer);
        code.CopyTo(new Span<byte>(_code, CodeSize));
        error = Raw.Call(SYS_mprotect, (nint)_code, CodeSize, PROT_READ | PROT_EXEC);
        if (error < 0)
        {
            throw new RemoteException("cannot map a signal handler", (int)-error);
        }
    }

    /// <summary>Catches a signal from now on, whatever was set for it.</summary>
    internal void Catch(int signal)
    {
        sigaction old, action = default;
        action.sa_sigaction = _code;
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
            long got = Raw.Call(SYS_read, _reader, (nint)record, RecordSize);
            if (got == RecordSize)
            {
                // siginfo_t: si_signo, si_errno, si_code, padding, si_pid.
                return new CaughtSignal(*(int*)record, *(int*)(record + 8), *(int*)(record + 16));
            }

            if (!wait)
            {
                return default;
            }

            long poll = (uint)_reader | ((long)POLLIN << 32);
            _ = Raw.Call(SYS_ppoll, (nint)(&poll), 1, 0, 0, sizeof(ulong));
        }
    }

    /// <summary>Does to nslp what a signal does by default: ends or stops it. Returns after a stop.</summary>
    internal static void Suffer(int signal)
    {
        sigaction old, action = default;
        action.sa_handler = SIG_DFL;
        _ = sigaction(signal, &action, &old);
        _ = kill(getpid(), signal);
        _ = sigaction(signal, &old, null);
    }

    /// <summary>Sets all to what it was and closes the pipe.</summary>
    public void Dispose()
    {
        Release();
        _ = munmap(_code, CodeSize);
        close(_reader);
        close(_writer);
    }

    // write(fd, siginfo, 128); the siginfo_t is where a handler with SA_SIGINFO has its second argument.
    private static byte[] X64(int fd) =>
    [
        0xf3, 0x0f, 0x1e, 0xfa, // endbr64
        0xb8, (byte)SYS_write, 0, 0, 0, // mov eax, SYS_write
        0xbf, .. BitConverter.GetBytes(fd), // mov edi, fd
        0xba, RecordSize, 0, 0, 0, // mov edx, 128
        0x0f, 0x05, // syscall
        0xc3, // ret
    ];

    private static byte[] Arm64(int fd) =>
    [
        .. BitConverter.GetBytes(0xd503245fu), // bti c
        .. Move(0, fd),
        .. Move(2, RecordSize),
        .. Move(8, SYS_write),
        .. BitConverter.GetBytes(0xd4000001u), // svc #0
        .. BitConverter.GetBytes(0xd65f03c0u), // ret
    ];

    private static byte[] Move(uint register, int value) => // movz xN, #value
        BitConverter.GetBytes(0xd2800000u | ((uint)value << 5) | register);
}
