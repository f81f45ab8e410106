using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ReserveTests
{
    // `keep RANGE OPTIONS` starts it and waits until the range is kept, $P is its PID; `stop` ends it and prints status and log. Who
    // is named as a holder must not be taken for the one who says so. That it was late, as on a busy machine, is left out.
    private const string Functions = """
        mount -t tmpfs none /mnt; L=/mnt/log
        keep() { $N reserve "$@" 2>$L & P=$!; wait_for 'grep -q "[k]eeping" $L'; }
        stop() {
            kill $P; wait $P; S=$?; grep -v 'keeping\|stopping' $L >$L.said
            late='ms too late: PIDs of\|: and \(once more\|[0-9]* more times\)'
            [ $S = 1 ] && ! grep -qv "$late" $L.said && S=0
            echo "status $S"; grep -v "$late" $L.said
        }
        last() { cat /proc/sys/kernel/ns_last_pid; }
        last_is() { echo $1 >/proc/sys/kernel/ns_last_pid; }

        """;

    [Fact]
    public void No_PID_of_the_range_is_given_in_a_storm()
    {
        (long taken, long given, long laps, string log) = Storm(4, 2, 1);

        Assert.True(given == 0 || log.Contains("may have been given", StringComparison.Ordinal), log);
        Assert.True(laps > 0, $"{taken} PIDs, not once round");
    }

    /// <summary>NSLP_RESERVE_SECONDS, 70 by default: some ten million PIDs on a machine that has nothing else to do.</summary>
    [Fact(Explicit = true)]
    public void No_PID_of_the_range_is_given_in_a_long_storm()
    {
        long taken = 0, all = 0;
        foreach ((int failing, int real) in (ReadOnlySpan<(int, int)>)[(2, 0), (2, 2), (8, 8)])
        {
            (long now, long given, long laps, string log) = Storm(Soak.Number("NSLP_RESERVE_SECONDS", 70), failing, real);
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{failing} threads with clones that fail, {real} with threads: {now} PIDs in {laps} laps, {given} of the range {log}");
            (taken, all) = (taken + now, all + given);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{taken} PIDs, {all} of the range");
        Assert.Equal(0, all);
    }

    [Fact]
    public void A_command_runs_meanwhile_and_its_status_is_that_of_nslp()
    {
        Finished run = Run("""
            last_is 5000; $N reserve 5001-5999 -- sh -c 'echo $(($$ > 5999)); exit 7'; echo $?
            $N reserve 5001-5999 -- sh -c 'kill -9 $$'; echo $?
            $N reserve 5001-5999 -- /nonexistent; echo $?
            $N reserve 5001-5999 -- sh -c 'trap "exit 3" TERM; echo ready >/mnt/ready; while :; do sleep 0.1; done' & P=$!
            wait_for '[ -e /mnt/ready ]'; kill $P; wait $P; echo $?
            """);

        Assert.Equal(["1", "7", "137", "127", "3"], run.Lines);
    }

    [Fact]
    public void Who_holds_a_number_of_it_is_told_at_the_start()
    {
        Finished run = Run("$N spawn 5500 --detach -- sleep 1000 >/mnt/pid; wait_for 'grep -q ^sleep /proc/5500/cmdline'; keep 5000-5999; stop; kill $(cat /mnt/pid)");

        Assert.Equal(["status 0", "nslp: reserve: 5500 is held by process 5500 (sleep 1000)"], run.Lines);
    }

    [Fact]
    public void By_clone3_a_number_of_it_can_be_had()
    {
        Finished run = Run("""
            last_is 4990; keep 5000-5999; $N spawn 5500 --method clone3 -- sh -c 'echo $$'; sh -c 'echo $(($$ > 5999))'; stop
            """);

        Assert.Equal(["5500", "1", "status 0"], run.Lines);
    }

    // On a busy machine nslp tells too that it ran late, in that line or in one of its own.
    private static void AssertTold(string lastPid, Finished run) => Assert.Contains(
        run.Lines,
        line => Regex.IsMatch(
            line,
            "^nslp: reserve: (somebody wrote last_pid, or .*|nslp ran [0-9]+ ms too late): "
            + $"last_pid went from [0-9]+ to {lastPid}, and PIDs of 20000-20999 may have been"));

    [Fact]
    public void What_others_write_into_it_is_told_and_put_right()
    {
        Finished run = Run("""
            last_is 400; keep 20000-20999; last_is 20500; wait_for '[ $(last) -ge 20999 ]'; stop
            """);

        Assert.Equal("status 1", run.Lines[0]);
        AssertTold("205[0-9][0-9]", run);
    }

    [Fact]
    public void What_happened_just_before_a_command_ended_is_told_too()
    {
        Finished run = Run("$N reserve 20000-20999 -- sh -c 'echo 20500 >/proc/sys/kernel/ns_last_pid; exit 7' 2>&1; echo $?");

        AssertTold("20500", run);
        Assert.Equal("7", run.Lines[^1]);
    }

    [Fact]
    public void While_another_holds_the_lock_nothing_is_written()
    {
        Finished run = Run("""
            last_is 400; keep 20000-20999
            exec 9</proc/sys/kernel/ns_last_pid; flock 9; last_is 15000; sleep 2 9>&-; echo $(($(last) < 20000)); exec 9>&-
            wait_for '[ $(last) -ge 20999 ]'; stop
            """);

        Assert.Equal(["1", "status 0"], run.Lines);
    }

    [Fact]
    public void Far_from_the_range_it_is_kept_without_a_sleep_before()
    {
        Finished run = Run("""
            last_is 400; strace -f -o /mnt/trace -e trace=ppoll,write $N reserve 31000-31999 2>$L & T=$!
            wait_for 'grep -q keeping $L || ! kill -0 $T'; kill $(pgrep -P $T); wait $T; [ -e /mnt/trace ] || exit 77
            grep -m 1 -o 'ppoll\|keeping' /mnt/trace
            """);

        Assert.SkipWhen(run.Status == 77, "needs strace");
        Assert.Equal(["keeping"], run.Lines);
    }

    [Theory]
    [InlineData("", "nslp: reserve: stopping on signal 15\n0\n")]
    [InlineData("-- echo ran", "143\n")]
    public void A_signal_before_it_is_kept_ends_it(string command, string end)
    {
        Finished run = Run($$"""
            last_is 15000; exec 9</proc/sys/kernel/ns_last_pid; flock 9; $N reserve 20000-20999 {{command}} 2>$L 9>&- & P=$!
            wait_for 'ls -l /proc/$P/fd | grep -q ns_last_pid'; kill $P; wait $P; S=$?; cat $L; echo $S
            """);

        Assert.Equal(end, run.Output);
    }

    [Fact]
    public void It_is_kept_in_the_namespace_of_another_process()
    {
        Finished run = Run("""
            unshare -pf --mount-proc --kill-child sh -c 'echo 32768 >/proc/sys/kernel/pid_max; echo 4990 >/proc/sys/kernel/ns_last_pid
                : >/mnt/up; until [ -e /mnt/go ]; do sleep 0.1; done; sh -c "echo \$\$" >/mnt/pid; exec sleep 1000' &
            wait_for '[ -e /mnt/up ] && T=$(pgrep -P $!)'; keep 5000-5999 --target $T; : >/mnt/go; wait_for '[ -s /mnt/pid ]'
            echo $(($(cat /mnt/pid) > 5999 && $(last) < 5000)); stop; kill $T
            """);

        Assert.Equal(["1", "status 0"], run.Lines);
    }

    [Theory]
    [InlineData("0-5", "cannot keep 0-5 free: PIDs here are 1 to 32767")]
    [InlineData("32000-32768", "cannot keep 32000-32768 free: PIDs here are 1 to 32767")]
    [InlineData("300-32767", "cannot keep 300-32767 free: the kernel would have no other PIDs to give")]
    [InlineData("7-5", "range '7-5' ends before it starts")]
    public void What_cannot_be_kept_is_said(string range, string words)
    {
        Finished run = Run($"$N reserve {range}; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.StartsWith($"nslp: reserve: {words}\n", run.Errors);
    }

    [Theory]
    [InlineData("100-200", "PIDs below 300 are handed out only before the first wrap")]
    [InlineData("301-32767", "warning: outside 301-32767 is only 1 free number, which others may use up before nslp runs again")]
    [InlineData("301-32700", "warning: outside 301-32700 are only 68 free numbers, which others may use up before nslp runs again")]
    public void What_is_of_little_use_is_said(string range, string words)
    {
        // Nobody else forks: the number would be missing.
        Finished run = Run($"last_is 400; $N reserve {range} -- true 2>&1");

        Assert.Contains($"nslp: reserve: {words}", run.Lines);
    }

    [Fact]
    public void Without_the_capability_it_says_so()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace("", "$N reserve 5000-5999 -- echo ran; echo $?").Finish();

        Assert.Equal(["125"], run.Lines);
        Assert.Equal(
            "nslp: reserve: cannot write ns_last_pid: Operation not permitted\n"
            + "nslp: reserve: needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN over the PID namespace; without them nothing keeps a range free\n",
            run.Errors);
    }

    private static Finished Run(string script)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max for each namespace (6.14)");
        return Shell.InNewPidNamespace(Functions + script).Finish();
    }

    // How many PIDs were taken, how many of the range, how often the cursor came round, and what nslp had to say. Without nslp,
    // which is tried first, some are.
    private static (long Taken, long Given, long Laps, string Log) Storm(int seconds, int failing, int real)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("nslp-reserve-");
        try
        {
            Finished compiled = Shell.Start($"cc -O2 -pthread -o {directory}/storm {Source.Directory}/bench/storm.c").Finish();
            Assert.SkipWhen(compiled.Status == 127, "no C compiler");
            Assert.Equal((0, ""), (compiled.Status, compiled.Errors));
            Finished run = Run($"""
                last_is 19000; {directory}/storm 20000-20999 1 {failing} {real}
                keep 20000-20999; {directory}/storm 20000-20999 {seconds} {failing} {real}; kill $P; wait $P; cat $L
                """);

            long[][] storms = [.. run.Lines[..2].Select(
                line => Array.ConvertAll(line.Split(' '), word => long.Parse(word, CultureInfo.InvariantCulture)))];
            Assert.True(storms[0][2] + storms[0][3] > 0, run.Output);
            return (storms[1][0] + storms[1][1], storms[1][2] + storms[1][3], storms[1][4], string.Join('\n', run.Lines[2..]));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
