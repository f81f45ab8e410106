using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ServeStopTests
{
    // Others use the machine too: this goes before them where it may, and of several runs the fastest counts.
    private const string Stopping = """
        renice -n -20 $$ >/dev/null 2>&1
        best=999999
        for round in 1 2 3 4 5; do
            serve; BEFORE
            start=$(date +%s%N); kill -SIGNAL $P; wait $P; status=$?; end=$(date +%s%N)
            took=$(((end - start) / 1000)); [ $took -lt $best ] && best=$took
            AFTER
            [ $status = 0 ] && ! [ -e $S ] || echo "status $status"
        done
        echo $best; cat $D/answer* 2>/dev/null | grep answer
        """;

    [Theory]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void A_signal_ends_it_within_100_ms(string signal)
    {
        Finished run = Run(signal, "", "");

        Assert.InRange(int.Parse(Assert.Single(run.Lines), CultureInfo.InvariantCulture), 0, 100_000);
    }

    [Fact]
    public void Also_in_the_middle_of_cycling_and_the_clients_hear_of_it()
    {
        // A lap takes twenty seconds.
        Finished run = Run(
            "TERM",
            "rm -f $D/answer*; for i in 1 2 3; do $ASK ask-wait $S 310 >$D/answer$i & eval A$i=$!; done; "
            + "for i in 1 2 3; do await $D/answer$i sent; done; sleep 0.2",
            "wait $A1 $A2 $A3",
            pidMax: 4194304);

        Assert.InRange(int.Parse(run.Lines[0], CultureInfo.InvariantCulture), 0, 100_000);
        Assert.Equal(["answer 1", "answer 1", "answer 1"], run.Lines[1..]);
    }

    [Fact]
    public void Also_in_a_flood()
    {
        Finished run = Run("TERM", "$ASK ask-flood $S >$D/flood 2>/dev/null & await $D/flood flooding; rm $D/flood", "");

        Assert.InRange(int.Parse(Assert.Single(run.Lines), CultureInfo.InvariantCulture), 0, 100_000);
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
    [InlineData("$N serve /mnt/a /mnt/b", 2, "one SOCKET is wanted, not 2")]
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
        Assert.Contains("cannot serve the descriptor of LISTEN_FDS: it is no unix datagram socket that is bound", run.Errors);
        Assert.Contains("cannot serve 2 sockets", run.Errors);
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

    [Fact]
    public void The_runtime_leaves_nothing_in_tmp()
    {
        Finished run = Serving.Run("""
            mkdir $D/tmp; export TMPDIR=$D/tmp; serve; ls $D/tmp; $N set 5000 --server $S; ls $D/tmp; stop; ls $D/tmp; echo end
            """);

        Assert.Equal(["end"], run.Lines);
    }

    private static Finished Run(string signal, string before, string after, int pidMax = 32768) => Serving.Run(
        Stopping.Replace("SIGNAL", signal).Replace("BEFORE", before).Replace("AFTER", after), pidMax > 32768, pidMax);
}
