using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Many spawns, on their own and while others fork as fast as they can.</summary>
public sealed class SpawnSoak
{
    private static readonly string s_support = Path.Combine(AppContext.BaseDirectory, "SetNsLastPid.Tests.Support");

    // NSLP_SOAK=1 runs the full length.
    private static readonly int s_share = Environment.GetEnvironmentVariable("NSLP_SOAK") is null ? 10 : 1;

    [Theory]
    [InlineData("clone3", 1000)]
    [InlineData("write", 1000)]
    [InlineData("cycle", 200)]
    public void In_a_fork_storm_the_PID_is_right_or_the_command_does_not_run(string method, int count)
    {
        Machine.NeedsPidNamespace();
        string script = $$"""
            export T=$(mktemp -d)
            for i in 1 2 3 4; do while :; do (:); done & done
            {{s_support}} spawn {{method}} {{count / s_share}} 32768 10 /bin/sh -c 'echo $$ >>$T/ran-$PPID'
            cat $T/ran-*; rm -r $T
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        // First, as the children come and go, what the program says of itself: see Spawning.
        int[] said = Numbers(run.Lines[0]);
        (int right, int other, int failed, int tries) = (said[0], said[1], said[2], said[3]);
        TestContext.Current.TestOutputHelper?.WriteLine($"{method}: {right} right, {failed} given up, {tries} tries");
        Assert.Equal(0, other);
        Assert.Equal(count / s_share, right + failed);
        Assert.True(method == "cycle" ? right > 0 : failed == 0, $"{right} right, {failed} given up");
        // What ran are exactly the right ones.
        int[] ran = [.. run.Lines[1..].Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
        Assert.Equal(right, ran.Length);
    }

    [Theory]
    [InlineData("clone3")]
    [InlineData("write")]
    public void Many_spawns_leave_no_process_no_descriptor_and_no_memory(string method)
    {
        Machine.NeedsPidNamespace();
        // A small nursery, or the heap grows into the one that the cache's size allows.
        string script = $$"""
            export DOTNET_GCgen0size=100000
            {{s_support}} spawn {{method}} {{10000 / s_share}} 32768 10 /bin/true | tail -1
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        int[] said = Numbers(run.Lines[0]);
        Assert.Equal([10000 / s_share, 0, 0], said[..3]);
        int[] before = said[^8..^4];
        int[] after = said[^4..];
        Assert.Equal(before[0], after[0]);
        // Half the spawns are between the two: only what the runtime opens late is allowed.
        Assert.InRange(after[1], 0, before[1] + 4);
        Assert.InRange(after[2], 0, before[2] + 8 * 1024);
        Assert.InRange(after[3], 0, before[3] + 64);
    }

    private static int[] Numbers(string line) =>
        [.. line.Split(' ').Select(word => (int)double.Parse(word, CultureInfo.InvariantCulture))];
}
