using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>One syscall of a program in shared memory, as <see cref="TaskLoop"/> runs it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Instruction
{
    /// <summary><see cref="Check"/>: the result is not looked at.</summary>
    internal const int CheckNothing = 0;

    /// <summary><see cref="Check"/>: the result must not be an error.</summary>
    internal const int CheckSuccess = 1;

    /// <summary><see cref="Check"/>: the result must be <see cref="Expected"/>.</summary>
    internal const int CheckEqual = 2;

    /// <summary><see cref="ChildKind"/>: the syscall makes no child that comes back with 0.</summary>
    internal const int NoChild = 0;

    /// <summary><see cref="ChildKind"/>: the child exits at once with status <see cref="Child"/>.</summary>
    internal const int ChildExits = 1;

    /// <summary><see cref="ChildKind"/>: the child becomes the task of the slot at address <see cref="Child"/>.</summary>
    internal const int ChildIsTask = 2;

    /// <summary><see cref="ChildKind"/>: the child sleeps until it is killed.</summary>
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

    /// <summary>The value that <see cref="CheckEqual"/> wants.</summary>
    internal long Expected;

    /// <summary>Exit status or address of a <see cref="TaskSlot"/>, as <see cref="ChildKind"/> says.</summary>
    internal long Child;

    internal int ChildKind;

    /// <summary>Two bits an argument, lowest for A0: a <see cref="ArgMode"/>.</summary>
    internal int Modes;

    internal int Check;

    /// <summary>What a failed check does: negative skips the rest of the program, else the task exits with it.</summary>
    internal int OnFailure;
}
