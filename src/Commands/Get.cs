namespace SetNsLastPid.Commands;

/// <summary><c>nslp get</c>: prints the last PID of this PID namespace, or of another.</summary>
internal static class Get
{
    private const string Name = "get";

    internal static int Run(int target, bool isJson)
    {
        using PidSpace space = PidSpace.Open(target);
        int last = Output.Of(space.ReadLastPid(), Stage.ReadLastPid);
        return isJson
            ? Output.PrintJson(Name, json => json.WriteNumber("last_pid", last))
            : Output.Print(Name, last.ToString() + '\n');
    }
}
