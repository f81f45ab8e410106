using System.Diagnostics;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What takes minutes or needs a quiet machine; run with --explicit only.</summary>
[Collection(Soak.Name)]
public sealed class VerifySoak(ITestOutputHelper output)
{
    [Fact(Explicit = true)]
    public void Runs_in_a_row_while_the_owner_collects()
    {
        int runs = Soak.Number("NSLP_SOAK", 2000);
        using (Sandboxes first = SandboxSteps.Open())
        {
            // What the runtime opens once and keeps is open now.
            _ = Runner.runAll(
                first, null, true, _ => { }, () => TestContext.Current.CancellationToken.IsCancellationRequested,
                FixedCases.all, Runner.sequences(98, 2, 50));
        }

        int before = Descriptors();
        using (Sandboxes sandboxes = SandboxSteps.Open())
        using (new Turmoil(2))
        {
            Report report = Runner.runAll(
                sandboxes, null, true, _ => { }, () => TestContext.Current.CancellationToken.IsCancellationRequested,
                FixedCases.all, Runner.sequences(99, runs, 50));
            Assert.True(report.First.IsNone, $"{report.First}");
            output.WriteLine($"{report.Runs} runs, {report.Steps} operations");
        }

        Assert.Equal(before, Descriptors());
    }

    /// <summary>Each fork asked for, made, looked at in the kernel, worked out by the model and compared, against a loop in
    /// C that only makes and reaps children.</summary>
    [Fact(Explicit = true)]
    public void Forks_are_verified_at_least_three_fifths_as_fast_as_C_makes_them()
    {
        const int Count = 5000;
        Operation fork = Operation.NewClone(0, Nesting.Same, FSharpList<Number>.Empty, true, Ending.Exits);
        FSharpList<Operation> forks = ListModule.OfSeq(Enumerable.Repeat(fork, Count));
        using Sandboxes sandboxes = SandboxSteps.Open();
        double ratio = Soak.AgainstC(output, Count, 15, () =>
        {
            long start = Stopwatch.GetTimestamp();
            Report report = Runner.runAll(sandboxes, null, true, _ => { }, () => TestContext.Current.CancellationToken.IsCancellationRequested,
                FSharpList<FixedCase>.Empty, [forks]);
            double rate = Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            Assert.True(report.Difference.IsNone && report.Clones == Count);
            return rate;
        });
        Assert.InRange(ratio, 0.6, double.MaxValue);
    }

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
