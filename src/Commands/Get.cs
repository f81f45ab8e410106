namespace SetNsLastPid.Commands;

/// <summary><c>nslp get</c>: prints the last PID of this PID namespace, or of another.</summary>
internal static class Get
{
    private const string Name = "get";

    internal static int Run(GetOptions options)
    {
        using PidSpace space = PidSpace.Open(options.Target);
        SysResult last = space.ReadLastPid();
        return last.IsError ? Output.Fail(Name, Words.look(Stage.ReadLastPid, last.Error))
            : options.Json ? Output.PrintJson(Name, json => json.WriteNumber("last_pid", last.Value))
            : Output.Print(Name, last.Value.ToString() + '\n');
    }
}
