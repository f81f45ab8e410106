using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class WhoTests
{
    // Makes a holder of each kind; $S sleep, $G a group of $GM, $H a session of $HM, $Z a zombie of $O, $T a thread of $O.
    private const string Holders = """
        $N set 20000; sleep 100 & S=$!; : >/tmp/holders
        perl -MPOSIX -e '
            require "syscall.ph" if 0; $| = 1;
            sub left { my $f = shift; my $p = fork; if (!$p) { $f->(); my $c = fork;
                if (!$c) { setpgid(0, 0) if $_[0]; sleep 100; exit } print "$$ $c\n"; _exit(0) } waitpid $p, 0 }
            left(sub { setpgid(0, 0) }, 0); left(sub { setsid() }, 1);
            my $z = fork; _exit(0) if !$z; print "$z $$\n"; sleep 100' >/tmp/holders & O=$!
        wait_for '[ $(grep -c . /tmp/holders) = 3 ]'
        exec 8</tmp/holders; read G GM <&8; read H HM <&8; read Z X <&8; exec 8<&-; rm /tmp/holders
        wait_for '! [ -d /proc/$G -o -d /proc/$H ] && grep -q "^State:.Z" /proc/$Z/status'

        """;

    [Fact]
    public void Every_kind_of_holder_is_told()
    {
        NeedsPerl();
        const string script = Holders + """
            for p in $S $G $H $Z 30000; do w=$($N who $p); s=$?; echo "$p $w; $s"; done | sed "s/\b$S\b/S/g; s/\b$GM\b/GM/g; s/\b$HM\b/HM/g; s/\b$G\b/G/g; s/\b$H\b/H/g; s/\b$Z\b/Z/g; s/\b$O\b/O/g"
            """;

        Finished run = Run(script);

        Assert.Equal("", run.Errors);
        const string user = "user root, since [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}";
        Assert.Matches($"^S S: process S \\(sleep 100\\), {user}; 0$", run.Lines[0]);
        Assert.Matches($"^G G: a process group that process GM \\(perl .*\\) is left of, {user}; 0$", run.Lines[1]);
        Assert.Matches($"^H H: a session that process HM \\(perl .*\\) is left of, {user}; 0$", run.Lines[2]);
        Assert.Matches(
            $"^Z Z: process Z \\(\\[perl\\]\\), which has ended but was not waited for by its parent, process O \\(perl .*\\), {user}; 0$",
            run.Lines[3]);
        Assert.Equal("30000 30000: free; 1", run.Lines[4]);
    }

    [Fact]
    public void A_thread_is_told_with_its_process()
    {
        // nslp itself has threads.
        const string script = """
            $N spawn 4000 -- sleep 100 & wait_for 'grep -q sleep /proc/4000/comm 2>/dev/null'
            t=$(ls /proc/$!/task | tail -1); $N who $t | sed "s/^$t/T/; s/ $! / P /"
            """;

        Finished run = Run(script);

        Assert.Matches("^T: a thread of process P \\(.*nslp spawn 4000 -- sleep 100\\), user root, since ", run.Lines[0]);
    }

    [Fact]
    public void A_number_that_no_process_can_get_is_free_with_a_warning()
    {
        Finished run = Run("$N who 32767; $N who 32768");

        Assert.Equal(["32767: free", "32768: free"], run.Lines);
        Assert.Equal("nslp: who: warning: this namespace gives PIDs from 1 to 32767\n", run.Errors);
    }

    [Fact]
    public void A_kernel_thread_is_one()
    {
        Assert.SkipUnless(File.Exists("/proc/2/comm") && File.ReadAllText("/proc/2/comm") == "kthreadd\n", "needs the host's /proc");

        Finished run = Shell.Start($"{Tool.Path} who 2").Finish();

        Assert.Matches("^2: kernel thread 2 \\[kthreadd\\], user root, since ", run.Output);
    }

    [Fact]
    public void Ranges_and_several_numbers_are_told_in_order_and_free_ones_together()
    {
        Finished run = Run("$N set 999; sleep 100 & $N set 1001; sleep 100 & $N who 1002 998-1004 20000-20010 3; echo $?");

        Assert.Matches("^1002: process 1002 ", run.Lines[0]);
        Assert.Equal("998-999: free", run.Lines[1]);
        Assert.Matches("^1000: process 1000 ", run.Lines[2]);
        Assert.Equal("1001: free", run.Lines[3]);
        Assert.Matches("^1002: process 1002 ", run.Lines[4]);
        Assert.Equal(["1003-1004: free", "20000-20010: free", "3: free", "0"], run.Lines[5..]);
    }

    [Fact]
    public void Json_has_one_object_with_all_of_it()
    {
        NeedsPerl();
        const string script = Holders + """
            $N who $S $G $Z 30000 --json; echo $S $G $GM $Z $O
            """;

        Finished run = Run(script);

        int[] numbers = [.. run.Lines[1].Split(' ').Select(int.Parse)];
        JsonElement[] pids = [.. JsonDocument.Parse(run.Lines[0]).RootElement.GetProperty("pids").EnumerateArray()];
        Assert.Equal([numbers[0], numbers[1], numbers[3], 30000], pids.Select(pid => pid.GetProperty("pid").GetInt32()));
        Assert.Equal(["process", "group", "zombie", "free"], pids.Select(pid => pid.GetProperty("kind").GetString()));
        Assert.Equal([true, true, true, false], pids.Select(pid => pid.GetProperty("held").GetBoolean()));
        Assert.Equal("sleep 100", pids[0].GetProperty("command").GetString());
        Assert.Equal(0, pids[0].GetProperty("uid").GetInt32());
        Assert.Equal([numbers[2]], pids[1].GetProperty("members").EnumerateArray().Select(member => member.GetInt32()));
        Assert.Equal(numbers[4], pids[2].GetProperty("parent").GetInt32());
        DateTime since = pids[0].GetProperty("since").GetDateTime();
        Assert.InRange(DateTime.UtcNow - since, TimeSpan.Zero, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void With_hidepid_it_says_what_it_cannot_know()
    {
        NeedsPerl();
        Machine.NeedsRoot();
        const string script = Holders + """
            mount -o remount,hidepid=2 /proc; export S G H Z
            """;

        Finished run = Shell.InNewPidNamespace(script, "for p in $S $G $H $Z 30000; do $N who $p | cut -d' ' -f2-; $N who $p >/dev/null; echo $?; done").Finish();

        const string maybe = "free as far as can be seen, but /proc hides processes of others";
        Assert.Equal(
            [
                "something that /proc does not show", "0",
                "a process group that a process that /proc does not show is left of", "0",
                maybe, "3", "something that /proc does not show", "0", maybe, "3",
            ],
            run.Lines);
    }

    [Fact]
    public void With_the_capability_the_allocator_settles_what_proc_hides()
    {
        NeedsPerl();
        Machine.NeedsRoot();
        // All but CAP_SYS_PTRACE, which sees through hidepid; CAP_KILL would not matter.
        const string script = Holders + """
            mount -o remount,hidepid=2 /proc
            before=$(cat /proc/sys/kernel/ns_last_pid)
            setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+checkpoint_restore --ambient-caps=-all,+checkpoint_restore sh -c "for p in $H 30000; do \$N who \$p | cut -d' ' -f2-; done"
            """;

        Finished run = Run(script);

        Assert.Equal(["something that /proc does not show", "free"], run.Lines);
    }

    [Fact]
    public void In_the_namespace_of_another_process()
    {
        Machine.NeedsRoot();
        const string script = """
            unshare -pf --mount-proc sh -c 'sleep 100 & sleep 101; :' & wait_for 'pgrep -x -f "sleep 101" >/dev/null'
            $N who 1-4 --target $(pgrep -x -f 'sleep 100') | sed 's/, user.*//'
            """;

        Finished run = Run(script);

        Assert.Equal(
            ["1: process 1 (sh -c sleep 100 & sleep 101; :)", "2: process 2 (sleep 100)", "3: process 3 (sleep 101)", "4: free"],
            run.Lines);
    }

    [Theory]
    [InlineData("", "PID is missing")]
    [InlineData("x", "PID must be a number from 1 to 4,194,303, or a range such as 1000-1010, not 'x'")]
    [InlineData("0", "PID must be a number from 1 to 4,194,303, or a range such as 1000-1010, not '0'")]
    [InlineData("5-3", "range '5-3' ends before it starts")]
    [InlineData("5-", "PID must be a number from 1 to 4,194,303, or a range such as 1000-1010, not '5-'")]
    [InlineData("1-4194304", "PID must be a number from 1 to 4,194,303, or a range such as 1000-1010, not '1-4194304'")]
    [InlineData("5 --bogus", "'--bogus' is not an option")]
    public void Bad_input_is_refused_in_words(string arguments, string message)
    {
        Finished run = Shell.Start($"{Tool.Path} who {arguments}; echo $?").Finish();

        Assert.Equal(["2"], run.Lines);
        Assert.Equal($"nslp: who: {message}\nTry 'nslp who --help' for more information.\n", run.Errors);
    }

    private static Finished Run(string script)
    {
        Machine.NeedsPidNamespace();
        return Shell.InNewPidNamespace(script).Finish();
    }

    private static void NeedsPerl() =>
        Assert.SkipUnless(Shell.Start("perl -e1").Finish().Status == 0, "needs perl, to make holders");
}
