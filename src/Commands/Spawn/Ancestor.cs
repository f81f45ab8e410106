namespace SetNsLastPid.Commands;

/// <summary>
/// nslp called as set_ns_last_pid: that tool's arguments, <c>[-v] PID | /absolute/path/to/socket</c>, and its exit
/// codes, which are 0 and 1.
/// </summary>
internal static class Ancestor
{
    internal const string Name = "set_ns_last_pid";

    internal static int Run(string[] argv)
    {
        int status = CommandLine.parseAncestor(argv) switch
        {
            Command.Set set => Set.Run(set.Options),
            Command.Serve serve => Serve.Run(serve.Options),
            Command.Wrong wrong => Refuse(wrong.Message),
            _ => throw new UnreachableException(),
        };
        return status == Output.Done ? Output.Done : Output.Failed;
    }

    private static int Refuse(string message)
    {
        Output.SayAsIs($"{Name}: {message}\nusage: {Name} [-v] PID | /absolute/path/to/socket\n");
        return Output.Failed;
    }
}
