using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Steps of a sandbox, said shortly.</summary>
internal static class SandboxSteps
{
    /// <summary>Sandboxes; skips the test where there can be none.</summary>
    internal static Sandboxes Open()
    {
        try
        {
            return Lasting.Run(() => new Sandboxes());
        }
        catch (RemoteException e)
        {
            Assert.Skip($"{e.Message}: {e.Help}");
            throw;
        }
    }

    /// <summary>The first process of a new PID namespace; skips the test where there can be none.</summary>
    internal static RemoteTask NewInit(Zygote zygote)
    {
        try
        {
            return Namespaces.Clone(zygote.Root);
        }
        catch (RemoteException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    /// <summary>A clone by the init of <paramref name="from"/>; the child exits unless said otherwise.</summary>
    internal static Step Clone(
        int from, Nesting? nesting = null, int[]? setTid = null, bool capable = true, Ending? ending = null) =>
        Step.NewClone(from, nesting ?? Nesting.Same, ListModule.OfSeq(setTid ?? []), capable, ending ?? Ending.Exits);

    /// <summary>A write to ns_last_pid.</summary>
    internal static Step Write(int space, string text) => Step.NewWriteLastPid(space, text, 0, true);
}
