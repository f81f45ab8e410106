using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What the soak tests share.</summary>
internal static class Soak
{
    /// <summary>The collection of xunit's in which they run one after the other: each wants the machine for itself.</summary>
    internal const string Name = "soak";

    /// <summary>The number in an environment variable.</summary>
    internal static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int n) ? n : otherwise;

    /// <summary>A rate against that of a loop in C that makes and reaps children, alternately: the median ratio.</summary>
    /// <param name="output">Where each pair is told.</param>
    /// <param name="count">How many children the loop makes.</param>
    /// <param name="rounds">How many pairs.</param>
    /// <param name="rate">Makes children and gives how many a second.</param>
    internal static double AgainstC(ITestOutputHelper output, int count, int rounds, Func<double> rate)
    {
        string program = Path.Combine(Path.GetTempPath(), $"clone_wait.{Environment.ProcessId}");
        string source = Path.Combine(Source.Directory, "bench/clone_wait.c");
        using (Process compiler = Process.Start("cc", ["-O2", "-o", program, source]))
        {
            compiler.WaitForExit();
            Assert.Equal(0, compiler.ExitCode);
        }

        List<double> ratios = [];
        for (int round = 0; round < Number("NSLP_ROUNDS", rounds); round++)
        {
            using Process c = Process.Start(
                new ProcessStartInfo(program, [count.ToString(CultureInfo.InvariantCulture)])
                {
                    RedirectStandardOutput = true,
                })!;
            double bare = double.Parse(c.StandardOutput.ReadToEnd(), CultureInfo.InvariantCulture);
            c.WaitForExit();
            double ours = rate();
            ratios.Add(ours / bare);
            output.WriteLine($"C {bare:F0}/s, nslp {ours:F0}/s, {100 * ours / bare:F0} %");
        }

        File.Delete(program);
        ratios.Sort();
        output.WriteLine($"median {100 * ratios[ratios.Count / 2]:F0} %");
        return ratios[ratios.Count / 2];
    }
}
