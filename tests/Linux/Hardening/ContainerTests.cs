using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>
/// What each command does where a container, a limit or a caller takes something away: it works, or says in one line why
/// not. Each environment is a row.
/// </summary>
public sealed class ContainerTests
{
    private const string NoCapabilities = "setpriv --inh-caps=-all --bounding-set=-all";
    private const string User = "setpriv " + Shell.Unprivileged;

    private const string ProcSys = "nslp: {0}: needs /proc mounted, with /proc/sys visible and nothing mounted over it";

    private const string Seccomp = "{0}/SetNsLastPid.Tests.Support seccomp ";

    /// <summary>
    /// The commands, and what they print where they work: who holds PID 1 is a shell; set is followed by a process that
    /// prints its PID, predict too.
    /// </summary>
    private const string Commands = """
        mount -t tmpfs none /mnt && chmod 1777 /mnt
        outcome() { s=$?; echo "$1: $s $(tr '\n' '|' </mnt/out)$(tr '\n' '|' </mnt/err)"; }
        n() { timeout 30 $W "$N" "$@" >/mnt/out 2>/mnt/err; }
        commands() {
            n get; s=$?; grep -qx '[0-9]*' /mnt/out && echo number >/mnt/out; (exit $s); outcome get
            n set 3000; s=$?; /bin/sh -c 'echo $$' >/mnt/next; [ $s != 0 ] || cat /mnt/next >>/mnt/out; (exit $s); outcome set
            n spawn 4000 -- /bin/sh -c 'echo $$'; outcome spawn
            n who 1; s=$?; sed -i 's/process 1 .*/process 1/' /mnt/out; (exit $s); outcome who
            n predict; s=$?; /bin/sh -c 'echo $$' | cmp -s - /mnt/out && echo next >/mnt/out; (exit $s); outcome predict
            n doctor; s=$?; { [ $s -le 3 ] || [ $s = 127 ] || [ $s = 137 ]; } && ! grep -q 'bug in\|Unhandled\|   at ' /mnt/err || outcome doctor
        }

        """;

    private static readonly Dictionary<string, string> s_works = new()
    {
        ["get"] = "0 number|",
        ["set"] = "0 3001|",
        ["spawn"] = "0 4000|",
        ["who"] = "0 1: process 1|",
        ["predict"] = "0 next|",
    };

    /// <summary>
    /// Environments: how they are made by root of a PID namespace, what stands before nslp, and what the commands do that
    /// do not just work.
    /// </summary>
    public static TheoryData<string, string, string, string[]> Environments => new()
    {
        { "root, nothing taken away", "", "", [] },
        { "no privilege", "", User, [] },
        { "root without capabilities", "", NoCapabilities, [] },
        { "no_new_privs", "", "setpriv --no-new-privs", [] },
        { "no_new_privs without privilege", "", User + " --no-new-privs", [] },
        { "seccomp as Docker's, root", "", Seccomp, [] },
        { "seccomp as Docker's, root without capabilities", "", $"{NoCapabilities} {Seccomp}", [] },
        { "seccomp as Docker's, no privilege", "", $"{User} {Seccomp}", [] },
        {
            "read-only /proc/sys", "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys", "", []
        },
        {
            "read-only /proc/sys, seccomp, no capabilities",
            "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys", $"{NoCapabilities} {Seccomp}", []
        },
        {
            "paths masked and read-only as containerd does",
            """
            for f in kcore keys timer_list sched_debug latency_stats; do [ ! -e /proc/$f ] || mount --bind /dev/null /proc/$f; done
            for d in acpi scsi asound; do [ ! -e /proc/$d ] || mount -t tmpfs -o ro none /proc/$d; done
            for p in bus fs irq sys sysrq-trigger; do [ ! -e /proc/$p ] || { mount --bind /proc/$p /proc/$p; mount -o remount,ro,bind /proc/$p; }; done
            """,
            "", []
        },
        {
            "/proc/sys hidden", "mount -t tmpfs none /proc/sys", "",
            [
                $"set: 1 nslp: set: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "set")}|",
                $"predict: 1 nslp: predict: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "predict")}|",
            ]
        },
        {
            "/proc of processes alone", "mount -t proc -o subset=pid none /proc", "",
            [
                $"get: 1 nslp: get: cannot read last_pid from /proc: No such file or directory|{string.Format(ProcSys, "get")}|",
                $"set: 1 nslp: set: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "set")}|",
                $"predict: 1 nslp: predict: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "predict")}|",
            ]
        },
        {
            "no /proc", "mount -t tmpfs none /proc", "",
            [
                $"get: 1 nslp: get: cannot read last_pid from /proc: No such file or directory|{string.Format(ProcSys, "get")}|",
                $"set: 1 nslp: set: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "set")}|",
                "who: 3 nslp: who: cannot read /proc of this PID namespace|nslp: who: needs /proc mounted for it|",
                $"predict: 1 nslp: predict: cannot read /proc/sys/kernel/pid_max: No such file or directory|{string.Format(ProcSys, "predict")}|",
            ]
        },
        { "hidepid=2, root", "mount -t proc -o hidepid=2 none /proc", "", [] },
        {
            "hidepid=2, no privilege", "mount -t proc -o hidepid=2 none /proc", User,
            [
                "who: 0 1: something that /proc does not show|",
                "predict: 0 next|nslp: predict: warning: /proc does not show all processes; the kernel will skip the PIDs of hidden ones|",
            ]
        },
        { "a user namespace without root", "", "unshare -U", [] },
        { "a user namespace with root", "", "unshare -Ur", [] },
        { "no environment", "", "env -i", [] },
        { "stdin closed", Closing("0<&-"), "/mnt/closed", [] },
        { "stderr closed", Closing("2>&-"), "/mnt/closed", [] },
        {
            "stdout closed", Closing("1>&-"), "/mnt/closed",
            [
                "get: 1 nslp: get: cannot write the result: Bad file descriptor|",
                "spawn: 1 /bin/sh: 1: echo: echo: I/O error|",
                "who: 3 nslp: who: cannot write the result: Bad file descriptor|",
                "predict: 1 nslp: predict: cannot write the result: Bad file descriptor|",
            ]
        },
        { "all three closed", Closing("0<&- 1>&- 2>&-"), "/mnt/closed", ["get: 1 ", "spawn: 1 ", "who: 3 ", "predict: 1 "] },
    };

