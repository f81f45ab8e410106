namespace SetNsLastPid.Linux;

internal static unsafe class OwnProgram
{
    /// <summary>Whether the last part of the name that the program was called by (argv[0]) is this one, whatever file
    /// runs.</summary>
    internal static bool IsCalled(string name)
    {
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/cmdline\0"u8, out byte[] line);
        ReadOnlySpan<byte> first = line.AsSpan(0, Math.Max(Array.IndexOf(line, (byte)0), 0));
        return first[(first.LastIndexOf((byte)'/') + 1)..].SequenceEqual(Encoding.UTF8.GetBytes(name));
    }

    internal static bool HasThread(int number) => !Raw.Call(Kernel.SYS_tgkill, getpid(), number).IsError;
}
