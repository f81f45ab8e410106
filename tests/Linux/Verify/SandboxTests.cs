using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Xunit;
using static SetNsLastPid.Tests.Linux.SandboxSteps;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What the kernel does with chosen PIDs and with namespaces, and that a sandbox sees it.</summary>
[Collection(Alone.Name)]
public sealed class SandboxTests : IDisposable
{
    private readonly Sandboxes _home = Open();
    private readonly ISandbox _sandbox;
    private readonly int _pidMax;

    public SandboxTests()
    {
        _sandbox = _home.Open();
        _pidMax = _home.Setting.PidMax;
    }

    public void Dispose()
    {
        _sandbox.Dispose();
        _home.Dispose();
    }

    [Fact]
    public void Set_tid_in_one_namespace()
    {
        Do(Clone(0, setTid: [7], ending: Ending.Lives), "PID 7", "0:1");
        Do(Write(0, "100"), "wrote 3", "0:100");
        Do(Clone(0, setTid: [50]), "PID 50", "0:100");
        Do(Clone(0, setTid: [50]), "PID 50", "0:100");
        Do(Clone(0, setTid: [299]), "PID 299", "0:100");
        Do(Clone(0, setTid: [300]), "PID 300", "0:100");
        Do(Clone(0, setTid: [_pidMax - 1]), $"PID {_pidMax - 1}", "0:100");
        Do(Clone(0, setTid: [101]), "PID 101", "0:100");
        Do(Clone(0, setTid: [0]), "EINVAL", "0:100");
        Do(Clone(0, setTid: [-1]), "EINVAL", "0:100");
        Do(Clone(0, setTid: [int.MinValue]), "EINVAL", "0:100");
        Do(Clone(0, setTid: [_pidMax]), "EINVAL", "0:100");
        Do(Clone(0, setTid: [int.MaxValue]), "EINVAL", "0:100");
        Do(Clone(0, setTid: [1]), "EEXIST", "0:100");
        Do(Clone(0, setTid: [7]), "EEXIST", "0:100");
        Do(Clone(0), "PID 101", "0:101");
    }

