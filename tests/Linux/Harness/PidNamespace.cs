using System.Diagnostics;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Runs shell scripts, each in a PID namespace of its own with its own /proc.</summary>
internal static class PidNamespace
{
    private static readonly string[] s_unshare = ["unshare", "-pf", "--mount-proc", "--kill-child"];
    private static readonly string[] s_user = ["--user", "--map-root-user"];
    private static readonly string[] s_noCapabilities = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];

    /// <summary>
    /// What the script writes, split at blanks. <c>$SUPPORT</c> is the helper; the script is the namespace's init.
    /// </summary>
    internal static string[] Run(string script, bool privileged = false)
    {
        List<string> command = [.. s_unshare];
        if (Environment.UserName != "root")
        {
            command.AddRange(s_user);
        }

        command.AddRange(privileged ? [] : s_noCapabilities);
        Machine.NeedsPidNamespace();
        ProcessStartInfo start = new(command[0], [.. command[1..], "bash", "-c", script]);
        start.Environment["SUPPORT"] = Path.Combine(AppContext.BaseDirectory, "SetNsLastPid.Tests.Support");
        // The runtime makes a thread, which takes a number, when it compiles a second time.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        Finished run = new Shell(start).Finish();
        Assert.True(run.Status == 0, $"status {run.Status}, output: {run.Output}, errors: {run.Errors}");
        return run.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }
}
