using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The scripts of doc/recipes.md, each in a PID namespace of its own: status 0 when what it says is so, 77 where
/// something is not there that it needs.</summary>
public sealed class RecipeTests
{
    private static readonly string s_directory = Path.Combine(Source.Directory, "tests/Recipes");

    [Theory]
    [InlineData("clients", "asked by nslp shell.*")]
    [InlineData("socket-activation", "activated by the first request")]
    [InlineData("reuse", "by the number alone it runs\nby its name it does not")]
    [InlineData("reuse.py $N", "the pidfd is still that of the first", "python3 ")]
    [InlineData("keep-free", "restored as 7042")]
    public void A_recipe_does_what_it_says(string script, string output, string before = "")
    {
        Machine.NeedsRoot();
        Assert.SkipWhen(Shell.Start($"command -v {before}true").Finish().Status != 0, $"needs {before}");

        Finished run = Shell.InNewPidNamespace($"{before}{s_directory}/{script}").Finish();
        Assert.SkipWhen(run.Status == 77, run.Output);

        // On a busy machine reserve may run too late, and says so.
        Assert.Matches("^((Terminated|nslp: reserve: nslp ran [0-9]+ ms too late: .*)\n)*$", run.Errors);
        Assert.Matches($"^{output}\n$", run.Output);
        Assert.Equal(0, run.Status);
    }

    [Fact]
    public void The_page_names_every_recipe_and_no_other()
    {
        string page = File.ReadAllText(Path.Combine(Source.Directory, "doc/recipes.md"));

        Assert.Equal(
            Directory.GetFiles(s_directory).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal),
            Regex.Matches(page, @"\.\./tests/Recipes/([^)]+)").Select(match => match.Groups[1].Value).Distinct().Order(StringComparer.Ordinal));
    }
}
