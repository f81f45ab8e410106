using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class HoldersTests
{
    private const int NoDirectory = -1;

    /// <summary>A look at each process of a host with thousands of them took longer than all the rest of a set.</summary>
    [Fact]
    public void A_free_number_is_told_without_a_look_at_proc()
    {
        using PidSpace space = new PidSpace();

        Assert.Equal(HolderKind.Nobody, Holder.Find(NoDirectory, int.MaxValue, space).Kind);
    }

    [Fact]
    public void What_holds_a_number_makes_it_not_free()
    {
        using PidSpace space = new PidSpace();
        int thread = 0;
        using ManualResetEventSlim born = new(), end = new();
        Thread other = new(() =>
        {
            thread = Raw.Call(Kernel.SYS_gettid).Value;
            born.Set();
            end.Wait();
        });
        other.Start();
        born.Wait();
        // Of the leader, gone when this is read to its end, the session alone is left: the job has a group of its own.
        using Process shell = Process.Start(
            new ProcessStartInfo("setsid", ["-w", "bash", "-c", "echo $$; set -m; sleep 100 >/dev/null 2>&1 & echo $!"])
            {
                RedirectStandardOutput = true,
            })!;
        int[] numbers = [.. shell.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
        shell.WaitForExit();
        try
        {
            Assert.Equal(HolderKind.Session, space.FindHolder(numbers[0]).Kind);
            Assert.False(space.IsFree(numbers[0]));
            Assert.False(space.IsFree(numbers[1]));
            Assert.False(space.IsFree(Environment.ProcessId));
            Assert.False(space.IsFree(thread));
        }
        finally
        {
            end.Set();
            other.Join();
            using Process sleeper = Process.GetProcessById(numbers[1]);
            sleeper.Kill();
        }
    }
}
