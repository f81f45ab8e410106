using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class SetClientTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_next_process_gets_the_PID_above_the_target(bool unprivileged)
    {
        Finished run = Serving.Run(
            "serve; for t in 5000 5001 5002 9000 400 20000; do $N set $t --server $S; sh -c 'echo $$'; done", unprivileged);

        Assert.Equal(["5001", "5002", "5003", "9001", "401", "20001"], run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Theory]
    [InlineData("")]
    [InlineData("serve; kill -9 $P; wait $P 2>/dev/null;")]
    public void It_waits_for_a_server_that_is_being_started(string before)
    {
        Finished run = Serving.Run($"{before} (sleep 0.1; exec $N serve $S 2>$LOG) & $N set 5000 --server $S; echo $?; sh -c 'echo $$'");

        Assert.Equal(["0", "5001"], run.Lines);
    }

    [Fact]
    public void A_server_and_its_client_may_be_started_in_one_line()
    {
        Finished run = Serving.Run("$N serve $S 2>$LOG & $N set 5000 --server $S && sh -c 'echo $$'");

        Assert.Equal(["5001"], run.Lines);
    }

    [Fact]
    public void It_tells_what_was_done()
    {
        Finished run = Serving.Run("serve; $N set 5000 --server $S --json -v");

        Assert.Equal(("server", 5000), (Result("method").GetString(), Result("pid").GetInt32()));
        Assert.Matches("^nslp: set: last_pid is 5000, by server '/mnt/s', [0-9]+\\.[0-9]+ s\n$", run.Errors);

        JsonElement Result(string name) => Schema.Check(run.Output).GetProperty(name);
    }

    [Theory]
    [InlineData("", "5000", 1, "cannot reach server '/mnt/s': No such file or directory\nnslp: set: needs 'nslp serve /mnt/s' running\n")]
    [InlineData("serve; kill -9 $P; wait $P 2>/dev/null;", "5000", 1, "cannot reach server '/mnt/s': Connection refused\nnslp: set: no server is listening there: start 'nslp serve /mnt/s'\n")]
    [InlineData(": >$S;", "5000", 1, "cannot reach server '/mnt/s': it is not a socket\n")]
    [InlineData("ln -s /dev/null $S;", "5000", 1, "cannot reach server '/mnt/s': it is not a socket\n")]
    [InlineData("serve;", "99999999", 1, "cannot make 99999999 the last PID: server '/mnt/s' refused\nnslp: set: its log says why\n")]
    [InlineData("$ASK mute $S >$D/mute & await $D/mute bound;", "5000 --timeout 0.2", 1, "cannot make 5000 the last PID: no answer from server '/mnt/s' within 0.2 s\n")]
    [InlineData("", "5000 --method write", 2, "--method cannot be used with --server: the server decides that\nTry 'nslp set --help' for more information.\n")]
    [InlineData("", "5000 --target 1", 2, "--target cannot be used with --server: the server decides that\nTry 'nslp set --help' for more information.\n")]
    public void It_never_does_it_itself(string before, string arguments, int status, string words)
    {
        Finished run = Serving.Run($"""
            {before} echo 20000 >/proc/sys/kernel/ns_last_pid; $N set {arguments} --server $S; echo $?
            last=$(cat /proc/sys/kernel/ns_last_pid); echo $((last > 20000 && last < 20060))
            """);

        Assert.Equal([$"{status}", "1"], run.Lines);
        Assert.Equal("nslp: set: " + words, run.Errors);
    }

    [Fact]
    public void A_socket_of_another_user_is_out_of_reach()
    {
        Machine.NeedsRoot();

        Finished run = Serving.Run($"serve; setpriv {Shell.Unprivileged} $N set 5000 --server $S; echo $?");

        Assert.Equal(["1"], run.Lines);
        Assert.Equal(
            "nslp: set: cannot reach server '/mnt/s': Permission denied\nnslp: set: needs permission to write to the socket\n",
            run.Errors);
    }
}
