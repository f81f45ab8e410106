using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What a start of nslp costs besides time.</summary>
public sealed class StartTests
{
    [Theory]
    [InlineData("get")]
    [InlineData("--version")]
    [InlineData("set 5000")]
    [InlineData("set 5000 --method cycle")]
    [InlineData("set 5000 --method cycle --flavour pidfd-emfile-thread")]
    [InlineData("set 5000 --method cycle --flavour pidfd-table-thread-legacy")]
    [InlineData("set 99999999")]
    [InlineData("spawn 5000 -- true")]
    [InlineData("who 1")]
    [InlineData("no-command")]
    public void Nothing_is_left_in_the_temporary_directory(string arguments)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            $"D=$(mktemp -d); mkdir $D/tmp; TMPDIR=$D/tmp $N {arguments} >/dev/null 2>&1; ls $D/tmp; rm -r $D").Finish();

        Assert.Equal((0, "", ""), (run.Status, run.Output, run.Errors));
    }

    [Theory]
    [InlineData("get")]
    [InlineData("--version")]
    [InlineData("set 5000")]
    [InlineData("set 5000 --method=write --json -v")]
    [InlineData("set 5000 --method cycle --timeout 10 --flavour cgroup-thread")]
    [InlineData("set 5000 --method cycle --flavour pidfd-table-thread-legacy")]
    public void The_usual_calls_load_no_parser_and_no_JSON(string arguments)
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Shell.Start("strace -V").Finish().Status == 0, "needs strace");

        Finished run = Shell.InNewPidNamespace(
            $"strace -f -e trace=openat -o /dev/stdout $N {arguments} 2>/dev/null | grep -o '[^/\"]*\\.dll\", O_RDONLY) = [0-9]' | cut -d'\"' -f1").Finish();

        Assert.Contains("nslp.dll", run.Lines);
        Assert.DoesNotContain(
            run.Lines,
            line => line is "Argu.dll" or "FsCheck.dll" or "Spectre.Console.dll" or "System.Text.Json.dll" or "System.Linq.dll"
                or "System.Console.dll");
    }
}
