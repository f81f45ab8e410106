using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>What sandboxes need of the kernel besides.</summary>
internal static unsafe partial class Kernel
{
    internal static int SYS_capget => X64 ? 125 : 90;
    internal static int SYS_capset => X64 ? 126 : 91;
    internal static int SYS_dup => X64 ? 32 : 23;
    internal static int SYS_getpgid => X64 ? 121 : 155;

    internal const ulong CLONE_CHILD_SETTID = 0x01000000;

    /// <summary>All that a thread of a process shares with the others.</summary>
    internal static ulong ThreadFlags =>
        (uint)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_IO);
}
