using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class AncestorTests
{
    private const string Link = "ln -s $N $D/set_ns_last_pid; A=$D/set_ns_last_pid; ";

    [Theory]
    [InlineData("$A 5000", "")]
    [InlineData("$A -v 5000", "^nslp: set: last_pid is 5000, by write\n$")]
    [InlineData("$A 5000 -v", "^nslp: set: last_pid is 5000, by write\n$")]
    [InlineData("$A -v -- 5000", "^nslp: set: last_pid is 5000, by write\n$")]
    [InlineData("cd $D; PATH=$D:$PATH; set_ns_last_pid 5000", "")]
    [InlineData("cd $D; exec 3<>/dev/null; ./set_ns_last_pid 5000", "")]
    public void A_PID_is_made_the_last_one(string call, string errors)
    {
        Finished run = Serving.Run($"{Link}{call}; s=$?; sh -c 'echo $$'; echo $s");

        Assert.Equal(["5001", "0"], run.Lines);
        Assert.Matches(errors == "" ? "^$" : errors, run.Errors);
    }

    [Fact]
    public void An_absolute_path_is_a_server()
    {
        Finished run = Serving.Run($$"""
            {{Link}} $A -v $S 2>$LOG & P=$!; await $LOG listening; $ASK ask-fork $S 100 1; stop; echo $?; grep -c ' by write in ' $LOG
            """);

        Assert.Equal(["0 0", "0", "101"], run.Lines);
    }

    [Theory]
    [InlineData("$A", "a PID or the absolute path of a socket is missing")]
    [InlineData("$A -x 5000", "invalid option -- 'x'")]
    [InlineData("$A relative", "PID must be a number from 0 to 4,194,303, not 'relative'")]
    [InlineData("$A 5000x", "PID must be a number from 0 to 4,194,303, not '5000x'")]
    [InlineData("$A 5000 5001", "expected one PID or socket, got 2")]
    public void Wrong_usage_is_status_1(string call, string words)
    {
        Finished run = Serving.Run($"{Link}{call}; echo $?");

        Assert.Equal(["1"], run.Lines);
        Assert.Equal($"set_ns_last_pid: {words}\nusage: set_ns_last_pid [-v] PID | /absolute/path/to/socket\n", run.Errors);
    }

    [Fact]
    public void A_failure_is_status_1()
    {
        Finished run = Serving.Run($"{Link}$A 99999999; echo $?; $A /mnt/none/s; echo $?");

        Assert.Equal(["1", "1"], run.Lines);
    }

    [Fact]
    public void By_its_own_name_it_is_nslp()
    {
        Finished run = Serving.Run("ln -s $N $D/other; $D/other get | grep -c .; $D/other 5000; echo $?");

        Assert.Equal(["1", "2"], run.Lines);
    }
}
