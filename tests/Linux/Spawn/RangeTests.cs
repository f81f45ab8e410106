using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Ranges of PIDs, of spawn and of set.</summary>
public sealed class RangeTests
{
    // NSLP_SOAK=1 runs the full length.
    private static readonly int s_share = Environment.GetEnvironmentVariable("NSLP_SOAK") is null ? 20 : 1;

    public static TheoryData<string> Methods => ["clone3", "write", "cycle"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_lowest_number_or_by_cycling_the_next_one_is_taken(string method)
    {
        // Cycling takes the next ones from the cursor on, with no lap: a lap takes 32,000.
        Finished run = Run(method, """
            $N spawn 1000-1999 --method METHOD -- sh -c 'echo $$'
            $N spawn 2000- --method METHOD -- sh -c 'echo $$; exit 7'; echo $?
            $N set 1500 && $N spawn 1000-1999 --method METHOD -v -- sh -c 'echo $$' 2>said; sed 's/.*, \([0-9]*\) PIDs consumed.*/\1/' said
            $N spawn 3000-3001 --method METHOD --detach -- sleep 100 >/dev/null
            # Where nslp itself does not get one of them.
            $N set 5000; $N spawn 3000-3001 --method METHOD -- sh -c 'echo $$'
            """);

        Assert.Equal("", run.Errors);
        Assert.Equal(["1000", "2000", "7"], run.Lines[..3]);
        Assert.Equal("3001", run.Lines[^1]);
        if (method == "cycle")
        {
            Assert.InRange(int.Parse(run.Lines[3]), 1501, 1600);
            Assert.InRange(int.Parse(run.Lines[4]), 0, 64);
        }
        else
        {
            Assert.Equal("1000", run.Lines[3]);
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_range_that_others_hold_is_refused(string method)
    {
        Finished run = Run(method, """
            for i in 0 1; do
                $N set $((5000 + i * 1000)); $N spawn 1000-1001 --method METHOD --detach -- sleep 100
            done
            $N set 7000
            $N spawn 1000-1001 --method METHOD -- echo ran; echo $?
            $N spawn 1001-1001 --method METHOD -- echo ran; echo $?
            $N spawn 40000- --method METHOD -- echo ran; echo $?
            """);

        Assert.Equal(["1000", "1001", "125", "125", "125"], run.Lines);
        Assert.Equal(
            "nslp: spawn: no PID of 1000-1001 is free\nnslp: spawn: PID 1001 is taken by process 1001 (sleep 100)\n"
            + "nslp: spawn: PID 40000: this namespace allows 1 to 32767\n"
            + "nslp: spawn: needs a higher pid_max: sysctl -w kernel.pid_max=4194304; a PID namespace of its own has one: "
            + "nslp spawn 40000 --new-pidns -- COMMAND\n",
            run.Errors);
    }

    [Theory]
    [InlineData("clone3", "1004")]
    [InlineData("write", "1004 1005 1006")]
    [InlineData("cycle", "1004 1005 1006")]
    [InlineData("auto", "1004 1005 1006")]
    public void There_is_room_for_children_behind_it(string method, string pids)
    {
        // By clone3 the children land elsewhere, as it does not move the cursor.
        Finished run = Run(method, """
            $N spawn 1003 -- sleep 100 & wait_for 'grep -q sleep /proc/1003/comm 2>/dev/null'
            # Where nslp itself gets none of them.
            $N set 5000; $N spawn 1000-1999 --room 5 --method METHOD -- sh -c 'echo $$; sh -c "echo \$\$"; sh -c "echo \$\$"'
            $N set 5000; $N spawn 1000-1003 --room 5 --method METHOD --timeout 1 -- echo ran; echo $?
            """);

        Assert.StartsWith(pids, string.Join(' ', run.Lines));
        Assert.Equal("125", run.Lines[^1]);
        Assert.Equal("nslp: spawn: no PID of 1000-1003 is free with 5 free ones after it\n", run.Errors);
    }

    [Theory]
    [InlineData("write")]
    [InlineData("cycle")]
    public void The_last_PID_is_put_before_a_range(string method)
    {
        Finished run = Run(method, """
            $N set 1000-1999 --method METHOD && sh -c 'echo $$'
            $N set 1000- --method METHOD --json && sh -c 'echo $$' >pid
            [ $(cat pid) -ge 1000 ] && echo right
            $N spawn 3002 -- sleep 100 & wait_for 'grep -q sleep /proc/3002/comm 2>/dev/null'
            $N set 5000; $N set 3000-3100 --room 4 --method METHOD && sh -c 'echo $$'
            $N set 3002-3002 --method METHOD; echo $?
            $N set 40000- --method METHOD; echo $?
            """);

        Assert.Equal("1000", run.Lines[0]);
        Assert.Contains(",\"first\":1000,\"last\":4194303,\"last_pid\":", run.Lines[1]);
        Assert.Equal(["right", "3003", "1", "1"], run.Lines[2..]);
        Assert.Equal(
            "nslp: set: cannot put last_pid before 3002: no PID of 3002 is free\n"
            + "nslp: set: cannot put last_pid before 40000-: here PIDs are 1 to 32767, as pid_max is 32768\n"
            + "nslp: set: needs a higher pid_max: sysctl -w kernel.pid_max=4194304; a PID namespace of its own has one: "
            + "nslp spawn 40000 --new-pidns -- COMMAND\n",
            run.Errors);
    }

    [Fact]
    public void Each_level_may_have_a_range()
    {
        Machine.NeedsRoot();
        Finished run = Run("", """
            $N spawn 4001 -- sleep 100 & wait_for 'grep -q sleep /proc/4001/comm 2>/dev/null'
            $N spawn 1-9,4001-4009 --new-pidns -- grep NSpid /proc/self/status
            $N spawn 500,4001- --new-pidns -v -- sh -c 'echo $$'
            """);

        // The shell's mount of /proc is that of the new namespace.
        Assert.Equal(["NSpid:\t2", "500"], run.Lines);
        Assert.Equal("nslp: spawn: PID 500,4002 by clone3, 2 tries\n", run.Errors);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void In_a_fork_storm_the_PID_is_in_the_range_or_the_command_does_not_run(string method)
    {
        int count = 1000 / s_share;
        Finished run = Run(method, $$"""
            for i in 1 2 3 4; do while :; do (:); done & done
            for i in $(seq {{count}}); do $N spawn 1000-1999 --method METHOD -- sh -c 'echo $$' || echo failed; done
            """);

        Assert.Equal("", run.Errors);
        Assert.Equal(count, run.Lines.Length);
        Assert.All(run.Lines, line => Assert.InRange(int.Parse(line), 1000, 1999));
    }

    private static Finished Run(string method, string script)
    {
        Machine.NeedsPidNamespace();
        string whole = "cd $(mktemp -d); trap 'rm -r $PWD' EXIT\n" + script.Replace("METHOD", method);
        return (method == "cycle" ? Shell.InNewPidNamespace("", whole) : Shell.InNewPidNamespace(whole)).Finish();
    }
}
