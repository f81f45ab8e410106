using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>nslp verify as a conformance test: its test points, kernels that are not what they say, and those that lack
/// something.</summary>
public sealed class ConformanceTests : IDisposable
{
    // asm/unistd_64.h
    private const int Pwrite64 = 18, Unshare = 272, Setns = 308, Clone3 = 435;
    private const int EPERM = 1, EINVAL = 22, ENOSYS = 38;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("nslp-verify-");

    private static string Support => Path.Combine(AppContext.BaseDirectory, "SetNsLastPid.Tests.Support");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void Perl_reads_the_test_points()
    {
        NeedsProve();
        Finished run = Verify("--runs 50 --seed 1 --tap >points");
        Finished proved = Run("prove -v -e cat points");
        Assert.Equal((0, "Result: PASS"), (proved.Status, proved.Lines[^1]));
        string[] points = File.ReadAllLines(Path.Combine(_directory.FullName, "points"));
        Assert.Contains(points, line => line.EndsWith(" - case: set_tid: a free number", StringComparison.Ordinal));
        Assert.Contains(points, line => line.EndsWith(" - class: wrap to 300 or above", StringComparison.Ordinal));
        Assert.Equal(0, run.Status);
    }

    [Fact]
    public void Perl_sees_the_points_that_fail()
    {
        NeedsProve();
        Assert.Equal(1, Run($"{Support} verify --tap >points").Status);
        Finished proved = Run("prove -e cat points");
        Assert.Equal((1, "Result: FAIL"), (proved.Status, proved.Lines[^1]));
        Assert.DoesNotContain("Parse errors", proved.Output);
        string points = File.ReadAllText(Path.Combine(_directory.FullName, "points"));
        Assert.Contains("not ok ", points);
        Assert.Contains("    - 'unshare from=0 capable=yes'\n", points);
    }

    [Fact]
    public void The_XML_holds_the_same_points()
    {
        Finished run = Verify("--runs 20 --seed 1 --tap --junit points.xml");
        XElement suite = XDocument.Load(Path.Combine(_directory.FullName, "points.xml")).Root!.Element("testsuite")!;
        Assert.Equal("0", suite.Attribute("failures")!.Value);
        Assert.Equal(
            run.Lines.Count(line => line.StartsWith("ok ", StringComparison.Ordinal)), suite.Elements("testcase").Count());
        Assert.Equal(
            run.Lines.Count(line => line.Contains(" # SKIP ", StringComparison.Ordinal)), suite.Descendants("skipped").Count());
    }

