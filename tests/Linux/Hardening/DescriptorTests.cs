using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Every file that nslp opens it closes: what is open at its end was given to it.</summary>
public sealed class DescriptorTests
{
    [Theory]
    [InlineData("get")]
    [InlineData("set 700 --method write")]
    [InlineData("set 700 --method cycle")]
    [InlineData("set 700 --target $T")]
    [InlineData("spawn 700 --method clone3 -- COMMAND")]
    [InlineData("spawn 700 --method write -- COMMAND")]
    [InlineData("spawn 700 --method cycle -- COMMAND")]
    [InlineData("spawn 700 --new-pidns -- COMMAND")]
    [InlineData("verify --runs 1 --steps 5")]
    [InlineData("set 700 --server /mnt/none")]
    [InlineData("who 1")]
    [InlineData("who 1 --target $T")]
    [InlineData("map")]
    [InlineData("map --svg /dev/null")]
    [InlineData("predict 3")]
    [InlineData("predict 3 --target $T")]
    [InlineData("preflight /mnt/none")]
    [InlineData("reserve 700-799 -- COMMAND")]
    [InlineData("doctor")]
    [InlineData("bench --seconds 0.1")]
    [InlineData("serve /mnt/d/s --method write")]
    [InlineData("serve /mnt/d/s --method cycle")]
    public void What_was_opened_is_closed_at_the_end(string command)
    {
        FaultRun.SkipUnlessPossible();
        Assert.SkipUnless(Tool.IsNative, "the JIT's runtime has files of its own");

        FaultRun run = FaultRun.Each(["-"], command)[0];

        Assert.Empty(run.Open);
        // It is seen to end.
        Assert.Contains(run.Calls, call => call.StartsWith("m:231:", StringComparison.Ordinal));
    }
}
