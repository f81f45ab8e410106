using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>nslp verify as a user runs it.</summary>
public sealed class VerifyTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("nslp-verify-");

    private static string Support => Path.Combine(AppContext.BaseDirectory, "SetNsLastPid.Tests.Support");

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [InlineData("--seed 1")]
    [InlineData("--seed 2 --runs 300 --steps 40")]
    public void Model_and_kernel_agree_as_root(string arguments)
    {
        Machine.NeedsRoot();
        Agrees(Run($"{Tool.Path} verify --json {arguments}"), isUserNamespace: false);
    }

    [Theory]
    [InlineData("--seed 3")]
    [InlineData("--seed 4 --runs 300 --steps 40")]
    public void Model_and_kernel_agree_without_privileges(string arguments)
    {
        Finished run = Run($"{Unprivileged} {Tool.Path} verify --json {arguments}");
        Assert.SkipWhen(run.Status == 3, run.Errors);
        Agrees(run, isUserNamespace: true);
    }

    [Theory]
    [InlineData("", 0, "20 runs, seed 6: ")]
    [InlineData(" wrong", 1, "pid_max ")]
    public void Model_and_kernel_agree_among_others(string isWrong, int status, string output)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "pid_max is the host's");
        Finished run = Shell.InNewPidNamespace(
            "export DOTNET_TieredCompilation=0 DOTNET_gcConcurrent=0; sleep 1000 & setsid sleep 1000 & "
            + $"{Support} verify-here 20 6{isWrong}").Finish();
        Assert.Equal((status, ""), (run.Status, run.Errors));
        Assert.StartsWith(output, run.Output);
    }

    [Fact]
    public void The_result_is_said_and_what_was_met()
    {
        Finished run = Run($"{Tool.Path} verify --runs 2 --steps 10 --seed 5");
        Assert.SkipWhen(run.Status == 3, run.Errors);
        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Matches("^1[0-9]{2} cases, 2 runs of 10 steps, seed 5, on Linux ", run.Lines[0]);
        Assert.Equal("model and kernel agree", run.Lines[1]);
        Assert.Contains(run.Lines, line => line.EndsWith("  fork: child stays", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(">/dev/full", "No space left on device")]
    [InlineData(">&-", "Bad file descriptor")]
    public void A_result_that_cannot_be_written_is_no_difference(string redirection, string reason)
    {
        Finished run = Run($"{Tool.Path} verify --runs 2 --steps 10 --seed 5 {redirection}");
        Assert.SkipUnless(run.Errors.Contains("write"), run.Errors);
        Assert.Equal((3, $"nslp: verify: cannot write the result: {reason}\n"), (run.Status, run.Errors));
    }

    [Fact]
    public void A_difference_is_shown_and_saved_and_found_again()
    {
        Finished run = Run($"cd {_directory.FullName} && {Support} verify");
        Assert.Equal((1, ""), (run.Status, run.Errors));
        Assert.Contains(
            "  2. init of ns 0: clone; as a process, with CLONE_INTO_CGROUP and a closed descriptor", run.Lines);
        Assert.Contains("   * ENOMEM                                       PID 1 3", run.Lines);
        string file = Assert.Single(_directory.GetFiles()).FullName;
        Assert.Contains($"to repeat: nslp verify --replay {Path.GetFileName(file)}", run.Lines);
        Assert.Equal(
            ["unshare from=0 capable=yes", "clone from=0 new=same capable=yes child=fails-cgroup"],
            File.ReadLines(file).Where(line => !line.StartsWith('#')).Skip(1).Take(2));

        Finished again = Run($"cd {_directory.FullName} && {Support} verify {file}");
        Assert.Equal(1, again.Status);
        Assert.Equal(Steps(run), Steps(again));
        Assert.Single(_directory.GetFiles());

        // The running kernel is what the model says.
        Finished here = Run($"{Tool.Path} verify --replay {file}");
        Assert.SkipWhen(here.Status == 3, here.Errors);
        Assert.Equal((0, "model and kernel agree"), (here.Status, here.Lines[1]));
    }

    [Fact]
    public void A_file_that_is_there_is_not_overwritten()
    {
        Run($"cd {_directory.FullName} && {Support} verify");
        string first = Assert.Single(_directory.GetFiles()).FullName;
        File.WriteAllText(first, "mine");
        Run($"cd {_directory.FullName} && {Support} verify");
        Assert.Equal("mine", File.ReadAllText(first));
        Assert.Equal(2, _directory.GetFiles().Length);
    }

    [Fact]
    public void A_difference_is_one_JSON_object()
    {
        Finished run = Run($"cd {_directory.FullName} && {Support} verify --json");
        Assert.Equal((1, ""), (run.Status, run.Errors));
        JsonElement result = Schema.Check(run.Output);
        Assert.False(result.GetProperty("agree").GetBoolean());
        JsonElement difference = result.GetProperty("difference");
        JsonElement last = difference.GetProperty("trace").EnumerateArray().Last();
        Assert.Equal("[\"ENOMEM\"]", last.GetProperty("expected").GetProperty("outcomes").GetRawText());
        Assert.Equal("[[1,3]]", last.GetProperty("observed").GetProperty("outcomes").GetRawText());
        Assert.True(File.Exists(Path.Combine(_directory.FullName, difference.GetProperty("file").GetString()!)));
    }

    [Theory]
    [InlineData("", "it does not begin with 'nslp-verify-replay'")]
    [InlineData("nslp-verify-replay 5\nend-of-replay\n", "its version is not 1 to 4")]
    [InlineData("nslp-verify-replay 1\nend child=0\n", "it is truncated: its last line is missing")]
    [InlineData("nslp-verify-replay 1\nend kid=0\nend-of-replay\n", "line 2: 'child=' is missing")]
    public void A_file_that_cannot_be_replayed_is_told(string text, string message)
    {
        string file = Path.Combine(_directory.FullName, "file");
        File.WriteAllText(file, text);
        Finished run = Run($"{Tool.Path} verify --replay {file}");
        Assert.Equal((3, "", $"nslp: verify: cannot replay '{file}': {message}\n"), (run.Status, run.Output, run.Errors));
    }

    [Fact]
    public void Binary_junk_is_told_in_one_line()
    {
        string file = Path.Combine(_directory.FullName, "file");
        Random random = new(20261125);
        for (int i = 0; i < 5; i++)
        {
            byte[] junk = new byte[3000];
            random.NextBytes(junk);
            byte[] head = i == 0 ? [] : Encoding.ASCII.GetBytes("nslp-verify-replay 1\n\u001b[2J");
            byte[] tail = i == 0 ? [] : Encoding.ASCII.GetBytes("\nend-of-replay\n");
            File.WriteAllBytes(file, [.. head, .. junk, .. tail]);
            Finished run = Run($"{Tool.Path} verify --replay {file}");
            Assert.Equal((3, ""), (run.Status, run.Output));
            Assert.Matches($"^nslp: verify: cannot replay '{file}': [^\0-\x1f\x7f-\x9f]*\n$", run.Errors);
        }
    }

    [Theory]
    [InlineData("/nowhere/file", "No such file or directory")]
    [InlineData("''", "No such file or directory")]
    [InlineData("/proc", "Is a directory")]
    [InlineData("/dev/zero", "it is longer than 16 MiB")]
    public void A_file_that_cannot_be_read_is_told(string path, string why)
    {
        Finished run = Run($"timeout 60 {Tool.Path} verify --replay {path}");
        Assert.Equal(
            (3, "", $"nslp: verify: cannot read '{path.Trim('\'')}': {why}\n"), (run.Status, run.Output, run.Errors));
    }

    [Theory]
    [InlineData("--runs 0", "--runs must be a number from 1 to 1,000,000, not '0'")]
    [InlineData("--steps 10001", "--steps must be a number from 1 to 10,000, not '10001'")]
    [InlineData("--seed -1", "--seed must be a number from 0 to 18,446,744,073,709,551,615, not '-1'")]
    [InlineData("--replay f --seed 1", "--replay and --seed cannot be used together")]
    [InlineData("--junit a --record a", "--junit and --record cannot write to the same file")]
    public void Wrong_usage_is_said(string arguments, string message)
    {
        Finished run = Run($"{Tool.Path} verify {arguments}");
        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.StartsWith($"nslp: verify: {message}\n", run.Errors);
    }

    [Theory]
    [InlineData("max_user_namespaces", "cannot create a user namespace")]
    [InlineData("max_pid_namespaces", "cannot create a PID namespace")]
    public void What_forbids_it_is_named(string sysctl, string message)
    {
        Machine.NeedsPidNamespace();
        Finished run = Run(
            $"unshare -Ur sh -c 'echo 0 >/proc/sys/user/{sysctl} && "
            + $"exec setpriv --bounding-set=-all --inh-caps=-all {Tool.Path} verify'");
        Assert.Equal(3, run.Status);
        Assert.Equal("", run.Output);
        Assert.Equal(
            $"nslp: verify: {message}: No space left on device\nnslp: verify: user.{sysctl} is 0 (sysctl)\n", run.Errors);
        JsonElement error = Schema.Check(Run(
            $"unshare -Ur sh -c 'echo 0 >/proc/sys/user/{sysctl} && "
            + $"exec setpriv --bounding-set=-all --inh-caps=-all {Tool.Path} verify --json'").Output).GetProperty("error");
        Assert.Equal(
            ($"{message}: No space left on device", "ENOSPC"),
            (error.GetProperty("message").GetString(), error.GetProperty("errno").GetString()));
    }

    [Fact]
    public void Too_few_processes_are_no_difference()
    {
        Machine.NeedsRoot();
        // The limit counts all processes of a user: one that nobody else is.
        int user = Random.Shared.Next(1_000_000, 2_000_000);
        Finished run = Run(
            $"prlimit --nproc=60 setpriv --reuid {user} --regid {user} --clear-groups --inh-caps=-all --bounding-set=-all "
            + $"{Tool.Path} verify --runs 100 --seed 1");
        Assert.SkipWhen(run.Errors.Contains("user namespace", StringComparison.Ordinal), run.Errors);
        Assert.Equal(
            (3, "", "nslp: verify: cannot make 304 processes: Resource temporarily unavailable\n"
                + "nslp: verify: needs a higher RLIMIT_NPROC (ulimit -u), or pids.max of its cgroup\n"),
            (run.Status, run.Output, run.Errors));
    }

    [Fact]
    public void What_a_file_says_of_writing_is_not_believed()
    {
        Machine.NeedsPidNamespace();
        string file = Path.Combine(_directory.FullName, "0");
        File.WriteAllText(file, "0\n");
        Finished run = Shell.InNewPidNamespace(
            $"mount --bind {file} /proc/sys/kernel/sysctl_writes_strict && $N verify --runs 100 --seed 1").Finish();
        Assert.Equal((0, "model and kernel agree"), (run.Status, run.Lines[1]));
    }

    [Fact]
    public void A_pids_cgroup_is_there_for_a_moment()
    {
        Machine.NeedsRoot();
        NeedsPidsCgroup();
        Finished run = Run($"{Tool.Path} verify --runs 100 --seed 1 --tap; {NoCgroupIsLeft}");
        Assert.Contains(" - case: cursor: moves when the pids cgroup is full\n", run.Output);
        Assert.DoesNotContain("nslp-verify-", run.Output);
        Assert.DoesNotContain("not ok", run.Output);
    }

    [Fact]
    public void A_pids_cgroup_is_gone_after_SIGKILL_too()
    {
        Machine.NeedsRoot();
        NeedsPidsCgroup();
        string replay = Path.Combine(_directory.FullName, "replay");
        File.WriteAllText(replay, "nslp-verify-replay 1\n"
            + string.Concat(Enumerable.Repeat("clone from=0 new=same capable=yes child=fails-pids\n", 5000)) + "end-of-replay\n");
        Finished run = Run(
            $"for i in 1 2 3 4 5 6 7 8; do {Tool.Path} verify --replay {replay} & sleep 0.$((RANDOM % 5 + 2)); kill -KILL $!; wait $!; "
            + $"echo $?; done 2>/dev/null; {NoCgroupIsLeft}");
        Assert.Equal(Enumerable.Repeat("137", 8), run.Lines);
    }

    private static void NeedsPidsCgroup() => Assert.SkipUnless(
        Run("grep -q :pids: /proc/self/cgroup || grep -q pids /sys/fs/cgroup/cgroup.subtree_control").Status == 0, "needs a pids cgroup");

    // Those of other runs are gone in a moment as well.
    private const string NoCgroupIsLeft = """
        for d in $(find /sys/fs/cgroup -type d -name 'nslp-verify-*'); do
            for i in $(seq 600); do [ -e $d ] || break; sleep 0.05; done; [ ! -e $d ] || echo $d
        done
        """;

    [Fact]
    public void Without_a_pids_cgroup_it_says_so()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace("mount -t tmpfs none /sys/fs/cgroup && $N verify --runs 1 --seed 1 --tap").Finish();
        Assert.SkipWhen(run.Errors.Contains("mount"), run.Errors);
        Assert.Matches(" - case: cursor: moves when the pids cgroup is full # SKIP cannot make a pids cgroup: No such file or directory\n|"
            + " - case: cursor: moves when the pids cgroup is full # SKIP no pids cgroup is mounted\n", run.Output);
    }

    [Fact]
    public void Model_and_kernel_agree_in_the_deepest_namespace()
    {
        Machine.NeedsRoot();
        string script = Path.Combine(_directory.FullName, "deeper");
        // Where two more levels cannot be had, the next one, the sandbox's, is the last.
        File.WriteAllText(
            script, $"unshare -pf unshare -pf true 2>/dev/null && exec unshare -pf sh {script}; {Tool.Path} verify --runs 20 --seed 1");
        Finished run = Run($"sh {script}");
        Assert.Equal((0, "", "model and kernel agree"), (run.Status, run.Errors, run.Lines[1]));
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    [InlineData("KILL", 137)]
    public void A_signal_leaves_nothing_behind(string signal, int status)
    {
        Machine.NeedsPidNamespace();

        // In the end only the shell is in the /proc of the namespace. What a shell starts in the background ignores SIGINT
        // unless told otherwise, and what nohup starts SIGHUP.
        Finished run = Shell.InNewPidNamespace(
            $"""
            cd {_directory.FullName}
            env --default-signal=INT,HUP $N verify --runs 5000 --json --junit points --record trace >out 2>err & pid=$!
            # It catches SIGHUP, the lowest bit, and has made a namespace.
            wait_for 'grep -q "^SigCgt:.*[13579bdf]$" /proc/$pid/status'
            wait_for '[ $(grep -l nslp-zygote /proc/[0-9]*/comm 2>/dev/null | wc -l) -gt 1 ]'
            kill -{signal} $pid; wait $pid; echo $?
            wait_for 'set -- /proc/[0-9]*; [ $# = 1 ]'
            """).Finish();
        Assert.Equal([$"{status}"], run.Lines);
        string[] files = [.. _directory.GetFiles().Select(file => file.Name).Order()];
        // What SIGKILL leaves is empty.
        Assert.Equal(signal == "KILL" ? ["err", "out", "points", "trace"] : ["err", "out"], files);
        Assert.All(files[2..], file => Assert.Equal("", File.ReadAllText(Path.Combine(_directory.FullName, file))));
        Assert.Matches(
            signal == "KILL" ? "^$" : "^nslp: verify: interrupted after [0-9]+ of 5000 runs: no difference so far\n$",
            File.ReadAllText(Path.Combine(_directory.FullName, "err")));
        string result = File.ReadAllText(Path.Combine(_directory.FullName, "out"));
        if (signal == "KILL")
        {
            Assert.Equal("", result);
        }
        else
        {
            Assert.StartsWith("interrupted after ", Schema.Check(result).GetProperty("error").GetProperty("message").GetString());
        }
    }

    [Fact]
    public void A_run_makes_no_mount_and_leaves_no_process()
    {
        Machine.NeedsPidNamespace();
        Finished run = Shell.InNewPidNamespace(
            """
            cat /proc/self/mounts | md5sum
            $N verify --runs 20 --seed 1 >/dev/null; echo $?
            cat /proc/self/mounts | md5sum
            grep -h . /proc/[0-9]*/comm
            """).Finish();
        Assert.Equal("0", run.Lines[1]);
        Assert.Equal(run.Lines[0], run.Lines[2]);
        Assert.Equal(["sh"], run.Lines[3..]);
    }

    private static string Unprivileged =>
        Machine.IsRoot ? $"setpriv {Shell.Unprivileged}" : "setpriv --inh-caps=-all --bounding-set=-all";

    private static Finished Run(string script) => Shell.Start(script).Finish();

    private static string[] Steps(Finished run) => [.. run.Lines.Where(line => line.StartsWith(' '))
        .TakeWhile(line => !line.EndsWith("fork: child stays", StringComparison.Ordinal))];

    // Agreement, and every class met.
    private static void Agrees(Finished run, bool isUserNamespace)
    {
        Assert.Equal((0, ""), (run.Status, run.Errors));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.True(json.RootElement.GetProperty("agree").GetBoolean());
        Assert.Equal(isUserNamespace, json.RootElement.GetProperty("user_namespace").GetBoolean());
        Assert.Empty(json.RootElement.GetProperty("coverage").EnumerateArray()
            .Where(entry => entry.GetProperty("count").GetInt64() == 0).Select(entry => entry.GetProperty("name").GetString()));
    }
}
