namespace SetNsLastPid.Linux;

/// <summary>A program for a <see cref="RemoteTask"/>: raw syscalls that it makes one after the other, and the memory that
/// they point to, all in the shared arena. An order may be submitted again once it has ended. Not thread-safe.</summary>
internal sealed unsafe class Order : IDisposable
{
    private readonly Zygote _zygote;
    private readonly int _chunks;
    private readonly nint _start;
    private nint _dataStart;
    private bool _isDisposed;

    internal Order(Zygote zygote, int chunks)
    {
        _zygote = zygote;
        _chunks = chunks;
        _start = zygote.Arena.TakeChunks(chunks);
        _dataStart = _start + (chunks * Arena.ChunkSize);
    }

    internal int Count { get; private set; }

    /// <summary>The task that works on it; null before <see cref="RemoteTask.Submit"/> and after its end.</summary>
    internal RemoteTask? UnderWay { get; set; }

    /// <summary>The tasks that are born if an instruction, given by its index, succeeds; a sibling (CLONE_PARENT) as a child of
    /// the cloning task's parent.</summary>
    internal List<(int Index, RemoteTask Task, bool IsSibling)> Births { get; } = [];

    internal Instruction* Program => (Instruction*)_start;

    /// <summary>The result of instruction <paramref name="index"/>: <see cref="Instruction.NotRun"/>, which is an error too,
    /// if it was not reached.</summary>
    internal SysResult this[int index] => new(At(index)->Result);

    internal bool HasRun(int index) => At(index)->Result != Instruction.NotRun;

    /// <summary>Appends a syscall. Returns its index.</summary>
    internal int Call(
        long number, Arg a0 = default, Arg a1 = default, Arg a2 = default, Arg a3 = default, Arg a4 = default,
        Arg a5 = default)
    {
        Instruction* instruction = Program + Count;
        if ((nint)(instruction + 1) > _dataStart)
        {
            throw Full();
        }

        *instruction = new Instruction
        {
            Number = number,
            A0 = a0.Value,
            A1 = a1.Value,
            A2 = a2.Value,
            A3 = a3.Value,
            A4 = a4.Value,
            A5 = a5.Value,
            Indirect = a0.Bit | (a1.Bit << 1) | (a2.Bit << 2) | (a3.Bit << 3) | (a4.Bit << 4) | (a5.Bit << 5),
            Result = Instruction.NotRun,
        };
        return Count++;
    }

    /// <summary>Appends: open a file, make one call with its descriptor as the first argument, close it. Where it cannot be
    /// opened, the rest of the order is skipped.</summary>
    /// <returns>What <see cref="Used"/> takes.</returns>
    internal int Use(string path, int flags, long number, Arg a1 = default, Arg a2 = default, Arg a3 = default)
    {
        int open = Call(Kernel.SYS_openat, LibC.AT_FDCWD, Put(path), flags | LibC.O_CLOEXEC);
        Require(open);
        int use = Call(number, Result(open), a1, a2, a3);
        Call(Kernel.SYS_close, Result(open));
        return use;
    }

    /// <summary>Appends a write of <paramref name="text"/> by one call to a file that exists.</summary>
    /// <returns>What <see cref="Used"/> takes.</returns>
    internal int Write(string path, string text) =>
        Use(path, LibC.O_WRONLY, Kernel.SYS_write, Put(text), Encoding.UTF8.GetByteCount(text));

    /// <summary>What the call that <see cref="Use"/> appended came to, or the opening.</summary>
    internal SysResult Used(int use) => this[use - 1].IsError ? this[use - 1] : this[use];

    /// <summary>Appends clone(2) with <paramref name="flags"/> (no CLONE_VM), for CLONE_PIDFD where the descriptor shall go, and
    /// for CLONE_CHILD_SETTID where the child's PID shall. The child's exit signal is the low byte, best 0; wait for it with
    /// __WALL. Passes the seccomp profiles that refuse clone3.</summary>
    internal int Clone(ulong flags, Child child, long parentTid = 0, long childTid = 0) => Born(
        Kernel.X64
            ? Call(Kernel.SYS_clone, flags, 0, parentTid, childTid)
            : Call(Kernel.SYS_clone, flags, 0, parentTid, 0, childTid),
        flags, child);

