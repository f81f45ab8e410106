using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>What one thread needs to make the calls of a <see cref="Flavour"/>: the arguments, and a stack for a task that
/// is born, by design or by mistake.</summary>
internal sealed unsafe class CyclingTask : IDisposable
{
    /// <summary>An address in the kernel's half: access_ok refuses it before any page is looked for.</summary>
    internal const long Unwritable = -4096;

    /// <summary>More than any table of open files can hold: clone3 takes no cgroup above INT_MAX.</summary>
    private const int ClosedDescriptor = int.MaxValue;

    private const int Size = 16384;

    // A task born by mistake of clone3 on x86-64 returns into _exit with the address of its arguments for a
    // status, of which exit takes the low byte: 1. copy_struct_from_user does not ask for alignment.
    private const int ArgumentsOffset = 0x401;

    // Called as TaskLoop calls: what is between a P/Invoke and its function costs a hundredth of a clone that fails.
    private readonly delegate*<long, long, long, long, long, long, long, long> _syscall = Raw.Syscall;
    private readonly delegate*<void*, void*, long, void*, void*, int> _clone = Raw.Clone;
    private readonly delegate*<int*> _errno = Raw.ErrnoLocation;

    private readonly byte* _memory;
    private readonly clone_args* _args;
    private readonly byte* _stackTop;
    private readonly Flavour _flavour;

    // Touches neither errno nor anything else of the thread's, whose TLS the task shares. libc's clone ends the task by the
    // system call exit when the function returns: this task alone, not the process.
    private readonly void* _function = Raw.Nothing;

    /// <summary>Throws <see cref="RemoteException"/>.</summary>
    internal CyclingTask(Flavour flavour)
    {
        _flavour = flavour;
        _memory = (byte*)mmap(null, Size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        RemoteException.ThrowIf(_memory == MAP_FAILED ? SysResult.Of(-1).Error : 0, "cannot map memory");
        _stackTop = _memory + Size - 64;
        _args = (clone_args*)(_memory + ArgumentsOffset);
        if (flavour.Call == CyclingCall.Clone3)
        {
            Fill(_args, flavour.Flags);
            _args->stack = (ulong)(_memory + 4096);
            _args->stack_size = (ulong)(_stackTop - _memory - 4096);
            // The child would leave libc's syscall() by `ret`: to where this says. On arm64 it leaves by the link
            // register, whatever the stack holds; there the probe is all the safety there is.
            *(nint*)_stackTop = (nint)Raw.Exit;
        }
    }

    /// <summary>Consumes one PID.</summary>
    /// <returns>0 when it did; else the errno, after which no PID was consumed or none for certain; ECHILD when a task was
    /// born by mistake, which has ended and is reaped.</returns>
    internal Errno Consume()
    {
        int got = _flavour.Call == CyclingCall.Clone3
            ? (int)_syscall(SYS_clone3, (long)_args, sizeof(clone_args), 0, 0, 0, 0)
            : _clone(
                _function, _stackTop, (int)_flavour.Flags, null, _flavour.Call == CyclingCall.Clone ? (void*)Unwritable : null);
        if (got < 0)
        {
            int error = *_errno();
            return error == _flavour.Error || (error == EFAULT && _flavour.FillsFiles) ? 0 : (Errno)error;
        }

        if (_flavour.IsProcess)
        {
            Reap(got);
        }

        return _flavour.Call == CyclingCall.Child ? 0 : Errno.ECHILD;
    }

    /// <summary>Frees the memory. Nothing that was made from it may still run.</summary>
    public void Dispose() => munmap(_memory, Size);

    /// <summary>Waits for the end of a child that sends no signal then, which wait4 sees only with __WALL.</summary>
    internal static void Reap(int child)
    {
        while (Raw.Call(SYS_wait4, child, 0, __WALL).Error == Errno.EINTR)
        {
        }
    }

    /// <summary>Fills in what the failing calls have in common.</summary>
    internal static void Fill(clone_args* args, ulong flags)
    {
        *args = default;
        args->flags = flags;
        args->pidfd = (flags & CLONE_PIDFD) != 0 ? unchecked((ulong)Unwritable) : 0;
        args->cgroup = (flags & CLONE_INTO_CGROUP) != 0 ? (ulong)ClosedDescriptor : 0;
    }
}
