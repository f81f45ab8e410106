namespace SetNsLastPid.Linux;

/// <summary>What a system call came to, as the kernel returns it: a value of 0 or more, or an errno.</summary>
internal readonly record struct SysResult(long Raw)
{
    // MAX_ERRNO, linux/err.h: addresses and flags above are values.
    private const long MaxErrno = 4095;

    internal bool IsError => Raw is < 0 and >= -MaxErrno;

    internal Errno Error => IsError ? (Errno)(-Raw) : 0;

    /// <summary>The value. Only where it did not fail.</summary>
    internal int Value => (int)Raw;

    /// <summary>The result of one of Tmds.LibC's functions, which must have been called just before.</summary>
    internal static SysResult Of(long result) => new(result == -1 ? -LibC.errno : result);

    public static implicit operator SysResult(Errno errno) => new(-(long)errno);

    public static implicit operator SysResult(int value) => new(value);
}
