using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What a start of the native nslp takes besides time.</summary>
public sealed class StartTests
{
    [Theory]
    [InlineData("get")]
    [InlineData("--version")]
    [InlineData("set 5000 --json")]
    [InlineData("predict 3")]
    [InlineData("map")]
    [InlineData("no-command")]
    public void It_is_one_thread_that_leaves_no_file(string arguments)
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Shell.Start("strace -V").Finish().Status == 0, "needs strace");

        Finished run = Shell.InNewPidNamespace(
            $"strace -f -e trace=execve,clone,clone3,fork,vfork,openat,socket,pipe2,memfd_create -o /dev/stdout $N {arguments} 2>/dev/null "
            + "| grep -E 'execve|clone|fork|O_CREAT|socket|pipe|memfd'").Finish();

        Assert.Contains(" execve(", Assert.Single(run.Lines));
    }

    [Fact]
    public void It_takes_one_PID()
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace("read -r a </proc/sys/kernel/ns_last_pid; $N get").Finish();

        Assert.Equal(["2"], run.Lines);
    }

    [Theory]
    [InlineData("DOTNET_GCHeapHardLimit=1")]
    [InlineData("DOTNET_gcServer=1")]
    public void The_runtimes_variables_do_nothing(string variable)
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace($"env {variable} $N get").Finish();

        Assert.Equal((0, "2\n", ""), (run.Status, run.Output, run.Errors));
    }

    [Fact]
    public void SIGPIPE_ends_it_as_it_ends_others()
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");

        Finished run = Shell.Start($"env --default-signal=PIPE bash -c '{Tool.Path} predict 100000 | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}'").Finish();

        Assert.Equal((0, "141\n", ""), (run.Status, run.Output, run.Errors));
    }

    /// <summary>F# makes an interpolated string by printf where it has more than four parts, or one that is no string: slowly,
    /// and by reflection.</summary>
    [Fact]
    public void No_text_is_made_by_printf()
    {
        using PEReader file = new(File.OpenRead(typeof(Words).Assembly.Location));
        MetadataReader reader = file.GetMetadataReader();

        Assert.DoesNotContain(
            reader.TypeReferences.Select(type => reader.GetString(reader.GetTypeReference(type).Name)),
            name => name.StartsWith("Printf", StringComparison.Ordinal));
    }
}