    private static string Closing(string what) => $"printf '#!/bin/sh\\nexec \"$@\" {what}\\n' >/mnt/closed && chmod +x /mnt/closed";

    [Theory]
    [MemberData(nameof(Environments))]
    public void A_command_works_or_says_why_not(string name, string setup, string before, string[] otherwise)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64 || !before.Contains(Seccomp), "needs x86-64");

        Finished run = Shell.InNewPidNamespace(
            $"{Commands}\n{setup}\nW='{string.Format(before, Tool.Directory)}'\ncommands").Finish();

        Dictionary<string, string> expected = new(s_works);
        foreach (string line in otherwise)
        {
            string[] parts = line.Split(": ", 2);
            expected[parts[0]] = parts[1].Replace("$N", Tool.Path);
        }

        Assert.Equal(
            expected.Select(pair => $"{pair.Key}: {pair.Value}"),
            run.Lines);
        Assert.True(run.Errors == "", $"{name}: {run.Errors}");
    }

    [Theory]
    [InlineData("seccomp", "pidfd-table-thread-legacy")]
    [InlineData("old-seccomp", "pidfd-emfile-thread-legacy")]
    public void Under_seccomp_it_cycles_by_the_best_way_that_passes(string profile, string flavour)
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "needs x86-64");
        Assert.SkipUnless(Environment.ProcessorCount > 1, "with one processor another way is the best");
        Assert.SkipUnless(Environment.OSVersion.Version >= new Version(6, 9), "needs CLONE_PIDFD for threads (6.9)");

        Finished run = Shell.InNewPidNamespace(
            $"{Tool.Directory}/SetNsLastPid.Tests.Support {profile} $N set 3000 --method cycle -v; /bin/sh -c 'echo $$'").Finish();

        Assert.Equal(["3001"], run.Lines);
        Assert.Matches($"^nslp: set: last_pid is 3000: consumed [0-9]+ PIDs in [0-9.]+ s by {flavour} ", run.Errors);
    }

    // How many tasks there may be, nslp among them.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(20)]
    public void A_pids_cgroup_that_is_full_stops_what_needs_a_process(int most)
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            {{Commands}}
            cg=$(mktemp -d /sys/fs/cgroup/pids/nslp-XXXXXX 2>/dev/null || mktemp -d /sys/fs/cgroup/nslp-XXXXXX) || exit 77
            [ -e $cg/pids.max ] || { rmdir $cg; exit 77; }
            echo {{most}} >$cg/pids.max
            printf '#!/bin/sh\necho $$ >%s/cgroup.procs; exec "$@"\n' $cg >/mnt/limited; chmod +x /mnt/limited
            W=/mnt/limited; limited() { commands; n set 5000 --method cycle; outcome cycle; n verify --runs 2 --seed 1; outcome verify; }
            limited; rmdir $cg
            """).Finish();
        Assert.SkipWhen(run.Status == 77, "needs a cgroup with pids.max");

        Assert.Equal(
            Limited(most == 1
                ? new() { ["spawn"] = "125 nslp: spawn: " + NoHelper("spawn"), ["verify"] = "3 nslp: verify: " + NoHelper("verify") }
                : []),
            run.Lines);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_limit_of_processes_that_is_reached_stops_what_needs_one(int most)
    {
        Machine.NeedsRoot();
        // The limit counts all processes of a user: one that nobody else is.
        int user = Random.Shared.Next(1_000_000, 2_000_000);
        Finished run = Shell.InNewPidNamespace($$"""
            {{Commands}}
            W='setpriv --reuid {{user}} --regid {{user}} --clear-groups --inh-caps=-all --bounding-set=-all prlimit --nproc={{most}}'
            commands; n set 5000 --method cycle; outcome cycle; n verify --runs 2 --seed 1; outcome verify
            """).Finish();

        // Without privilege it is to cycle, which takes tasks.
        const string cannotCycle = "cannot consume PIDs here: ";
        Assert.Equal(
            Limited(new()
            {
                ["set"] = $"1 nslp: set: {cannotCycle}{Again("set")}",
                ["spawn"] = "125 nslp: spawn: " + (most == 1 ? NoHelper("spawn") : cannotCycle + Again("spawn")),
                ["cycle"] = $"1 nslp: set: {cannotCycle}{Again("set")}",
                ["verify"] = most == 1 ? "3 nslp: verify: " + NoHelper("verify") : NoRoom,
            }),
            run.Lines);
    }

    [Theory]
    [InlineData("", "set 3000")]
    [InlineData("--uid 0 --cap-add CAP_CHECKPOINT_RESTORE", "set 3000 --method write")]
    public void In_bubblewrap_it_works(string options, string set)
    {
        Machine.NeedsRoot();
        // With a /proc of its own: over that of the machine something may be mounted, and then nobody else may mount one.
        Finished run = Shell.InNewPidNamespace($$"""
            command -v bwrap >/dev/null || exit 77
            {{(options == "" ? User : "")}} bwrap {{options}} --ro-bind / / --unshare-user --unshare-pid --proc /proc --dev /dev \
                sh -c '$N get && $N {{set}}; sh -c "echo \$\$"; $N spawn 4000 -- sh -c "echo \$\$"'
            """).Finish();

        Assert.SkipWhen(run.Status == 77, "needs bubblewrap");
        Assert.Equal("", run.Errors);
        Assert.Equal(["3001", "4000"], run.Lines[1..]);
    }

    // What crun takes for a container that says nothing: capabilities, masked and read-only paths; with Docker's profile.
    [Fact]
    public void In_a_container_of_crun_it_works()
    {
        Machine.NeedsRoot();
        DirectoryInfo bundle = Directory.CreateTempSubdirectory("nslp-crun-");
        try
        {
            Finished made = Shell.Start($"command -v crun >/dev/null || exit 77; cd {bundle} && mkdir rootfs && crun spec").Finish();
            Assert.SkipWhen(made.Status == 77, "needs crun");
            string file = Path.Combine(bundle.FullName, "config.json");
            JsonNode config = JsonNode.Parse(File.ReadAllText(file))!;
            config["process"]!["terminal"] = false;
            config["process"]!["args"] = new JsonArray(
                "/bin/sh", "-c",
                "N=$0; $N get; $N set 3000 -v; sh -c 'echo $$'; $N spawn 4000 -- sh -c 'echo $$'; $N who 1 | grep -c 'process 1'",
                Tool.Path);
            config["linux"]!["seccomp"] = JsonNode.Parse("""
                {
                    "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [
                        { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 },
                        { "names": ["unshare", "setns", "mount", "bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }
                    ]
                }
                """);
            File.WriteAllText(file, config.ToJsonString());

            // This crun has no mind for cgroups v1 and v2 side by side.
            Finished run = Shell.Start($$"""
                cd {{bundle}}
                unshare -m sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; mount --bind / rootfs &&
                    crun --cgroup-manager=disabled run nslp-{{Environment.ProcessId}}'
                """).Finish();

            Assert.Equal(["3001", "4000", "1"], run.Lines[1..]);
            Assert.Matches(
                "^nslp: set: cannot write ns_last_pid: Read-only file system; cycling\n"
                + $"nslp: set: last_pid is 3000: consumed [0-9]+ PIDs in [0-9.]+ s by {(Environment.ProcessorCount > 1 ? "pidfd-table" : "pidfd-emfile")}-thread-legacy ",
                run.Errors);
        }
        finally
        {
            bundle.Delete(recursive: true);
        }
    }

    private static string Again(string command) =>
        "Resource temporarily unavailable|"
        + $"nslp: {command}: the limit of processes and threads is reached: see pids.max of the cgroup, ulimit -u, pid_max|";

    private const string NoRoom = "3 nslp: verify: cannot make 304 processes: Resource temporarily unavailable|"
        + "nslp: verify: needs a higher RLIMIT_NPROC (ulimit -u), or pids.max of its cgroup|";

    private static string NoHelper(string command) => "cannot clone a helper process: " + Again(command);

    private static string[] Limited(Dictionary<string, string> otherwise)
    {
        Dictionary<string, string> expected = new(s_works)
        {
            ["cycle"] = "0 ",
            ["verify"] = NoRoom,
        };
        return [.. expected.Select(pair => $"{pair.Key}: {otherwise.GetValueOrDefault(pair.Key, pair.Value)}")];
    }
}
