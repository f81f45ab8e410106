using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The line that long commands show on a terminal.</summary>
public sealed class ProgressTests
{
    // Far enough that a line is worth while.
    private const int Far = 100_000;

    [Fact]
    public void A_long_cycle_shows_how_far_it_is_and_lands_exactly_all_the_same()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Machine.NeedsPidNamespace();

        // The next child tells its PID; without 'true' it would be no child.
        Finished run = Shell.InNewPidNamespace(
            OnTerminal($"$N set {Far} --method cycle && sh -c 'echo =$$' && true"),
            pidMax: 4_194_304).Finish();

        Assert.Contains("nslp: set: [", run.Output);
        // What wipes out the rest of the line before leaves the cursor at the end of this one, where the terminal's "^C" goes.
        Assert.DoesNotMatch(@"\r(nslp: set: \[[^\r]*[^\r ]) +\r(?!\1\r)", run.Output);
        Assert.Matches($@"\r +\r={Far + 1}\r\n$", run.Output);
    }

    [Fact]
    public void Ctrl_C_wipes_it_out_tells_where_last_pid_stands_and_ends_a_loop_of_bash()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Machine.NeedsPidNamespace();
        const string loop = "bash -c \"for i in 1 2; do $N set 4000000 --method cycle; done; echo went on\"";
        // What waits is no part of the terminal's foreground group, which gets the signal.
        string script = $"""
            (wait_for '[ $(cat /proc/sys/kernel/ns_last_pid) -gt 200000 ]'; printf '\003'; wait_for '! pgrep -x nslp >/dev/null') |
                {OnTerminal(loop)}
            """;

        Finished run = Shell.InNewPidNamespace(script, pidMax: 4_194_304).Finish();

        Assert.Matches(@"\r +\r(\^C)?nslp: set: interrupted: last_pid is [0-9]+\r\n$", run.Output);
    }

    [Theory]
    [InlineData("bench --seconds 1", @"nslp: bench: \[[#.]+\] [0-9]+ %, [a-z0-9-]+( x[0-9]+)?(, [0-9]+ s left)?")]
    [InlineData("verify --runs 20 --seed 1", @"nslp: verify: \[[#.]+\] [0-9]+ of 20 runs(, [0-9]+/s)?(, [0-9]+ s left)?")]
    public void Commands_that_take_long_show_how_far_they_are(string arguments, string line)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start(OnTerminal($"{Tool.Path} {arguments}", "2>&1 >/dev/null")).Finish();

        Assert.Matches($@"^(\r{line} *)+\r +\r$", WithoutWarning(run));
    }

    [Fact]
    public void A_line_is_no_wider_than_the_terminal()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start(
            OnTerminal($"stty cols 30; {Tool.Path} bench --seconds 1", "2>&1 >/dev/null")).Finish();

        Assert.All(WithoutWarning(run).Split('\r'), part => Assert.InRange(part.Length, 0, 29));
        Assert.Contains("\rnslp: bench: ", run.Output);
    }

    [Theory]
    [InlineData("bench --seconds 20", ": [0-9]+ %, .*")]
    [InlineData("verify --runs 10000", " after [0-9]+ of 10000 runs: no difference so far")]
    [InlineData("who 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303 1-4194303", ": at [0-9]+")]
    public void Ctrl_C_wipes_it_out_and_tells_how_far_it_was(string arguments, string words)
    {
        Machine.NeedsPidNamespace();
        string name = arguments.Split(' ')[0];
        // Not stdout: what who prints would wipe it out too.
        string script = $"""
            O=$(mktemp)
            (wait_for 'grep -q "nslp: {name}: " $O'; printf '\003'; sleep 3) | timeout 60 {OnTerminal($"$N {arguments} >/dev/null")} >$O; s=$?
            cat $O; rm $O; exit $s
            """;

        Finished run = Shell.InNewPidNamespace(script, pidMax: 4_194_304).Finish();

        Assert.Matches($@"\r +\r(\^C)?(\r +\r)?nslp: {name}: interrupted{words}\r\n$", run.Output);
    }

    [Theory]
    [InlineData("bench --seconds 1")]
    [InlineData("verify --runs 20 --seed 1")]
    public void Without_a_terminal_there_is_no_line(string arguments)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start($"{Tool.Path} {arguments} >/dev/null").Finish();

        Assert.Equal((0, false), (run.Status, run.Errors.Contains('\r')));
    }

    // Of a busy machine.
    private static string WithoutWarning(Finished run) => Regex.Replace(run.Output, "nslp: bench: warning: [^\n]*\n", "");

    private static string OnTerminal(string script, string redirection = "") =>
        $"script -qec {Quote($"{script} {redirection}")} /dev/null";

    private static string Quote(string text) => $"'{text.Replace("'", "'\\''")}'";
}
