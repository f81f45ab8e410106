using System.Buffers.Text;
using System.Text;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// What nslp was given by who started it, for a child that is to get the same: arguments, environment, ignored
/// signals and limits. To be read before nslp itself changes any of it.
/// </summary>
/// <remarks>
/// The runtime changes some of it before Main and keeps no note. It ignores SIGPIPE, catches SIGTERM, a real-time
/// signal and those of faults whatever they were, and raises the soft RLIMIT_NOFILE to the hard one. The limit, and
/// whether these signals were ignored, are taken from the parent: wrong where a program changed them and then became
/// nslp by execve (<c>env --ignore-signal=PIPE nslp ...</c>).
/// </remarks>
internal sealed unsafe class Given
{
    private const int Signals = 64;
    private const int AT_FDCWD = -100;

    private Given(byte[] arguments, byte[] environment, ulong ignoredSignals, rlimit64? openFiles)
    {
        Arguments = arguments;
        Environment = environment;
        IgnoredSignals = ignoredSignals;
        OpenFiles = openFiles;
    }

    /// <summary>The command and its arguments, each with a NUL after it, byte for byte.</summary>
    internal byte[] Arguments { get; }

    /// <summary>The environment, each variable with a NUL after it, byte for byte.</summary>
    internal byte[] Environment { get; }

    /// <summary>A bit a signal that was ignored, the lowest for signal 1.</summary>
    internal ulong IgnoredSignals { get; }

    /// <summary>RLIMIT_NOFILE where it must be set back; null where it is as it was or that is not known.</summary>
    internal rlimit64? OpenFiles { get; }

    /// <summary>
    /// Reads it all. Throws <see cref="RemoteException"/> if something cannot be read although /proc is there: the child
    /// would get something else.
    /// </summary>
    /// <param name="command">The command as the runtime understood it: the last arguments of nslp.</param>
    internal static Given Read(IReadOnlyList<string> command) =>
        new(ReadArguments(command), ReadEnvironment(), ReadIgnoredSignals(), ReadOpenFiles());

    private static byte[] ReadArguments(IReadOnlyList<string> command)
    {
        if (ReadSelf("/proc/self/cmdline"u8, out byte[] text))
        {
            // From the end: what stands before nslp's own arguments depends on how it was started.
            int at = text.Length;
            int left = command.Count + 1;
            while (at > 0 && (text[at - 1] != 0 || --left > 0))
            {
                at--;
            }

            if (left == 0 || (left == 1 && at == 0))
            {
                return text[at..];
            }
        }

        return [.. command.SelectMany(word => Encoding.UTF8.GetBytes(word + "\0"))];
    }

    private static byte[] ReadEnvironment()
    {
        if (!ReadSelf("/proc/self/environ"u8, out byte[] text))
        {
            return [.. System.Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
                .SelectMany(variable => Encoding.UTF8.GetBytes($"{variable.Key}={variable.Value}\0"))];
        }

        return OwnProgram.WithoutMark(text);
    }

    private static ulong ReadIgnoredSignals()
    {
        ulong ignored = 0, unknown = Bit(SIGPIPE);
        long* action = stackalloc long[4];
        for (int signal = 1; signal <= Signals; signal++)
        {
            // The kernel's struct sigaction, as libc hides signals 32 and 33: handler, flags, restorer, mask.
            if (Raw.Call(SYS_rt_sigaction, signal, 0, (nint)action, sizeof(ulong)) == 0)
            {
                ignored |= action[0] == (nint)SIG_IGN ? Bit(signal) : 0;
                unknown |= action[0] != (nint)SIG_IGN && action[0] != (nint)SIG_DFL ? Bit(signal) : 0;
            }
        }

        // Of these the runtime leaves alone what is ignored.
        unknown &= ~(Bit(SIGINT) | Bit(SIGQUIT));
        ignored &= ~unknown;
        if (ReadOfParent("/status"u8) is { } status
            && ProcMount.TryField(status, "\nSigIgn:"u8, out ReadOnlySpan<byte> hex)
            && Utf8Parser.TryParse(hex, out ulong ofParent, out _, 'x')
            // A parent that made something else default for its child did so with these too, as Python does.
            && (ofParent & ~ignored & ~unknown) == 0)
        {
            ignored |= ofParent & unknown;
        }

        return ignored;
    }

    private static rlimit64? ReadOpenFiles()
    {
        rlimit64 limit;
        return prlimit64(RLIMIT_NOFILE, null, &limit) == 0
            && ReadOfParent("/limits"u8) is { } limits
            && ProcMount.TryField(limits, "\nMax open files"u8, out ReadOnlySpan<byte> values)
            && TryLimit(ref values, out ulong soft)
            && TryLimit(ref values, out ulong hard)
            && hard == limit.rlim_max
            && soft < limit.rlim_cur
                ? new rlimit64 { rlim_cur = soft, rlim_max = hard }
                : null;
    }

    private static bool TryLimit(ref ReadOnlySpan<byte> values, out ulong limit)
    {
        while (values.StartsWith(" "u8))
        {
            values = values[1..];
        }

        bool isNumber = Utf8Parser.TryParse(values, out limit, out int used);
        values = isNumber ? values[used..] : values;
        return isNumber;
    }

    private static byte[]? ReadOfParent(ReadOnlySpan<byte> name)
    {
        // A parent outside the PID namespace is 0.
        int parent = (int)Raw.Call(SYS_getppid);
        int proc = parent > 0 ? Proc.Open() : -ENOENT;
        if (!IsRead(Math.Min(proc, 0), "/proc"))
        {
            return null;
        }

        int error = Proc.ReadAll(proc, parent, name, out byte[] text);
        bool isOther = ProcMount.IsOfOtherNamespace(proc);
        close(proc);
        return IsRead(error, "the limits and signals of the parent process") && !isOther ? text : null;
    }

    // By the link: PIDs in /proc may be those of another namespace.
    private static bool ReadSelf(ReadOnlySpan<byte> path, out byte[] text) =>
        IsRead(Proc.ReadAllAt(AT_FDCWD, path, out text), Encoding.ASCII.GetString(path));

    // Without /proc, or where it hides the parent, it must do without.
    private static bool IsRead(int error, string what)
    {
        if (error == 0 || error == -ENOENT || error == -EACCES || error == -EPERM || error == -ESRCH)
        {
            return error == 0;
        }

        throw new RemoteException($"cannot read {what}", -error);
    }

    private static ulong Bit(int signal) => 1UL << (signal - 1);
}
