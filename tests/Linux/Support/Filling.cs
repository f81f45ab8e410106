using System.Runtime.InteropServices;

namespace SetNsLastPid.Tests.Support;

/// <summary>Takes the PIDs of a namespace.</summary>
internal static unsafe class Filling
{
    private const int CLONE_VM = 0x100, CLONE_VFORK = 0x4000, SIGCHLD = 17;

    // Holds all numbers by children that have ended but are not waited for, all but the FREE that it got last. Prints
    // how many it holds, and sleeps until it is killed.
    internal static int Fill(int free)
    {
        Console.WriteLine("filling");
        byte* stack = (byte*)NativeMemory.AlignedAlloc(16384, 16) + 16384 - 64;
        void* function = (void*)NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "labs");
        List<int> held = [];
        for (int child; (child = clone(function, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, null)) > 0;)
        {
            held.Add(child);
        }

        for (; free > 0; free--)
        {
            _ = waitpid(held[^1], null, 0);
            held.RemoveAt(held.Count - 1);
        }

        Console.WriteLine($"full {held.Count}");
        Thread.Sleep(Timeout.Infinite);
        return 0;
    }

    [DllImport("libc.so.6")]
    private static extern int clone(void* function, void* stack, int flags, void* argument);

    [DllImport("libc.so.6")]
    private static extern int waitpid(int pid, int* status, int options);
}
