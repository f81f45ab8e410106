using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Several nslp at once while others fork: none takes a wrong PID for right, and none hangs.</summary>
public sealed class StormTests
{
    private const int Timeout = 10;

    // Workers of bash, which fork nothing but nslp. They share the lock that nslp itself takes on ns_last_pid.
    private const string Script = """
        worker() {
            local w=$1 n=$1 us m p s out tries
            while [ $SECONDS -lt $END ]; do
                set -- set:write set:cycle spawn:clone3 spawn:write spawn:cycle; shift $((n++ % 5)); m=$1
                p=$((1000 + RANDOM % 31000)); us=${EPOCHREALTIME/./}
                if [ ${m%:*} = set ]; then
                    timeout 60 $N set $p --method ${m#*:} --timeout TIMEOUT --json >$D/out$w 2>$D/err$w
                else
                    timeout 60 $N spawn $p --method ${m#*:} --timeout TIMEOUT -v -- /bin/sh -c 'echo $$' >$D/out$w 2>$D/err$w
                fi
                s=$?; us=$((${EPOCHREALTIME/./} - us)); out=; read -r out <$D/out$w
                mapfile -t err <$D/err$w
                echo "run|$m|$p|$s|$us|$out|${err[*]}"
            done
        }
        mount -t tmpfs none /mnt; D=/mnt
        set -- /proc/[0-9]*; BEFORE=$#
        END=$((SECONDS + LENGTH))
        if [ RATE -gt 0 ]; then { s=${EPOCHREALTIME/./}; $FORKS RATE LENGTH; echo "forks|$((RATE * LENGTH * 1000000 / (${EPOCHREALTIME/./} - s)))"; } & fi
        for i in $(seq WORKERS); do worker $i & done; wait
        set -- /proc/[0-9]*; [ $# = $BEFORE ] || echo "left|$(ps ax)"
        """;

    private const string ServerScript = """
        mount -t tmpfs none /mnt; D=/mnt
        : >$D/log; $N serve $D/s --method METHOD 2>$D/log & P=$!; until grep -q listening $D/log; do sleep 0.05; done
        # By cycling no number below 300 is reached after a wrap.
        echo 5000 >/proc/sys/kernel/ns_last_pid
        { [ RATE = 0 ] || exec $FORKS RATE 600; } & F=$!
        for i in $(seq 50); do timeout 300 $ASK $D/s time COUNT 3 >$D/ask$i 2>&1 & A="$A $!"; done; wait $A
        kill $F 2>/dev/null; cat $D/ask*
        timeout 100 $ASK $D/s fork 50 3
        kill $P; wait $P; echo "status $?"; [ -e $D/s ] && echo "left socket"
        """;

    private static readonly string[] s_ways = ["set:write", "set:cycle", "spawn:clone3", "spawn:write", "spawn:cycle"];

    [Fact]
    public void No_PID_is_wrong_and_none_hangs() => Storm(1000, 4, 6);

    [Fact]
    public void Fifty_clients_are_answered() => Serve("write", 1000, 20);

