using System.Runtime;

namespace SetNsLastPid.Linux;

/// <summary>What the runtime of the native file would do before Main, and does not: its calls of these functions are linked
/// to those here (<c>--wrap</c> in Directory.Build.props). They run before there is a runtime, so they must be plain code
/// that calls nothing of it. Built for the JIT nslp starts with all of it.</summary>
internal static unsafe class RuntimeStart
{
    /// <summary>Starts no thread for finalizers, which would take a PID and could not be told what signals to leave alone.
    /// Nothing here relies on one: what is opened is closed.</summary>
    [RuntimeExport("__wrap__Z23PalStartFinalizerThreadPFjPvES_")]
    private static byte StartFinalizerThread(void* start, void* context) => 1;

    /// <summary>Leaves SIGPIPE, the only signal that the runtime sets by signal(3), to those who start nslp.</summary>
    [RuntimeExport("__wrap_signal")]
    private static void* Signal(int signal, void* handler) => null;

    /// <summary>Hides the runtime's settings: whoever calls a nslp that has a capability must not choose, say, how much
    /// memory it may have.</summary>
    [RuntimeExport("__wrap_getenv")]
    private static byte* Getenv(byte* name) =>
        name[0] == 'D' && name[1] == 'O' && name[2] == 'T' && name[3] == 'N' && name[4] == 'E' && name[5] == 'T' && name[6] == '_'
            ? null
            : Raw.Linked.Getenv(name);
}
