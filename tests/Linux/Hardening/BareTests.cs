using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Where there is nothing but nslp: an empty root directory, an image FROM scratch, few PIDs and open files.</summary>
public sealed class BareTests
{
    // What each command line comes to in a directory with nothing else in it.
    private const string Chroot = """
        mount -t tmpfs none /mnt && mkdir /mnt/root && cp $N /mnt/root/nslp && [ ! -e /mnt/root/proc ]
        n() { timeout 60 chroot /mnt/root /nslp "$@" >/mnt/out 2>/mnt/err; echo "$1: $? $(grep -x 'model and kernel agree' /mnt/out || sed 's/ (.*//' /mnt/out | tail -n 1)$(tr '\n' '|' </mnt/err)"; }
        all() { n get; n set 3000; n spawn 4000 -- /nslp get; n who 1; n predict; n verify --runs 1 --seed 1; n --help; }

        """;

    [Fact]
    public void In_an_empty_root_it_says_in_a_line_or_two_that_it_needs_proc()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");

        Finished run = Shell.InNewPidNamespace(Chroot + "all").Finish();

        const string NoProc = "/proc/sys/kernel/pid_max: No such file or directory|nslp: {0}: needs /proc mounted, with /proc/sys visible and nothing mounted over it|";
        Assert.Equal(
            [
                "get: 1 nslp: get: cannot read last_pid from /proc: No such file or directory|nslp: get: needs /proc mounted, with /proc/sys visible and nothing mounted over it|",
                "set: 1 nslp: set: cannot read " + string.Format(NoProc, "set"),
                // COMMAND is nslp, too.
                "spawn: 1 nslp: get: cannot read last_pid from /proc: No such file or directory"
                    + "|nslp: get: needs /proc mounted, with /proc/sys visible and nothing mounted over it|",
                "who: 3 nslp: who: cannot read /proc of this PID namespace|nslp: who: needs /proc mounted for it|",
                "predict: 1 nslp: predict: cannot read " + string.Format(NoProc, "predict"),
                "verify: 3 nslp: verify: cannot read the last PID: No such file or directory|nslp: verify: needs /proc mounted|",
            ],
            run.Lines[..6]);
        Assert.StartsWith("--help: 0 ", run.Lines[6]);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void In_an_empty_root_with_proc_it_works()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");

        Finished run = Shell.InNewPidNamespace(
            Chroot + "mkdir /mnt/root/proc && mount -t proc none /mnt/root/proc; all").Finish();

        Assert.Matches("^get: 0 [0-9]+$", run.Lines[0]);
        Assert.Equal("set: 0 ", run.Lines[1]);
        Assert.Matches("^spawn: 0 [0-9]+$", run.Lines[2]);
        Assert.Equal("who: 0 1: process 1", run.Lines[3]);
        Assert.Matches("^predict: 0 [0-9]+$", run.Lines[4]);
        Assert.Equal("verify: 0 model and kernel agree", run.Lines[5]);
        Assert.Equal("", run.Errors);
    }

    // | `COMMAND` | PIDs | open files |
    public static TheoryData<string, int, int> Needs
    {
        get
        {
            TheoryData<string, int, int> rows = [];
            foreach (string line in File.ReadLines(Path.Combine(Source.Directory, "doc/containers.md")))
            {
                Match row = Regex.Match(line, @"^\| `([^`]*)` \| ([0-9]+) \| ([0-9]+) \|$");
                if (row.Success)
                {
                    rows.Add(row.Groups[1].Value, int.Parse(row.Groups[2].Value), int.Parse(row.Groups[3].Value));
                }
            }

            return rows;
        }
    }

    private const string Limits = """
        mount -t tmpfs none /mnt
        # with N COMMAND: works, or says in at most two lines why not.
        judge() { s=$?; [ $s = 124 ] && [ $serves ] && s=0
            if [ $s = 0 ]; then echo works; elif grep -c . /mnt/err | grep -qx '[12]' && ! grep -v '^nslp: ' /mnt/err; then echo says; else echo "$s: $(cat /mnt/err)"; fi; }
        from() { echo 100 >/proc/sys/kernel/ns_last_pid; rm -f /mnt/s; }

        """;

    private static string Serves(string command) => command.StartsWith("serve", StringComparison.Ordinal) ? "1" : "";

    [Theory]
    [MemberData(nameof(Needs))]
    public void With_so_many_PIDs_it_works_and_with_fewer_it_works_or_says_so(string command, int pids, int files)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");
        Assert.True(files > 0);
        Finished run = Shell.InNewPidNamespace(Limits + $$"""
            cg=$(mktemp -d /sys/fs/cgroup/pids/nslp-XXXXXX 2>/dev/null || mktemp -d /sys/fs/cgroup/nslp-XXXXXX) || exit 77
            [ -e $cg/pids.max ] || { rmdir $cg; exit 77; }
            printf '#!/bin/sh\necho $$ >%s/cgroup.procs; exec "$@"\n' $cg >/mnt/limited; chmod +x /mnt/limited
            serves={{Serves(command)}}
            for n in $(seq {{pids}}); do
                from; echo $n >$cg/pids.max
                timeout {{(Serves(command) == "" ? 120 : 1)}} /mnt/limited $N {{command}} >/mnt/out 2>/mnt/err; judge
            done
            rmdir $cg
            """).Finish();
        Assert.SkipWhen(run.Status == 77, "needs a cgroup with pids.max");

        Assert.Equal("works", run.Lines[^1]);
        Assert.Equal(pids, run.Lines.Length);
        Assert.All(run.Lines, line => Assert.True(line is "works" or "says", line));
    }

    [Theory]
    [MemberData(nameof(Needs))]
    public void With_so_many_open_files_it_works_and_with_fewer_it_works_or_says_so(string command, int pids, int files)
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");
        Assert.True(pids > 0);
        Finished run = Shell.InNewPidNamespace(Limits + $$"""
            serves={{Serves(command)}}
            # With none at all, too: stdin, stdout and stderr are open already.
            for n in $(seq 0 {{files}}); do
                from
                timeout {{(Serves(command) == "" ? 120 : 1)}} prlimit --nofile=$n:$n $N {{command}} >/mnt/out 2>/mnt/err; judge
            done
            """).Finish();

        Assert.Equal("works", run.Lines[^1]);
        Assert.Equal(files + 1, run.Lines.Length);
        Assert.All(run.Lines, line => Assert.True(line is "works" or "says", line));
    }
}
