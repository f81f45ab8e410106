using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Something that is not the kernel's in the place of files of /proc.</summary>
public sealed class ForeignProcTests
{
    // Not even a good number counts.
    private const string Make = """
        mount -t tmpfs none /mnt; echo 20000 >/mnt/file; mkfifo /mnt/fifo; : >/mnt/empty
        try() { timeout 100 "$@"; s=$?; [ $s != 124 ] || echo "hangs: $*"; return $s; }

        """;

    public static TheoryData<string> Things => ["/mnt/file", "/mnt/fifo", "/mnt/empty", "/dev/zero"];

    [Theory]
    [MemberData(nameof(Things))]
    public void Over_ns_last_pid_it_is_not_read_or_written_but_cycled_around(string thing)
    {
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        string script = Make + $"""
            mount --bind {thing} /proc/sys/kernel/ns_last_pid
            for m in auto cycle; do try $N set 700 --method $m; sh -c 'echo $$'; done
            try $N spawn 900 --method cycle -- sh -c 'echo $$'
            try $N get | grep -cx '9[0-9][0-9]'; try $N predict 2 | grep -c '^9[0-9][0-9]$'
            try $N set 700 --method write; echo $?
            try $N spawn 900 --method write --timeout 60 -- true; echo $?
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        Assert.Equal(["701", "701", "900", "1", "2", "1", "125"], run.Lines);
        Assert.Contains("nslp: spawn: cannot open ns_last_pid: No such file or directory\n", run.Errors);
        Assert.StartsWith("nslp: set: cannot open ns_last_pid: No such file or directory\n", run.Errors);
    }

    [Theory]
    [MemberData(nameof(Things))]
    public void Over_pid_max_it_is_not_read(string thing)
    {
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        string script = Make + $"""
            mount --bind {thing} /proc/sys/kernel/pid_max
            for c in 'set 700' 'set 700 --method cycle' predict map; do try $N $c; echo $?; done
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        Assert.Equal(["1", "1", "1", "1"], run.Lines);
        Assert.All(run.Errors.Split('\n').Where(line => line.Contains("cannot")), line => Assert.EndsWith(": No such file or directory", line));
        Assert.Equal(4, run.Errors.Split("nothing mounted over it\n").Length - 1);
    }

    [Theory]
    [MemberData(nameof(Things))]
    public void Over_what_tells_of_processes_it_is_not_waited_for(string thing)
    {
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        string script = Make + $"""
            sleep 100 & P=$!
            for f in status stat cmdline; do mount --bind {thing} /proc/$P/$f; done
            for c in "who $P" 'who 1' predict 'map --json' 'set 700 --method cycle' doctor; do try $N $c >/dev/null 2>&1; echo $?; done
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        Assert.Equal(["0", "0", "0", "0", "0", "0"], run.Lines);
    }

    [Theory]
    [MemberData(nameof(Things))]
    public void In_a_proc_of_such_things_nothing_is_there(string thing)
    {
        Assert.SkipUnless(Tool.IsNative, "the runtime of the JIT needs /proc");
        Machine.NeedsRoot();
        Machine.NeedsPidNamespace();
        string script = Make + $"""
            mount -t tmpfs none /proc; mkdir -p /proc/self/ns /proc/self/attr /proc/1 /proc/sys/kernel /proc/sys/user
            # Not self/maps, which libc reads before there is a nslp.
            for f in self/cmdline self/status self/environ self/cgroup self/attr/current 1/stat 1/status loadavg \
                sys/kernel/ns_last_pid sys/kernel/pid_max sys/user/max_pid_namespaces
            do : >/proc/$f; mount --bind {thing} /proc/$f; done
            for c in get 'set 700' predict 'who 1' map doctor; do try $N $c >/dev/null; echo $?; done
            """;

        Finished run = Shell.InNewPidNamespace(script).Finish();

        Assert.Equal(["1", "1", "1", "3", "1"], run.Lines[..5]);
        Assert.Contains(run.Lines[5], (string[])["0", "1"]);
        Assert.DoesNotContain("bug", run.Errors);
    }
}
