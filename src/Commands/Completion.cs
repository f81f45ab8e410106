namespace SetNsLastPid.Commands;

/// <summary><c>nslp completion SHELL</c>: makes a shell complete command lines of nslp.</summary>
internal static class Completion
{
    private const string Name = "completion";

    internal static string Script(ShellKind shell) =>
        SetNsLastPid.Completion.script(Array.ConvertAll(Flavour.All, way => (way.Name, Describe(way))), shell);

    private static string Describe(Flavour way) =>
        way.Error == 0 ? "makes a task, on any Linux" : $"fails with {(Errno)way.Error}, since Linux {way.Since}";

    internal static int Run(ShellKind shell) => Output.Print(Name, Script(shell));
}
