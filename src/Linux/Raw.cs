using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>Raw syscalls of the owner of a zygote, by number.</summary>
internal static class Raw
{
    /// <summary>One syscall that may block: the runtime may collect meanwhile. Returns its result, or -errno.</summary>
    internal static long Call(
        long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0)
    {
        long result = syscall(number, a0, a1, a2, a3, a4, a5);
        return result == -1 ? -Marshal.GetLastSystemError() : result;
    }

    [DllImport("libc")]
    private static extern long syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5);

    /// <summary>The address of the calling thread's errno; the same in a child that the thread clones.</summary>
    [DllImport("libc")]
    internal static extern unsafe int* __errno_location();
}
