using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>
/// What is generated from the grammar of the command line. <c>NSLP_WRITE=1 dotnet test --project tests/Linux
/// --filter-class '*DocumentTests'</c> writes the files anew.
/// </summary>
public sealed class DocumentTests
{
    private static readonly string s_contrib = Path.Combine(Source.Directory, "contrib");

    public static TheoryData<string> Commands => [.. Grammar.pages().Select(page => page.Name)];

    public static TheoryData<string> Manuals => ["nslp.1", "set_ns_last_pid.1"];

    [Theory]
    [InlineData("nslp.bash", ShellKind.Bash)]
    [InlineData("_nslp", ShellKind.Zsh)]
    [InlineData("nslp.fish", ShellKind.Fish)]
    public void The_completions_that_are_kept_are_those_that_it_prints(string file, ShellKind shell) =>
        Holds(Path.Combine("completions", file), SetNsLastPid.Commands.Completion.Script(shell));

    [Fact]
    public void The_man_page_is_made_of_its_template_and_the_grammar() =>
        Holds("man/nslp.1", ManPage.fill(File.ReadAllText(Path.Combine(s_contrib, "man/nslp.1.in"))));

    [Fact]
    public void The_reference_has_the_exit_statuses_of_the_man_page()
    {
        string path = Path.Combine(Source.Directory, "doc/reference.md");
        string table = string.Concat(ManPage.exitStatuses.Select(row => $"| {row.Item1} | {row.Item2} |\n"));
        string text = File.ReadAllText(path);

        Holds(path, Regex.Replace(text, @"(?<=\n\| status \| meaning \|\n\|---\|---\|\n)(\|.*\n)*", table.Replace("$", "$$")));
        Assert.Contains("|---|---|\n| 0 | ", text);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void The_man_page_has_every_command(string command) =>
        Assert.Contains($"\n.\\\" COMMAND {command}\n", File.ReadAllText(Path.Combine(s_contrib, "man/nslp.1.in")));

    [Theory]
    [MemberData(nameof(Manuals))]
    public void Those_who_format_manuals_have_nothing_to_complain_of(string page)
    {
        string path = Path.Combine(s_contrib, "man", page);

        foreach (string command in (string[])[$"mandoc -Tlint '{path}'", $"man --warnings -l '{path}' 2>&1 >/dev/null"])
        {
            Finished run = Shell.Start(command).Finish();
            Assert.SkipWhen(run.Status == 127, "no mandoc, or no man");
            Assert.Equal((0, "", ""), (run.Status, run.Output, run.Errors));
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Help_fits_in_80_columns_and_has_an_example(string command)
    {
        string help = Help(command, "--help");

        Assert.All(help.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.StartsWith($"USAGE: nslp {command} ", help);
        Assert.Contains("\nEXAMPLE:\n\n    ", help);
        Assert.Equal(help, Help(command, "-h"));
        Assert.Equal(help, Help("help", command));
    }

    [Fact]
    public void The_list_of_commands_fits_in_80_columns()
    {
        string help = Help("--help");

        Assert.All(help.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.All(Commands, row => Assert.Contains($"\n    {row.Data} ", help));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void An_example_is_a_command_line_that_is_understood(string command)
    {
        Page page = Grammar.pages().Single(page => page.Name == command);
        Match example = Regex.Match(page.Example, $@"nslp {command}[^&#)]*");

        string[] argv = example.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..];

        Assert.Equal(command, argv[0]);
        Assert.IsNotType<Command.Wrong>(CommandLine.parse(argv));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Values_that_help_lists_are_values_that_are_taken(string command)
    {
        foreach (Argument argument in Grammar.pages().Single(page => page.Name == command).Arguments)
        {
            foreach (string value in argument.Choices)
            {
                string[] option = argument.Names.IsEmpty ? [value] : [argument.Names.Head, value];
                string[] rest = command switch { "set" => ["1"], "preflight" => ["images"], "spawn" => ["1", "--", "true"], _ => [] };
                Assert.IsNotType<Command.Wrong>(CommandLine.parse([command, .. option, .. rest]));
            }
        }
    }

    private static string Help(params string[] argv) => Assert.IsType<Command.Help>(CommandLine.parse(argv)).Text;

    private static void Holds(string file, string text)
    {
        string path = Path.Combine(s_contrib, file);
        if (Environment.GetEnvironmentVariable("NSLP_WRITE") is { Length: > 0 })
        {
            File.WriteAllText(path, text);
        }

        Assert.True(
            File.Exists(path) && File.ReadAllText(path) == text,
            $"contrib/{file} is not up to date: NSLP_WRITE=1 dotnet test --project tests/Linux --filter-class '*DocumentTests'");
    }
}
