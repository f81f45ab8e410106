using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class SetTests
{
    private const int PidMax = 32768;
    private const int Targets = 200;

    // Of a namespace in which many laps are made: half a minute of calls at 32768, ten on a busy machine.
    private const int FewPids = 4096;

    // Prints PIDs of processes made one after the other.
    private const string NextPid = "sh -c 'echo $$'";

    public static TheoryData<string> Methods => ["write", "cycle"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_next_process_gets_the_PID_above_the_target(string method)
    {
        Machine.NeedsPidNamespace();
        int[] targets = RandomTargets((Machine.HasPidMaxPerNamespace ? FewPids : PidMax) - 1);

        Finished run = Run(method, pidMax: FewPids, script: $"for t in {string.Join(' ', targets)}; do $N set $t --method {method}; {NextPid}; done");

        Assert.Equal("", run.Errors);
        Assert.Equal(targets.Select(target => target + 1), Pids(run));
    }

    [Fact]
    public void Several_that_cycle_wait_for_one_another()
    {
        Machine.NeedsPidNamespace();

        Finished run = Run("cycle", """
            for i in 7000 14000 21000 28000; do $N set $i --method cycle --timeout 30 >/dev/null 2>&1 & p="$p $!"; done
            for p in $p; do wait $p; echo $?; done
            """);

        Assert.Equal([0, 0, 0, 0], Pids(run));
    }

    [Theory]
    [InlineData("set 700 --method write --timeout 0.3", 1)]
    [InlineData("set 700 --method cycle --timeout 0.3", 1)]
    [InlineData("spawn 700 --method write --timeout 0.3 -- true", 125)]
    [InlineData("spawn 700 --method cycle --timeout 0.3 -- true", 125)]
    public void Who_holds_the_lock_is_waited_for(string arguments, int status)
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($"""
            L=/proc/sys/kernel/ns_last_pid; (flock 9; exec sleep 100) 9<$L & wait_for '! flock -n $L true'
            $N {arguments}; echo $?; kill $!
            """).Finish();

        Assert.Equal([$"{status}"], run.Lines);
        Assert.Matches($"^nslp: {arguments[..arguments.IndexOf(' ')]}: cannot .* the lock on ns_last_pid[^\n]*\n$", run.Errors);
    }

    [Theory]
    [InlineData("set 700 --method write --timeout 0.3", "set: cannot make 700 the last PID")]
    [InlineData("spawn 700 --method write --timeout 0.3 -- true", "spawn: cannot change last_pid")]
    public void Who_holds_the_lock_is_named(string arguments, string failure)
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($"""
            L=/proc/sys/kernel/ns_last_pid; flock $L sleep 100 & wait_for '! flock -n $L true'
            $N {arguments}; echo $! $?; kill $!
            """).Finish();

        Assert.Equal(
            $"nslp: {failure}: process {run.Output.Split(' ')[0]} (flock /proc/sys/kernel/ns_last_pid sleep 100) "
            + "holds the lock on ns_last_pid\n",
            run.Errors);
    }

    /// <summary>Forks alone are counted: nobody else may cycle, in whatever namespace.</summary>
    [Theory(Explicit = true)]
    [MemberData(nameof(Methods))]
    public void On_the_host_only_foreign_forks_spoil_it(string method)
    {
        Machine.NeedsRoot();
        int pidMax = int.Parse(File.ReadAllText("/proc/sys/kernel/pid_max"), CultureInfo.InvariantCulture);
        Assert.SkipUnless(method == "write" || pidMax <= 65536, "200 laps of this pid_max take too long");
        int rate = Machine.ForksASecond();
        Assert.SkipUnless(rate <= 20, $"needs a quiet host: others make {rate} PIDs a second on this one");
        int[] targets = RandomTargets(pidMax - 100).Where(target => !Directory.Exists($"/proc/{target + 1}")).ToArray();
        string script = $"for t in {string.Join(' ', targets)}; do {Tool.Path} set $t --method {method}; {NextPid}; done";
        if (method == "cycle")
        {
            script = $"exec setpriv {Shell.Unprivileged} /bin/sh -c \"{script.Replace("$", "\\$")}\"";
        }

        long forks = Machine.Forks();
        Finished run = Shell.Start(script).Finish();

        int[] pids = Pids(run);
        Assert.Equal(targets.Length, pids.Length);
        int[] beyond = pids.Zip(targets, (pid, target) => pid - target - 1).Where(distance => distance != 0).ToArray();
        // nslp, which has five threads more under the JIT, one a processor that cycles, and who asks for its PID.
        int own = targets.Length * ((Tool.IsNative ? 2 : 7) + (method == "write" ? 0 : Environment.ProcessorCount));
        long foreign = Machine.Forks() - forks - own;
        Assert.SkipUnless(foreign <= targets.Length / 2, $"needs a quiet host: others made {foreign} PIDs on this one meanwhile");
        // Foreign forks take the number and leave one of the next ones; anything else is nslp's own fault.
        Assert.All(beyond, distance => Assert.InRange(distance, 1, 1000));
        Assert.True(
            beyond.Length <= targets.Length / 20, $"{beyond.Length} of {targets.Length} spoilt by {string.Join(' ', beyond)}");
    }

    [Theory]
    [InlineData("write", PidMax - 1, 300)]
    [InlineData("write", PidMax - 2, PidMax - 1)]
    [InlineData("write", 300, 301)]
    [InlineData("write", 299, 300)]
    [InlineData("write", 298, 299)]
    [InlineData("write", 150, 151)]
    [InlineData("cycle", PidMax - 1, 300)]
    [InlineData("cycle", PidMax - 2, PidMax - 1)]
    [InlineData("cycle", 300, 301)]
    [InlineData("cycle", 299, 300)]
    [InlineData("cycle", 150, 151)]
    public void The_wrap_is_at_pid_max_and_goes_to_300(string method, int target, int next)
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Run(method, $"$N set {target} --method {method}; {NextPid}");

        Assert.Equal("", run.Errors);
        Assert.Equal([next], Pids(run));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Numbers_in_use_are_passed_over(string method)
    {
        Machine.NeedsPidNamespace();
        const string script = """
            $N set 1000 --method METHOD
            for i in 1 2 3 4 5; do sleep 100 & done
            $N set 1010 --method METHOD
            sleep 100 &
            for t in 999 1000 1003 1005 1006 1008 1009 1010 1011; do
                # So that nslp does not get the target for its own PID.
                /bin/true
                $N set $t --method METHOD 2>/dev/null
                sh -c 'echo $$'
            done
            """;

        Finished run = Run(method, script.Replace("METHOD", method));

        Assert.Equal([1000, 1006, 1006, 1006, 1007, 1009, 1010, 1012, 1012], Pids(run));
    }

    [Theory]
    [InlineData(20000, 710, 711)]
    [InlineData(32760, 710, 711)]
    [InlineData(20000, 500, 701)]
    public void Numbers_that_proc_hides_are_passed_over(int from, int target, int next)
    {
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        string script = $"""
            mount -o remount,hidepid=2 /proc
            echo 400 >/proc/sys/kernel/ns_last_pid
            i=0; while [ $i -lt 300 ]; do sleep 100 & i=$((i+1)); done
            echo {from} >/proc/sys/kernel/ns_last_pid
            """;

        Finished run = Shell.InNewPidNamespace(script, $"$N set {target} --method cycle 2>/dev/null; {NextPid}").Finish();

        Assert.Equal([next], Pids(run));
    }

    // nslp's own numbers, some ten, lie just ahead of the cursor.
    [Theory]
    [MemberData(nameof(Methods))]
    public void Just_behind_and_ahead_of_the_cursor_nslp_is_not_in_its_own_way(string method)
    {
        Machine.NeedsPidNamespace();
        string script = $$"""
            echo 5000 >/proc/sys/kernel/ns_last_pid
            for d in -40 -1 0 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 20 40; do
                last=$(cat /proc/sys/kernel/ns_last_pid)
                $N set $((last + d)) --method {{method}}
                sh -c "echo \$((\$\$ - $((last + d))))"
            done
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        Assert.Equal("", run.Errors);
        Assert.Equal(Enumerable.Repeat(1, 20), Pids(run));
    }

    [Fact]
    public void A_few_numbers_that_proc_hides_cost_no_lap()
    {
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        const string script = """
            mount -o remount,hidepid=2 /proc
            echo 400 >/proc/sys/kernel/ns_last_pid
            for i in 1 2 3 4 5 6 7 8 9 10; do sleep 100 & done
            echo 20000 >/proc/sys/kernel/ns_last_pid
            """;

        Finished run = Shell.InNewPidNamespace(script, "$N set 405 --method cycle --json; sh -c 'echo $$'").Finish();

        Assert.Contains("\"overshoots\":0,", run.Lines[0]);
        Assert.Equal("411", run.Lines[1]);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Nor_where_the_proc_of_another_namespace_is_mounted(string method)
    {
        Machine.NeedsPidNamespace();
        string script = $$"""
            echo 32768 >/proc/sys/kernel/pid_max
            echo 5000 >/proc/sys/kernel/ns_last_pid
            for d in 2 3 4 5 6 7 8 9 10 12 20; do
                last=$(cat /proc/loadavg); last=${last##* }
                $N set $((last + d)) --method {{method}}
                sh -c "echo \$((\$\$ - $((last + d))))"
            done
            """;

        Finished run = Shell.InNewPidNamespace($"export SCRIPT='{script}'; unshare -pf --kill-child sh -c \"$SCRIPT\"").Finish();

        Assert.Equal("", run.Errors);
        Assert.Equal(Enumerable.Repeat(1, 11), Pids(run));
    }

    [Fact]
    public void A_target_that_is_nslps_own_PID_cannot_be_cycled_to()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            "echo 5000 >/proc/sys/kernel/ns_last_pid; $N set 5001 --method cycle; echo $?").Finish();

        Assert.Equal(["1"], run.Lines);
        Assert.StartsWith("nslp: set: cannot make 5001 the last PID: nslp itself got PID 5001\n", run.Errors);
    }

    [Fact]
    public void A_taken_PID_is_warned_of_with_its_holder()
    {
        Machine.NeedsPidNamespace();

        Finished run = Run("write", "$N set 1000; sleep 123 & wait_for 'grep -q sleep /proc/1001/comm'; $N set 1000 --method write; sh -c 'echo $$'");

        Assert.Equal([1002], Pids(run));
        Assert.Matches("^nslp: set: warning: 1001 is taken by .*sleep 123.*\n$", run.Errors);
    }

    [Fact]
    public void A_read_only_proc_sys_is_cycled_around()
    {
        Machine.NeedsPidNamespace();
        const string script = """
            mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys
            $N set 700 --method write; echo $?
            $N set 700 -v; sh -c 'echo $$'
            """;

        Finished run = Run("write", script);

        Assert.Equal(["1", "701"], run.Lines);
        Assert.Contains("nslp: set: cannot open ns_last_pid for writing: Read-only file system\n", run.Errors);
        Assert.Contains("; cycling\n", run.Errors);
    }

    [Fact]
    public void A_kernel_without_ns_last_pid_is_cycled_around()
    {
        Machine.NeedsPidNamespace();
        const string script = """
            mount -t tmpfs none /mnt && touch /mnt/pid_max && mount --bind /proc/sys/kernel/pid_max /mnt/pid_max
            mount --rbind /mnt /proc/sys/kernel
            $N set 700 --method write; echo $?
            $N set 700; sh -c 'echo $$'; $N get
            """;

        Finished run = Run("write", script);

        Assert.Equal(["1", "701"], run.Lines[..2]);
        Assert.StartsWith("nslp: set: cannot open ns_last_pid: No such file or directory\n", run.Errors);
        Assert.InRange(Pids(run)[2], 702, 730);
    }

    [Theory]
    [InlineData("")]
    [InlineData("for i in 1 2 3 4; do while :; do (:); done & done;")]
    public void A_deadline_ends_it_and_tells_where_last_pid_stands(string storm)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            "", $"{storm} $N set 4000000 --method cycle --timeout 2; echo $?", pidMax: 4194304).Finish();

        Assert.Equal(["1"], run.Lines);
        Assert.Matches(
            "^nslp: set: cannot make 4000000 the last PID within 2 s: last_pid is [0-9]+\nnslp: set: at this rate --timeout [0-9]+ would be enough\n$", run.Errors);
    }

    [Fact]
    public void A_fork_storm_ends_in_success_or_in_a_clear_failure()
    {
        Machine.NeedsPidNamespace();
        const string script = """
            for i in 1 2 3 4; do while :; do (:); done & done
            for t in 1000 2000 3000 4000 5000; do
                timeout 20 $N set $t --method cycle --timeout 2 2>&1 | grep -v warning: | tr '\n' ' '; echo
            done
            """;

        Finished run = Shell.InNewPidNamespace("", script).Finish();

        Assert.Equal("", run.Errors);
        // Nothing is said of a success.
        string[] said = run.Output.Split('\n')[..^1];
        Assert.Equal(5, said.Length);
        Assert.All(said, line => Assert.Matches(
            "^(nslp: set: cannot make [0-9]+ the last PID (within 2 s: last_pid is [0-9]+ (nslp: set: at this rate --timeout [0-9]+ would be enough )?"
            + "|in 10 laps, others take PIDs too fast: last_pid is [0-9]+ )|"
            + "nslp: set: cannot make ([0-9]+) the last PID: nslp itself got PID .*)?$",
            line));
    }

    [Theory]
    [InlineData("INT", 130, "cgroup-thread")]
    [InlineData("INT", 130, "pidfd-emfile-thread")]
    [InlineData("TERM", 143, "pidfd-emfile-thread")]
    [InlineData("INT", 130, "pidfd-table-thread-legacy")]
    [InlineData("TERM", 143, "pidfd-table-thread-legacy")]
    [InlineData("HUP", 129, "exiting-thread")]
    [InlineData("INT", 130, "exiting-process")]
    public void A_signal_in_mid_cycle_ends_it_and_leaves_nothing(string signal, int status, string flavour)
    {
        Machine.NeedsPidNamespace();
        // In a shell's background SIGINT is ignored, hence env.
        string script = $"""
            env --default-signal=INT,HUP $N set 4000000 --method cycle --flavour {flavour} &
            wait_for '[ $(cat /proc/sys/kernel/ns_last_pid) -gt 1000 ]'; kill -{signal} $!; wait $!; echo $?
            # While the shell, the namespace's init, waits for sleep, it buries what nslp was about to.
            wait_for 'set -- /proc/[0-9]*; [ $# = 1 ]'
            """;

        Finished run = Shell.InNewPidNamespace("", script, pidMax: 4194304).Finish();

        Assert.Equal([$"{status}"], run.Lines);
        // And the shell's own word for SIGTERM and SIGHUP.
        Assert.Matches("^nslp: set: interrupted: last_pid is [0-9]{4,}\n(Terminated\n|Hangup\n)?$", run.Errors);
    }

    [Theory]
    [InlineData("")]
    [InlineData("''")]
    [InlineData("-1")]
    [InlineData("0x10")]
    [InlineData("1e3")]
    [InlineData("' 12'")]
    [InlineData("99999999999")]
    [InlineData("10 20")]
    [InlineData("10 --bogus")]
    [InlineData("10 --method")]
    [InlineData("10 --method fly")]
    [InlineData("10 --timeout 0")]
    [InlineData("10 --timeout -1")]
    [InlineData("10 --timeout nan")]
    [InlineData("10 --flavour strawberry")]
    [InlineData("\"$(printf '1\\n2')\"")]
    [InlineData("\"$(printf '\\033[2J')\"")]
    [InlineData("10 --flavour \"$(printf '\\a\\n')\"")]
    public void Bad_input_is_refused_in_one_line_and_changes_nothing(string arguments)
    {
        Machine.NeedsPidNamespace();

        Finished run = Run("write", $"$N get >/dev/null; echo 20000 >/proc/sys/kernel/ns_last_pid; $N set {arguments}; echo $?; $N get");

        Assert.Equal("2", run.Lines[0]);
        Assert.InRange(int.Parse(run.Lines[1], CultureInfo.InvariantCulture), 20001, 20060);
        Assert.Matches("^nslp: set: [^\0-\x1f\x7f]*\nTry 'nslp set --help' for more information.\n$", run.Errors);
    }

    [Theory]
    [InlineData("32768", "write", "here that is 0 to 32767")]
    [InlineData("4194304", "cycle", "here that is 0 to 32767")]
    [InlineData("2147483647", "auto", "here that is 0 to 32767")]
    [InlineData("298", "cycle", "after a wrap PIDs start at 300")]
    [InlineData("0", "cycle", "after a wrap PIDs start at 300")]
    public void A_PID_out_of_reach_is_refused_with_the_range(string pid, string method, string words)
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Run("write", $"echo 20000 >/proc/sys/kernel/ns_last_pid; $N set {pid} --method {method}; echo $?");

        Assert.Equal(["1"], run.Lines);
        string failure = run.Errors.Split('\n').First(line => !line.Contains("warning"));
        Assert.Contains(words, failure);
    }

    [Fact]
    public void A_mistyped_command_gets_the_nearest()
    {
        Finished run = Shell.Start($"{Tool.Path} sett 5; echo $?").Finish();

        Assert.Equal(["2"], run.Lines);
        Assert.Equal(
            "nslp: 'sett' is not a command; did you mean 'set'?\nTry 'nslp --help' for more information.\n", run.Errors);
    }

    [Fact]
    public void A_result_that_cannot_be_written_is_a_failure()
    {
        Finished run = Shell.Start($"{Tool.Path} get >/dev/full; echo $?").Finish();

        Assert.Equal(["1"], run.Lines);
        Assert.Equal("nslp: get: cannot write the result: No space left on device\n", run.Errors);
    }

    private static Finished Run(string method, string script, int pidMax = PidMax) =>
        (method == "cycle" ? Shell.InNewPidNamespace("", script, pidMax) : Shell.InNewPidNamespace(script, pidMax: pidMax)).Finish();

    private static int[] RandomTargets(int below)
    {
        Random random = new(20261122);
        List<int> targets = [];
        while (targets.Count < Targets)
        {
            int target = random.Next(300, below);
            // Not what nslp may get itself.
            if (targets.Count == 0 || Math.Abs(target - targets[^1]) > 16)
            {
                targets.Add(target);
            }
        }

        return [.. targets];
    }

    private static int[] Pids(Finished run) =>
        run.Lines.Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToArray();
}
