namespace SetNsLastPid.Linux;

/// <summary>Programs of a few system calls, as ELF files for x86-64 and arm64: TaskLoop cannot make a thread, which needs a
/// stack of its own.</summary>
internal sealed class ThreadProgram
{
    /// <summary>Where in memory the file lies, header and all.</summary>
    private const int Base = 0x400000;

    private const int HeaderSize = 64 + 56;

    // Of the data, which are behind the header: a clone_args, what F_SETOWN_EX takes, the result, a set of signals, set_tid
    // with as many entries as anybody asks for, an empty string and an argv of it with an empty environment.
    private const int Arguments = 128, Owner = 216, Result = 224, Signals = 232, Empty = 240, Argv = 248, SetTid = 272, MostEntries = 64;
    private const int DataEnd = SetTid + (MostEntries * sizeof(int));

    private readonly MemoryStream _code = new();
    private readonly byte[] _data = new byte[DataEnd];

    /// <summary>The signal on which the thread executes the other program.</summary>
    internal static int Go => SIGUSR1;

    internal static byte[] Exit()
    {
        ThreadProgram program = new();
        program.Call(Kernel.SYS_exit_group, 0);
        return program.ToFile();
    }

    /// <summary>Makes a thread, has an open file belong to it, writes its TID or -errno as 8 bytes there, and sleeps.
    /// The thread sleeps until <see cref="Go"/>, then executes a program.</summary>
    /// <param name="setTid">innermost namespace first</param>
    /// <param name="output">the file that belongs to the thread, and where to tell</param>
    /// <param name="next">the program to be executed</param>
    internal static byte[] New(ReadOnlySpan<int> setTid, int output, int next)
    {
        ThreadProgram program = new();
        Span<byte> data = program._data;
        MemoryMarshal.Write(data[Arguments..], new clone_args
        {
            flags = Kernel.ThreadFlags | Kernel.CLONE_PARENT_SETTID,
            parent_tid = Base + Owner + sizeof(int),
            // The thread makes only system calls.
            stack = Base,
            stack_size = HeaderSize,
            set_tid = setTid.IsEmpty ? 0 : (ulong)(Base + SetTid),
            set_tid_size = (ulong)setTid.Length,
        });
        MemoryMarshal.Write(data[Signals..], 1L << (SIGUSR1 - 1));
        MemoryMarshal.Write(data[Argv..], (long)(Base + Empty));
        MemoryMarshal.AsBytes(setTid).CopyTo(data[SetTid..]);

        program.Call(Kernel.SYS_clone3, Base + Arguments, Marshal.SizeOf<clone_args>());
        int thread = program.SkipIfZero();
        program.Store(Base + Result);
        program.Call(Kernel.SYS_fcntl, output, F_SETOWN_EX, Base + Owner);
        program.Call(Kernel.SYS_write, output, Base + Result, sizeof(long));
        program.Sleep();
        program.Land(thread);
        program.Call(Kernel.SYS_rt_sigtimedwait, Base + Signals, 0, 0, sizeof(long));
        program.Call(Kernel.SYS_execveat, next, Base + Empty, Base + Argv, Base + Argv + sizeof(long), AT_EMPTY_PATH);
        program.Sleep();
        return program.ToFile();
    }

    private void Sleep()
    {
        int start = (int)_code.Length;
        Call(Kernel.SYS_ppoll, 0, 0, 0, 0);
        int back = start - (int)_code.Length;
        // jmp; b
        Put(Kernel.X64 ? [0xe9, .. BitConverter.GetBytes(back - 5)] : Word(0x14000000 | ((back >> 2) & 0x3ffffff)));
    }

    // A system call with numbers from 0 to 2^31 - 1.
    private void Call(int number, params ReadOnlySpan<int> arguments)
    {
        // mov edi, esi, edx, r10d, r8d; then eax.
        byte[][] registers = [[0xbf], [0xbe], [0xba], [0x41, 0xba], [0x41, 0xb8]];
        for (int i = 0; i < arguments.Length; i++)
        {
            Move(i, registers[i], arguments[i]);
        }

        Move(8, [0xb8], number);
        // syscall; svc #0
        Put(Kernel.X64 ? [0x0f, 0x05] : Word(unchecked((int)0xd4000001)));
    }

    private void Move(int register, byte[] mov, int value)
    {
        if (Kernel.X64)
        {
            Put([.. mov, .. BitConverter.GetBytes(value)]);
            return;
        }

        // movz and movk, lsl #16
        Put(Word(unchecked((int)0xd2800000) | ((value & 0xffff) << 5) | register));
        Put(Word(unchecked((int)0xf2a00000) | ((value >> 16) << 5) | register));
    }

    // Jumps where the last call came to 0; returns what Land takes.
    private int SkipIfZero()
    {
        int at = (int)_code.Length;
        // test rax, rax; jz. cbz x0
        Put(Kernel.X64 ? [0x48, 0x85, 0xc0, 0x0f, 0x84, 0, 0, 0, 0] : Word(0));
        return at;
    }

    private void Land(int skip)
    {
        int end = (int)_code.Length;
        _code.Position = Kernel.X64 ? skip + 5 : skip;
        _code.Write(Kernel.X64
            ? BitConverter.GetBytes(end - skip - 9)
            : Word(unchecked((int)0xb4000000) | (((end - skip) >> 2) << 5)));
        _code.Position = end;
    }

    // The result of the last call goes there.
    private void Store(int address)
    {
        if (Kernel.X64)
        {
            // mov [address], rax
            Put([0x48, 0x89, 0x04, 0x25, .. BitConverter.GetBytes(address)]);
            return;
        }

        Move(9, [], address);
        // str x0, [x9]
        Put(Word(unchecked((int)0xf9000120)));
    }

    private static byte[] Word(int word) => BitConverter.GetBytes(word);

    private void Put(ReadOnlySpan<byte> code) => _code.Write(code);

    // An ELF file of one segment that may be written, see elf(5).
    private byte[] ToFile()
    {
        byte[] code = _code.ToArray();
        byte[] file = [.. _data, .. code];
        Span<byte> span = file;
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(span);
        MemoryMarshal.Write(span[16..], (ushort)2);
        MemoryMarshal.Write(span[18..], (ushort)(Kernel.X64 ? 62 : 183));
        MemoryMarshal.Write(span[20..], 1);
        MemoryMarshal.Write(span[24..], (long)(Base + DataEnd));
        MemoryMarshal.Write(span[32..], 64L);
        MemoryMarshal.Write(span[52..], (ushort)64);
        MemoryMarshal.Write(span[54..], (ushort)56);
        MemoryMarshal.Write(span[56..], (ushort)1);
        // PT_LOAD, which may be read, written and executed.
        MemoryMarshal.Write(span[64..], 1);
        MemoryMarshal.Write(span[68..], 7);
        MemoryMarshal.Write(span[80..], (long)Base);
        MemoryMarshal.Write(span[88..], (long)Base);
        MemoryMarshal.Write(span[96..], (long)file.Length);
        MemoryMarshal.Write(span[104..], (long)file.Length);
        MemoryMarshal.Write(span[112..], 0x10000L);
        return file;
    }
}
