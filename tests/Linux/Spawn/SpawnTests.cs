using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class SpawnTests
{
    // setpriv's options for a user whose one capability is CAP_CHECKPOINT_RESTORE.
    private const string CheckpointRestore =
        "--reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+checkpoint_restore"
        + " --ambient-caps=-all,+checkpoint_restore --bounding-set=-all,+checkpoint_restore";

    public static TheoryData<string> Methods => ["clone3", "write", "cycle"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_command_has_the_PID_and_its_status_is_nslps(string method)
    {
        const string script = "for p in 4242 300 32767 999; do $N spawn $p --method METHOD -- sh -c 'echo $$; exit 7'; echo $?; done";

        Finished run = Run(method, script);

        Assert.Equal("", run.Errors);
        Assert.Equal(["4242", "7", "300", "7", "32767", "7", "999", "7"], run.Lines);
    }

    /// <summary>That clone3 and a write were refused before does not mean that others took the PID.</summary>
    [Theory]
    [InlineData("cycle")]
    [InlineData("auto")]
    public void What_takes_too_long_says_where_it_stands_and_how_long_it_would_take(string method)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            "", $"$N spawn 4000000 --timeout 1 --method {method} -- echo ran; echo $?", pidMax: 4194304).Finish();

        Assert.Equal(["125"], run.Lines);
        Assert.Matches(
            "^nslp: spawn: cannot reach PID 4000000 by cycling within 1 s: last_pid is [0-9]+\n"
            + "nslp: spawn: at this rate --timeout [0-9]+ would be enough\n$", run.Errors);
    }

    /// <summary>Written before all else was ready, it went to the next process of others.</summary>
    [Fact]
    public void By_write_last_pid_is_written_right_before_the_clone_and_not_before()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace("""
            mount -t tmpfs none /mnt; strace -f -o /mnt/trace -e trace=pwrite64,clone $N spawn 700 --method write -- true || exit
            grep -c '"699"' /mnt/trace; grep -A 1 '"699"' /mnt/trace | grep -c 'clone('
            """).Finish();
        Assert.SkipWhen(run.Status == 127, "needs strace");
        Assert.Equal(["1", "1"], run.Lines);
    }

    [Fact]
    public void A_signal_that_ends_the_command_is_128_and_its_number()
    {
        Finished run = Run("", "$N spawn 4242 -- sh -c 'kill -SEGV $$'; echo $?; $N spawn 4242 -- sh -c 'kill -KILL $$'; echo $?");

        Assert.Equal(["139", "137"], run.Lines);
    }

    [Fact]
    public void Only_numbers_from_300_on_can_be_cycled_to()
    {
        Finished run = Run("cycle", "echo x | $N spawn 2 --method cycle -- cat; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.Matches("PID 2 is taken by|after a wrap PIDs start at 300", run.Errors);
    }

    [Theory]
    [InlineData("-- no-such-command", "127", "cannot execute 'no-such-command': No such file or directory")]
    [InlineData("-- ''", "127", "cannot execute '': No such file or directory")]
    [InlineData("-- /etc/passwd", "126", "cannot execute '/etc/passwd': Permission denied")]
    [InlineData("-- /tmp", "126", "cannot execute '/tmp': Permission denied")]
    [InlineData("-- /etc/passwd/x", "126", "cannot execute '/etc/passwd/x': Not a directory")]
    [InlineData("--method write -- /tmp", "126", "cannot execute '/tmp': Permission denied")]
    [InlineData("--new-pidns -- /tmp", "126", "cannot execute '/tmp': Permission denied")]
    [InlineData("--detach -- /tmp", "126", "cannot execute '/tmp': Permission denied")]
    public void Exec_errors_reach_the_parent_as_with_env(string arguments, string status, string message)
    {
        // With a PATH that everybody may search: where one may not, permission is what is missing.
        Finished run = Run("", $"PATH=/usr/bin:/bin; $N spawn 4242 {arguments}; echo $?; echo /proc/[0-9]*");

        // The shell: nothing is left behind.
        Assert.Equal([status, "/proc/1"], run.Lines);
        Assert.Matches($"^nslp: spawn: {Regex.Escape(message)}\n(nslp: spawn: needs a higher pid_max: .*\n)?$", run.Errors);
    }

    [Fact]
    public void The_command_is_looked_for_as_execvp_does()
    {
        const string script = """
            cd $(mktemp -d); mkdir a b c d; trap 'rm -r $PWD' EXIT
            echo 'echo bare $0 $1' >a/bare; chmod +x a/bare
            echo x >b/refused; printf '#!/bin/sh\necho found\n' >c/found; chmod +x c/found; cp c/found d/refused
            printf '#!/no/such\n' >b/found; chmod +x b/found
            PATH=$PWD/a:$PWD/b:nowhere:$PWD/c:$PATH
            $N spawn 4242 -- bare 1 2
            $N spawn 4242 -- found
            $N spawn 4242 -- refused; echo $?
            PATH=$PATH:$PWD/d; $N spawn 4242 -- refused; echo $?
            cd c; PATH=/nowhere: $N spawn 4242 -- found
            cd ..; unset PATH; $N spawn 4242 -- echo default
            """;

        Finished run = Run("", script);

        Assert.Matches("^bare /.*/a/bare 1$", run.Lines[0]);
        Assert.Equal(["found", "126", "found", "0", "found", "default"], run.Lines[1..]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ulimit -Sn 300;")]
    [InlineData("ulimit -n 300;")]
    [InlineData("trap '' INT HUP USR1 CHLD TERM ALRM RTMAX;")]
    [InlineData("umask 027; exec <&-; exec 7</dev/null;")]
    [InlineData("unset HOME; export EMPTY= ODD=$(printf 'a\\377b');")]
    [InlineData("cd /usr;")]
    [InlineData("trap '' PIPE;")]
    [InlineData("trap '' RTMIN ILL ABRT;")]
    [InlineData("env --block-signal=CHLD --block-signal=USR1 --block-signal=TERM")]
    [InlineData("echo 1 >/proc/self/coredump_filter; nice -n 5 setpriv --no-new-privs")]
    public void The_command_gets_what_nslp_was_given(string given)
    {
        const string show = """
            ulimit -a; ulimit -aH; umask; pwd; grep -aE '^Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd
            cut -d' ' -f5-8,19 /proc/$$/stat; cat /proc/$$/coredump_filter /proc/$$/timerslack_ns /proc/$$/oom_score_adj
            env | grep -av ^_= | od -c; tr '\0' '|' </proc/$$/cmdline; grep -aE '^(Groups|Cap|NoNew|Cpus_allowed_list|Seccomp)' /proc/self/status
            """;
        string script = $"""
            export SHOW; B=$(printf 'b\300') T=$(mktemp -d)
            ({given} sh -c "$SHOW" '' "$B" -- '' x; :) >$T/a
            ({given} $N spawn 4242 -- sh -c "$SHOW" '' "$B" -- '' x; :) >$T/b
            cmp $T/a $T/b || diff $T/a $T/b; grep -c . <$T/a; rm -r $T
            """;

        Finished run = Run("", $"SHOW='{show.Replace("'", "'\\''")}'\n{script}");

        Assert.Equal("", run.Errors);
        Assert.Single(run.Lines);
        Assert.True(int.Parse(run.Lines[0], CultureInfo.InvariantCulture) > 40);
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    [InlineData("USR1", 138)]
    [InlineData("USR2", 140)]
    [InlineData("INT", 130)]
    [InlineData("QUIT", 131)]
    public void A_signal_is_passed_on_to_the_command(string signal, int status)
    {
        string script = $$"""
            F=$(mktemp)
            env --default-signal $N spawn 4242 -- sh -c 'trap "echo got; exit 3" {{signal}}; echo up; while :; do sleep 0.05; done' >$F &
            wait_for '[ -s $F ]'; kill -{{signal}} $!; wait $!; echo $?; cat $F; rm $F
            env --default-signal $N spawn 4242 -- sleep 100 &
            wait_for 'grep -q sleep /proc/4242/comm 2>/dev/null'; kill -{{signal}} $!; wait $!; echo $?
            """;

        Finished run = Run("", script);

        Assert.Equal(["3", "up", "got", $"{status}"], run.Lines);
    }

    [Fact]
    public void Stopping_and_continuing_take_the_command_along()
    {
        // In a process group of its own with a parent outside of it: in an orphaned one SIGTSTP stops nobody
        // (get_signal, kernel/signal.c), and that of the tests may be one.
        const string script = """
            bash -mc '$N spawn 4242 -- sleep 100 & wait $!; echo $?' &
            wait_for 'grep -q sleep /proc/4242/comm 2>/dev/null'; nslp=$(sed -n 's/^PPid:.//p' /proc/4242/status)
            states() { sed -n 's/^State:.\(.\).*/\1/p' /proc/$nslp/status /proc/4242/status | tr -d '\n'; }
            kill -TSTP $nslp; wait_for '[ $(states) = TT ]'
            kill -CONT $nslp; wait_for '[ $(states) = SS ]'
            kill $nslp; wait
            """;

        Finished run = Run("", script);

        Assert.Equal(["143"], run.Lines);
    }

    // `tty COMMAND` runs a command of /bin/sh on a terminal of its own, `keys TEXT` types there. What is written to the
    // terminal is not looked at: script(1) may lose the end of it. The shell there has a trap, or it would die of the
    // interrupt, and what a shell starts in the background ignores it unless told otherwise.
    private const string Terminal = """
        cd $(mktemp -d); D=$PWD; trap 'rm -r $D' EXIT; mkfifo keys
        tty() { SHELL=/bin/sh env --default-signal script -qec "trap : INT; $1" /dev/null <keys >/dev/null & exec 9>keys; }
        keys() { printf "$1" >&9; }

        """;

    [Fact]
    public void A_terminals_interrupt_comes_once()
    {
        const string script = Terminal + """
            tty "$N spawn 4242 -- sh -c 'trap \"echo caught >>caught\" INT; >up; until [ -e down ]; do sleep 0.05; done; exit 9'; echo st \$? >st"
            wait_for '[ -e up ]'; nslp=$(sed -n 's/^PPid:.//p' /proc/4242/status)
            # Two at once would count as one.
            kill -STOP $nslp; keys '\003'; wait_for '[ -e caught ]'; kill -CONT $nslp; sleep 0.5
            >down; wait; cat caught st
            """;

        Finished run = Run("", script);

        Assert.Equal(["caught", "st 9"], run.Lines);
    }

    [Fact]
    public void A_terminals_stop_is_seen_by_the_shell()
    {
        const string script = Terminal + """
            # No process in between: one that stops within vfork(2) holds its parent up.
            mkfifo down; tty "set -m; $N spawn 4242 -- sh -c '>up; read x <down'; echo st \$? >st; fg; echo fg \$? >fg"
            wait_for '[ -e up ]'; keys '\032'; wait_for '[ -s st ]'; echo >down; wait; cat st fg
            """;

        Finished run = Run("", script);

        Assert.Equal(["st 148", "fg 0"], run.Lines);
    }

    [Fact]
    public void A_terminals_stop_before_the_command_runs_is_seen_too()
    {
        // It is looked for in so many directories that it does not run for some time.
        const string script = Terminal + """
            export MANY=$(yes a | head -60000 | tr '\n' :)
            tty "set -m; PATH=\$MANY\$PATH $N spawn 4242 -- sh -c 'exit 9'; echo st \$? >st; cat /proc/4242/comm >comm; fg; echo fg \$? >fg"
            wait_for 'grep -q nslp-zygote /proc/4242/comm 2>/dev/null'; keys '\032'; wait; cat st comm fg
            """;

        Finished run = Run("", script);

        Assert.Equal(["st 148", "nslp-zygote", "fg 9"], run.Lines);
    }

    [Fact]
    public void Detached_the_PID_is_printed_and_the_command_lives_on()
    {
        const string script = """
            $N spawn 4242 --detach -- sleep 100 </dev/null; echo $?; wait_for 'grep -q sleep /proc/4242/cmdline'; tr '\0' ' ' </proc/4242/cmdline; echo
            sed -n 's/^PPid:.//p' /proc/4242/status; wait_for 'set -- /proc/[0-9]*; [ "$*" = "/proc/1 /proc/4242" ]'; echo alone
            """;

        Finished run = Run("", script);

        Assert.Equal(["4242", "0", "sleep 100 ", "1", "alone"], run.Lines);
    }

    [Fact]
    public void Detached_the_command_holds_no_pipe_but_files_and_FIFOs()
    {
        const string script = """
            cd $(mktemp -d); trap 'rm -r $PWD' EXIT
            P=$($N spawn 4242 --detach -- sleep 1000 2>&1); echo $P $(readlink /proc/4242/fd/1 /proc/4242/fd/2)
            $N spawn 4243 --detach -- sh -c 'echo out; echo err >&2' >log 2>&1; wait_for 'grep -q err log && grep -q 4243 log'; sort log
            mkfifo fifo; sort fifo & $N spawn 4244 --detach -- echo through >fifo; wait $!
            """;

        Finished run = Run("", script);

        Assert.Equal(["4242 /dev/null /dev/null", "4243", "err", "out", "4244", "through"], run.Lines);
    }

    [Fact]
    public void Nothing_in_nslp_is_writable_and_executable()
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");
        const string script = """
            $N spawn 4242 -- sleep 1000 & wait_for 'grep -q sleep /proc/4242/comm 2>/dev/null'
            grep -c '^[^ ]* r.x' /proc/$!/maps; grep '^[^ ]* .wx' /proc/$!/maps
            """;

        Finished run = Run("", script);

        // The program, the vDSO and the vsyscall page, if the kernel has it.
        Assert.Matches("^[23]\n$", run.Output);
    }

    [Fact]
    public void The_command_lives_on_when_nslp_is_killed()
    {
        const string script = """
            $N spawn 4242 -- sleep 100 &
            wait_for 'grep -q sleep /proc/4242/comm 2>/dev/null'
            kill -KILL $!; wait $!; wait_for 'set -- /proc/[0-9]*; [ "$*" = "/proc/1 /proc/4242" ]'; cat /proc/4242/comm
            """;

        Finished run = Run("", script);

        Assert.Equal(["sleep"], run.Lines);
    }

    [Theory]
    [InlineData("process 1000 \\(sleep 100\\)", "clone3")]
    [InlineData("process 1000 \\(sleep 100\\)", "write")]
    [InlineData("process 1000 \\(sleep 100\\)", "cycle")]
    public void A_taken_PID_is_refused_with_its_holder(string holder, string method)
    {
        Finished run = Run("", $"$N set 999; sleep 100 & $N spawn 1000 --method {method} -- echo ran; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.Matches($"^nslp: spawn: PID 1000 is taken by {holder}\n$", run.Errors);
    }

    // As where a thread keeps its number a moment after its end: clone3 says EEXIST, and nobody is seen to have it.
    [Theory]
    [InlineData("1..50", 200, "1000\n", "")]
    [InlineData("1+", 2, "125\n", "nslp: spawn: PID 1000 is in use, but no process, thread, group or session has it: "
        + "a thread may keep its number a moment after its end\n")]
    public void A_PID_that_nobody_has_is_tried_until_it_is_free(string when, int seconds, string output, string errors)
    {
        Finished run = Run("", $$"""
            command -v strace >/dev/null || exit 77
            mount -t tmpfs none /mnt
            strace -f -o /mnt/trace -e trace=clone3 -e inject=clone3:error=EEXIST:when={{when}} \
                $N spawn 1000 --method clone3 --timeout {{seconds}} -- sh -c 'echo $$' || echo $?
            """);
        Assert.SkipWhen(run.Status == 77, "needs strace");
        Assert.Equal((output, errors), (run.Output, run.Errors));
    }

    [Fact]
    public void A_PID_that_nslp_itself_would_get_is_had_all_the_same()
    {
        const string script = """
            for d in 0 1 2 3 4 5 6 7 8 9 10 11 12; do
                p=$(($(cat /proc/sys/kernel/ns_last_pid) + d + 1))
                $N spawn $p -- sh -c '[ $$ = $1 ] && echo right' '' $p || echo $?
            done
            """;

        Finished run = Run("", script);

        // The first number after the cursor, that of nslp itself, is the one that is not to be had.
        Assert.Equal(1, run.Lines.Count(line => line == "125"));
        Assert.Equal(12, run.Lines.Count(line => line == "right"));
        Assert.Matches("^nslp: spawn: nslp itself got PID [0-9]+; run it again", run.Errors);
    }

    [Fact]
    public void What_was_blocked_is_so_also_when_nslp_starts_anew()
    {
        // Twelve PIDs ahead, one of which is its helper's: see the test before.
        const string script = """
            for d in 1 2 3 4 5 6 7 8 9 10 11 12; do
                env --block-signal=CHLD $N spawn $(($(cat /proc/sys/kernel/ns_last_pid) + d + 2)) -- grep SigBlk /proc/self/status
            done
            """;

        Finished run = Run("", script);

        Assert.Equal("", run.Errors);
        Assert.Equal(Enumerable.Repeat("SigBlk:\t0000000000010000", 12), run.Lines);
    }

    [Theory]
    [InlineData("70000 -- true", "PID 70000: this namespace allows 1 to 32767")]
    [InlineData("0 -- true", "PID 0: this namespace allows 1 to 32767")]
    [InlineData("--new-pidns 4242,70000 -- true", "2nd PID 70000: this namespace allows 1 to 32767")]
    [InlineData("--new-pidns 5000000 -- true", "PID 5000000: this namespace allows 1 to 4194303")]
    public void The_model_says_which_PID_is_wrong(string arguments, string message)
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Run("", $"$N spawn {arguments}; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.Matches($"^nslp: spawn: {Regex.Escape(message)}\n(nslp: spawn: needs a higher pid_max: .*\n)?$", run.Errors);
    }

    [Theory]
    [InlineData("4242", "no command given: put it after '--'")]
    [InlineData("4242 true", "no command given: put it after '--'")]
    [InlineData("4242 --", "no command given: put it after '--'")]
    [InlineData("-- true", "PID is missing")]
    [InlineData("1,,3 -- true", "PID list '1,,3' has an empty entry")]
    [InlineData("1, -- true", "PID list '1,' has an empty entry")]
    [InlineData("x -- true", "PID must be a number from 0 to 4,194,303, or a range such as 1000-1999 or 1000-, not 'x'")]
    [InlineData("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33 -- true",
        "PID list has 33 entries: at most 32 PID namespaces are nested")]
    [InlineData("4242,5 --method write -- true", "several PIDs need --method clone3")]
    [InlineData("4242 --new-pidns --target 1 -- true", "--new-pidns and --target cannot be used together")]
    [InlineData("4242 --map-root -- true", "--map-root needs --new-pidns")]
    [InlineData("4242 --pid-max 400 -- true", "--pid-max needs --new-pidns")]
    [InlineData("9-8 -- true", "range '9-8' ends before it starts")]
    [InlineData("4242 --bogus -- true", "'--bogus' is not an option")]
    public void Bad_input_is_refused_in_words(string arguments, string message)
    {
        Finished run = Run("", $"$N spawn {arguments}; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.Equal($"nslp: spawn: {message}\nTry 'nslp spawn --help' for more information.\n", run.Errors);
    }

    [Fact]
    public void Options_of_the_command_are_the_commands()
    {
        Finished run = Run("", "$N spawn 4242 -- echo --help -v -- --method; $N spawn 4242 -- sh -c 'echo $#' '' '' ''");

        Assert.Equal(["--help -v -- --method", "2"], run.Lines);
    }

    [Theory]
    [InlineData("clone3")]
    [InlineData("write")]
    public void CAP_CHECKPOINT_RESTORE_alone_is_enough(string method)
    {
        Machine.NeedsRoot();
        string script = $"setpriv {CheckpointRestore} $N spawn 300000 --method {method} -- sh -c 'echo $$; id -u'";

        Finished run = Shell.InNewPidNamespace(script, pidMax: 4194304).Finish();

        Assert.Equal("", run.Errors);
        Assert.Equal(["300000", "65534"], run.Lines);
    }

    [Theory]
    [InlineData("clone3", "cannot make a process with PID 4242: Operation not permitted")]
    [InlineData("write", "cannot write ns_last_pid: Operation not permitted")]
    public void Without_the_capability_it_says_what_would_help(string method, string message)
    {
        Machine.NeedsRoot();

        Finished run = Run("cycle", $"$N spawn 4242 --method {method} -- true; echo $?");

        Assert.Equal(["125"], run.Lines);
        Assert.Equal($"nslp: spawn: {message}", run.Errors.Split('\n')[0]);
        Assert.Contains("CAP_CHECKPOINT_RESTORE", run.Errors);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--map-root")]
    public void Anybody_gets_any_PID_in_a_namespace_of_their_own(string option)
    {
        Machine.NeedsPidNamespace();
        const string command = "sh -c 'echo $$ $(id -u); (sleep 100; exit 3) & echo /proc/[0-9]*'";

        // Root of a user namespace who has lost its capabilities may not even map itself (verify_root_map, kernel/
        // user_namespace.c), so whoever is not root starts from where the tests are.
        string script = $"{Tool.Path} spawn 300000 --new-pidns {option} -- {command}; echo $?";

        Finished run =
            (Machine.IsRoot ? Shell.InNewPidNamespace("", $"{script}; echo /proc/[0-9]*") : Shell.Start(script)).Finish();

        Assert.Equal("", run.Errors);
        string user = option != "" ? "0" : Machine.IsRoot ? "65534" : Shell.Start("id -u").Finish().Lines[0];
        Assert.Equal($"300000 {user}", run.Lines[0]);
        // nslp's init, the shell, its subshell and perhaps sleep.
        string[] inside = run.Lines[1].Split(' ');
        Assert.Equal(["/proc/1", "/proc/300000"], inside.Where(name => name.Length != "/proc/2".Length || name == "/proc/1"));
        Assert.InRange(inside.Length, 3, 4);
        Assert.Equal(Machine.IsRoot ? ["0", "/proc/1"] : ["0"], run.Lines[2..]);
    }

    [Fact]
    public void In_a_new_namespace_orphans_are_reaped()
    {
        const string script = """
            $N spawn 4242 --new-pidns -- sh -c '
                for i in 1 2 3 4 5; do (sleep 0.1 & (sleep 0.2 &)); done
                for i in $(seq 1000); do set -- /proc/[0-9]*; [ $# = 2 ] && break; sleep 0.05; done; echo $*'
            """;

        Finished run = Run("", script);

        // nslp's own and the shell.
        Assert.Equal(["/proc/1 /proc/4242"], run.Lines);
    }

    [Fact]
    public void A_new_namespace_lives_on_detached_and_ends_with_the_command()
    {
        const string script = """
            F=$(mktemp); $N spawn 4242 --new-pidns --detach -- sleep 100 </dev/null >$F; P=$(cat $F); rm $F
            grep NSpid /proc/$P/status | cut -f3; wait_for 'set -- /proc/[0-9]*; [ $# = 3 ]'
            kill -KILL $P; wait_for 'set -- /proc/[0-9]*; [ $# = 1 ]'; echo gone
            """;

        Finished run = Run("", script);

        // In between: the shell, the command, and the first process of its namespace.
        Assert.Equal(["4242", "gone"], run.Lines);
    }

    [Theory]
    [InlineData("clone3")]
    [InlineData("write")]
    [InlineData("cycle")]
    public void A_PID_in_the_namespace_of_another_process(string method)
    {
        Machine.NeedsRoot();
        string script = $"""
            unshare -pf --mount-proc sh -c 'echo 5000 >/proc/sys/kernel/pid_max; exec sleep 100' &
            wait_for 'T=$(pgrep -P $!) && grep -q sleep /proc/$T/comm'
            $N spawn 777 --target $T --method {method} -- sh -c 'echo $$; grep NSpid /proc/self/status | wc -w'
            $N spawn 5000 --target $T --method {method} -- true; echo $?
            $N spawn 1 --target $T --method {method} -- true; echo $?
            """;

        Finished run = Run("", script);

        Assert.Equal(["777", "3", "125", "125"], run.Lines);
        Assert.Contains("PID 1 is taken by process 1 (sleep 100)", run.Errors);
    }

    [Fact]
    public void The_last_PID_of_another_namespace_is_set_and_read()
    {
        Machine.NeedsRoot();
        const string script = """
            cd $(mktemp -d); mkfifo go
            unshare -pf --mount-proc sh -c 'while read x; do sh -c "echo \$\$" >>pids; done <go' & exec 9>go
            wait_for 'T=$(pgrep -P $!)'; n=0
            next() { echo >&9; n=$((n + 1)); wait_for '[ "$(grep -c . pids 2>/dev/null)" = $n ]'; }
            $N set 3000 --target $T --method write; next; $N set 4000 --target $T --method cycle; next
            $N predict --target $T; next; cat pids; rm -r $PWD
            """;

        Finished run = Run("", script);

        Assert.Equal("", run.Errors);
        Assert.Equal(["3001", "4001", run.Lines[0]], run.Lines[1..]);
    }

    private static Finished Run(string method, string script)
    {
        Machine.NeedsPidNamespace();
        return (method == "cycle" ? Shell.InNewPidNamespace("", script.Replace("METHOD", method))
            : Shell.InNewPidNamespace(script.Replace("METHOD", method))).Finish();
    }
}