    /// <summary>Appends clone3(2). <paramref name="args"/> is copied; without CLONE_VM, as the child needs a stack of its
    /// own. A nonempty <paramref name="setTid"/>, innermost namespace first, takes the place of args.set_tid.</summary>
    internal int Clone3(clone_args args, Child child, ReadOnlySpan<int> setTid = default)
    {
        if (!setTid.IsEmpty)
        {
            args.set_tid = (ulong)Put(MemoryMarshal.AsBytes(setTid));
            args.set_tid_size = (ulong)setTid.Length;
        }

        return Born(Call(Kernel.SYS_clone3, PutValue(args), sizeof(clone_args)), args.flags, child);
    }

    /// <summary>Appends clone3(2) with arguments without flags that lie in the arena.</summary>
    internal int Clone3(nint arguments, int size, Child child) =>
        Born(Call(Kernel.SYS_clone3, arguments, size), 0, child);

    /// <summary>Instruction <paramref name="index"/> must succeed, or the rest is skipped.</summary>
    internal void Require(int index) => Expect(index, 0, long.MaxValue);

    /// <summary>The result of instruction <paramref name="index"/> must be <paramref name="value"/>, or the rest is skipped.
    /// </summary>
    internal void Expect(int index, long value) => Expect(index, value, value);

    /// <summary>The result of instruction <paramref name="index"/> must lie between two numbers, both included, or the rest is
    /// skipped; with <paramref name="exit"/> (0 to 255) the task exits with that status instead.</summary>
    internal void Expect(int index, long least, long most, int exit = -1)
    {
        Instruction* instruction = At(index);
        (instruction->IsChecked, instruction->Least, instruction->Most) = (1, least, most);
        instruction->OnFailure = exit;
    }

    /// <summary>The result of an earlier instruction as an argument of a later one, of this or another order.</summary>
    internal Arg Result(int index) => new((nint)(&At(index)->Result), 1);

    /// <summary>Zeroed memory of the arena, 8-byte aligned, valid until the order is disposed.</summary>
    internal nint Reserve(int bytes)
    {
        nint start = (_dataStart - bytes) & ~7;
        if (start < (nint)(Program + Count))
        {
            throw Full();
        }

        _dataStart = start;
        new Span<byte>((void*)start, bytes).Clear();
        return start;
    }

    /// <summary>A copy of <paramref name="bytes"/> in the arena.</summary>
    internal nint Put(ReadOnlySpan<byte> bytes)
    {
        nint start = Reserve(bytes.Length);
        bytes.CopyTo(new Span<byte>((void*)start, bytes.Length));
        return start;
    }

    internal nint PutValue<T>(T value)
        where T : unmanaged => Put(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(ref value)));

    /// <summary><paramref name="text"/> in the arena as UTF-8 that ends with NUL.</summary>
    internal nint Put(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        nint start = Reserve(length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>((void*)start, length));
        return start;
    }

    /// <summary>The bytes at an address that <see cref="Reserve"/> or Put gave.</summary>
    internal static Span<byte> Bytes(nint address, int length) => new((void*)address, length);

    /// <summary>The 4-byte number at such an address.</summary>
    internal static int Int(nint address) => *(int*)address;

    /// <summary>Forgets instructions and memory, so that the order can be written anew.</summary>
    internal void Clear()
    {
        ThrowIfUnderWay();
        Count = 0;
        Births.Clear();
        _dataStart = _start + (_chunks * Arena.ChunkSize);
    }

    internal void ThrowIfUnderWay()
    {
        if (UnderWay is not null)
        {
            throw new InvalidOperationException("the order is under way");
        }
    }

    /// <summary>Gives the memory back. That of an order still under way stays taken until the zygote is disposed,
    /// since the task may yet write there.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            if (UnderWay is null or { IsGone: true })
            {
                _zygote.Arena.FreeChunks(_start, _chunks);
            }
        }
    }

    private int Born(int index, ulong flags, Child child)
    {
        Instruction* instruction = At(index);
        if (child.Task is { } task)
        {
            (instruction->ChildKind, instruction->Child) = (Instruction.ChildIsTask, (nint)task.Slot);
            Births.Add((index, task, (flags & Kernel.CLONE_PARENT) != 0));
        }
        else
        {
            instruction->ChildKind = child.IsSleeper ? Instruction.ChildSleeps : Instruction.ChildExits;
        }

        return index;
    }

    private Instruction* At(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return Program + index;
    }

    private static InvalidOperationException Full() => new("the order is full");
}

