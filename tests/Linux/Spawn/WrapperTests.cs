using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>A wrapper is not to be noticed: with nslp all goes as with env(1), which is gone once the command runs.</summary>
public sealed class WrapperTests
{
    // $W is the wrapper. An interactive bash on a terminal of its own: `line TEXT` types a line there, `keys TEXT` keys. What it
    // writes to the terminal is not looked at: script(1) may lose the end of it.
    private const string Typing = """
        cd $(mktemp -d); D=$PWD; trap 'rm -r $D' EXIT; mkfifo keys
        terminal() { env --default-signal script -qec "${1:-bash --norc -i}" /dev/null <keys >/dev/null & T=$!; exec 9>keys; }
        line() { printf '%s\n' "$1" >&9; }
        keys() { printf "$1" >&9; }

        """;

    // What a script may call and a machine may lack.
    private static readonly string[] s_others = ["zsh", "fish", "dash", "python3"];

    private const string Suspend = """
        terminal OUTER; line "$W INNER"; line 'echo >up'; wait_for '[ -s up ]'
        line suspend; sleep 0.5; line 'echo outer >back'; wait_for '[ -s back ]'; cat back
        line fg; sleep 0.5; line 'echo inner >again'; wait_for '[ -s again ]'; cat again
        line 'echo >asleep; sleep 100'; wait_for '[ -s asleep ]'; sleep 0.2; keys '\003'; sleep 0.2
        line 'echo interrupted >int'; wait_for '[ -s int ]'; cat int
        line 'exit 7'; line 'echo ended >end'; wait_for '[ -s end ]'; cat end
        """;

    private const string Bash = "'bash --norc -i'";

    private const string Stop = """
        echo 'kill -SIGNAL WHO; echo on >on; exit 5' >command
        terminal; line "$W sh command"; line 'echo stopped $? >st'; wait_for '[ -s st ]'; cat st; [ ! -e on ] || cat on
        line fg; line 'echo ended $? >end'; wait_for '[ -s end ]'; cat on end
        """;

    private const string Hangup = """
        terminal; line "$W sh -c 'trap \"echo hup >hup; exit\" HUP; echo >up; while :; do sleep 0.1; done'"; wait_for '[ -s up ]'
        KEYS
        kill -KILL $T; exec 9>&-; wait $T 2>/dev/null
        # This shell, and the one that looks.
        wait_for 'set -- $(grep -L "^State:.Z" /proc/[0-9]*/status 2>/dev/null); [ $# = 2 ]'; echo gone
        """;

    private const string Send = """
        env --default-signal $W sh -c 'trap "echo got; exit 2" SIGNAL; echo >up; while :; do sleep 0.05; done' & wait_for '[ -s up ]'
        kill -SIGNAL $!; wait $!; echo $?
        """;

    private const string SendDeadly = """
        $W sh -c 'echo >up; exec sleep 100' & wait_for '[ -s up ]'; kill -SIGNAL $!; wait $!; echo $?
        """;

    // A shell names the signal only if it sees that one ended its child.
    private const string Die = """
        bash -c "$W sh -c 'ulimit -c 0; kill -SIGNAL \$\$'; echo \$?" 2>&1 | grep -o 'Killed\|Aborted\|Segmentation fault\|^[0-9]*$'
        """;

