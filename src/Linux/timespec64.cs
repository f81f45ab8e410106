namespace SetNsLastPid.Linux;

#pragma warning disable CS8981 // The kernel's names are lower case.

/// <summary><c>struct __kernel_timespec</c> of linux/time_types.h.</summary>
internal struct timespec64
{
    internal long tv_sec;
    internal long tv_nsec;
}