/// <summary>One argument of a syscall in an <see cref="Order"/>: a number or address; with a <paramref name="Bit"/> of 1 the
/// number that stands at that address when the instruction runs (<see cref="Order.Result"/>).</summary>
internal readonly record struct Arg(long Value, int Bit = 0)
{
    public static implicit operator Arg(int value) => new(value);

    public static implicit operator Arg(uint value) => new(value);

    public static implicit operator Arg(long value) => new(value);

    public static implicit operator Arg(ulong value) => new((long)value);

    public static implicit operator Arg(ulong_t value) => new((long)(ulong)value);

    public static implicit operator Arg(nint value) => new(value);
}

/// <summary>What the child of a clone in an <see cref="Order"/> does.</summary>
/// <param name="Task">The task it becomes; null if it exits or sleeps.</param>
/// <param name="IsSleeper">It sleeps until it is killed.</param>
internal readonly record struct Child(RemoteTask? Task, bool IsSleeper)
{
    /// <summary>It calls exit_group(0) and nothing else.</summary>
    internal static Child Exits() => new(null, false);

    /// <summary>It becomes <paramref name="task"/>, runs the order that is already submitted to that task if there is
    /// one, and takes orders from then on.</summary>
    internal static Child Becomes(RemoteTask task) => new(task, false);

    /// <summary>It sleeps until it is killed, takes no slot, and does not die with its parent: only for a PID namespace
    /// whose init does.</summary>
    internal static Child Sleeps() => new(null, true);
}

/// <summary>One syscall of a program in shared memory, as <see cref="TaskLoop"/> runs it.</summary>
internal struct Instruction
{
    /// <summary><see cref="ChildKind"/>: the syscall makes no child that comes back with 0.</summary>
    internal const int NoChild = 0;

    /// <summary><see cref="ChildKind"/>: the child exits at once with status 0.</summary>
    internal const int ChildExits = 1;

    /// <summary><see cref="ChildKind"/>: the child becomes the task of the slot at address <see cref="Child"/>.</summary>
    internal const int ChildIsTask = 2;

    internal const int ChildSleeps = 3;

    /// <summary><see cref="Result"/> of an instruction that has not run: MAX_ERRNO (linux/err.h), which nothing returns.</summary>
    internal const long NotRun = -4095;

    internal long Number;
    internal long A0;
    internal long A1;
    internal long A2;
    internal long A3;
    internal long A4;
    internal long A5;

    /// <summary>What the syscall returned, -errno on failure, <see cref="NotRun"/> before.</summary>
    internal long Result;

    /// <summary>The least result that passes the check.</summary>
    internal long Least;

    /// <summary>The most.</summary>
    internal long Most;

    /// <summary>The address of a <see cref="TaskSlot"/>, or 0.</summary>
    internal long Child;

    internal int ChildKind;

    /// <summary>A bit an argument, the lowest for A0: as of <see cref="Arg"/>.</summary>
    internal int Indirect;

    /// <summary>0 where the result is not looked at.</summary>
    internal int IsChecked;

    /// <summary>What a failed check does: negative skips the rest of the program, else the task exits with it.</summary>
    internal int OnFailure;
}