    /// <summary>What is done, and what comes of it.</summary>
    public static TheoryData<string, string, string> Behaviours
    {
        get
        {
            TheoryData<string, string, string> all = [];
            foreach ((string outer, string inner) in new[]
            {
                (Bash, "bash --norc -i"), (Bash, "zsh -f -i"), (Bash, "fish --no-config -i"),
                ("'zsh -f -i'", "bash --norc -i"), ("'fish --no-config -i'", "bash --norc -i"),
            })
            {
                all.Add($"{inner} is suspended and continued by {outer}",
                    Suspend.Replace("OUTER", outer).Replace("INNER", inner), "outer inner interrupted ended");
            }

            foreach ((string signal, int number) in new[] { ("STOP", 19), ("TSTP", 20), ("TTIN", 21), ("TTOU", 22) })
            {
                all.Add($"it stops itself by {signal}", Stop.Replace("SIGNAL", signal).Replace("WHO", "$$"),
                    $"stopped {128 + number} on ended 5");
                all.Add($"it stops its group by {signal}", Stop.Replace("SIGNAL", signal).Replace("WHO", "0"),
                    $"stopped {128 + number} on ended 5");
            }

            all.Add("Ctrl-Z, then fg", """
                terminal; line "$W sh -c 'echo >up; read x; exit 4'"; wait_for '[ -s up ]'; sleep 0.1; keys '\032'; sleep 0.2
                line 'echo stopped $? >st'; wait_for '[ -s st ]'; cat st
                line fg; line x; line 'echo ended $? >end'; wait_for '[ -s end ]'; cat end
                """, "stopped 148 ended 4");
            all.Add("Ctrl-C in a loop", """
                terminal; line "for i in 1 2 3; do echo \$i >>n; $W sleep 5; done; echo rest >>n"; wait_for '[ -s n ]'; sleep 0.5
                keys '\003'; line 'echo after >>n'; wait_for 'grep -q after n'; cat n
                """, "1 after");
            all.Add("it reads in the background", """
                terminal; line "$W sh -c 'echo >up; read x; echo \$x >got; exit 3' &"; wait_for '[ -s up ]'; sleep 0.5
                line 'jobs | grep -c Stopped >st'; wait_for '[ -s st ]'; cat st
                line fg; sleep 0.5; line hello; wait_for '[ -s got ]'; cat got; line 'echo ended $? >end'; wait_for '[ -s end ]'; cat end
                """, "1 hello ended 3");
            all.Add("the terminal hangs up", Hangup.Replace("KEYS", ""), "gone");
            all.Add("the terminal hangs up while it is stopped", Hangup.Replace("KEYS", "sleep 0.2; keys '\\032'; sleep 0.5"), "gone");
            all.Add("others stop and continue it by its PID", """
                $W sh -c 'echo $$ >pid; while [ ! -e go ]; do sleep 0.05; done; exit 6' & wait_for '[ -s pid ]'
                kill -STOP $(cat pid); sleep 0.3; kill -CONT $(cat pid); >go; wait $!; echo $?
                """, "6");
            foreach ((string shell, string start, string end) in new[]
            {
                ("the background of an interactive shell", "terminal; line \"$W sh command &\"", "line 'wait %1; echo $? >end'"),
                ("a shell with job control and no terminal",
                    "setsid bash -mc \"$W sh command & until [ -e go ]; do sleep 0.1; done; wait \\$!; echo \\$? >end\" &", ""),
            })
            {
                all.Add($"others stop and continue it by its PID, in {shell}", $$"""
                    echo 'echo $$ >pid; while [ ! -e go ]; do sleep 0.05; done; exit 6' >command
                    {{start}}; wait_for '[ -s pid ]'
                    kill -STOP $(cat pid); sleep 0.3; kill -CONT $(cat pid); >go; {{end}}
                    wait_for '[ -s end ]'; cat end
                    """.Replace("&;", "&"), "6");
            }

            foreach (string signal in new[] { "HUP", "INT", "USR1", "ALRM", "WINCH", "RTMIN+1" })
            {
                all.Add($"{signal} is sent to the wrapper's PID", Send.Replace("SIGNAL", signal), "got 2");
            }

            foreach ((string signal, int number) in new[] { ("TERM", 15), ("ALRM", 14), ("RTMIN+1", 35) })
            {
                all.Add($"{signal}, which ends it, is sent to the wrapper's PID", SendDeadly.Replace("SIGNAL", signal), $"{128 + number}");
            }

            foreach ((string signal, string words, int number) in new[]
                { ("KILL", "Killed", 9), ("ABRT", "Aborted", 6), ("SEGV", "Segmentation fault", 11) })
            {
                all.Add($"it dies by {signal}", Die.Replace("SIGNAL", signal), $"{words} {128 + number}");
            }

            all.Add("nobody reads what it writes", "{ env --default-signal=PIPE $W yes; echo $? >st; } | head -1; wait_for '[ -s st ]'; cat st", "y 141");
            foreach (string parent in new[]
            {
                "bash -c \"trap '' PIPE TERM; $W COMMAND\"", "dash -c \"trap '' PIPE TERM; $W COMMAND\"",
                "zsh -c \"trap '' PIPE TERM; $W COMMAND\"", "fish -c \"trap '' PIPE TERM; $W COMMAND\"",
                "env --ignore-signal=PIPE,TERM $W COMMAND",
                "env --default-signal $W COMMAND", "env --ignore-signal $W COMMAND",
                "python3 -c \"import subprocess; subprocess.run('$W COMMAND'.split())\"",
                "python3 -c \"import os; a = '$W COMMAND'.split(); os.execvp(a[0], a)\"",
            })
            {
                string script = parent.Replace("COMMAND", "grep SigIgn /proc/self/status");
                all.Add($"what is ignored under {parent.Split("\" ")[0]}",
                    $"{script} >with; {script.Replace("$W ", "")} >without; cmp with without && echo same", "same");
            }

