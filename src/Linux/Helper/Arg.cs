using Tmds.Linux;

namespace SetNsLastPid.Linux;

/// <summary>
/// One argument of a syscall in an <see cref="Order"/>: a number or address, or a place in the shared arena that is
/// read when the instruction runs (<see cref="Order.Result"/>, <see cref="IntAt"/>).
/// </summary>
internal readonly struct Arg
{
    internal readonly long Value;
    internal readonly ArgMode Mode;

    internal Arg(long value, ArgMode mode)
    {
        Value = value;
        Mode = mode;
    }

    /// <summary>The 4-byte number that stands at <paramref name="address"/> when the instruction runs, for example
    /// one descriptor of pipe2 or the pidfd of clone3.</summary>
    internal static Arg IntAt(nint address) => new(address, ArgMode.Int);

    public static implicit operator Arg(int value) => new(value, ArgMode.Value);

    public static implicit operator Arg(uint value) => new(value, ArgMode.Value);

    public static implicit operator Arg(long value) => new(value, ArgMode.Value);

    public static implicit operator Arg(ulong value) => new((long)value, ArgMode.Value);

    public static implicit operator Arg(ulong_t value) => new((long)(ulong)value, ArgMode.Value);

    public static implicit operator Arg(nint value) => new(value, ArgMode.Value);
}
