using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>In a PID namespace in which hardly a PID is free: what is asked for is done, or it is said that there is none.</summary>
public sealed class ExhaustionTests
{
    private const int Target = 300;

    // $T is the first process of a full namespace; two servers were started in it before. Its numbers are all held but
    // for the last $F below $M, the first number above. It tells last_pid without making a process: so does `last`.
    private const string Script = """
        export DOTNET_TieredCompilation=0 F=FREE M=MAX; mkfifo $D/ask $D/tell; X=$((M - 1))
        unshare -pf --mount-proc sh -c '
            echo $M >/proc/sys/kernel/pid_max
            $N serve /mnt/w --method write 2>/mnt/wlog & $N serve /mnt/c --method cycle 2>/mnt/clog &
            until grep -q listening /mnt/wlog && grep -q listening /mnt/clog; do sleep 0.1; done
            echo 0 >/proc/sys/kernel/ns_last_pid; SUPPORT fill $F >/mnt/full &
            while read x </mnt/ask; do read a b c d L </proc/loadavg; echo $L >/mnt/tell; done' &
        await $D/full full; T=$(pgrep -P $!)
        run() { timeout 20 "$@" >$D/out 2>$D/err; S=$?; echo >$D/ask; read L <$D/tell; echo "run $S $L"; sed 's/^/out /' $D/out; sed 's/^/err /' $D/err; }
        COMMANDS
        kill -KILL $T; cat $D/clog
        """;

    private static readonly string[] s_outside =
    [
        "get --target $T",
        "set 300 --method write --target $T",
        "set 300 --method cycle --target $T",
        "set 300 --server /mnt/w",
        "set 300 --server /mnt/c",
        "spawn $X --method clone3 --target $T -- sh -c 'echo $$'",
        "spawn $X --method write --target $T -- sh -c 'echo $$'",
        "spawn $X --method cycle --target $T -- sh -c 'echo $$'",
        "who $X --target $T",
        "who 7 --target $T",
        "predict 3 --target $T",
    ];

    private static readonly string[] s_inside =
    [
        "get", "set 300 --method write", "set 300 --method cycle", "spawn $X --method clone3 -- /bin/echo ran",
        "spawn $X --method write -- /bin/echo ran", "spawn $X --method cycle -- /bin/echo ran", "who 7", "predict",
        "verify --runs 1",
    ];

    [Theory]
    [InlineData(319, 0)]
    [InlineData(310, 1)]
    [InlineData(319, 2)]
    [InlineData(301, 2)]
    public void From_outside_it_is_done_or_said(int max, int free) => CheckOutside(max, free);

