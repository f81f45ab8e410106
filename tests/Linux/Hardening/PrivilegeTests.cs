using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What doc/security.md says.</summary>
public sealed class PrivilegeTests
{
    private const string User = "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all";

    private const string Ambient =
        "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+checkpoint_restore --ambient-caps=-all,+checkpoint_restore"
        + " --bounding-set=-all,+checkpoint_restore";

    // A copy on a file system of its own, as capabilities stay with a file.
    private static readonly string s_capable =
        $"mount -t tmpfs none /mnt && chmod 1777 /mnt && cp {Tool.Path} /mnt/nslp && chmod 755 /mnt/nslp"
        + " && setcap cap_checkpoint_restore+ep /mnt/nslp || exit 77\n";

    [Fact]
    public void No_variable_of_the_caller_changes_what_a_file_capability_does()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");
        string script = Path.Combine(Source.Directory, "tests/Linux/Hardening/privilege.sh");

        Finished run = Shell.Start($"bash {script} {Tool.Path}").Finish();

        Assert.SkipWhen(run.Status == 77, "needs setcap and strace");
        Dictionary<string, string> outcomes = run.Lines.Select(line => line.Split(": ", 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        Assert.True(outcomes.Remove("A", out string? nothing) && nothing == "ignored, ignored", nothing);
        // | of whom | `VARIABLE`, `VARIABLE` |
        string[] claimed = [.. File.ReadLines(Path.Combine(Source.Directory, "doc/security.md"))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal))
            .SelectMany(line => Regex.Matches(line, "`([A-Za-z0-9_]+)`").Select(match => match.Groups[1].Value))];
        Assert.Equal(claimed.Order(StringComparer.Ordinal), outcomes.Keys.Order(StringComparer.Ordinal));
        Assert.All(outcomes, outcome => Assert.StartsWith("ignored, ", outcome.Value));
        // What shows that it would be seen: without a capability glibc does obey.
        Assert.Equal("ignored, obeyed", outcomes["GLIBC_TUNABLES"]);
    }

    [Fact]
    public void By_a_file_capability_a_user_writes_clones_and_serves()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            {{s_capable}}
            {{User}} /mnt/nslp set 4000 --method write; /bin/sh -c 'echo $$'
            {{User}} /mnt/nslp spawn 5000 --method clone3 -- /bin/sh -c 'echo $$'
            : >/mnt/log; {{User}} /mnt/nslp serve /mnt/s --method write 2>/mnt/log & P=$!; wait_for 'grep -q listening /mnt/log'
            {{User}} $N set 6000 --server /mnt/s; /bin/sh -c 'echo $$'
            {{User}} cat /proc/$P/environ 2>/dev/null || echo 'not even its environment'
            kill $P; wait $P; echo $?
            """).Finish();

        Assert.SkipWhen(run.Status == 77, "needs setcap");
        Assert.Equal(["4001", "5000", "6001", "not even its environment", "0"], run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void A_file_capability_ends_with_nslp_and_an_ambient_one_does_not()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            {{s_capable}}
            for call in 'spawn 4000 --method clone3' 'spawn 4000 --method write' 'spawn 4000 --method cycle' 'reserve 4000-4099'; do
                {{User}} /mnt/nslp $call -- grep -c '^Cap[IPEA].*:.0000000000000000$' /proc/self/status
            done
            {{Ambient}} $N spawn 5000 -- grep CapEff /proc/self/status
            """).Finish();

        Assert.SkipWhen(run.Status == 77, "needs setcap");
        // Inheritable, permitted, effective, ambient.
        Assert.Equal(["4", "4", "4", "4", "CapEff:\t0000010000000000"], run.Lines);
    }

    [Fact]
    public void An_ambient_capability_is_enough_to_write()
    {
        Machine.NeedsRoot();

        Finished run = Shell.InNewPidNamespace($"{Ambient} $N set 4000 --method write; /bin/sh -c 'echo $$'").Finish();

        Assert.Equal(["4001"], run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void The_capability_opens_no_other_PID_namespace_to_its_caller()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            {{s_capable}}
            unshare -pf --kill-child sleep 60 & wait_for 'pgrep -x sleep >/mnt/pid'
            {{User}} /mnt/nslp set 4000 --target $(cat /mnt/pid); echo $?
            {{User}} /mnt/nslp spawn 4000 --target $(cat /mnt/pid) -- true; echo $?
            """).Finish();

        Assert.SkipWhen(run.Status == 77, "needs setcap");
        Assert.Equal(["1", "125"], run.Lines);
        Assert.Matches(
            "^nslp: set: cannot enter the PID namespace of process [0-9]+: (Permission denied|Operation not permitted)\n"
            + "nslp: spawn: cannot enter the PID namespace of process [0-9]+: (Permission denied|Operation not permitted)\n$",
            run.Errors);
    }

    [Fact]
    public void A_server_of_the_callers_gets_a_number_and_the_callers_credentials()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            {{s_capable}}
            {{User}} {{Tool.Directory}}/SetNsLastPid.Tests.Support mute /mnt/s >/mnt/log & wait_for 'grep -q bound /mnt/log'
            {{User}} strace -f -o /mnt/trace -e trace=network $N set 4000 --server /mnt/s --timeout 0.5; echo $?
            grep -c 'send' /mnt/trace; grep 'send' /mnt/trace | grep -c '"\\240\\17\\0\\0", 4,'; grep -c SCM_ /mnt/trace
            """).Finish();

        Assert.SkipWhen(run.Status == 77, "needs setcap");
        Assert.Equal(["1", "1", "1", "0"], run.Lines);
    }

    [Theory]
    [InlineData("get")]
    [InlineData("set 4000")]
    [InlineData("spawn 4000 -- /bin/true")]
    [InlineData("reserve 4000-4099 -- /bin/true")]
    [InlineData("preflight /mnt")]
    [InlineData("who 1")]
    [InlineData("predict")]
    [InlineData("doctor")]
    public void No_file_is_made_by_a_name_that_may_be_a_link(string call)
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            mount -t tmpfs none /mnt && cd /mnt && mkdir t
            TMPDIR=/mnt/t strace -f -o /mnt/trace -e trace=open,openat,creat,rename,link,linkat,symlink,symlinkat,truncate $N {{call}} >/mnt/out
            grep -c . /mnt/trace; grep -E 'O_CREAT|O_TRUNC|^[0-9]+ +(creat|rename|link|symlink|truncate)' /mnt/trace; ls -A /mnt/t
            """).Finish();

        Assert.Single(run.Lines);
        Assert.NotEqual("0", run.Lines[0]);
    }

    [Fact]
    public void A_replay_file_is_not_written_through_a_link()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace($$"""
            mount -t tmpfs none /mnt && cd /mnt
            {{Tool.Directory}}/SetNsLastPid.Tests.Support verify >/mnt/first; f=$(ls | grep replay); rm $f
            echo precious >there; for to in there nowhere; do
                ln -s $to $f; {{Tool.Directory}}/SetNsLastPid.Tests.Support verify >/mnt/second; cat $to; readlink $f; rm -f *.replay
                grep -c "replay ${f%.replay}-2.replay" /mnt/second
            done
            """).Finish();

        Assert.Equal(["precious", "there", "1", "nowhere", "1"], run.Lines);
    }
}
