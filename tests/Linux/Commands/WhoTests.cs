using System.Globalization;
using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class WhoTests
{
    // Makes a holder of each kind; $S sleep, $G a group of $GM, $H a session of $HM, $Z a zombie of $O, $T a thread of $O.
    private const string Holders = """
        $N set 20000; sleep 100 & S=$!; F=$(mktemp)
        perl -MPOSIX -e '
            require "syscall.ph" if 0; $| = 1;
            sub left { my $f = shift; my $p = fork; if (!$p) { $f->(); my $c = fork;
                if (!$c) { sleep 100; exit } setpgid($c, $c) if $_[0]; print "$$ $c\n"; _exit(0) } waitpid $p, 0 }
            left(sub { setpgid(0, 0) }, 0); left(sub { setsid() }, 1);
            my $z = fork; _exit(0) if !$z; print "$z $$\n"; sleep 100' >$F & O=$!
        wait_for '[ $(grep -c . $F) = 3 ]'
        exec 8<$F; read G GM <&8; read H HM <&8; read Z X <&8; exec 8<&-; rm $F
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
        const string user = "user root, since [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}Z";
        Assert.Matches($"^S S: process S \\(sleep 100\\), {user}; 0$", run.Lines[0]);
        Assert.Matches($"^G G: a process group whose leader is gone; process GM \\(perl .*\\) is still in it, {user}; 0$", run.Lines[1]);
        Assert.Matches($"^H H: a session whose leader is gone; process HM \\(perl .*\\) is still in it, {user}; 0$", run.Lines[2]);
        Assert.Matches(
            $"^Z Z: process Z \\(\\[perl\\]\\), which has ended but was not waited for by its parent, process O \\(perl .*\\), {user}; 0$",
            run.Lines[3]);
        Assert.Equal("30000 30000: free; 1", run.Lines[4]);
    }

    [Fact]
    public void A_thread_is_told_with_its_process()
    {
        // Built for the JIT, nslp itself has threads.
        string script = $"""
            {Tool.Directory}/nslp spawn 4000 -- sleep 100 & wait_for 'grep -q sleep /proc/4000/comm 2>/dev/null'
            t=$(ls /proc/$!/task | tail -1); $N who $t | sed "s/^$t/T/; s/ $! / P /"
            """;

        Finished run = Run(script);

        Assert.Matches("^T: a thread of process P \\(.*nslp spawn 4000 -- sleep 100\\), user root, since ", run.Lines[0]);
    }

    [Fact]
    public void A_number_that_no_process_can_get_is_out_of_range()
    {
        Finished run = Run("$N who 32767-32770; echo $?; $N who 0; echo $?; $N who 0 32768 --json");

        Assert.Equal(
            [
                "32767: free", "32768-32770: out of range: PIDs here are 1 to 32767", "1",
                "0: out of range: PIDs here are 1 to 32767", "1",
                """{"version":1,"command":"who","pids":[{"pid":0,"held":false,"kind":"out_of_range","holder":null},"""
                    + """{"pid":32768,"held":false,"kind":"out_of_range","holder":null}],"error":null}""",
            ],
            run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void A_process_above_a_pid_max_that_was_lowered_is_told()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Run("$N set 20000; sleep 100 & wait_for 'grep -q ^sleep /proc/20001/cmdline'; echo 10000 >/proc/sys/kernel/pid_max; $N who 20000-20002 | sed 's/, user.*//'");

        Assert.Equal(
            [
                "20000: out of range: PIDs here are 1 to 9999", "20001: process 20001 (sleep 100)",
                "20002: out of range: PIDs here are 1 to 9999",
            ],
            run.Lines);
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
        JsonElement[] pids = [.. Schema.Check(run.Lines[0]).GetProperty("pids").EnumerateArray()];
        Assert.Equal([numbers[0], numbers[1], numbers[3], 30000], pids.Select(pid => pid.GetProperty("pid").GetInt32()));
        Assert.Equal(["process", "group", "zombie", "free"], pids.Select(pid => pid.GetProperty("kind").GetString()));
        Assert.Equal([true, true, true, false], pids.Select(pid => pid.GetProperty("held").GetBoolean()));
        JsonElement[] holders = [.. pids.Select(pid => pid.GetProperty("holder"))];
        Assert.Equal("sleep 100", holders[0].GetProperty("command_line").GetString());
        Assert.Equal(0, holders[0].GetProperty("uid").GetInt32());
        Assert.Equal([numbers[2]], holders[1].GetProperty("members").EnumerateArray().Select(member => member.GetInt32()));
        Assert.Equal(numbers[4], holders[2].GetProperty("parent").GetInt32());
        Assert.Equal(JsonValueKind.Null, holders[3].ValueKind);
        DateTime since = holders[0].GetProperty("since").GetDateTime();
        Assert.InRange(DateTime.UtcNow - since, TimeSpan.Zero, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void What_proc_hides_is_told_from_what_is_free()
    {
        NeedsPerl();
        Machine.NeedsRoot();
        const string script = Holders + """
            mount -o remount,hidepid=2 /proc; export S G H Z
            """;

        Finished run = Shell.InNewPidNamespace(script, "for p in $S $G $H $Z 30000; do $N who $p | cut -d' ' -f2-; $N who $p >/dev/null; echo $?; done").Finish();

        const string hidden = "something that /proc does not show";
        Assert.Equal(
            [hidden, "0", "a process group whose leader is gone; a process that /proc does not show is still in it", "0", hidden, "0", hidden, "0", "free", "1"],
            run.Lines);
    }

    [Fact]
    public void All_numbers_of_nslp_itself_are_free()
    {
        Finished run = Run("for i in 1 2 3 4 5 6 7 8; do echo 40 >/proc/sys/kernel/ns_last_pid; $N who 38-60; done");

        Assert.Equal(Enumerable.Repeat("38-60: free", 8), run.Lines);
    }

    [Fact]
    public void Held_leaves_out_what_nobody_holds()
    {
        const string script = "$N set 999; sleep 100 & $N who 0-1 1000-2000 --held; $N who 1000-2000 --held --json; $N who 2-999 --held; echo $?";

        Finished run = Run(script);

        Assert.Matches("^1: process 1 ", run.Lines[0]);
        Assert.Matches("^1000: process 1000 ", run.Lines[1]);
        JsonElement held = Assert.Single(JsonDocument.Parse(run.Lines[2]).RootElement.GetProperty("pids").EnumerateArray());
        Assert.Equal(1000, held.GetProperty("pid").GetInt32());
        Assert.Equal(["1"], run.Lines[3..]);
    }

    [Fact]
    public void Json_has_an_object_for_each_free_number()
    {
        Finished run = Run("$N who 100-103 --json");

        JsonElement[] pids = [.. JsonDocument.Parse(run.Output).RootElement.GetProperty("pids").EnumerateArray()];
        Assert.Equal([100, 101, 102, 103], pids.Select(pid => pid.GetProperty("pid").GetInt32()));
    }

    /// <summary>The first part of the output comes when little of the memory for all of it could have been needed.</summary>
    [Theory]
    [InlineData("who 1-4194303 --json")]
    [InlineData("predict 4194304")]
    public void Memory_does_not_grow_with_the_numbers(string arguments)
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Machine.NeedsPidNamespace();
        string script = $"""
            mount -t tmpfs none /mnt; mkfifo /mnt/out; $N {arguments} >/mnt/out & exec 8</mnt/out
            head -c 1000 <&8 >/dev/null; sed -n 's/VmHWM:[^0-9]*//p' /proc/$!/status; kill $!
            """;

        Finished run = Shell.InNewPidNamespace(script, pidMax: 4_194_304).Finish();

        Assert.InRange(int.Parse(run.Lines[0].Split(' ')[0], CultureInfo.InvariantCulture), 1_000, 150_000);
    }

    [Fact]
    public void Time_is_told_in_UTC_whatever_TZ_names()
    {
        Finished run = Run("TZ=/dev/zero timeout 100 $N who 1; TZ=Asia/Tokyo $N who 1 | tail -c 4");

        Assert.Matches("^1: process 1 .*, since [0-9-]{10} [0-9:]{8}Z$", run.Lines[0]);
        DateTimeOffset since = DateTimeOffset.Parse(run.Lines[0][^20..], CultureInfo.InvariantCulture);
        Assert.InRange(DateTimeOffset.UtcNow - since, TimeSpan.FromSeconds(-1), TimeSpan.FromMinutes(8));
    }

    [Fact]
    public void In_the_namespace_of_another_process()
    {
        Machine.NeedsRoot();
        const string script = """
            unshare -pf --mount-proc sh -c 'sleep 100 & sleep 101; :' & wait_for '[ "$(pgrep -c -x -f "sleep 10[01]")" = 2 ]'
            $N who 1-4 --target $(pgrep -x -f 'sleep 100') | sed 's/, user.*//'
            """;

        Finished run = Run(script);

        Assert.Equal(
            ["1: process 1 (sh -c sleep 100 & sleep 101; :)", "2: process 2 (sleep 100)", "3: process 3 (sleep 101)", "4: free"],
            run.Lines);
    }

    [Theory]
    [InlineData("", "PID is missing")]
    [InlineData("x", "PID must be a number from 0 to 4,194,303, or a range such as 1000-1010, not 'x'")]
    [InlineData("5-3", "range '5-3' ends before it starts")]
    [InlineData("5-", "PID must be a number from 0 to 4,194,303, or a range such as 1000-1010, not '5-'")]
    [InlineData("1-4194304", "PID must be a number from 0 to 4,194,303, or a range such as 1000-1010, not '1-4194304'")]
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
