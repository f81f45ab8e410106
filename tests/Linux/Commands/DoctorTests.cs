using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>nslp doctor where something is missing, as a user runs it.</summary>
public sealed class DoctorTests : IDisposable
{
    private static readonly string[] s_methods = ["clone3", "write", "cycle", "lock", "new_pidns", "map_root", "verify"];

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("nslp-doctor-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void As_root_everything_works_and_nothing_is_left_behind()
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace("ulimit -n; $N doctor --json; echo $?; ulimit -n; cat /proc/[0-9]*/comm").Finish();

        Assert.Equal("", run.Errors);
        string[] lines = run.Lines;
        Assert.Equal(("0", lines[0]), (lines[2], lines[3]));
        Assert.Equal(["sh"], lines[4..]);
        using JsonDocument json = JsonDocument.Parse(lines[1]);
        Assert.Equal(s_methods, json.RootElement.GetProperty("methods").EnumerateArray().Select(Name));
        Assert.All(json.RootElement.GetProperty("methods").EnumerateArray(), method => Assert.True(Works(method), Name(method)));
        Assert.Contains(json.RootElement.GetProperty("flavours").EnumerateArray(), flavour => Works(flavour));
        Assert.Equal(32768, json.RootElement.GetProperty("pid_max").GetInt32());
        Assert.True(json.RootElement.GetProperty("lap").GetProperty("seconds").GetDouble() > 0);
    }

    [Fact]
    public void Without_privileges_cycling_is_left_and_the_capability_is_named()
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace("true", "$N doctor --json; echo $?").Finish();

