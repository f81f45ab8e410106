using System.Runtime.ExceptionServices;

namespace SetNsLastPid.Linux;

/// <summary>
/// A thread that starts a zygote and then sleeps until the zygote is disposed, for callers that are not the main
/// thread: the parent death signal comes when the thread that cloned ends, not its process (forget_original_parent,
/// kernel/exit.c), and a thread of the pool ends after some idle seconds.
/// </summary>
internal sealed class ZygoteKeeper
{
    private const int StackSize = 256 * 1024;

    private readonly ManualResetEventSlim _released = new();
    private readonly ManualResetEventSlim _started = new();
    private Zygote? _zygote;
    private ExceptionDispatchInfo? _failure;

    /// <summary>The zygote that <paramref name="start"/> returns on a thread of its own; rethrows what it throws.</summary>
    internal static Zygote Start(Func<Zygote> start)
    {
        ZygoteKeeper keeper = new();
        Thread thread = new(() => keeper.Keep(start), StackSize) { IsBackground = true, Name = "zygote keeper" };
        thread.Start();
        keeper._started.Wait();
        keeper._failure?.Throw();
        return keeper._zygote!;
    }

    /// <summary>Lets the thread end.</summary>
    internal void Release() => _released.Set();

    private void Keep(Func<Zygote> start)
    {
        try
        {
            _zygote = start();
            _zygote.KeepWith(this);
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }

        _started.Set();
        if (_failure is null)
        {
            _released.Wait();
        }
    }
}
