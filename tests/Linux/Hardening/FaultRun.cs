using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>One run of nslp in which one of its system calls failed.</summary>
/// <param name="Fault">Which, as faults.c has it; - for none.</param>
/// <param name="Status">Its exit status.</param>
/// <param name="LastPid">last_pid right after.</param>
/// <param name="Log">What faults.c tells.</param>
/// <param name="Left">The processes in the namespace afterwards, and other things that differ from before.</param>
/// <param name="Output">Its stdout.</param>
/// <param name="Errors">Its stderr.</param>
internal sealed record FaultRun(
    string Fault, int Status, int LastPid, string[] Log, string Left, string Output, string Errors)
{
    // One of them as PID 1 of a namespace: the processes there are the shell alone, before and after.
    private const string Script = """
        mount -t tmpfs none /mnt && mkdir /mnt/d
        unshare -pf --mount-proc sh -c 'LOWER; exec sleep 1000' & U=$!
        wait_for 'T=$(tr -d " " </proc/$U/task/$U/children) && [ "$(cat /proc/$T/comm)" = sleep ]' 2>/dev/null; export T
        set -- /proc/[0-9]*; BEFORE="$*"
        for F in FAULTS; do
            echo 400 >/proc/sys/kernel/ns_last_pid
            $FAULTS /mnt/log 120 $F SOCKET $N ARGUMENTS >/mnt/out 2>/mnt/err; S=$?
            read a b c d L </proc/loadavg
            # What is killed as its parent ends may take a moment on a busy machine.
            for i in $(seq 100); do
                set -- /proc/[0-9]* /mnt/d/*; LEFT="$*"
                [ "$LEFT" = "$BEFORE /mnt/d/*" ] && break; sleep 0.02
            done
            echo "fault $F $S $L"
            if [ "$LEFT" != "$BEFORE /mnt/d/*" ]; then
                for P in $LEFT; do
                    case " $BEFORE " in *" $P "*) ;; *) LEFT="$LEFT ($(sed -n '1p;/^State/p;/^PPid/p' $P/status 2>/dev/null))" ;; esac
                done
                echo left $LEFT instead of $BEFORE
            fi
            sed 's/^/log /' /mnt/log; sed 's/^/out /' /mnt/out; sed 's/^/err /' /mnt/err
            rm -f /mnt/d/* /mnt/log
        done
        """;

    private static readonly Lazy<string?> s_program = new(Compile);

    /// <summary>The system calls that nslp makes, each as TASK:CALL:COUNT, in their order.</summary>
    internal IEnumerable<string> Calls => Log.Where(line => line.Contains(':') && !Open.Contains(line));

    /// <summary>What it had open at its end, besides what it was given: "open NUMBER TARGET".</summary>
    internal string[] Open => [.. Log.Where(line => line.StartsWith("open ", StringComparison.Ordinal))];

    /// <summary>Skips the test where faults cannot be made.</summary>
    internal static void SkipUnlessPossible()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "faults.c knows x86-64 only");
        Assert.SkipUnless(s_program.Value is not null, "no C compiler");
    }

    /// <summary>Runs nslp once for each of the faults, in one PID namespace, with /mnt/d for files and $T for a process
    /// in another PID namespace.</summary>
    internal static FaultRun[] Each(IEnumerable<string> faults, string arguments)
    {
        string socket = arguments.StartsWith("serve", StringComparison.Ordinal) ? "/mnt/d/s" : "-";
        string script = Script.Replace("FAULTS;", string.Join(' ', faults) + ";").Replace("$FAULTS", s_program.Value)
            // A lap of millions takes hours under ptrace.
            .Replace("LOWER", Machine.HasPidMaxPerNamespace ? "echo 1000 >/proc/sys/kernel/pid_max" : ":")
            .Replace("SOCKET", socket).Replace("ARGUMENTS", arguments);
        Finished finished = Shell.InNewPidNamespace(script).Finish();
        Assert.Equal("", finished.Errors);
        List<FaultRun> runs = [];
        foreach (string part in ("\n" + finished.Output).Split("\nfault ")[1..])
        {
            string[] lines = part.Split('\n');
            string Of(string kind) => string.Concat(
                lines.Where(line => line.StartsWith(kind + " ", StringComparison.Ordinal)).Select(line => line[4..] + "\n"));
            string[] head = lines[0].Split(' ');
            runs.Add(new FaultRun(
                head[0], int.Parse(head[1], CultureInfo.InvariantCulture), int.Parse(head[2], CultureInfo.InvariantCulture),
                Of("log").Split('\n', StringSplitOptions.RemoveEmptyEntries),
                string.Concat(lines.Where(line => line.StartsWith("left ", StringComparison.Ordinal))), Of("out"), Of("err")));
        }

        return [.. runs];
    }

    private static string? Compile()
    {
        string program = Path.Combine(Tool.Directory, "faults");
        try
        {
            using Process compiler = Process.Start(
                "cc", ["-O2", "-o", program, Path.Combine(Source.Directory, "tests/Linux/Support/faults.c")]);
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? program : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
