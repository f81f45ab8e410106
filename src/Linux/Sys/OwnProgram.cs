namespace SetNsLastPid.Linux;

internal static unsafe class OwnProgram
{
    // An environment variable that says to a process, by its PID, that it was started again already.
    private const string Mark = "NSLP_AGAIN";

    private static string MarkOfThis => string.Create(CultureInfo.InvariantCulture, $"{Mark}={Environment.ProcessId}");

    /// <summary>Whether <see cref="RestartOnce"/> started this.</summary>
    internal static bool IsRestarted =>
        Environment.GetEnvironmentVariable(Mark) is { } pid && $"{Mark}={pid}" == MarkOfThis;

    /// <summary>Whether the last part of the name that the program was called by (argv[0]) is this one, whatever file
    /// runs.</summary>
    internal static bool IsCalled(string name)
    {
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/cmdline\0"u8, out byte[] line);
        ReadOnlySpan<byte> first = line.AsSpan(0, Math.Max(Array.IndexOf(line, (byte)0), 0));
        return first[(first.LastIndexOf((byte)'/') + 1)..].SequenceEqual(Encoding.UTF8.GetBytes(name));
    }

    /// <summary>Starts the program anew in this process, with the same arguments and signal mask, after which
    /// <see cref="IsRestarted"/> is true: its threads, of which only the JIT's runtime has several, get other numbers, and none
    /// is in the way of the number that nslp set is asked for. Returns only on failure.</summary>
    internal static Errno RestartOnce()
    {
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/cmdline\0"u8, out byte[] line);
        List<nint> arguments = [], environment = [Marshal.StringToCoTaskMemUTF8(MarkOfThis)];
        // By its path, not by /proc/self/exe: the kernel names the process after the file it was given.
        fixed (byte* path = Encoding.UTF8.GetBytes(Environment.ProcessPath + '\0'), start = line)
        {
            for (int at = 0; at < line.Length; at += line.AsSpan(at).IndexOf((byte)0) + 1)
            {
                arguments.Add((nint)(start + at));
            }

            for (byte** inherited = Raw.Environment; *inherited != null; inherited++)
            {
                if (!MemoryMarshal.CreateReadOnlySpanFromNullTerminated(*inherited).StartsWith("NSLP_AGAIN="u8))
                {
                    environment.Add((nint)(*inherited));
                }
            }

            fixed (nint* argv = (nint[])[.. arguments, 0], envp = (nint[])[.. environment, 0])
            {
                return SysResult.Of(execve(path, (byte**)argv, (byte**)envp)).Error;
            }
        }
    }

    internal static bool HasThread(int number) => !Raw.Call(Kernel.SYS_tgkill, getpid(), number).IsError;

    /// <summary>Whether a thread of this process has a number that the next process may get when <paramref name="lastPid"/>
    /// is the last PID, some numbers in use passed over.</summary>
    internal static bool HasThreadFrom(int lastPid)
    {
        const int Reach = 64;
        return Enumerable.Range(lastPid, Reach).Any(HasThread);
    }

    /// <summary>Ends the process with status 0 once the numbers of its threads are free. execve waits for the threads
    /// (de_thread, fs/exec.c), where exit does not: on Linux 6.15 and later the parent may be woken before their numbers
    /// are free (release_task, kernel/exit.c). Where true(1) cannot be had it is a plain exit.</summary>
    internal static void ExitAfterThreads()
    {
        fixed (byte* path = "/bin/true"u8, name = "true"u8)
        {
            byte** argv = stackalloc byte*[] { name, null };
            _ = execve(path, argv, argv + 1);
            Kernel.exit_group(0);
        }
    }
}
