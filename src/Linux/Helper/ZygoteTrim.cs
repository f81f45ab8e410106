namespace SetNsLastPid.Linux;

/// <summary>Rids the zygote of the memory that it inherited and will never touch: a fork copies page tables, so this is
/// what makes its children cheap.</summary>
internal static class ZygoteTrim
{
    // As many as there is room for in an order. Built for the JIT there may be more.
    private const int MostCalls = 250;

    /// <summary>Appends the munmap calls. Whatever has a name is kept, as code with its data, the main thread's stack and
    /// the arena do, and what can be executed. The rest is the runtime's heap for the most part; of it only what holds
    /// these addresses is kept.</summary>
    internal static void Append(Order order, nint errno, nint frame)
    {
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/maps\0"u8, out byte[] maps);
        foreach (Range range in maps.AsSpan().Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = maps.AsSpan(range).TrimEnd((byte)' ');
            if (line.EndsWith("-p 00000000 00:00 0"u8) && order.Count < MostCalls)
            {
                int dash = line.IndexOf((byte)'-');
                long start = long.Parse(line[..dash], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                long end = long.Parse(
                    line[(dash + 1)..line.IndexOf((byte)' ')], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                if ((errno < start || errno >= end) && (frame < start || frame >= end))
                {
                    order.Call(Kernel.SYS_munmap, start, end - start);
                }
            }
        }
    }
}