    [Fact(Explicit = true)]
    public void From_outside_it_is_done_or_said_for_all_sizes() =>
        Assert.All(Enumerable.Range(0, 60), i => CheckOutside(301 + (i / 3), i % 3));

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(11)]
    public void Inside_it_is_done_or_said_once_the_runtime_has_started(int free) => CheckInside(free);

    [Fact(Explicit = true)]
    public void Inside_it_is_done_or_said_for_all_sizes() => Assert.All(Enumerable.Range(1, 14), CheckInside);

    private static void CheckOutside(int max, int free)
    {
        (Run[] runs, string log) = RunEach([.. s_outside.Select(command => $"$N {command}")], max, free);
        int[] numbers = [.. Enumerable.Range(max - free, free)];
        PidSet inUse = PidSetModule.ofSeq(Enumerable.Range(1, max - 1).Except(numbers));
        int? Next(int last) => PidNamespaceModule.predict(1, PidNamespaceModule.observed(last, max, inUse)).FirstOrDefault();
        for (int i = 0; i < runs.Length; i++)
        {
            (string command, Run run) = (s_outside[i], runs[i]);
            string name = command.Split(' ')[0];
            if (name == "predict" && run.Output != "")
            {
                int[] told = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
                // With a cursor above 300 the kernel starts again at 300.
                Assert.Equal(numbers.Where(number => number >= 300), told.Order());
                Assert.Contains("left", run.Errors);
            }
            else if (command.StartsWith("who $X", StringComparison.Ordinal) && run.Status == 1)
            {
                Assert.Equal($"{max - 1}: free\n", run.Output);
                Assert.True(free > 0);
            }
            else if (run.Status != 0)
            {
                Assert.True(IsSaid(name, run) || (command.Contains("/mnt/c") && log.Contains("no PID is free")), $"{command}: {run}");
                Assert.Equal("", run.Output);
                Assert.True(free < 2 || max == 301, $"{command}: {run}");
            }
            else
            {
                bool isRight = name switch
                {
                    "get" => run.Output == $"{run.LastPid}\n",
                    "set" => command.Contains("write") || command.Contains("/mnt/w")
                        ? run.LastPid == Target
                        : Next(run.LastPid) == Next(Target),
                    "spawn" => run.Output == $"{max - 1}\n",
                    _ => run.Output.StartsWith("7: ", StringComparison.Ordinal),
                };
                Assert.True(isRight, $"{command}: {run}");
            }
        }
    }

    private static void CheckInside(int free)
    {
        (Run[] runs, _) = RunEach([.. s_inside.Select(command => $"nsenter -t $T -p -m $N {command}")], 319, free);
        for (int i = 0; i < runs.Length; i++)
        {
            (string command, Run run) = (s_inside[i], runs[i]);
            string name = command.Split(' ')[0];
            TestContext.Current.TestOutputHelper?.WriteLine($"{free} free, {command}: {run}");
            // nsenter could not fork, or the runtime could not make its threads.
            if (run.Errors.StartsWith("nsenter: ", StringComparison.Ordinal) || run.Errors.Contains("CoreCLR"))
            {
                continue;
            }

            bool isRight = run.Status == 0 && name switch
            {
                "get" => int.TryParse(run.Output, out _),
                "set" when command.Contains("write") => run.LastPid == Target,
                "spawn" => run.Output == "ran\n",
                _ => true,
            };
            Assert.True(isRight || IsSaid(name, run), $"{free} free, {command}: {run}");
        }
    }

    private static bool IsSaid(string name, Run run) =>
        (run.Errors.StartsWith($"nslp: {name}: ", StringComparison.Ordinal)
            || run.Errors.StartsWith("nslp: out of memory or threads", StringComparison.Ordinal))
        && !run.Errors.Contains("bug in nslp")
        && run.Status is 1 or 3 or 125
        && (run.Errors.Contains("Resource temporarily unavailable") || run.Errors.Contains("no PID is free")
            || run.Errors.Contains("nslp itself got PID"));

    private static (Run[] Runs, string Everything) RunEach(string[] commands, int max, int free)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        string support = Path.Combine(Tool.Directory, "SetNsLastPid.Tests.Support");
        Finished finished = Serving.Run(
            Script.Replace("FREE", $"{free}").Replace("MAX", $"{max}").Replace("SUPPORT", support)
                .Replace("COMMANDS", string.Join('\n', commands.Select(command => $"run {command}"))));
        Run[] runs = [.. ("\n" + finished.Output).Split("\nrun ")[1..].Select(Run.Parse)];
        Assert.Equal(commands.Length, runs.Length);
        return (runs, finished.Output);
    }

    private sealed record Run(int Status, int LastPid, string Output, string Errors)
    {
        internal static Run Parse(string text)
        {
            string[] lines = text.Split('\n');
            string Of(string kind) => string.Concat(
                lines.Where(line => line.StartsWith(kind, StringComparison.Ordinal)).Select(line => line[4..] + "\n"));
            string[] head = lines[0].Split(' ');
            return new Run(
                int.Parse(head[0], CultureInfo.InvariantCulture), int.Parse(head[1], CultureInfo.InvariantCulture), Of("out "), Of("err "));
        }
    }
}
