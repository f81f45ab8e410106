using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Spawn into new PID namespaces: how many, whose init, with which pid_max and /proc; and what it reports.</summary>
public sealed class NestTests
{
    /// <summary>The example of the commit that introduced set_tid (49cb2fc42ce4, 5.5).</summary>
    [Fact]
    public void A_PID_a_level_down_to_the_init_of_the_innermost()
    {
        Machine.NeedsRoot();
        Finished run = Run("""
            $N spawn 1,42,31496 --new-pidns=2 -- sleep 100 & wait_for 'grep -q sleep /proc/31496/comm 2>/dev/null'
            grep NSpid /proc/31496/status; kill -KILL 31496; wait $! 2>/dev/null; echo $?; wait_for 'set -- /proc/[0-9]*; [ $# = 1 ]'
            $N spawn 1,42 --new-pidns=2 -v -- sh -c 'echo $$ /proc/[0-9]*'
            $N spawn 7,42,31496 --new-pidns=2 -- sh -c 'echo $$ /proc/[0-9]*'
            $N spawn 5 --new-pidns=3 --method write -- sh -c 'echo $$; exit 9'; echo $?
            $N spawn 1 --new-pidns -- sh -c 'echo $$ /proc/[0-9]*; kill -TERM $$; exit 8'; echo $?
            """);

        Assert.Equal("nslp: spawn: PID 1,42 by clone3\n", run.Errors);
        Assert.Equal(
            ["NSpid:\t31496\t42\t1", "137", "1 /proc/1", "7 /proc/1 /proc/7", "5", "9", "1 /proc/1", "8"], run.Lines);
    }

    [Theory]
    [InlineData("1,42", "NSpid:\tN\t42\t1")]
    [InlineData("9,42", "NSpid:\tN\t42\t9")]
    [InlineData("9,42,31496", "NSpid:\t31496\t42\t9")]
    public void Detached_it_lives_on_and_a_substitution_ends(string pids, string numbers)
    {
        Machine.NeedsRoot();
        Finished run = Run($$"""
            P=$($N spawn {{pids}} --new-pidns=2 --detach -- sleep 1000); grep NSpid /proc/$P/status | sed "s/$P/N/"
            kill -KILL $P; wait_for 'set -- /proc/[0-9]*; [ $# = 1 ]'; echo gone
            """);

        Assert.Equal("", run.Errors);
        Assert.Equal([numbers.Replace("31496", "N"), "gone"], run.Lines);
    }

    [Theory]
    [InlineData("1,1 --new-pidns=2 -- true", "2nd PID 1: it is in use")]
    [InlineData("1,70000 --new-pidns -- true", "2nd PID 70000: this namespace allows 1 to 32767")]
    [InlineData("400 --new-pidns --pid-max 400 -- true", "PID 400: this namespace allows 1 to 399")]
    [InlineData("1,42,800 --new-pidns=2 -- true", "PID 800 is taken by process 800 (sleep 100)")]
    public void The_entry_that_is_wrong_is_named(string arguments, string message)
    {
        Machine.NeedsRoot();
        Finished run = Run($$"""
            $N spawn 800 -- sleep 100 & wait_for 'grep -q sleep /proc/800/comm 2>/dev/null'
            $N spawn {{arguments}}; echo $?
            """);

        Assert.Equal(["125"], run.Lines);
        Assert.Equal($"nslp: spawn: {message}\n", run.Errors);
    }

    [Fact]
    public void Without_privilege_the_outer_entries_are_refused()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace("", """
            $N spawn 1,42 --new-pidns=2 -- sh -c 'echo $$'; echo $?
            $N spawn 1,42,31496 --new-pidns=2 -- echo ran; echo $?
            """).Finish();

