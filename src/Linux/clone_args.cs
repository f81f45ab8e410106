namespace SetNsLastPid.Linux;

#pragma warning disable CS8981 // The kernel's names are lower case.

/// <summary><c>struct clone_args</c> of linux/sched.h as of 5.7, when it got <c>cgroup</c>: 88 bytes.</summary>
internal struct clone_args
{
    internal ulong flags;
    internal ulong pidfd;
    internal ulong child_tid;
    internal ulong parent_tid;
    internal ulong exit_signal;
    internal ulong stack;
    internal ulong stack_size;
    internal ulong tls;
    internal ulong set_tid;
    internal ulong set_tid_size;
    internal ulong cgroup;
}