    /// <summary>The first table of doc/hardening.md; NSLP_STORM_SECONDS for each of its lines, 20 by default.</summary>
    [Fact(Explicit = true)]
    public void The_table_of_commands()
    {
        int seconds = Soak.Number("NSLP_STORM_SECONDS", 20);
        StringBuilder table = new("| forks/s | at once | " + string.Join(" | ", s_ways) + " | tries | worst |\n|---|---|---|---|---|---|---|---|---|\n");
        foreach (int rate in (int[])[0, 100, 1000, 2000])
        {
            foreach (int workers in (int[])[2, 4, 8])
            {
                table.AppendLine(Storm(rate, workers, seconds));
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(table.ToString());
    }

    /// <summary>The second one.</summary>
    [Fact(Explicit = true)]
    public void The_table_of_servers()
    {
        StringBuilder table = new("| forks/s | method | requests | not done | p50 | p99 | worst |\n|---|---|---|---|---|---|---|\n");
        foreach (int rate in (int[])[0, 100, 1000, 2000])
        {
            table.AppendLine(Serve("write", rate, 200)).AppendLine(Serve("cycle", rate, 2));
        }

        TestContext.Current.TestOutputHelper?.WriteLine(table.ToString());
    }

    // Returns a line of the table.
    private static string Storm(int rate, int workers, int seconds)
    {
        Finished finished = Run(
            Script.Replace("RATE", $"{rate}").Replace("WORKERS", $"{workers}").Replace("LENGTH", $"{seconds}")
                .Replace("TIMEOUT", $"{Timeout}"));

        Assert.DoesNotContain("left|", finished.Output);
        string[][] runs = [.. finished.Lines.Where(line => line.StartsWith("run|", StringComparison.Ordinal)).Select(line => line.Split('|', 7))];
        Assert.NotEmpty(runs);
        long tries = 0, spawned = 0;
        foreach (string[] run in runs)
        {
            (string way, string pid, string status, string output, string errors) = (run[1], run[2], run[3], run[5], run[6]);
            string told = string.Join('|', run);
            if (status == "0")
            {
                // The command tells its PID itself; nslp tells what it read back, or an equivalent one.
                Assert.True(way.StartsWith("set", StringComparison.Ordinal) ? output.Contains($"\"pid\":{pid},", StringComparison.Ordinal) : output == pid, told);
                if (way.StartsWith("spawn", StringComparison.Ordinal))
                {
                    int comma = errors.IndexOf(" tries", StringComparison.Ordinal);
                    tries += comma < 0 ? 1 : int.Parse(errors[..comma].Split(' ')[^1], CultureInfo.InvariantCulture);
                    spawned++;
                }
            }
            else
            {
                // 124 is a hang of a minute.
                Assert.True(status is "1" or "125", told);
                if (way.StartsWith("set", StringComparison.Ordinal))
                {
                    Assert.Contains("\"error\":{", output);
                }
                else
                {
                    Assert.Equal("", output);
                }

                Assert.StartsWith($"nslp: {way.Split(':')[0]}: ", errors);
                Assert.DoesNotContain("bug in nslp", errors);
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', runs.Where(run => run[3] != "0").Select(run => string.Join('|', run)).Take(20)));
        string forks = finished.Lines.FirstOrDefault(line => line.StartsWith("forks|", StringComparison.Ordinal))?[6..] ?? "0";
        double worst = runs.Max(run => double.Parse(run[4], CultureInfo.InvariantCulture)) / 1e6;
        string done = string.Join(" | ", s_ways.Select(way => $"{runs.Count(run => run[1] == way && run[3] == "0")} of {runs.Count(run => run[1] == way)}"));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {forks} | {workers} | {done} | {(double)tries / Math.Max(spawned, 1):F2} | {worst:F1} s |");
    }

    private static string Serve(string method, int rate, int count)
    {
        Finished finished = Run(
            ServerScript.Replace("METHOD", method).Replace("RATE", $"{rate}").Replace("COUNT", $"{count}"));

        // Requests, how many were not done, other PIDs, seconds, requests a second, p50, p99, worst in microseconds.
        double[][] clients = [.. finished.Lines.Where(line => char.IsDigit(line[0])).Select(
            line => Array.ConvertAll(line.Split(' '), word => double.Parse(word, CultureInfo.InvariantCulture)))];
        Assert.Equal(51, clients.Length);
        Assert.Contains("status 0", finished.Output);
        Assert.DoesNotContain("left", finished.Output);
        double[][] many = clients[..50];
        Assert.All(many, client => Assert.Equal(count, client[0]));
        // Alone, nobody forks in between.
        Assert.True(rate > 0 || clients[50][1] + clients[50][2] == 0, string.Join(' ', clients[50]));
        Assert.True(method == "cycle" || many.Sum(client => client[1]) == 0, finished.Output);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {rate} | {method} | {many.Sum(client => client[0])} | {many.Sum(client => client[1])} | {many.Select(client => client[5]).Order().ElementAt(25) / 1000:F1} ms | {many.Max(client => client[6]) / 1000:F1} ms | {many.Max(client => client[7]) / 1000:F1} ms |");
    }

    private static Finished Run(string script)
    {
        Machine.NeedsRoot();
        DirectoryInfo directory = Directory.CreateTempSubdirectory("nslp-storm-");
        try
        {
            string file = Path.Combine(directory.FullName, "storm");
            File.WriteAllText(file, script);
            foreach (string program in (string[])["forks", "ask"])
            {
                Compile(Path.Combine(Source.Directory, "bench", program + ".c"), Path.Combine(directory.FullName, program));
            }

            Finished finished = Shell.InNewPidNamespace($"FORKS={directory}/forks ASK={directory}/ask bash {file}").Finish();
            Assert.Equal("", finished.Errors.Replace("Terminated", "").Trim());
            return finished;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Compile(string source, string program)
    {
        try
        {
            using Process compiler = Process.Start("cc", ["-O2", "-o", program, source]);
            compiler.WaitForExit();
            Assert.Equal(0, compiler.ExitCode);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("no C compiler");
        }
    }
}
