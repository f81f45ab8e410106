using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What the pages say can be typed, typed.</summary>
public sealed class PageTests : IDisposable
{
    // Each block and each line in PID, mount and network namespaces of its own, with what the pages take for granted.
    private const string Prepare = """
        mount -t tmpfs none /run; mount -t tmpfs none /mnt; cd /mnt; mkdir bin; PATH=/mnt/bin:$PATH; ln -s $N bin/nslp; cp -r $C/plain images
        for p in bin/PROGRAM bin/COMMAND bin/criu bin/java bin/server test.sh test; do printf '#!/bin/sh\n' >$p; chmod +x $p; done
        old=4100; unshare -Upf --mount-proc sleep 1000 & wait_for '[ -n "$(cat /proc/$!/task/$!/children)" ]'
        process=$(cat /proc/$!/task/$!/children); nslp spawn 4244 --detach -- sleep 1000 >/dev/null

        """;

    private static readonly string[] s_pages =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", .. Directory.GetFiles(Path.Combine(Source.Directory, "doc"), "*.md").Select(file => "doc/" + Path.GetFileName(file))];

    private static readonly string s_recipes = string.Join('\n', Directory
        .GetFiles(Path.Combine(Source.Directory, "tests/Recipes"), "*", SearchOption.AllDirectories).Select(file => Trimmed(File.ReadAllText(file))));

    private readonly string _scripts = Directory.CreateTempSubdirectory("nslp-page-").FullName;

    public static TheoryData<string> Pages => [.. s_pages];

    public static TheoryData<string> Blocks => [.. Runnable("README.md"), .. Runnable("doc/recipes.md")];

    public static TheoryData<string> Lines => [.. Regex.Matches(Text("README.md"), "`(nslp [a-z]+ [^`]+|nslp (get|doctor|verify|bench))`").Select(line => line.Groups[1].Value).Distinct()];

    public void Dispose() => Directory.Delete(_scripts, recursive: true);

    [Theory]
    [MemberData(nameof(Blocks))]
    public void A_block_of_commands_does_what_it_shows(string block)
    {
        string[] lines = [.. block.Split('\n')];
        bool hasOutput = lines[0].StartsWith("$ ");
        string script = string.Join('\n', lines.Where(line => !hasOutput || line.StartsWith("$ ")).Select(line => hasOutput ? line[2..] : line));

        Finished run = Run("set -e\n" + script.Replace("artifacts/bin/Cli/debug/", "").Replace("wait $old", "wait $old || :"));

        Assert.True(run.Status == 0, run.Output + run.Errors);
        string[] shown = [.. lines.Where(line => hasOutput && !line.StartsWith("$ "))];
        Assert.Equal(shown.Select(WithoutTime), run.Lines.Take(hasOutput ? int.MaxValue : 0).Select(WithoutTime));

        static string WithoutTime(string line) => Regex.Replace(line, "[0-9]{4}-[0-9-]{5} [0-9:]{8}Z", "TIME");
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public void A_command_line_of_the_README_is_right(string line)
    {
        (string Word, string Value)[] values =
            [("who PID...", "who 1"), ("[PID]", "4242"), ("PID", "4242"), ("[N]", "3"), (" N ", " 4242 "), ("FIRST-LAST", "5000-5005"), ("IMAGES", "images"), ("SOCKET", "/run/s"), ("SHELL", "bash"), (" …", "")];
        string typed = values.Aggregate(line, (text, value) => text.Replace(value.Word, value.Value));

        // Those that go on until they are stopped, or take long, are stopped.
        Finished run = Run($"timeout 3 {typed.Replace("nslp COMMAND", "nslp set")}");

        Assert.True(run.Status is 0 or 124, $"{typed}: {run.Status} {run.Output}{run.Errors}");
        Assert.DoesNotContain("Try 'nslp ", run.Errors);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void A_page_is_short_says_its_purpose_first_and_links_to_what_is_there(string page)
    {
        string[] lines = Text(page).TrimEnd('\n').Split('\n');

        Assert.InRange(lines.Length, 1, 200);
        Assert.Matches("^# .", lines[0]);
        Assert.Matches("^[A-Z`n]", lines[2]);
        Assert.All(
            Regex.Matches(Text(page), @"\]\(([^)#:]+)(#[^)]*)?\)").Select(link => link.Groups[1].Value),
            link => Assert.True(Path.Exists(Path.Combine(Source.Directory, Path.GetDirectoryName(page)!, link)), link));
    }

    [Fact]
    public void What_is_no_command_of_nslp_stands_in_a_recipe()
    {
        Assert.All(Indented("doc/recipes.md").Where(block => !block.Contains("nslp ")), block => Assert.Contains(Trimmed(block), s_recipes));
    }

    private static string Text(string page) => File.ReadAllText(Path.Combine(Source.Directory, page));

    // What is of a shell and of nslp; the commands that build it are the gate's, and a recipe runs what stands in it.
    private static IEnumerable<string> Runnable(string page) => Indented(page)
        .Where(block => block.Contains("nslp ") && !block.StartsWith("dotnet") && !s_recipes.Contains(Trimmed(block)));

    private static IEnumerable<string> Indented(string page) => Regex.Matches(Text(page), @"(?<=\n\n)((    .*)?\n)+")
        .Select(block => Regex.Replace(block.Value, "(?m)^    ", "").Trim('\n')).Where(block => block != "");

    // Without indentation.
    private static string Trimmed(string text) => Regex.Replace(text, "(?m)^ +", "");

    private Finished Run(string script)
    {
        Machine.NeedsRoot();
        string file = Path.Combine(_scripts, "script");
        File.WriteAllText(file, script.Replace("PROCESS", "$process").Replace("\n$ ", "\n"));
        return Shell.InNewPidNamespace(
            $"C='{AppContext.BaseDirectory}Checkpoints'\n{Prepare}\nexport old process; unset COLORTERM; timeout 100 sh {file}; s=$?; kill -9 -1; exit $s").Finish();
    }
}