            return all;
        }
    }

    /// <summary>What is done to an init, and what comes of it.</summary>
    public static TheoryData<string, string, string> InitBehaviours
    {
        get
        {
            const string Start = "unshare -pf --mount-proc --kill-child $W";
            TheoryData<string, string, string> all = [];
            all.Add("orphans are waited for", Start + """
                 sh -c '
                    for i in 1 2 3 4 5; do (sleep 0.05 & (sleep 0.1 &)); done
                    for i in $(seq 600); do set -- /proc/[0-9]*; [ $# = 2 ] && break; sleep 0.05; done; echo $#'
                """, "2");
            all.Add("it ends with the command, and others with it",
                Start + " sh -c 'exec 9>here; flock 9; sleep 1000 & exit 7'; echo $?; flock here echo free", "7 free");
            all.Add("the command dies", Start + " sh -c 'ulimit -c 0; kill -SEGV $$'; echo $?", "139");
            foreach (string signal in new[] { "TERM", "INT", "HUP", "QUIT", "USR1", "WINCH", "CONT", "RTMIN+3" })
            {
                all.Add($"it gets {signal}", $"env --default-signal {Start}" + """
                     sh -c 'trap "echo got; exit 3" SIGNAL; echo >up; while :; do sleep 0.05; done' & wait_for '[ -s up ]'
                    kill -SIGNAL $(cat /proc/$!/task/$!/children); wait $!; echo $?
                    """.Replace("SIGNAL", signal), "got 3");
            }

            all.Add("Ctrl-C on a terminal comes once", $$"""
                echo 'trap "echo got >>got" INT; echo >up; until [ -s got ]; do sleep 0.05; done; sleep 0.5; exit 4' >command
                echo "trap : INT; {{Start}} sh command; echo \$? >st" >init
                terminal 'sh init'; wait_for '[ -s up ]'; keys '\003'; wait_for '[ -s st ]'; cat got st
                """, "got 4");
            all.Add("it reads from the terminal", $$"""
                echo 'echo >up; read x; echo "read $x" >got; exit 5' >command
                echo "trap : INT; {{Start}} sh command; echo \$? >st" >init
                terminal 'sh init'; wait_for '[ -s up ]'; line hello; wait_for '[ -s st ]'; cat got st
                """, "read hello 5");
            all.Add("Ctrl-\\ on a terminal ends it", $$"""
                echo 'echo >up; exec sleep 100' >command
                echo "trap : QUIT INT; ulimit -c 0; {{Start}} sh command; echo \$? >st" >init
                terminal 'sh init'; wait_for '[ -s up ]'; sleep 0.2; keys '\034'; wait_for '[ -s st ]'; cat st
                """, "131");
            all.Add("an interactive shell has job control", $$"""
                # As in a container with a terminal, PID 1 leads the session that has it.
                echo "{{Start.Replace("$W", "setsid -c $W")}} bash --norc -i; echo \$? >end" >init
                terminal 'sh init'; line 'sleep 100'
                wait_for 'grep -qs "(sleep) S [0-9]* \([0-9]*\) [0-9]* [0-9]* \1 " /proc/[0-9]*/stat'; keys '\032'; sleep 0.2; line 'jobs | grep -c Stopped >st'
                wait_for '[ -s st ]'; cat st; line 'kill -KILL %1'; line 'exit 6'; line 'exit 6'; wait_for '[ -s end ]'; cat end
                """, "1 6");
            all.Add("orphans of another session, stopped and killed ones too, are waited for", Start + """
                 sh -c '
                    for i in 1 2 3; do setsid sh -c "sleep 0.05 & exec sleep 0.05" & done; (sleep 100 & kill -STOP $!; kill -KILL $!)
                    for i in $(seq 600); do set -- /proc/[0-9]*; [ $# = 2 ] && break; sleep 0.05; done; echo $#'
                """, "2");
            return all;
        }
    }

    // With NSLP_SOAK=1 also the programs that the expected outcomes come from; nslp first, as one of them may be missing.
    private static IEnumerable<string> Wrappers(string nslp, params string[] others) =>
        Environment.GetEnvironmentVariable("NSLP_SOAK") is null ? [nslp] : [nslp, .. others];

    private static void Check(string wrapper, string behaviour, string script, string outcome)
    {
        Machine.NeedsPidNamespace();
        IEnumerable<string> programs = s_others.Where(program => Regex.IsMatch(script, $@"\b{program} -")).Prepend(wrapper.Split(' ')[0]);
        Finished run = Shell.InNewPidNamespace(
            $"for P in {string.Join(' ', programs)}; do command -v $P >/dev/null || {{ echo needs $P; exit; }}; done; W=\"{wrapper}\"\n"
            + Typing + script).Finish();
        Assert.SkipWhen(run.Output.StartsWith("needs ", StringComparison.Ordinal), run.Output.Trim());
        string actual = string.Join(' ', run.Lines);
        Assert.True(outcome == actual, $"{wrapper}, {behaviour}: {outcome}, but {actual} {run.Errors}");
    }

    [Theory]
    [MemberData(nameof(InitBehaviours))]
    public void As_PID_1_all_goes_as_with_tini(string behaviour, string script, string outcome)
    {
        foreach (string wrapper in Wrappers("$N spawn 42 --", "tini --", "dumb-init"))
        {
            Check(wrapper, behaviour, script, outcome);
        }
    }

    [Theory]
    [MemberData(nameof(Behaviours))]
    public void All_goes_as_with_env(string behaviour, string script, string outcome)
    {
        foreach (string wrapper in Wrappers("$N spawn 4242 --", "env"))
        {
            Check(wrapper, behaviour, script, outcome);
        }
    }
}
