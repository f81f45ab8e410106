using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ServeStopTests
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public void A_signal_ends_it_and_its_socket(string signal)
    {
        // A shell's background jobs ignore SIGINT.
        Finished run = Serving.Run($"""
            : >$LOG; env --default-signal=INT,HUP $N serve $S 2>$LOG & P=$!; await $LOG listening
            kill -{signal} $P; wait $P; echo $?; [ -e $S ] || echo gone; tail -1 $LOG
            """);

        Assert.Equal(["0", "gone"], run.Lines[..2]);
        Assert.Matches("^nslp: serve: stopping on signal [0-9]+$", run.Lines[2]);
    }

    [Fact]
    public void In_the_middle_of_cycling_it_ends_far_from_the_target_and_the_clients_hear_of_it()
    {
        // The way takes ten seconds or more: an eighth of it is more than a busy machine does within the 100 ms that it may take.
        Finished run = Serving.Run(
            """
            serve; for i in 1 2 3; do $ASK ask-wait $S 3000000 >$D/answer$i & eval A$i=$!; done
            for i in 1 2 3; do await $D/answer$i sent; done
            last() { cut -d' ' -f5 /proc/loadavg; }; wait_for '[ $(last) -gt 20000 ]'
            before=$(last); kill $P; wait $P; echo $?; after=$(last); wait $A1 $A2 $A3
            [ -e $S ] || echo gone; [ $((after - before)) -lt 400000 ] && echo far; cat $D/answer* | grep answer
            """,
            unprivileged: true,
            pidMax: 4194304);

        Assert.Equal(["0", "gone", "far", "answer 1", "answer 1", "answer 1"], run.Lines);
    }

    [Fact]
    public void A_flood_does_not_keep_it_from_ending()
    {
        Finished run = Serving.Run("""
            serve; $ASK ask-flood $S >$D/flood 2>/dev/null & await $D/flood flooding; stop; echo $?; [ -e $S ] || echo gone
            """);

        Assert.Equal(["0", "gone"], run.Lines);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--method cycle")]
    public void It_is_the_process_that_was_started(string options)
    {
        // Neither started anew nor told anything that COMMAND-line and environment do not say.
        Finished run = Serving.Run($"""
            env >$D/given; serve {options}; tr '\0' '\n' </proc/$P/environ | grep -vxFf $D/given; $ASK ask-fork $S 10 1
            """);

        Assert.Equal(["0 0"], run.Lines);
    }

    [Fact]
    public void Signals_that_were_ignored_stay_ignored()
    {
        Finished run = Serving.Run("""
            trap '' HUP; serve; kill -HUP $P; sleep 0.3; $ASK ask-send '' $S 5000 4; stop; echo $?
            """);

        Assert.Equal(["0", "0"], run.Lines);
    }

    [Theory]
    [InlineData("/mnt/notify")]
    [InlineData("@nslp-notify")]
    public void The_service_manager_hears_when_it_is_ready_and_when_it_stops(string path)
    {
        string socket = path.StartsWith('@') ? path : "$D/notify";
        Finished run = Serving.Run($$"""
            $ASK manage {{socket}} >$D/heard & M=$!; await $D/heard bound
            export NOTIFY_SOCKET={{path}}; serve; await $D/heard READY=1; stop; wait $M; cat $D/heard
            """);

        Assert.Equal(["bound", "READY=1", "STOPPING=1"], run.Lines);
    }

    [Fact]
    public void A_service_manager_out_of_reach_is_only_warned_of()
    {
        Finished run = Serving.Run("NOTIFY_SOCKET=/mnt/none serve; $ASK ask-send '' $S 5000 4; head -1 $LOG");

        Assert.Equal("0", run.Lines[0]);
        Assert.Equal(
            "nslp: serve: warning: cannot reach the service manager at NOTIFY_SOCKET: No such file or directory", run.Lines[1]);
    }

    [Fact]
    public void It_serves_the_socket_that_systemd_passes_on_and_leaves_it_there()
    {
        Assert.SkipUnless(
            Shell.Start("command -v systemd-socket-activate").Finish().Status == 0, "needs systemd-socket-activate");

        Finished run = Serving.Run("""
            systemd-socket-activate -d -l $S $N serve 2>$LOG & P=$!; await $LOG Listening
            $ASK ask-fork $S 100 1; kill $P; wait $P; echo $?; [ -S $S ] && echo there
            """);

        Assert.Equal(["0 0", "0", "there"], run.Lines);
    }

    [Theory]
    [InlineData("$N serve", 2, "SOCKET is missing")]
    [InlineData("$N serve ''", 2, "SOCKET is empty")]
    [InlineData("LISTEN_FDS=1 LISTEN_PID=1 $N serve", 2, "SOCKET is missing")]
    [InlineData("$N serve /mnt/a /mnt/b", 2, "expected one SOCKET, got 2")]
    [InlineData("$N serve /mnt/a --mode 0888", 2, "--mode must be an octal number from 0 to 0777, not '0888'")]
    [InlineData("$N serve /mnt/a --mode 1777", 2, "--mode must be an octal number from 0 to 0777, not '1777'")]
    public void Without_a_socket_passed_on_there_must_be_one_given(string call, int status, string words)
    {
        Finished run = Serving.Run($"{call}; echo $?");

        Assert.Equal([$"{status}"], run.Lines);
        Assert.StartsWith($"nslp: serve: {words}\n", run.Errors);
    }

    [Fact]
    public void What_is_passed_on_must_be_a_datagram_socket()
    {
        Finished run = Serving.Run("""
            sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec $N serve 3</dev/null'; echo $?
            sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec $N serve /mnt/s 3</dev/null'; echo $?
            sh -c 'LISTEN_FDS=2 LISTEN_PID=$$ exec $N serve 3</dev/null'; echo $?
            """);

        Assert.Equal(["1", "2", "1"], run.Lines);
        Assert.Contains("cannot serve the descriptor of LISTEN_FDS: it is not a bound unix datagram socket", run.Errors);
        Assert.Contains("LISTEN_FDS passes 2 sockets; serve takes one", run.Errors);
    }

    [Fact]
    public void The_units_are_valid()
    {
        Assert.SkipUnless(Shell.Start("command -v systemd-analyze").Finish().Status == 0, "needs systemd-analyze");
        string units = Path.Combine(Source.Directory, "contrib/systemd");

        Finished run = Shell.Start($"""
            D=$(mktemp -d); cp {units}/* $D; sed -i 's,/usr/bin/nslp,{Tool.Path},' $D/*.service
            systemd-analyze --man=no verify $D/*.service $D/*.socket; echo $?; rm -r $D
            """).Finish();

        Assert.Equal(["0"], run.Lines);
        Assert.Equal("", run.Errors);
    }
}
