using System.Diagnostics;
using System.Globalization;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What takes minutes or needs a quiet machine; run with --explicit only.</summary>
public sealed class VerifySoak(ITestOutputHelper output)
{
    [Fact(Explicit = true)]
    public void Runs_in_a_row_while_the_owner_collects()
    {
        int runs = Number("NSLP_SOAK", 2000);
        using (Sandboxes first = SandboxSteps.Open())
        {
            // What the runtime opens once and keeps is open now.
            _ = Runner.runAll(
                first, true, _ => { }, TestContext.Current.CancellationToken, Runner.sequences(98, 2, 50));
        }

        int before = Descriptors();
        using (Sandboxes sandboxes = SandboxSteps.Open())
        using (new Turmoil(2))
        {
            Report report = Runner.runAll(
                sandboxes, true, _ => { }, TestContext.Current.CancellationToken, Runner.sequences(99, runs, 50));
            Assert.True(report.Difference.IsNone, $"{report.Difference}");
            output.WriteLine($"{report.Runs} runs, {report.Steps} operations");
        }

        Assert.Equal(before, Descriptors());
    }

    /// <summary>Each fork asked for, made, looked at in the kernel, worked out by the model and compared, against a loop in
    /// C that only makes and reaps children.</summary>
    [Fact(Explicit = true)]
    public void Forks_are_verified_at_least_three_fifths_as_fast_as_C_makes_them()
    {
        string program = Path.Combine(Path.GetTempPath(), $"clone_wait.{Environment.ProcessId}");
        using (Process compiler = Process.Start("cc", ["-O2", "-o", program, Path.Combine(Root(), "bench/clone_wait.c")]))
        {
            compiler.WaitForExit();
            Assert.Equal(0, compiler.ExitCode);
        }

        const int Count = 5000;
        Operation fork = Operation.NewClone(0, Nesting.Same, FSharpList<Number>.Empty, true, Ending.Exits);
        FSharpList<Operation> forks = ListModule.OfSeq(Enumerable.Repeat(fork, Count));
        using Sandboxes sandboxes = SandboxSteps.Open();
        List<double> ratios = [];
        for (int round = 0; round < Number("NSLP_ROUNDS", 15); round++)
        {
            using Process c = Process.Start(
                new ProcessStartInfo(program, [Count.ToString(CultureInfo.InvariantCulture)])
                {
                    RedirectStandardOutput = true,
                })!;
            double bare = double.Parse(c.StandardOutput.ReadToEnd(), CultureInfo.InvariantCulture);
            c.WaitForExit();
            long start = Stopwatch.GetTimestamp();
            Report report = Runner.runAll(sandboxes, true, _ => { }, TestContext.Current.CancellationToken, [forks]);
            double ours = Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            Assert.True(report.Difference.IsNone && report.Clones == Count);
            ratios.Add(ours / bare);
            output.WriteLine($"C {bare:F0}/s, verify {ours:F0}/s, {100 * ours / bare:F0} %");
        }

        File.Delete(program);
        ratios.Sort();
        output.WriteLine($"median {100 * ratios[ratios.Count / 2]:F0} %");
        Assert.InRange(ratios[ratios.Count / 2], 0.6, double.MaxValue);
    }

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int n) ? n : otherwise;

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "SetNsLastPid.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("SetNsLastPid.sln");
    }
}
