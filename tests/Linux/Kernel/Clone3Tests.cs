using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What clone3 refuses before it looks at any PID.</summary>
[Collection(Alone.Name)]
public sealed class Clone3Tests : IDisposable
{
    private const int BadPointer = 8;

    private readonly Zygote _zygote = Lasting.Run(() => Zygote.Start());
    private readonly RemoteTask _init;

    public Clone3Tests()
    {
        try
        {
            _init = SandboxSteps.NewInit(_zygote);
        }
        catch
        {
            _zygote.Dispose();
            throw;
        }
    }

    public void Dispose() => _zygote.Dispose();

    /// <summary>Whether the pointer is good, how many entries, how long the struct is said to be, and what comes of it.</summary>
    [Theory]
    [InlineData(null, 1UL, 88, Errno.EINVAL)]
    [InlineData(true, 0UL, 88, Errno.EINVAL)]
    [InlineData(true, 33UL, 88, Errno.EINVAL)]
    [InlineData(true, 64UL, 88, Errno.EINVAL)]
    [InlineData(true, (1UL << 32) + 1, 88, Errno.EINVAL)]
    [InlineData(false, 1UL, 88, Errno.EFAULT)]
    [InlineData(false, 33UL, 88, Errno.EINVAL)]
    [InlineData(true, 1UL, 72, Errno.EINVAL)]
    [InlineData(true, 1UL, 63, Errno.EINVAL)]
    [InlineData(true, 1UL, 4097, (Errno)7)]
    public void Arguments_are_checked_first(bool? pointer, ulong count, int size, Errno errno)
    {
        Assert.Equal(-(int)errno, Clone(pointer, count, size));
    }

    [Theory]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(88)]
    public void Shorter_arguments_of_older_kernels_are_taken(int size)
    {
        Assert.Equal(size == 64 ? 2 : 50, Clone(true, 1, size));
    }

    private unsafe long Clone(bool? pointer, ulong count, int size)
    {
        using Order order = _init.NewOrder();
        nint numbers = order.Reserve(64 * sizeof(int));
        Order.Bytes(numbers, 4)[0] = 50;
        clone_args args = new()
        {
            set_tid = pointer is null ? 0 : pointer.Value ? (ulong)numbers : BadPointer,
            set_tid_size = count,
        };

        // Longer than the struct, for sizes beyond it.
        nint address = order.Reserve(8192);
        new ReadOnlySpan<byte>(&args, sizeof(clone_args)).CopyTo(Order.Bytes(address, sizeof(clone_args)));
        int clone = order.Clone3(address, size, Child.Exits());
        order.Require(clone);
        order.Call(Kernel.SYS_wait4, order.Result(clone), 0, Kernel.__WALL, 0);
        _init.Run(order);
        return order[clone].Raw;
    }
}
