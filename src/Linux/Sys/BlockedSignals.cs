using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>
/// Holds all signals off the calling thread and the tasks it makes: a task on a small stack, with its maker's TLS,
/// must not run one of the runtime's handlers.
/// </summary>
internal unsafe ref struct BlockedSignals
{
    private sigset_t _old;

    /// <summary>Blocks all signals.</summary>
    internal void Block()
    {
        sigset_t all, old;
        _ = sigfillset(&all);
        _ = pthread_sigmask(SIG_SETMASK, &all, &old);
        _old = old;
    }

    /// <summary>Sets the mask to what it was.</summary>
    internal readonly void Restore()
    {
        sigset_t old = _old;
        _ = pthread_sigmask(SIG_SETMASK, &old, null);
    }
}
