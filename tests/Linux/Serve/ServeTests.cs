using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ServeTests
{
    [Theory]
    [InlineData(false, 1000, 1)]
    [InlineData(false, 1000, 37)]
    [InlineData(true, 1000, 1)]
    [InlineData(true, 50, 1000)]
    [InlineData(true, 10, -1)]
    public void Every_fork_after_a_request_gets_the_PID_above(bool unprivileged, int count, int step)
    {
        Finished run = Serving.Run($"serve; $ASK ask-fork $S {count} {step}; stop; cat $LOG", unprivileged);

        Assert.Equal("0 0", run.Lines[0]);
        Assert.Matches($"^nslp: serve: listening on '/mnt/s', by {(unprivileged ? "cycle" : "write")}", run.Lines[1]);
        Assert.Equal(["nslp: serve: stopping on signal 15"], run.Lines[2..]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_server_takes_no_PID_in_a_long_while_either(bool unprivileged)
    {
        Finished run = Serving.Run("""
            serve; $ASK ask-fork $S 500 7 >/dev/null; ls /proc/$P/task | sort | tr '\n' ' '; echo
            $N set 5000 --server $S; echo $?; sleep 3; sh -c 'echo $$'
            $ASK ask-fork $S 500 7 >/dev/null; ls /proc/$P/task | sort | tr '\n' ' '; echo
            """, unprivileged);

        // sleep took one.
        Assert.Equal(["0", "5002"], run.Lines[1..3]);
        Assert.Equal(run.Lines[0], run.Lines[3]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("@nslp-test")]
    [InlineData("/mnt/client")]
    public void Only_four_bytes_are_a_request_and_answered(string client)
    {
        Finished run = Serving.Run($"serve; $ASK ask-send '{client}' $S 5000 4 0- 1- 2- 3- 5- 8- 65507- 4; stop");

        Assert.Equal(["0", "0"], run.Lines);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("32767", 0)]
    [InlineData("32768", 1)]
    [InlineData("-1", 1)]
    [InlineData("-2147483648", 1)]
    [InlineData("2147483647", 1)]
    public void Only_numbers_in_range_are_written(string pid, int answer)
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Serving.Run($"""
            serve; $ASK ask-send '' $S 20000 4; $ASK ask-send '' $S {pid} 4; cat /proc/sys/kernel/ns_last_pid
            """);

        Assert.Equal($"{answer}", run.Lines[1]);
        // The client's own threads took some since.
        int last = int.Parse(run.Lines[2], CultureInfo.InvariantCulture);
        Assert.Equal(answer != 0, last is >= 20000 and < 20100);
    }

    [Fact]
    public void A_lowered_pid_max_is_heeded()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        Finished run = Serving.Run("""
            serve; $ASK ask-send '' $S 20000 4; echo 10000 >/proc/sys/kernel/pid_max
            $ASK ask-send '' $S 20000 4; $ASK ask-send '' $S 9000 4
            """);

        Assert.Equal(["0", "1", "0"], run.Lines);
    }

    [Fact]
    public void A_client_without_an_address_is_served_in_silence()
    {
        Finished run = Serving.Run("serve -v; $ASK ask-send - $S 5000 4; $ASK ask-send '' $S 6000 4; stop; cat $LOG");

        Assert.Equal(["sent", "0"], run.Lines[..2]);
        Assert.Matches("^nslp: serve: 5000 by write in [0-9.]+ us for process [0-9]+ of user 0$", run.Lines[3]);
        Assert.Matches("^nslp: serve: 6000 by write in [0-9.]+ us for process [0-9]+ of user 0$", run.Lines[4]);
        Assert.Equal(6, run.Lines.Length);
    }

    [Fact]
    public void Random_datagrams_do_no_harm()
    {
        Finished run = Serving.Run("""
            serve; $ASK ask-fuzz $S 100000 20261122
            $ASK ask-fork $S 100 1; ls /proc/$P/fd | wc -l; stop; echo $?; cat $LOG | wc -l
            """);

        Assert.Equal(["100000", "0 0"], run.Lines[..2]);
        Assert.Equal("0", run.Lines[3]);
        Assert.InRange(int.Parse(run.Lines[4], CultureInfo.InvariantCulture), 2, 200);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void Descriptors_in_a_datagram_stay_outside()
    {
        Finished run = Serving.Run("""
            serve; ls /proc/$P/fd | wc -l; $ASK ask-descriptors $S 100; ls /proc/$P/fd | wc -l; $ASK ask-send '' $S 5000 4
            """);

        Assert.Equal(run.Lines[0], run.Lines[2]);
        Assert.Equal("0", run.Lines[3]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_flood_does_not_keep_others_out(bool unprivileged)
    {
        Finished run = Serving.Run("""
            serve; for i in 1 2; do $ASK ask-flood $S >$D/flood$i & F="$F $!"; await $D/flood$i flooding; done
            $ASK ask-time $S 20; kill $F; wait $F
            # What is left of the flood takes PIDs: until it is idle.
            cpu() { cut -d' ' -f14-15 /proc/$P/stat; }; wait_for 'before=$(cpu); sleep 1; [ "$before" = "$(cpu)" ]'
            $ASK ask-fork $S 20 1; stop; echo $?
            """, unprivileged);

        // How many milliseconds the slowest took. By cycle, floods of 900 and 800 are a lap each time: it waits for two laps
        // at most, not for the thousand requests before it, for which its client has no patience.
        Assert.Matches("^[0-9]+$", run.Lines[0]);
        Assert.Equal(["0 0", "0"], run.Lines[1..]);
    }

    [Fact]
    public void Clients_that_read_no_answers_do_not_keep_others_out()
    {
        Finished run = Serving.Run("""
            serve; for i in 1 2; do $ASK ask-deafen $S 500 >$D/deaf$i & done
            await $D/deaf1 deaf; await $D/deaf2 deaf
            $ASK ask-time $S 100; $ASK ask-fork $S 100 1; grep -c 'its process or user leaves answers unread' $LOG
            """);

        Assert.Matches("^[0-9]+$", run.Lines[0]);
        Assert.Equal("0 0", run.Lines[1]);
        Assert.NotEqual("0", run.Lines[2]);
    }

    [Fact]
    public void A_client_may_read_a_hundred_answers_later()
    {
        Finished run = Serving.Run("serve; $ASK ask-pipeline $S 100; $ASK ask-pipeline $S 100");

        Assert.Equal(["100", "100"], run.Lines);
    }

    [Fact]
    public void A_reader_of_the_log_that_stops_reading_does_not_stop_the_server()
    {
        Finished run = Serving.Run("""
            mkfifo $D/pipe; sleep 100 <$D/pipe & R=$!
            $N serve $S -v 2>$D/pipe & P=$!
            while ! [ -S $S ]; do sleep 0.05; done
            $ASK ask-fork $S 3000 1; stop; echo $?
            """);

        Assert.Equal(["0 0", "0"], run.Lines);
    }

    [Fact]
    public void A_request_out_of_reach_is_refused_with_the_reason()
    {
        Finished run = Serving.Run("serve; $ASK ask-send '' $S 500 4; $ASK ask-send '' $S 200 4; stop; cat $LOG", unprivileged: true);

        Assert.Equal(["0", "1"], run.Lines[..2]);
        Assert.Matches(
            "^nslp: serve: cannot make 200 the last PID for process [0-9]+ of user [0-9]+: after a wrap PIDs start at 300$",
            run.Lines[3]);
    }

    [Fact]
    public void A_request_has_its_time()
    {
        Finished run = Serving.Run(
            "serve --timeout 0.05; $ASK ask-send '' $S 3000000 4; stop; cat $LOG", unprivileged: true, pidMax: 4194304);

        Assert.Equal("1", run.Lines[0]);
        Assert.EndsWith(": timed out", run.Lines[2]);
    }

    [Fact]
    public void Writing_is_asked_for_at_the_start()
    {
        Finished run = Serving.Run("$N serve $S --method write; echo $?; ls $S 2>&1", unprivileged: true);

        Assert.Equal("1", run.Lines[0]);
        Assert.Equal(
            "nslp: serve: cannot write ns_last_pid: Operation not permitted\n"
            + "nslp: serve: needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN over the PID namespace; without them --method cycle works\n",
            run.Errors);
    }
}
