using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class PredictTests
{
    private const int Count = 500;

    // Forks so many times, one after the other, and prints the PIDs. The shell's own fork before it is the first.
    private const string Fork = """
        i=0; while [ $i -lt 500 ]; do sh -c 'echo $$'; i=$((i+1)); done
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_agrees_with_real_forks_over_holes_threads_groups_and_a_wrap(bool privileged)
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Assert.SkipUnless(Shell.Start("perl -e1").Finish().Status == 0, "needs perl");
        Machine.NeedsPidNamespace();
        // Holes near the top and above 300, a process with threads, and a group and a session without their leaders.
        string holes = $$"""
            for p in 990 993 994 330 340; do echo $((p - 1)) >/proc/sys/kernel/ns_last_pid; sleep 300 & done
            echo 959 >/proc/sys/kernel/ns_last_pid; {{Tool.Directory}}/nslp spawn 950 --method clone3 -- sleep 300 &
            wait_for 'grep -q sleep /proc/950/comm 2>/dev/null && ! grep -qs nslp-zygote /proc/[0-9]*/comm'
            for p in 980 310; do echo $((p - 1)) >/proc/sys/kernel/ns_last_pid
                perl -MPOSIX -e 'setpgid(0, 0); fork ? _exit(0) : sleep 300'
                perl -MPOSIX -e 'setsid(); fork ? _exit(0) : (setpgid(0, 0), sleep 300)'; done
            echo 700 >/proc/sys/kernel/ns_last_pid

            """;
        // No pipeline: its other end could be made before, or after, nslp looks.
        string script = "F=$(mktemp); $N predict 500 >$F; " + Fork + "\ncat $F; rm $F";

        Finished run = (privileged
            ? Shell.InNewPidNamespace(holes + script, pidMax: 1000)
            : Shell.InNewPidNamespace(holes, script, pidMax: 1000)).Finish();

        Assert.Equal("", run.Errors);
        int[] real = Numbers(run.Lines[..Count]);
        int[] predicted = Numbers(run.Lines[Count..]);
        Assert.Equal(Count, predicted.Length);
        Assert.Equal(Count, real.Length);
        Assert.Contains(999, predicted);
        Assert.DoesNotContain(950, predicted);
        Assert.DoesNotContain(980, predicted);
        Assert.Equal(predicted, real);
    }

    [Fact]
    public void When_few_are_left_it_tells_those_and_fails()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            "echo 400 >/proc/sys/kernel/ns_last_pid; p=$($N predict 201); echo $?; echo \"$p\" | grep -c .", pidMax: 500)
            .Finish();

        Assert.Equal(["1", "200"], run.Lines);
        Assert.Equal("nslp: predict: only 200 PIDs are left\n", run.Errors);
    }

    [Fact]
    public void Whoever_reads_may_stop_reading()
    {
        Assert.SkipUnless(Tool.IsNative, "the runtime of the JIT ignores SIGPIPE");

        Finished run = Shell.Start(
            $"env --default-signal=PIPE bash -c '{Tool.Path} predict 30000 | head -1; echo ${{PIPESTATUS[0]}}; trap \"\" PIPE; {Tool.Path} predict 30000 | head -1; echo ${{PIPESTATUS[0]}}'")
            .Finish();

        Assert.Equal(["141", "1"], [run.Lines[1], run.Lines[3]]);
        Assert.Equal("nslp: predict: cannot write the result: Broken pipe\n", run.Errors);
    }

    [Fact]
    public void Json_has_what_it_was_made_from()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace("$N predict 2 --json").Finish();

        Assert.Matches("\"last_pid\":([0-9]+),\"pid_max\":32768,\"next_pids\":\\[[0-9]+,[0-9]+\\],", run.Output);
    }

    [Theory]
    [InlineData("0", "COUNT must be a number from 1 to 4,194,304, not '0'")]
    [InlineData("x", "COUNT must be a number from 1 to 4,194,304, not 'x'")]
    [InlineData("1 2", "expected one COUNT, got 2")]
    [InlineData("--bogus", "'--bogus' is not an option")]
    public void Bad_input_is_refused_in_words(string arguments, string message)
    {
        Finished run = Shell.Start($"{Tool.Path} predict {arguments}; echo $?").Finish();

        Assert.Equal(["2"], run.Lines);
        Assert.Equal($"nslp: predict: {message}\nTry 'nslp predict --help' for more information.\n", run.Errors);
    }

    private static int[] Numbers(IEnumerable<string> words) =>
        [.. words.Select(word => int.Parse(word, CultureInfo.InvariantCulture))];
}
