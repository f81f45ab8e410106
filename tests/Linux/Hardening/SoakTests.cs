using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Everything that nslp does, for a long time, under the eyes of a shell that knows what must come of it.</summary>
[Collection(Soak.Name)]
public sealed class SoakTests
{
    // One bash, which forks nothing else between nslp's end and the fork by which it sees the next PID. Two servers live
    // through all of it, and every third round it looks at them and at what is left in the namespace.
    private const string Script = """
        mount -t tmpfs none /mnt; D=/mnt; mkdir $D/t; export TMPDIR=$D/t
        serve() { : >$D/$1.log; $N serve $D/$1 --method $1 2>$D/$1.log & until grep -q listening $D/$1.log; do sleep 0.05; done; }
        serve write; W=$!; serve cycle; C=$!
        wrong() { echo "wrong|$*|$(cat $D/err)"; }
        next() { [ $2 = 0 ] && { read x <$D/pid; [ $x = $(($1 + 1)) ] || wrong "$3 $1 then $x"; return; }; wrong "$3 $1 status $2"; }
        look() {
            local rss fds zombies=0 file
            for f in $W $C; do
                rss=$rss\|$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' /proc/$f/status); set -- /proc/$f/fd/*; fds=$fds\|$#
            done
            set -- /proc/[0-9]*; file=$#
            zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)
            set -- $D/t/*; echo "look|$SECONDS$rss$fds|$file|$zombies|$#|$(wc -l </proc/self/mountinfo)"
        }
        END=$((SECONDS + LENGTH)) n=0; set +e
        while [ $SECONDS -lt $END ]; do
            n=$((n + 1)); p=$((1000 + RANDOM % 31000)) m=write; [ $((n % 2)) = 0 ] && m=cycle
            $N set $p --method $m 2>$D/err; s=$?; (echo $BASHPID >$D/pid); next $p $s set-$m
            $N set $p --server $D/$m 2>$D/err; s=$?; (echo $BASHPID >$D/pid); next $p $s server-$m
            case $((n % 4)) in 0) m=clone3;; 1) m=write;; 2) m=cycle;; 3) m=auto\ --new-pidns;; esac
            x=$($N spawn $p --method $m -- /bin/sh -c 'echo $$' 2>$D/err); s=$?; [ "$s$x" = "0$p" ] || wrong "spawn-$m $p then $s $x"
            $N who $p $$ >$D/who 2>$D/err; s=$?; { [ $s = 0 ] && grep -q "^$p: free" $D/who && grep -q "^$$: process $$ (bash" $D/who; } || wrong "who $s $(cat $D/who)"
            $N predict >$D/predict 2>$D/err; s=$?; (echo $BASHPID >$D/pid); read y <$D/predict; [ $s = 0 ] && next $((y - 1)) 0 predict
            [ $((n % 5)) = 0 ] && { $N verify --runs 5 >$D/verify 2>$D/err || wrong "verify $? $(cat $D/verify)"; }
            [ $((n % 3)) = 0 ] && look
        done
        echo "rounds|$n"; kill $W $C; wait $W; a=$?; wait $C; echo "ended|$a|$?"
        """;

    /// <summary>NSLP_SOAK_MINUTES says how long, 30 by default.</summary>
    [Fact(Explicit = true)]
    public void All_is_right_and_nothing_grows()
    {
        Machine.NeedsRoot();
        int minutes = Soak.Number("NSLP_SOAK_MINUTES", 30);
        DirectoryInfo directory = Directory.CreateTempSubdirectory("nslp-soak-");
        string file = Path.Combine(directory.FullName, "soak");
        File.WriteAllText(file, Script.Replace("LENGTH", $"{minutes * 60}"));

        Finished run = Shell.InNewPidNamespace($"bash {file}").Finish(TimeSpan.FromMinutes(minutes + 10));
        directory.Delete(recursive: true);

        double[][] looks = [.. run.Lines.Where(line => line.StartsWith("look|", StringComparison.Ordinal)).Select(
            line => Array.ConvertAll(line.Split('|')[1..], word => double.Parse(word, CultureInfo.InvariantCulture)))];
        string rounds = run.Lines.First(line => line.StartsWith("rounds|", StringComparison.Ordinal))[7..];
        TestContext.Current.TestOutputHelper?.WriteLine($"{rounds} rounds, {looks.Length} looks in {minutes} minutes");
        string[] names =
        [
            "KiB of the server by write", "KiB of the server by cycle", "descriptors by write", "descriptors by cycle",
            "processes", "zombies", "files in TMPDIR", "mounts",
        ];
        double[] slack = [1024, 1024, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
        List<string> growing = [];
        double[][] half = looks[(looks.Length / 2)..];
        for (int i = 0; i < names.Length; i++)
        {
            double[] values = [.. half.Select(look => look[i + 1])];
            double growth = Slope([.. half.Select(look => look[0])], values) * (half[^1][0] - half[0][0]);
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{names[i]}: {looks[0][i + 1]} at first, {values[0]} to {values[^1]} in the second half, slope {growth:F2} over it"));
            if (growth > slack[i])
            {
                growing.Add(names[i]);
            }
        }

        Assert.Equal("", string.Join('\n', run.Lines.Where(line => line.StartsWith("wrong|", StringComparison.Ordinal))));
        Assert.Equal("", run.Errors);
        Assert.Contains("ended|0|0", run.Lines);
        Assert.True(looks.Length >= 6, $"{looks.Length} looks");
        Assert.Empty(growing);
    }

    // Least squares.
    private static double Slope(double[] x, double[] y)
    {
        double meanX = x.Average(), meanY = y.Average();
        double square = x.Sum(value => (value - meanX) * (value - meanX));
        return square == 0 ? 0 : x.Zip(y).Sum(pair => (pair.First - meanX) * (pair.Second - meanY)) / square;
    }
}
