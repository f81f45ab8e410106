using System.Runtime;
using System.Runtime.CompilerServices;
using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>What nslp was given by who started it, for a child that is to get the same: arguments, environment and ignored
/// signals, before the runtime and nslp changed any of it.</summary>
/// <param name="Arguments">The command and its arguments, each with a NUL after it, byte for byte.</param>
/// <param name="Environment">The environment, each variable with a NUL after it, byte for byte.</param>
/// <param name="IgnoredSignals">A bit a signal that was ignored, the lowest for signal 1.</param>
internal sealed unsafe record Given(byte[] Arguments, byte[] Environment, ulong IgnoredSignals)
{
    private const int Signals = 64;

    // Without initialisers: they are set before the runtime is there.
    private static int s_count;
    private static byte** s_arguments;
    private static ulong s_ignored;

    /// <summary>Looks it all up. Under the JIT arguments that are not UTF-8 are changed, and SIGPIPE counts as not
    /// ignored.</summary>
    /// <param name="command">The command as the runtime understood it: the last arguments of nslp.</param>
    internal static Given Read(IReadOnlyList<string> command)
    {
        List<byte> arguments = [];
        for (int i = 0; i < command.Count; i++)
        {
            if (s_arguments != null)
            {
                Add(arguments, s_arguments[s_count - command.Count + i]);
            }
            else
            {
                arguments.AddRange(Encoding.UTF8.GetBytes(command[i] + "\0"));
            }
        }

        List<byte> environment = [];
        for (byte** variable = Raw.Environment; *variable != null; variable++)
        {
            Add(environment, *variable);
        }

        return new Given(
            [.. arguments],
            [.. environment],
            s_arguments != null ? s_ignored : ReadIgnored(Raw.Syscall) & ~(1UL << (SIGPIPE - 1)));
    }

    private static void Add(List<byte> texts, byte* text)
    {
        texts.AddRange(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
        texts.Add(0);
    }

    /// <summary>The native file's main(3).</summary>
    /// <remarks>The runtime ignores SIGPIPE and catches others before it calls <see cref="Cli"/>, and keeps no note. As it is
    /// not there yet, this must be nothing but machine code: see <see cref="TaskLoop"/>.</remarks>
    [RuntimeExport("__wrap_main")]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static int Begin(int count, byte** arguments, byte** environment)
    {
        s_count = count;
        s_arguments = arguments;
        s_ignored = ReadIgnored(Raw.Syscall);
        return Raw.RealMain(count, arguments, environment);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong ReadIgnored(delegate*<long, long, long, long, long, long, long, long> syscall)
    {
        ulong ignored = 0;
        // The kernel's struct sigaction, as libc hides signals 32 and 33: handler, flags, restorer, mask.
        (nint Handler, nint, nint, nint) action;
        for (int signal = 1; signal <= Signals; signal++)
        {
            if (syscall(SYS_rt_sigaction, signal, 0, (nint)(&action), sizeof(ulong), 0, 0) == 0 && action.Handler == 1)
            {
                ignored |= 1UL << (signal - 1);
            }
        }

        return ignored;
    }
}
