using System.Runtime.CompilerServices;

namespace SetNsLastPid.Linux
{
    /// <summary>libc where Tmds.LibC's declarations do not do: system calls that cannot mix up errno, and addresses of code
    /// for tasks that run without the runtime. All that this project declares of libc itself is here, and none of it leaves
    /// an error in Tmds.LibC's <c>errno</c>, which is the one saved after that package's own calls.</summary>
    internal static unsafe class Raw
    {
        /// <summary>One system call. It may block: the runtime may collect meanwhile.</summary>
        internal static SysResult Call(
            long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0)
        {
            long result = syscall(number, a0, a1, a2, a3, a4, a5);
            return new SysResult(result == -1 ? -Marshal.GetLastSystemError() : result);
        }

        /// <summary>The address of the calling thread's errno; the same in a child that the thread clones.</summary>
        internal static int* Errno => ErrnoLocation();

        /// <summary>libc's function that gives <see cref="Errno"/>.</summary>
        internal static delegate*<int*> ErrnoLocation =>
            (delegate*<int*>)(RuntimeFeature.IsDynamicCodeCompiled ? Export("__errno_location") : (delegate*<void>)&Linked.__errno_location);

        internal static delegate*<long, long, long, long, long, long, long, long> Syscall =>
            (delegate*<long, long, long, long, long, long, long, long>)
                (RuntimeFeature.IsDynamicCodeCompiled ? Export("syscall") : (delegate*<void>)&Linked.syscall);

        /// <summary>libc's clone(2): function, stack, flags, argument, and where a PID or pidfd goes.</summary>
        internal static delegate*<void*, void*, long, void*, void*, int> Clone =>
            (delegate*<void*, void*, long, void*, void*, int>)(RuntimeFeature.IsDynamicCodeCompiled ? Export("clone") : (delegate*<void>)&Linked.clone);

        internal static void* Exit => RuntimeFeature.IsDynamicCodeCompiled ? Export("_exit") : (delegate*<void>)&Linked._exit;

        /// <summary>A function of libc that returns at once and touches nothing but registers.</summary>
        internal static void* Nothing => RuntimeFeature.IsDynamicCodeCompiled ? Export("labs") : (delegate*<void>)&Linked.labs;

        /// <summary>environ(7): the variables that the program was started with, as C has them.</summary>
        internal static byte** Environment =>
            *(byte***)(RuntimeFeature.IsDynamicCodeCompiled ? Export("environ") : (delegate*<void>)&Linked.environ);

        /// <summary>What the linker calls the program's main(3) when <see cref="Given"/> stands before it (Directory.Build.props).</summary>
        internal static int RealMain(int count, byte** arguments, byte** environment) =>
            Linked.__real_main(count, arguments, environment);

        /// <summary>Starts a program with an empty environment, its stdout at a descriptor, its stderr nowhere.</summary>
        internal static SysResult Spawn(byte* path, byte** arguments, int output)
        {
            byte* actions = stackalloc byte[256]; // posix_spawn_file_actions_t: 80 bytes in glibc
            byte* none = null;
            int pid = 0, error = posix_spawn_file_actions_init(actions);
            if (error != 0)
            {
                return (Errno)error;
            }

            fixed (byte* nowhere = "/dev/null"u8)
            {
                error = posix_spawn_file_actions_adddup2(actions, output, 1);
                error = error != 0 ? error : posix_spawn_file_actions_addopen(actions, 2, nowhere, LibC.O_WRONLY, 0);
                error = error != 0 ? error : posix_spawn(&pid, path, actions, null, arguments, &none);
            }

            _ = posix_spawn_file_actions_destroy(actions);
            return error == 0 ? pid : (Errno)error;
        }

        private static void* Export(string symbol) =>
            (void*)NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), symbol);

        [DllImport("libc")]
        private static extern long syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5);

        [DllImport("libc")]
        private static extern int posix_spawn(
            int* pid, byte* path, void* actions, void* attributes, byte** arguments, byte** environment);

        [DllImport("libc")]
        private static extern int posix_spawn_file_actions_init(void* actions);

        [DllImport("libc")]
        private static extern int posix_spawn_file_actions_destroy(void* actions);

        [DllImport("libc")]
        private static extern int posix_spawn_file_actions_adddup2(void* actions, int fd, int to);

        [DllImport("libc")]
        private static extern int posix_spawn_file_actions_addopen(void* actions, int fd, byte* path, int flags, int mode);

        // A static file has no symbols to look up. In a native file the linker puts in the address of what is imported so, be
        // it code or data; the JIT refuses such methods, so nothing here may be reached under it.
        internal static class Linked
        {
            /// <summary>getenv(3), which <see cref="RuntimeStart"/> stands before.</summary>
            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "__real_getenv")]
            internal static extern byte* Getenv(byte* name);

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "__real_main")]
            internal static extern int __real_main(int count, byte** arguments, byte** environment);

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "__errno_location")]
            internal static extern void __errno_location();

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "syscall")]
            internal static extern void syscall();

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "clone")]
            internal static extern void clone();

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "_exit")]
            internal static extern void _exit();

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "labs")]
            internal static extern void labs();

            [MethodImpl(MethodImplOptions.InternalCall)]
            [System.Runtime.RuntimeImport("*", "environ")]
            internal static extern void environ();
        }
    }
}

// The AOT compiler knows these by their names (RuntimeImportMethodNode, UnmanagedEntryPointsRootProvider of ILCompiler 10.0);
// those of CoreLib are internal.
namespace System.Runtime
{
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class RuntimeImportAttribute(string library, string symbol) : Attribute
    {
        internal string Library => library;

        internal string Symbol => symbol;
    }

    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class RuntimeExportAttribute(string symbol) : Attribute
    {
        internal string Symbol => symbol;
    }
}