    [Fact]
    public void Set_tid_without_the_capability()
    {
        Do(Clone(0, setTid: [7], ending: Ending.Lives), "PID 7", "0:1");
        Do(Clone(0, setTid: [50], capable: false), "EPERM", "0:1");
        Do(Clone(0, setTid: [7], capable: false), "EPERM", "0:1");
        Do(Clone(0, setTid: [0], capable: false), "EINVAL", "0:1");
        Do(Clone(0, setTid: [_pidMax], capable: false), "EINVAL", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1], capable: false), "EPERM", "0:1");
        Do(Clone(0, setTid: [], capable: false), "PID 2", "0:2");
    }

    [Fact]
    public void Set_tid_with_pid_max_lowered()
    {
        Assert.SkipUnless(_home.Setting.Has(Facility.PidMax), "needs a pid_max for each namespace (6.14)");
        Do(Clone(0, setTid: [5000], ending: Ending.Lives), "PID 5000", "0:1");
        Do(Step.NewWritePidMax(0, 500), "done", "0:1");
        Do(Clone(0, setTid: [5000]), "EINVAL", "0:1");
        Do(Clone(0, setTid: [500]), "EINVAL", "0:1");
        Do(Clone(0, setTid: [499]), "PID 499", "0:1");
        Do(Step.NewWritePidMax(0, 300), "EINVAL", "0:1");
        Do(Step.NewWritePidMax(0, 4194305), "EINVAL", "0:1");
    }

    [Fact]
    public void Set_tid_over_levels()
    {
        Nest();
        Do(Clone(1, setTid: [5, 50], ending: Ending.Lives), "PID 5 50", "0:2 1:1");
        Do(Clone(1, setTid: [6, 60]), "PID 6 60", "0:2 1:1");
        Do(Clone(1, setTid: [6]), "PID 6 3", "0:3 1:1");
        Do(Clone(1, setTid: [5, 0]), "EEXIST", "0:3 1:1");
        Do(Clone(1, setTid: [6, 0]), "EINVAL", "0:3 1:1");
        Do(Clone(1, setTid: [6, 50]), "EEXIST", "0:3 1:1");
        Do(Clone(1, setTid: [0, 50]), "EINVAL", "0:3 1:1");
        Do(Clone(1, setTid: [6, 60]), "PID 6 60", "0:3 1:1");
    }

    [Fact]
    public void One_invalid_level_in_the_middle_leaves_nothing_taken()
    {
        Nest();
        Nest(1);
        foreach ((int middle, string errno) in new[] { (0, "EINVAL"), (-5, "EINVAL"), (1, "EEXIST") })
        {
            Do(Clone(2, setTid: [9, middle, 9]), errno, "0:3 1:2 2:1");
            Do(Clone(2, setTid: [9, 9, 9]), "PID 9 9 9", "0:3 1:2 2:1");
        }
    }

    [Fact]
    public void Set_tid_beyond_a_user_namespace_of_ones_own()
    {
        Assert.SkipUnless(_home.Setting.Has(Facility.Users), "needs user namespaces");
        Do(Clone(0, Nesting.NewUserAndPid, ending: Ending.Lives), "PID 1 2", "0:2 1:1");
        Do(Clone(1, setTid: [9]), "PID 9 3", "0:3 1:1");
        Do(Clone(1, setTid: [9, 9]), "EPERM", "0:3 1:1");
        Do(Clone(1, setTid: [9, 0]), "EINVAL", "0:3 1:1");
        Do(Clone(1, setTid: [0, 9]), "EINVAL", "0:3 1:1");

        // From outside all of it can be chosen.
        Do(Step.NewEnter(0, 1, true), "done", "0:3 1:1");
        Do(Clone(0, setTid: [9, 9]), "PID 9 9", "0:3 1:1");
    }

    [Fact]
    public void Set_tid_for_a_new_namespace()
    {
        Do(Clone(0, setTid: [7], ending: Ending.Lives), "PID 7", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [2]), "EINVAL", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [0]), "EINVAL", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1, 7]), "EEXIST", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1, 1]), "EEXIST", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1, 0]), "EINVAL", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1, 40]), "PID 1 40", "0:1");
        Do(Clone(0, Nesting.NewPid, setTid: [1]), "PID 1 2", "0:2");
        Do(Clone(0, Nesting.NewPid), "PID 1 3", "0:3");
    }

    [Fact]
    public void Set_tid_with_as_many_entries_as_there_are_levels_and_one_more()
    {
        int levels = _home.Setting.OuterLevels + 1;
        int[] ones = [.. Enumerable.Repeat(1, 64)];
        Do(Clone(0, setTid: ones[..levels]), "EEXIST", "0:1");
        foreach (int count in new[] { levels + 1, 32, 33, 64 }.Where(count => count > levels))
        {
            Do(Clone(0, setTid: ones[..count]), "EINVAL", "0:1");
            Do(Clone(0, setTid: ones[..count], capable: false), "EINVAL", "0:1");
        }
    }

    [Fact]
    public void Thirty_two_entries_are_the_most_at_the_deepest_level()
    {
        int deepest = NestToTheEnd();
        Do(Clone(deepest, setTid: [.. Enumerable.Repeat(1, 32)]), "EEXIST");
        Do(Clone(deepest, setTid: [.. Enumerable.Repeat(1, 33)]), "EINVAL");

        int[] free = [.. Enumerable.Repeat(250, deepest + 1)];
        Do(Clone(deepest, setTid: free), "PID " + string.Join(' ', free));
    }

    [Fact]
    public void The_example_of_the_commit_that_brought_set_tid()
    {
        Nest();
        Do(Clone(1, Nesting.NewPid, setTid: [1, 42, 31496], ending: Ending.Lives), "PID 1 42 31496");
        string[] seen =
        [
            .. Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(path["/proc/".Length]))
                .Select(NsPid).Where(line => line.EndsWith("\t31496\t42\t1", StringComparison.Ordinal)),
        ];
        Assert.Single(seen);
    }

    [Fact]
    public void There_are_32_levels_below_the_first()
    {
        int deepest = NestToTheEnd();
        Assert.Equal(32, _home.Setting.OuterLevels + deepest);
        Do(Clone(deepest), $"PID {string.Join(' ', Enumerable.Range(2, deepest + 1))}");
    }

    [Fact]
    public void A_first_clone_that_fails_late_kills_the_namespace()
    {
        Do(Step.NewUnshare(0, true), "done", "0:1");
        Do(Clone(0, ending: Ending.NewFails(Late.Cgroup, false)), "EBADF", "0:2");
        if (_home.Setting.Kernel.FailedFirstCloneKills)
        {
            Do(Clone(0), "ENOMEM", "0:3");
            Do(Clone(0, setTid: [1]), "ENOMEM", "0:4");

            // It never had an init, so that other numbers are refused before.
            Do(Clone(0, setTid: [2]), "EINVAL", "0:4");
        }
        else
        {
            Do(Clone(0), "PID 1 3", "0:3");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_first_clone_that_is_refused_leaves_the_namespace_as_new(bool isOutside)
    {
        Do(Clone(0, setTid: [7], ending: Ending.Lives), "PID 7", "0:1");
        Do(Step.NewUnshare(0, true), "done", "0:1");
        Do(Clone(0, setTid: isOutside ? [1, 7] : [2]), isOutside ? "EEXIST" : "EINVAL", "0:1");
        Do(Clone(0, ending: Ending.Lives), "PID 1 2", "0:2 1:1");
    }

    [Fact]
    public void Forks_into_a_dead_namespace_fail_and_move_the_cursors_outside()
    {
        Nest();
        Do(Step.NewEnter(0, 1, true), "done", "0:2 1:1");
        Do(Clone(0, ending: Ending.Lives), "PID 2 3", "0:3 1:2");
        Do(Step.NewEndInit(1, ListModule.OfSeq([2])), "done", "0:3");
        Do(Clone(0), "ENOMEM", "0:4");
        Do(Clone(0), "ENOMEM", "0:5");
        Do(Clone(0, setTid: [9]), "ENOMEM", "0:6");
        Do(Clone(0, setTid: [9, 9]), "ENOMEM", "0:6");
        Do(Clone(0, setTid: [9, 0]), "EINVAL", "0:6");
        Do(Step.NewEnter(0, 1, true), "done", "0:6");
        Do(Step.NewEnter(0, 0, true), "done", "0:6");
        Do(Clone(0), "PID 7", "0:7");
    }

    [Theory]
    [InlineData("group")]
    [InlineData("session")]
    [InlineData("session-alone")]
    public void A_leaders_number_stays_taken_while_a_member_lives(string bond)
    {
        Bond value = bond == "group" ? Bond.Group : bond == "session" ? Bond.Session : Bond.SessionAlone;
        Do(Write(0, "49"), "wrote 2", "0:49");
        Do(Step.NewForsake(0, value), "PID 50, then PID 51", "0:51");
        Do(Write(0, "49"), "wrote 2", "0:49");
        Do(Clone(0, setTid: [50]), "EEXIST", "0:49");
        Do(Clone(0), "PID 52", "0:52");
        Do(Step.NewEnd(2), "done", "0:52");
        Do(Clone(0, setTid: [50]), "PID 50", "0:52");
    }

    [Fact]
    public void A_zombies_number_stays_taken_until_it_is_reaped()
    {
        Do(Clone(0, setTid: [50], ending: Ending.Lingers), "PID 50", "0:1");
        Do(Clone(0, setTid: [50]), "EEXIST", "0:1");
        Do(Step.NewEnd(1), "done", "0:1");
        Do(Clone(0, setTid: [50]), "PID 50", "0:1");
    }

    private static string NsPid(string process)
    {
        try
        {
            return File.ReadLines(process + "/status")
                .FirstOrDefault(line => line.StartsWith("NSpid:", StringComparison.Ordinal), "");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private void Nest(int from = 0) => _sandbox.Perform(Clone(from, Nesting.NewPid, ending: Ending.Lives));

    // The deepest namespace's number.
    private int NestToTheEnd()
    {
        for (int deepest = 0; ; deepest++)
        {
            Observation seen = _sandbox.Perform(Clone(deepest, Nesting.NewPid, ending: Ending.Lives));
            if (!seen.Outcomes.Head.IsGiven)
            {
                Assert.Equal("ENOSPC", Show.outcomes(seen.Outcomes));
                Assert.Equal(1, seen.Readings[deepest].LastPid);
                return deepest;
            }
        }
    }

    // What it comes to, and last_pid in each namespace with an init after it.
    private void Do(Step step, string outcome, string? lastPids = null)
    {
        Observation seen = _sandbox.Perform(step);
        string readings = string.Join(' ', seen.Readings.Select(r => $"{r.Space}:{r.LastPid}"));
        Assert.Equal(
            $"{Show.step(step)} -> {outcome} {lastPids ?? readings}",
            $"{Show.step(step)} -> {Show.outcomes(seen.Outcomes)} {readings}");
    }
}