        Assert.Equal(["1", "0", "125"], run.Lines);
        Assert.StartsWith(
            "nslp: spawn: 3rd PID 31496: needs CAP_CHECKPOINT_RESTORE over this namespace: Operation not permitted\n", run.Errors);
    }

    [Fact]
    public void No_PID_exceeds_pid_max_and_numbers_come_again()
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        const string Burn = "i=0; while [ $i -lt 120 ]; do sh -c :; i=$((i + 1)); done; sh -c \"echo \\$\\$\"";
        Finished run = Shell.InNewPidNamespace("", $$"""
            for option in '' 1 390-; do
                $N spawn $option --new-pidns --pid-max 400 -- sh -c 'cat /proc/sys/kernel/pid_max; {{Burn}}'
            done
            cat /proc/sys/kernel/pid_max
            """).Finish();

        Assert.Equal("", run.Errors);
        Assert.Equal(["400", "400", "400"], run.Lines.Where((_, i) => i is 0 or 2 or 4));
        Assert.All(run.Lines.Where((_, i) => i is 1 or 3 or 5), pid => Assert.InRange(int.Parse(pid), 3, 399));
        Assert.Equal("32768", run.Lines[^1]);
    }

    [Fact]
    public void Where_proc_may_not_be_mounted_it_says_what_helps()
    {
        Machine.NeedsPidNamespace();
        // As containers have it: with something mounted over a part of it no other may be mounted (mount_too_revealing).
        Finished run = Shell.InNewPidNamespace("mount --bind /dev/null /proc/version", """
            $N spawn 300 --new-pidns -- true; echo $?
            $N spawn 300 --new-pidns --no-proc -- sh -c 'echo $$'
            $N spawn 1 --new-pidns --no-proc -- sh -c 'echo $$'
            $N spawn 1 --new-pidns -- true; echo $?
            """).Finish();

        Assert.Equal(["125", "300", "1", "125"], run.Lines);
        string[] errors = run.Errors.Split('\n');
        Assert.Equal("nslp: spawn: cannot mount /proc for the PID namespace: Operation not permitted", errors[0]);
        Assert.Contains("--no-proc", errors[1]);
        Assert.Equal(errors[..2], errors[2..4]);
    }

    [Fact]
    public void It_leads_a_session_of_its_own()
    {
        Finished run = Run("""
            $N spawn 4242 --setsid -- sh -c 'cut -d" " -f1,5,6 /proc/self/stat >/dev/null; cut -d" " -f5,6 /proc/$$/stat; exit 3'; echo $?
            P=$($N spawn 4243 --setsid --detach -- sleep 100); cut -d' ' -f5,6 /proc/$P/stat
            """);

        Assert.Equal("", run.Errors);
        Assert.Equal(["4242 4242", "3", "4243 4243"], run.Lines);
    }

    [Fact]
    public void A_report_goes_where_the_caller_wants_it()
    {
        Finished run = Run("""
            cd $(mktemp -d); trap 'rm -r $PWD' EXIT
            $N spawn 4242 --json=report -- sh -c 'echo out; echo err >&2; exit 3' 2>/dev/null; cat report
            $N spawn 4242 --json=3 -- sh -c '[ -e /proc/$$/fd/3 ] && echo inherited; kill -KILL $$' 3>three 2>/dev/null; echo $?; cat three
            $N spawn 4242 --json=4 --detach -- sleep 100 4>four; cat four
            $N spawn 4242 --json=taken -- echo ran 2>/dev/null; cat taken
            $N spawn 4243 --json=taken -- echo ran; echo $?
            $N spawn 4243 --json=1 -- echo ran; echo $?
            $N spawn 4243 --json=77 -- echo ran; echo $?
            """);

        const string Head = "{\"version\":1,\"command\":\"spawn\",\"pid\":4242,\"own_pid\":4242,\"method\":\"clone3\",\"tries\":1,\"consumed\":0,\"status\":";
        Assert.Equal(
            [
                "out", Head + "3,\"error\":null}",
                "137", Head + "137,\"error\":null}",
                "4242", Head + "null,\"error\":null}",
            ],
            run.Lines[..6]);
        JsonElement refused = Schema.Check(run.Lines[6]);
        Assert.StartsWith("PID 4242 is taken by process 4242 ", refused.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal(JsonValueKind.Null, refused.GetProperty("pid").ValueKind);
        Assert.Equal(125, refused.GetProperty("status").GetInt32());
        Assert.Equal(["125", "125", "125"], run.Lines[7..]);
        Assert.Contains("cannot make 'taken': File exists\n", run.Errors);
        Assert.Contains("cannot report to descriptor 1: Invalid argument\n", run.Errors);
        Assert.Contains("cannot report to descriptor 77: Bad file descriptor\n", run.Errors);
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_a_failure_unless_the_command_has_one()
    {
        Finished run = Run("""
            $N spawn 4242- --json=3 -- echo ran 3>/dev/full; echo $?
            $N spawn 4242- --json=3 -- sh -c 'exit 7' 3>/dev/full; echo $?
            $N spawn 4242- --json=3 --detach -- true 3>/dev/full >/dev/null; echo $?
            $N spawn 4242- --json=3 -- echo ran 3</dev/null; echo $?
            """);

        Assert.Equal(["ran", "125", "7", "125", "125"], run.Lines);
        const string Full = "nslp: spawn: cannot write the result: No space left on device\n";
        Assert.Equal(
            Full + Full + Full + "nslp: spawn: cannot report to descriptor 3: Bad file descriptor\n"
                + "nslp: spawn: needs one that is open for writing, such as by 3>FILE\n",
            run.Errors);
    }

    private static Finished Run(string script)
    {
        Machine.NeedsPidNamespace();
        return Shell.InNewPidNamespace(script).Finish();
    }
}
