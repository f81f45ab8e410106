using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// Lets SIGHUP, SIGINT, SIGQUIT and SIGTERM end the process at once, where the JIT's runtime would start a thread and
/// wait for managed code; in the native file they do so anyway. What is ignored stays so: nohup and a shell's background jobs ask for it.
/// </summary>
internal sealed unsafe class DefaultSignals : IDisposable
{
    private const int Count = 4;

    private readonly sigaction[] _old = new sigaction[Count];

    /// <summary>Sets the default dispositions; they hold until <see cref="Dispose"/>.</summary>
    internal DefaultSignals()
    {
        for (int i = 0; i < _old.Length; i++)
        {
            sigaction old, action = default;
            action.sa_handler = SIG_DFL;
            _ = LibC.sigaction(Signal(i), null, &old);
            if (old.sa_handler != SIG_IGN)
            {
                _ = LibC.sigaction(Signal(i), &action, null);
            }

            _old[i] = old;
        }
    }

    /// <summary>Those of the signals that are to end the process.</summary>
    internal static int[] FindDefault()
    {
        List<int> signals = [];
        for (int i = 0; i < Count; i++)
        {
            sigaction action;
            _ = LibC.sigaction(Signal(i), null, &action);
            if (action.sa_handler == SIG_DFL)
            {
                signals.Add(Signal(i));
            }
        }

        return [.. signals];
    }

    /// <summary>Sets the dispositions to what they were.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _old.Length; i++)
        {
            sigaction old = _old[i];
            _ = LibC.sigaction(Signal(i), &old, null);
        }
    }

    private static int Signal(int index) => index switch { 0 => SIGHUP, 1 => SIGINT, 2 => SIGQUIT, _ => SIGTERM };
}
