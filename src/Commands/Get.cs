using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp get</c>: prints the last PID of this PID namespace, or of another.</summary>
internal static class Get
{
    private const string Name = "get";

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(GetOptions options)
    {
        try
        {
            using IPidSpace space = PidSpaces.Open(options.Target);
            int last = space.ReadLastPid();
            return last < 0
                ? Output.Fail(Name, "cannot read last_pid from /proc", -last, Output.NeedsProc(-last))
                : options.Json ? Output.PrintJson(Name, json => json.WriteNumber("last_pid", last))
                : Output.Print(Name, last.ToString() + '\n');
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }
}
