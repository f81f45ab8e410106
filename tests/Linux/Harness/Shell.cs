using System.Diagnostics;
using System.Text;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What a script did.</summary>
internal sealed record Finished(int Status, string Output, string Errors)
{
    /// <summary>The lines of stdout.</summary>
    internal string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>
/// A script of /bin/sh under way. In it, <c>$N</c> is nslp, and <c>wait_for 'COMMAND'</c> waits until a command succeeds: a
/// busy machine may take its time. A script for which that never comes ends.
/// </summary>
internal sealed class Shell
{
    private const string WaitFor = """
        wait_for() { local command="$1" i; for i in $(seq 600); do eval "$command" && return; sleep 0.05; done; echo "never: $command"; ps -Ao pid,ppid,pgid,sid,stat,wchan:20,args; exit 9; }

        """;

    // Runs the script that follows it.
    private const string OwnProc = """
        unshare -m mount -t proc proc /proc 2>/dev/null || exec /bin/sh -c "$0"
        exec unshare -m /bin/sh -c 'mount -t proc proc /proc; exec /bin/sh -c "$0"' "$0"
        """;

    /// <summary>Arguments of setpriv that take everything from root.</summary>
    internal const string Unprivileged =
        "--reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(8);

    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _errors;

    /// <summary>Starts a program in place of the shell.</summary>
    internal Shell(ProcessStartInfo start)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        // The runner of the tests may have one, for itself.
        start.Environment.Remove("NO_COLOR");
        start.Environment.Remove("CLICOLOR_FORCE");
        _process = Process.Start(start)!;
        _process.StandardInput.Close();
        _output = _process.StandardOutput.ReadToEndAsync();
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>
    /// Starts a script in the namespaces and as the user of the tests. Where parts of /proc are covered, and this user may mount
    /// another one, the script has that: what a cover hides or makes read-only is not what the tests are about.
    /// </summary>
    internal static Shell Start(string script) => new(new ProcessStartInfo(
        "/bin/sh", ["-c", .. Machine.ProcCovers is [] ? Array.Empty<string>() : [OwnProc], WaitFor + script]));

    /// <summary>
    /// Starts a script as PID 1 of a new PID namespace with its own /proc, in which nobody else makes processes. The
    /// namespace dies with it.
    /// </summary>
    /// <param name="script">What to run as root of the namespace.</param>
    /// <param name="unprivileged">What to run then as a user without any privilege, in the same shell's place.</param>
    /// <param name="pidMax">pid_max of the namespace where the kernel has one for each (6.14).</param>
    internal static Shell InNewPidNamespace(string script, string? unprivileged = null, int pidMax = 32768)
    {
        StringBuilder whole = new(WaitFor);
        if (Machine.HasPidMaxPerNamespace)
        {
            whole.Append($"echo {pidMax} >/proc/sys/kernel/pid_max\n");
        }

        whole.Append(script).Append('\n');
        if (unprivileged is not null)
        {
            string options = Machine.IsRoot ? Unprivileged : "--inh-caps=-all --bounding-set=-all";
            whole.Append($"exec setpriv {options} /bin/sh -c \"$UNPRIVILEGED\"\n");
        }

        ProcessStartInfo start = new(
            "unshare", [.. Machine.IsRoot ? Array.Empty<string>() : ["-Ur"], "-pfm", "--mount-proc", "--kill-child"]);
        start.ArgumentList.Add("/bin/sh");
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(whole.ToString());
        start.Environment["N"] = Tool.Path;
        start.Environment["UNPRIVILEGED"] = WaitFor + unprivileged;
        return new Shell(start);
    }

    /// <summary>Waits for the end of the script.</summary>
    /// <param name="limit">How long; eight minutes by default.</param>
    internal Finished Finish(TimeSpan? limit = null)
    {
        if (!_process.WaitForExit(limit ?? s_limit))
        {
            _process.Kill();
            throw new TimeoutException($"no end after {limit ?? s_limit}: {_output.Result} {_errors.Result}");
        }

        return new Finished(_process.ExitCode, _output.Result, _errors.Result);
    }
}
