using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>nslp ends at any moment by SIGKILL or SIGTERM and leaves nothing behind.</summary>
public sealed class KillTests
{
    private const int Full = 125;
    private const int Few = 6;

    // The files that the runtime makes before Main, and the socket that a killed server cannot remove, which the next
    // one replaces, are not nslp's to mend.
    private const string Script = """
        mkdir /mnt/d /mnt/t; export TMPDIR=/mnt/t
        state() { cat /proc/self/mountinfo /proc/sys/kernel/pid_max /proc/$$/limits; ls /mnt/d; }
        STATE=$(state); set -- /proc/[0-9]*; BEFORE="$*"
        for M in MOMENTS; do
            COMMAND & P=$!
            sleep ${M#*:}; kill -${M%:*} $P; wait $P; S=$?
            for i in $(seq 500); do set -- /proc/[0-9]*; [ "$*" = "$BEFORE" ] && break; sleep 0.02; done
            echo "$M $S $i"
            [ "$*" = "$BEFORE" ] || for T in $*; do echo "left $T: $(tr '\0' ' ' <$T/cmdline 2>/dev/null) $(grep ^State $T/status 2>/dev/null)"; done
            [ "${M%:*}" = KILL ] && rm -f /mnt/d/s
            NOW=$(state); [ "$NOW" = "$STATE" ] || echo "left $NOW"
            FILES=$(echo $FILES $(ls /mnt/t)); rm -f /mnt/t/*
        done
        echo files $FILES
        """;

    /// <summary>How it is called, and after how many seconds it would have ended by itself, roughly.</summary>
    public static TheoryData<string, double> Commands => new()
    {
        { "$N set 4000000 --method cycle", 1.5 },
        { "$N spawn 4242 -- sleep 0.2", 0.7 },
        { "$N spawn 4242 --new-pidns -- sleep 0.2", 0.8 },
        { "$N reserve 5000-5999 -- sleep 0.2", 0.7 },
        { "$N serve /mnt/d/s --method cycle", 1.5 },
        { "$N verify --runs 1000 >/dev/null", 1.5 },
    };

    /// <summary>At a few moments; NSLP_KILL_SEED draws others.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Nothing_is_left_behind(string command, double seconds) => Kill(command, seconds, Few);

    /// <summary>At 625 moments.</summary>
    [Theory(Explicit = true)]
    [MemberData(nameof(Commands))]
    public void Nothing_is_left_behind_at_many_moments(string command, double seconds) => Kill(command, seconds, Full);

    [Theory]
    [InlineData("get")]
    [InlineData("set 4242")]
    [InlineData("set 500 --method cycle")]
    [InlineData("spawn 4242 -- true")]
    [InlineData("who 1")]
    [InlineData("predict")]
    [InlineData("verify --runs 1")]
    [InlineData("set 70000")]
    [InlineData("--help")]
    public void The_runtimes_files_for_debuggers_are_gone(string arguments)
    {
        Finished run = Serving.Run($"mkdir $D/t; TMPDIR=$D/t $N {arguments} >/dev/null 2>&1; ls $D/t");

        Assert.Empty(run.Lines);
    }

    private static void Kill(string command, double seconds, int count)
    {
        Machine.NeedsRoot();
        int seed = Soak.Number("NSLP_KILL_SEED", 1);
        Random random = new(seed);
        string[] moments = new string[count];
        for (int i = 0; i < count; i++)
        {
            moments[i] = string.Create(
                CultureInfo.InvariantCulture, $"{(i % 2 == 0 ? "KILL" : "TERM")}:{random.NextDouble() * seconds:F3}");
        }

        Finished run = Serving.Run(
            Script.Replace("MOMENTS", string.Join(' ', moments)).Replace("COMMAND", command), pidMax: 4194304);

        string[] told = [.. run.Lines.Where(line => line.Contains(':') && !line.StartsWith("left", StringComparison.Ordinal))];
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}: {string.Join(", ", told)}; {run.Lines[^1]}");
        TestContext.Current.TestOutputHelper?.WriteLine(run.Errors);
        Assert.DoesNotContain(run.Lines, line => line.StartsWith("left", StringComparison.Ordinal));
        Assert.Equal(count, told.Length);
        foreach (string moment in told)
        {
            string status = moment.Split(' ')[1];
            // It had ended by itself; by the signal; the server in order.
            Assert.Contains(status, moment.StartsWith("KILL", StringComparison.Ordinal) ? ["0", "137"] : (string[])["0", "143"]);
        }

        Assert.DoesNotContain("   at ", run.Errors);
    }
}
