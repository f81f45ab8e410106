namespace SetNsLastPid.Linux;

#pragma warning disable CS8981 // The kernel's names are lower case.

/// <summary><c>struct rlimit64</c> of linux/resource.h: the limit in force and the most it may be raised to.</summary>
internal struct rlimit64
{
    internal ulong rlim_cur;
    internal ulong rlim_max;
}
