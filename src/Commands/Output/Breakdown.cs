using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>The last words of nslp when it cannot go on: no stack trace, and a limit is not called a bug.</summary>
internal static class Breakdown
{
    /// <summary>Says which exception came through.</summary>
    /// <returns>The exit status that the command has when nslp failed.</returns>
    internal static int Fail(string[] argv, Exception e)
    {
        // Of threads the runtime says the same as of memory.
        _ = e.GetBaseException() is OutOfMemoryException
            ? Output.Fail("", "cannot get memory or a thread", EAGAIN)
            : Output.Fail("", $"cannot go on, which is a bug in nslp: {e.GetType().Name}: {e.Message}");
        return Status(argv);
    }

    private static int Status(string[] argv) => argv is [Spawn.Name, ..] ? Spawn.Failed : Output.Failed;
}