    [Theory]
    [InlineData("--junit mine", "mine", "File exists")]
    [InlineData("--record mine", "mine", "File exists")]
    [InlineData("--record link", "link", "File exists")]
    [InlineData("--junit /dev/full", "/dev/full", "File exists")]
    [InlineData("--record nowhere/trace", "nowhere/trace", "No such file or directory")]
    [InlineData("--junit new --record ./new", "./new", "File exists")]
    public void Nothing_is_run_where_a_file_cannot_be_made(string arguments, string file, string why)
    {
        File.WriteAllText(Path.Combine(_directory.FullName, "mine"), "mine");
        File.CreateSymbolicLink(Path.Combine(_directory.FullName, "link"), "elsewhere");
        Finished run = Run($"{Tool.Path} verify --runs 1 --seed 1 {arguments}");
        Assert.Equal((3, "", $"nslp: verify: cannot write '{file}': {why}\n"), (run.Status, run.Output, run.Errors));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(_directory.FullName, "mine")));
        Assert.Equal(["link", "mine"], _directory.GetFileSystemInfos().Select(entry => entry.Name).Order());
    }

    [Fact]
    public void A_file_that_cannot_be_written_whole_is_not_left_there()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace(
            $"""
            cd {_directory.FullName}
            mount -t tmpfs -o size=4k none . && cd . && cd {_directory.FullName}
            head -c 4096 /dev/zero >full
            $N verify --runs 1 --seed 1 --junit points --record trace; echo $?
            $N map --svg map; echo $?
            ls
            """).Finish();
        Assert.Equal(["model and kernel agree", "3", "1", "full"], [run.Lines[1], run.Lines[^3], .. run.Lines[^2..]]);
        Assert.Equal(
            "nslp: verify: cannot write 'points': No space left on device\n"
                + "nslp: verify: cannot write 'trace': No space left on device\n"
                + "nslp: map: cannot write 'map': No space left on device\n",
            run.Errors);
    }

    [Theory]
    [InlineData(5, 5)]
    [InlineData(6, 8)]
    [InlineData(6, 12)]
    [InlineData(7, 0)]
    [InlineData(7, 3)]
    public void What_the_kernel_is_seen_to_do_counts_and_not_its_version(int major, int minor)
    {
        Finished run = Run($"{Support} verify-as {major} {minor} 1");
        Assert.SkipWhen(run.Errors.Contains("namespace", StringComparison.Ordinal), run.Errors);
        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.NotEmpty(Texts(run, "surprises"));
    }

    [Fact]
    public void A_kernel_that_tells_another_version_is_verified_and_told_of()
    {
        // Linux 6.18 tells 2.6.78 then.
        const string Old = "setarch --uname-2.6";
        Assert.SkipUnless(Run($"{Old} uname -r").Output.StartsWith("2.6.", StringComparison.Ordinal), "needs setarch");
        string[] now = Texts(Verify("--runs 50 --seed 1 --json"), "surprises");
        Assert.Empty(now);
        Finished run = Run($"{Old} {Tool.Path} verify --runs 50 --seed 1 --json");
        Assert.Equal((0, ""), (run.Status, run.Errors));
        string[] told = Texts(run, "surprises");
        Assert.Contains("as 5.7 in CLONE_INTO_CGROUP", told);
        Assert.Equal(Machine.HasPidMaxPerNamespace, told.Contains("as 6.14 in pid_max"));
        Assert.Equal(told, Texts(Run($"{Old} {Tool.Path} doctor --json"), "surprises"));
        Assert.Contains("as 5.7 in CLONE_INTO_CGROUP", Run($"{Old} {Tool.Path} doctor").Output);
    }

    [Theory]
    [InlineData("clone3", "clone3: Function not implemented")]
    [InlineData("set_tid", "set_tid of clone3: Argument list too long")]
    [InlineData("pidfd", "CLONE_PIDFD: Operation not permitted")]
    public void What_clone3_lacks_is_left_out_and_the_rest_verified(string lack, string why)
    {
        string program = Path.Combine(_directory.FullName, "without");
        Finished compiled = Run($"gcc -O1 -o {program} {Source.Directory}/tests/Kernels/without.c");
        Assert.SkipUnless(compiled.Status == 0, "needs gcc");
        LeavesOut($"{program} {lack} ", why);
    }

    [Theory]
    [InlineData(Setns, EPERM, "setns: Operation not permitted")]
    [InlineData(Clone3, EPERM, "clone3: Operation not permitted")]
    [InlineData(Pwrite64, EPERM, "ns_last_pid: Operation not permitted")]
    public void What_a_filter_refuses_is_left_out_and_the_rest_verified(int call, int errno, string why)
    {
        NeedsX64();
        LeavesOut($"{Support} fail {call} {errno} ", why);
    }

    [Theory]
    [InlineData(Unshare, 0)]
    [InlineData(Unshare, EINVAL)]
    [InlineData(Unshare, ENOSYS)]
    public void The_default_run_finds_a_kernel_with_a_wrong_call(int call, int errno)
    {
        NeedsX64();
        Finished run = Run($"{Support} fail {call} {errno} {Tool.Path} verify --seed 1 --json");
        Assert.SkipWhen(run.Errors.Contains("user namespace", StringComparison.Ordinal), run.Errors);
        Assert.Equal(1, run.Status);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.False(json.RootElement.GetProperty("agree").GetBoolean());
    }

    [Fact]
    public void What_was_recorded_is_compared_with_what_the_kernel_does()
    {
        Verify("--runs 30 --seed 1 --record trace");
        string trace = Path.Combine(_directory.FullName, "trace");
        Finished same = Run($"{Tool.Path} verify --replay trace");
        Assert.Equal((0, ""), (same.Status, same.Errors));
        Assert.Matches("^Linux .* and kernel agree$", same.Lines[^1]);

        // As if the other kernel had given another PID after a wrap.
        string text = File.ReadAllText(trace);
        int at = text.IndexOf("\n> given=300 ", StringComparison.Ordinal);
        File.WriteAllText(trace, text[..at] + "\n> given=301 " + text[(at + "\n> given=300 ".Length)..]);
        Finished other = Run($"{Tool.Path} verify --replay trace");
        Assert.Equal((1, ""), (other.Status, other.Errors));
        Assert.Contains(other.Lines, line => line.StartsWith("   * PID 301", StringComparison.Ordinal)
            && line.EndsWith(" PID 300", StringComparison.Ordinal));
        string saved = File.ReadAllText(Assert.Single(_directory.GetFiles("*.replay")).FullName);
        Assert.Matches("^# Linux .* and Linux .* differ: .*, run [0-9]+ of trace\n", saved[(saved.IndexOf('\n') + 1)..]);

        Finished points = Run($"{Tool.Path} verify --replay trace --tap --junit points.xml");
        Assert.Contains(points.Lines, line => Regex.IsMatch(line, "^  message: 'Linux .* and kernel differ'$"));
        Assert.Contains(points.Lines, line => line.StartsWith("  recorded: 'PID 301", StringComparison.Ordinal));
        string xml = File.ReadAllText(Path.Combine(_directory.FullName, "points.xml"));
        Assert.Matches("<property name=\"recorded\" value=\"[0-9]", xml);
        Assert.DoesNotContain("model", points.Output + xml);
    }

    [Theory]
    [InlineData("pass in=0 route=splice text=\"DIGITS\" offset=0 capable=yes", 65536, null)]
    [InlineData("write-last-pid in=0 text=\"DIGITS\" offset=0 capable=yes", 65536, null)]
    [InlineData("pass in=0 route=splice text=\"DIGITS\" offset=0 capable=yes", 65537, "text has 65537 bytes, and at most 65536 are taken")]
    [InlineData("pass in=0 route=sendfile text=\"DIGITS\" offset=0 capable=yes", 3000000, "text has 3000000 bytes, and at most 65536 are taken")]
    [InlineData("clone from=0 new=same set_tid=1,DIGITS capable=yes child=exits", 1, null)]
    [InlineData("clone from=0 new=same set_tid=ENTRIES1 capable=yes child=exits", 1, "set_tid has 10001 entries, and at most 64 are taken")]
    public void An_operation_that_is_too_long_is_told(string operation, int length, string? what)
    {
        operation = operation.Replace("DIGITS", new string('7', length)).Replace("ENTRIES", string.Concat(Enumerable.Repeat("1,", 10000)));
        File.WriteAllText(
            Path.Combine(_directory.FullName, "file"), $"nslp-verify-replay 3\nend child=0\n{operation}\nend-of-replay\n");
        Finished run = Run($"{Tool.Path} verify --replay file");
        Assert.SkipWhen(run.Errors.Contains("namespace", StringComparison.Ordinal), run.Errors);
        Assert.Equal(
            what is null ? (0, "") : (3, $"nslp: verify: cannot replay 'file': line 3: {what}\n"), (run.Status, run.Errors));
    }

    [Fact]
    public void A_trace_that_compares_nothing_tells_nothing()
    {
        Verify("--runs 1 --record trace");
        Finished run = Run($"{{ head -n 5 trace; echo end-of-trace; }} >empty; {Tool.Path} verify --replay empty");
        Assert.Equal((3, "nslp: verify: cannot tell: there is nothing to compare\n"), (run.Status, run.Errors));
        Assert.DoesNotContain("agree", run.Output);
    }

    [Fact]
    public void Where_it_cannot_run_there_is_a_plan_all_the_same()
    {
        Finished run = Run($"unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces; {Tool.Path} verify --tap'");
        Assert.SkipWhen(run.Errors.Contains("unshare"), "needs user namespaces");
        Assert.Equal(3, run.Status);
        Assert.Equal("TAP version 13", run.Lines[0]);
        Assert.StartsWith("1..0 # SKIP cannot ", run.Lines[1]);
    }

    [Fact]
    public void Without_namespaces_it_runs_in_the_one_it_is_in()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace(
            $"sleep 1000 & setsid sleep 1000 & cat /proc/sys/kernel/pid_max; $N verify --here --runs 50 --seed 1 --tap; "
            + "cat /proc/sys/kernel/pid_max").Finish();
        Assert.Equal(0, run.Status);
        Assert.Equal(run.Lines[0], run.Lines[^1]);
        Assert.DoesNotContain("not ok", run.Output);
        Assert.Contains(" # SKIP pid_max is not the sandbox's own\n", run.Output);
        Assert.Contains("case: set_tid: a free number\n", run.Output);

        Finished plain = Shell.InNewPidNamespace(
            "setpriv --reuid 61017 --regid 61017 --clear-groups --inh-caps=-all --bounding-set=-all "
            + "$N verify --here --runs 50 --seed 1 --tap").Finish();
        Assert.Equal(0, plain.Status);
        Assert.Contains(" # SKIP CLONE_NEWPID: Operation not permitted\n", plain.Output);
        Assert.Contains(" # SKIP ns_last_pid: Operation not permitted\n", plain.Output);
        Assert.Contains("class: fork: child exits and is reaped\n", plain.Output);
        Assert.Contains(", in this PID namespace, as user 61017: ", plain.Lines[^1]);
        int cases = plain.Lines.Count(line => line.Contains(" - case: ") && !line.Contains(" # SKIP "));
        Assert.StartsWith($"# {cases} case{(cases == 1 ? "" : "s")}, 50 runs ", plain.Lines[^1]);
    }

    [Fact]
    public void What_was_recorded_elsewhere_is_no_difference()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace(
            $"""
            cd {_directory.FullName}
            $N verify --runs 1 --seed 1 --record new >log && $N verify --here --runs 1 --seed 1 --record here >log || exit
            $N verify --here --replay new; echo $?
            $N verify --replay here; echo $?
            $N set 7000
            $N verify --here --replay here >log; echo $?
            """).Finish();
        Assert.Equal(["3", "3", "3"], run.Lines);
        Assert.Equal(
            "nslp: verify: cannot compare: it was recorded without --here\n"
                + "nslp: verify: cannot compare: it was recorded with --here\n"
                + "nslp: verify: cannot tell: this PID namespace is not as it was recorded, or others make processes in it\n",
            run.Errors);
    }

    private void LeavesOut(string prefix, string why)
    {
        Finished run = Run($"{prefix}{Tool.Path} verify --runs 50 --seed 1 --json");
        Assert.SkipWhen(run.Errors.Contains("user namespace", StringComparison.Ordinal), run.Errors);
        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains(why, Texts(run, "lacks"));
        Finished points = Run($"{prefix}{Tool.Path} verify --runs 1 --seed 1 --tap");
        Assert.Contains($" # SKIP {why}\n", points.Output);
        Assert.DoesNotContain("not ok", points.Output);
    }

    private static string[] Texts(Finished run, string name)
    {
        using JsonDocument json = JsonDocument.Parse(run.Output);
        return [.. json.RootElement.GetProperty(name).EnumerateArray().Select(text => text.GetString()!)];
    }

    private static void NeedsProve() => Assert.SkipUnless(
        Shell.Start("command -v prove").Finish().Status == 0, "needs prove, of Debian's perl");

    private static void NeedsX64() => Assert.SkipUnless(
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64,
        "needs the numbers of x86-64's system calls");

    private Finished Verify(string arguments)
    {
        Finished run = Run($"{Tool.Path} verify {arguments}");
        Assert.SkipWhen(run.Status == 3, run.Errors);
        Assert.Equal((0, ""), (run.Status, run.Errors));
        return run;
    }

    private Finished Run(string script) => Shell.Start($"cd {_directory.FullName} && {script}").Finish();
}