        Assert.Equal("0", run.Lines[1]);
        Assert.Equal((false, "CAP_CHECKPOINT_RESTORE is missing"), Method(run, "clone3"));
        Assert.Equal((false, "CAP_CHECKPOINT_RESTORE is missing"), Method(run, "write"));
        Assert.True(Method(run, "cycle").Works);
    }

    [Fact]
    public void The_capability_alone_cures_that()
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace(
            "exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+checkpoint_restore "
            + "--ambient-caps=+checkpoint_restore $N doctor --json").Finish();

        Assert.True(Method(run, "clone3").Works);
        Assert.True(Method(run, "write").Works);
    }

    [Fact]
    public void A_result_that_cannot_be_written_does_not_mean_that_nothing_works()
    {
        Finished run = Shell.Start($"{Tool.Path} doctor >/dev/full").Finish();

        Assert.Equal((3, "nslp: doctor: cannot write the result: No space left on device\n"), (run.Status, run.Errors));
    }

    /// <summary>An engine's file in a PID namespace of a host, and then in the namespaces of a container.</summary>
    [Theory]
    [InlineData("", false)]
    [InlineData("unshare --uts --ipc", true)]
    public void A_container_is_more_than_a_mark(string namespaces, bool isContainer)
    {
        Machine.NeedsRoot();
        string[] initial = [.. new[] { "uts", "ipc", "cgroup" }.Select(name => new FileInfo($"/proc/self/ns/{name}").LinkTarget!)];
        Assert.SkipUnless(initial is ["uts:[4026531838]", "ipc:[4026531839]", "cgroup:[4026531835]"], "needs the host's namespaces");

        // Over /run, where nothing of this test needs what is there.
        Finished run = Shell.InNewPidNamespace(
            $"mount -t tmpfs none /run && : >/run/.containerenv && {namespaces} $N doctor --json").Finish();

        Assert.Equal(isContainer, JsonDocument.Parse(run.Output).RootElement.GetProperty("container").GetBoolean());
    }

    [Fact]
    public void A_capability_of_another_user_namespace_is_told_apart()
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace("exec unshare -Ur $N doctor --json").Finish();

        Assert.Equal(
            (false, "CAP_CHECKPOINT_RESTORE must be held in the user namespace that owns this PID namespace, not in this one"),
            Method(run, "write"));
    }

    [Fact]
    public void The_cure_of_a_read_only_file_cures_it()
    {
        Machine.NeedsRoot();

        // In a container the cure is one for the engine.
        Finished run = Shell.InNewPidNamespace(
            """
            mount --rbind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
            $N doctor --json
            f=/proc/sys/kernel/ns_last_pid; mount --bind $f $f && mount -o remount,bind,rw $f
            $N doctor --json | grep -o '"name":"write","works":true'
            """).Finish();

        Assert.Equal((false, "/proc/sys/kernel/ns_last_pid is read-only"), Method(run, "write"));
        Assert.Equal("\"name\":\"write\",\"works\":true", run.Lines[1]);
        Assert.True(Method(run, "clone3").Works);
    }

    [Theory]
    [InlineData("", "call nslp as another user")]
    [InlineData("--reuid=65534 --regid=65534 --clear-groups", "")]
    public void Root_without_CAP_SETFCAP_is_told_so_and_the_cure_cures_it(string user, string cure)
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace(
            $"exec setpriv --bounding-set=-setfcap --inh-caps=-setfcap {user} $N doctor --json").Finish();

        bool works = Method(run, "map_root").Works;
        Assert.SkipWhen(cure != "" && works, "needs Linux 5.12, which asks for CAP_SETFCAP");
        Assert.Equal(cure == "", works);
        Assert.Equal(cure, string.Join('\n', Cures(run, "map_root")));
    }

    [Theory]
    [InlineData("max_user_namespaces", "map_root", "cannot make a user namespace: No space left on device")]
    [InlineData("max_pid_namespaces", "verify", "cannot create a PID namespace: No space left on device")]
    public void The_setting_that_forbids_namespaces_is_named(string sysctl, string method, string message)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start(
            $"unshare -Ur sh -c 'echo 0 >/proc/sys/user/{sysctl} && "
            + $"exec setpriv --bounding-set=-all --inh-caps=-all {Tool.Path} doctor --json'").Finish();

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Equal((false, $"{message}; user.{sysctl} is 0 (sysctl)"), Method(run, method));
    }

    [Fact]
    public void A_seccomp_profile_is_told_apart_from_an_old_kernel()
    {
        string filter = Path.Combine(_directory.FullName, "filter");
        File.WriteAllText(filter + ".c", FilterSource);
        Assert.SkipUnless(Shell.Start($"cc -o {filter} {filter}.c").Finish().Status == 0, "needs a C compiler");

        Finished run = Shell.Start($"{filter} {Tool.Path} doctor --json").Finish();

        Assert.Equal((0, ""), (run.Status, run.Errors));
        (bool works, string reason) = Method(run, "clone3");
        Assert.False(works);
        Assert.StartsWith("a seccomp profile refuses clone3, which Linux ", reason);
        Assert.True(Method(run, "cycle").Works);
        using JsonDocument json = JsonDocument.Parse(run.Lines[0]);
        JsonElement cgroup = json.RootElement.GetProperty("flavours").EnumerateArray().First(way => Name(way) == "cgroup-thread");
        Assert.Equal("a seccomp profile refuses it", cgroup.GetProperty("reason").GetString());
    }

    [Theory]
    [InlineData("", true, true)]
    [InlineData("NO_COLOR=1", true, false)]
    [InlineData("TERM=dumb", true, false)]
    [InlineData("LC_ALL=C", false, true)]
    public void Symbols_and_colours_are_for_terminals_that_have_them(string variable, bool hasSymbols, bool hasColours)
    {
        Finished run = Shell.Start(
            $"LC_ALL=C.UTF-8 TERM=xterm script -qec '{variable} {Tool.Path} doctor' /dev/null").Finish();

        Assert.Equal(hasSymbols, run.Output.Contains("✔"));
        Assert.Equal(hasColours, run.Output.Contains("\e["));
        Assert.Equal(!hasSymbols, run.Output.Contains("yes"));
    }

    [Fact]
    public void Elsewhere_it_is_plain_and_fits_80_columns()
    {
        Finished run = Shell.Start($"LC_ALL=C.UTF-8 {Tool.Path} doctor").Finish();

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.All(run.Output, letter => Assert.InRange(letter, '\n', '~'));
        // A command to be copied is on one line.
        Assert.All(run.Lines, line => Assert.True(line.Length <= 80 || line.Contains(" > "), line));
        Assert.Contains(run.Lines, line => line.StartsWith("yes cycle ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--bogus")]
    [InlineData("word")]
    public void Bad_input_is_refused(string arguments)
    {
        Finished run = Shell.Start($"{Tool.Path} doctor {arguments}").Finish();

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.StartsWith($"nslp: doctor: ", run.Errors);
        Assert.EndsWith("\nTry 'nslp doctor --help' for more information.\n", run.Errors);
    }

    private static (bool Works, string Reason) Method(Finished run, string name) =>
        (Works(Finding(run, name)), Finding(run, name).GetProperty("reason").GetString()!);

    private static IEnumerable<string> Cures(Finished run, string name) =>
        Finding(run, name).GetProperty("cures").EnumerateArray().Select(cure => cure.GetString()!);

    private static JsonElement Finding(Finished run, string name) =>
        JsonDocument.Parse(run.Lines[0]).RootElement.GetProperty("methods").EnumerateArray().First(method => Name(method) == name);

    private static string Name(JsonElement finding) => finding.GetProperty("name").GetString()!;

    private static bool Works(JsonElement finding) => finding.GetProperty("works").GetBoolean();

    // As the profiles of containers do.
    private const string FilterSource =
        """
        #include <errno.h>
        #include <linux/filter.h>
        #include <linux/seccomp.h>
        #include <stddef.h>
        #include <sys/prctl.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(int argc, char **argv)
        {
            struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            };
            struct sock_fprog program = { sizeof code / sizeof *code, code };
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
                return 1;
            execv(argv[1], argv + 1);
            return 1;
        }
        """;
}
