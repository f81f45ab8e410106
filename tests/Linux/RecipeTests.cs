using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The scripts of doc/recipes.md, each in a PID namespace of its own: status 0 when what it says is so, 77 where
/// something is not there that it needs. tests/Kernels/criu runs the one that restores.</summary>
[Collection("podman")]
public sealed class RecipeTests : IDisposable
{
    private static readonly string s_directory = Path.Combine(Source.Directory, "tests/Recipes");
    private static readonly string s_page = File.ReadAllText(Path.Combine(Source.Directory, "doc/recipes.md"));

    private readonly string _temporary = Directory.CreateTempSubdirectory("nslp-recipe-").FullName;

    // With the namespace all processes and mounts of a script are gone; here go the files of one that was cut off.
    public void Dispose() => Directory.Delete(_temporary, recursive: true);

    [Theory]
    [InlineData("Serve/clients", "asked by nslp shell.*")]
    [InlineData("Serve/socket-activation", "activated by the first request")]
    [InlineData("Reuse/reuse", "by the number alone it runs\nby its name it does not")]
    [InlineData("Reuse/reuse.py $N", "the pidfd is still that of the first", "python3 ")]
    [InlineData("Reuse/workflow", "by the number alone it runs\nby its name it does not")]
    [InlineData("Restore/keep-free", "restored as 7042")]
    [InlineData("Restore/minimum-pid", "((java|python3) and all it makes are from 1000 on\n){2}set_ns_last_pid is nslp")]
    [InlineData("Restore/hosts", "(by (ssh|kubectl)\nanna: can\nberta: 5003 held by sleep 1000\ncarla: .*5003 criu.*\n"
        + "dora: cannot read /proc/sys/kernel/pid_max: .*\nemil: no answer\n?){2}")]
    [InlineData("Containers/entry-point", "nslp is PID 1, CMD is PID 1000\nstopped with status 143\n"
        + "another command is PID 1000\nand ends with status 7\na child is PID 1001")]
    [InlineData("Containers/pods", "exact: PID 1000 by clone3\nunprivileged: PID 1000 by pidfd\na node: ok is true, 2 processes")]
    public void A_recipe_does_what_it_says(string script, string output, string before = "")
    {
        Assert.Matches($"^{output}\n$", Run(script, before));
    }

    [Fact]
    public void The_flags_of_a_container_do_what_the_table_says()
    {
        string table = Run("Containers/flags");

        Assert.Equal(Regex.Match(s_page, @"(?m)^\| flags.*\n(\|.*\n)+").Value, table);
    }

    [Fact]
    public void The_page_names_every_recipe_and_no_other()
    {
        Assert.Equal(
            Directory.GetFiles(s_directory, "*", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(s_directory, file)).Order(StringComparer.Ordinal),
            Regex.Matches(s_page, @"\.\./tests/Recipes/([^)]+)").Select(match => match.Groups[1].Value).Distinct().Order(StringComparer.Ordinal));
    }

    private string Run(string script, string before = "")
    {
        Machine.NeedsRoot();
        Assert.SkipWhen(Shell.Start($"command -v {before}true").Finish().Status != 0, $"needs {before}");
        Assert.SkipUnless(Tool.IsNative || !script.StartsWith("Containers", StringComparison.Ordinal), "needs the native file");

        Finished run = Shell.InNewPidNamespace($"export TMPDIR={_temporary}\n{before}{s_directory}/{script}").Finish();
        Assert.SkipWhen(run.Status == 77, run.Output);

        // On a busy machine reserve may run too late, and says so.
        Assert.Matches("^((Terminated|nslp: reserve: (nslp ran [0-9]+ ms too late: .*|and (once more|[0-9]+ more times)))\n)*$", run.Errors);
        Assert.True(run.Status == 0, $"status {run.Status}: {run.Output}");
        return run.Output;
    }
}
