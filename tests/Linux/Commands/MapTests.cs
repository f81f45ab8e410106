using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using SetNsLastPid.Commands;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>nslp map as a user runs it.</summary>
public sealed class MapTests : IDisposable
{
    private const string Leave = "\e[?25h\e[?1049l";

    // In the background, until it (and not the shell's child before) handles SIGTSTP and has had time to draw.
    private const string Watch =
        """
        $N map --watch &
        until grep -q nslp /proc/$!/comm && [ $((0x$(sed -n 's/^SigCgt:.//p' /proc/$!/status) & 0x80000)) != 0 ]
        do sleep 0.1; done; sleep 1

        """;

    private const int LC_CTYPE = 0;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("nslp-map-");

    public void Dispose() => _directory.Delete(recursive: true);

    /// <summary>Taking too many for some symbols does no harm.</summary>
    [Fact]
    public void No_character_takes_more_columns_than_are_counted()
    {
        Assert.SkipWhen(setlocale(LC_CTYPE, "C.UTF-8") == 0, "needs the locale C.UTF-8");
        int wide = 0, less = 0;
        for (int i = 0; i <= 0x10ffff; i++)
        {
            if (Rune.IsValid(i) && Printable.From(new Rune(i).ToString()) != "?" && wcwidth(i) is >= 0 and var columns)
            {
                int counted = TextWidth.Of(new Rune(i));
                Assert.True(counted >= columns, $"U+{i:X4} takes {columns}");
                wide += columns == 2 ? 1 : 0;
                less += counted > columns ? 1 : 0;
            }
        }

        Assert.InRange(wide, 80_000, 300_000);
        Assert.InRange(less, 0, 3_000);
    }

    [Theory]
    [InlineData("数字", 3, "数")]
    [InlineData("数字", 4, "数字")]
    [InlineData("e\u0301e\u0301e", 2, "e\u0301e\u0301")]
    [InlineData("\U0001f600a", 2, "\U0001f600")]
    [InlineData("\e[33m数字\e[0m", 3, "\e[33m数\e[0m")]
    public void A_line_is_cut_at_the_last_column(string line, int columns, string cut) =>
        Assert.Equal(cut, new Look(true, true, line.Contains('\e'), columns, 24).Cut(line));


    [Theory]
    [InlineData(80, "7: process 7 (sleep 1000 2000 3000), user root")]
    [InlineData(40, "7: process 7 (sleep 1000 …), user root")]
    [InlineData(39, "7: process 7 (sleep 1000 …), user root")]
    [InlineData(20, "7: process 7 (sleep …), user root")]
    public void A_command_line_is_cut_after_a_word(int columns, string cut)
    {
        const string whole = "7: process 7 (sleep 1000 2000 3000), user root";

        Assert.Equal(cut, new Look(true, true, false, columns, 24).Fit(whole, "sleep 1000 2000 3000"));
        Assert.Equal(whole, new Look(false, true, false, columns, 24).Fit(whole, "sleep 1000 2000 3000"));
        Assert.Equal(whole, new Look(true, true, false, columns, 24).Fit(whole, "sleep"));
    }

    [Fact]
    public void Threads_groups_and_sessions_are_in_the_picture_and_the_cursor_is()
    {
        Machine.NeedsPidNamespace();
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");
        Assert.SkipUnless(Shell.Start("perl -e1").Finish().Status == 0, "needs perl");

        // 310 is a group and 320 a session whose leaders are gone.
        Finished run = Shell.InNewPidNamespace(
            """
            echo 309 >/proc/sys/kernel/ns_last_pid; perl -MPOSIX -e 'setpgid(0, 0); fork ? _exit(0) : sleep 300'
            echo 319 >/proc/sys/kernel/ns_last_pid; perl -MPOSIX -e 'setsid(); fork ? _exit(0) : (setpgid(0, 0), sleep 300)'
            echo 499 >/proc/sys/kernel/ns_last_pid
            $N map --json 400
            """,
            pidMax: 1000).Finish();

        Assert.Equal((0, ""), (run.Status, run.Errors));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement map = json.RootElement;
        Assert.Equal((1000, 1), (Number(map, "pid_max"), Number(map, "block_size")));
        int[] held = [.. map.GetProperty("blocks").EnumerateArray().Select(block => Number(block, "first"))];
        Assert.Equal([1, 310, 311, 320, 321], held);
        Assert.Equal(held.Length, Number(map, "in_use"));
        Assert.Equal(Number(map, "last_pid") + 1, Number(map, "next"));
        Assert.Equal(300, Number(map, "wrap"));
        JsonElement target = map.GetProperty("target");
        Assert.False(target.GetProperty("held").GetBoolean());
        // To the top, and from 300 on but for the four.
        Assert.Equal(1000 - Number(map, "next") + (400 - 300 + 1) - 4, Number(target, "away"));
    }

    [Theory]
    [InlineData("C", 80, ".:+*#", "^w@")]
    [InlineData("C.UTF-8", 80, "·░▒▓█", "▲↺◆")]
    [InlineData("C.UTF-8", 200, "·░▒▓█", "▲↺◆")]
    public void A_row_fits_and_each_sign_is_explained(string locale, int columns, string shades, string signs)
    {
        Machine.NeedsPidNamespace();

        char way = locale == "C" ? '-' : '─';
        string map = $"LC_ALL={locale} $N map 20000";
        Finished run = Shell.InNewPidNamespace(
            columns == 80 ? map : $"NO_COLOR=1 script -qec 'stty cols {columns}; {map}' /dev/null").Finish();

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.DoesNotContain('\e', run.Output);
        string[] rows = [.. run.Output.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => Regex.IsMatch(line, "^ +[0-9]+ [^ ]+$"))];
        int cells = columns == 80 ? 64 : 192;
        Assert.Equal(columns == 80 ? 16 : 11, rows.Length);
        Assert.All(rows[..^1], row => Assert.Equal(cells, row.Split(' ')[^1].Length));
        Assert.All(rows, row => Assert.InRange(row.Length, 1, columns));
        Assert.All(string.Concat(rows.Select(row => row.Split(' ')[^1])), sign => Assert.Contains(sign, shades + signs + way));
        Assert.Contains($"; {way} the way", run.Lines[^1]);
        Assert.All(signs, sign => Assert.Contains($"\n {sign} ", run.Output));
        Assert.All(shades, shade => Assert.Contains($"{shade} ", run.Lines[^1]));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("NO_COLOR=1", false)]
    [InlineData("TERM=dumb", false)]
    [InlineData("CLICOLOR_FORCE=1 TERM=dumb", true)]
    [InlineData("NO_COLOR=1 CLICOLOR_FORCE=1", false)]
    [InlineData("NO_COLOR=1", true, "--color always")]
    [InlineData("CLICOLOR_FORCE=1", false, "--color=never")]
    public void Colours_are_for_terminals_that_have_them_and_for_those_who_ask(string variable, bool hasColours, string option = "")
    {
        Finished run = Shell.Start($"TERM=xterm script -qec '{variable} {Tool.Path} map {option}' /dev/null").Finish();
        Finished piped = Shell.Start($"{variable} {Tool.Path} map {option}").Finish();

        Assert.Equal(hasColours, run.Output.Contains('\e'));
        Assert.Equal(hasColours && variable + option != "", piped.Output.Contains('\e'));
    }

    /// <summary>A contrast of 3 is what WCAG wants of graphics, 3.5 is better.</summary>
    [Fact]
    public void Colours_can_be_told_from_black_and_from_white()
    {
        foreach (Colour colour in Enum.GetValues<Colour>().Where(colour => colour > Colour.Faint))
        {
            // Of the cube of 6 times 6 times 6 colours from 16 on.
            int index = int.Parse(Look.Sgr(colour, isRich: true).Split(';')[2]) - 16;
            double luminance = (0.2126 * Linear(index / 36)) + (0.7152 * Linear(index / 6 % 6)) + (0.0722 * Linear(index % 6));
            Assert.True((luminance + 0.05) / 0.05 > 3.3 && 1.05 / (luminance + 0.05) > 3.3, $"{colour}: {luminance}");
        }

        static double Linear(int level) => level == 0 ? 0 : Math.Pow((((level * 40) + 55) / 255.0 + 0.055) / 1.055, 2.4);
    }

    [Fact]
    public void The_key_q_ends_watching_and_leaves_the_terminal_as_it_was()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(
            "(wait_for 'pgrep -x nslp >/dev/null'; sleep 1; printf xq; sleep 1) | "
            + "TERM=xterm script -qec 'stty >before; $N map --watch; echo status=$?; stty >after; cmp before after && echo same' /dev/null",
            pidMax: 32768).Finish();

        Assert.Contains($"{Leave}status=0\r\nsame\r\n", run.Output);
        Assert.DoesNotContain("xq", run.Output.Split("\e[?1049h")[1]);
    }

    [Fact]
    public void The_svg_is_well_formed_and_overwrites_nothing()
    {
        string file = Path.Combine(_directory.FullName, "map.svg");
        string link = Path.Combine(_directory.FullName, "link");
        File.CreateSymbolicLink(link, Path.Combine(_directory.FullName, "elsewhere"));

        Finished first = Shell.Start($"{Tool.Path} map 4000 --svg {file}").Finish();
        Finished again = Shell.Start($"{Tool.Path} map --svg {file}").Finish();
        Finished byLink = Shell.Start($"{Tool.Path} map --svg {link}").Finish();
        Finished toStdout = Shell.Start($"{Tool.Path} map --svg -").Finish();

        Assert.Equal((0, "", ""), (first.Status, first.Output, first.Errors));
        XElement svg = XElement.Parse(File.ReadAllText(file));
        Assert.Contains(svg.Descendants(), text => text.Value.StartsWith("the next PID: ", StringComparison.Ordinal));
        Assert.Contains(svg.Descendants(), text => text.Value.StartsWith("4000: ", StringComparison.Ordinal));
        Assert.Equal(1, again.Status);
        Assert.Equal(
            $"nslp: map: cannot create '{file}': File exists\nnslp: map: nslp overwrites no file: '--svg -' writes to stdout\n",
            again.Errors);
        Assert.Equal(1, byLink.Status);
        Assert.Equal(["link", "map.svg"], _directory.GetFileSystemInfos().Select(entry => entry.Name).Order());
        Assert.Equal("svg", XElement.Parse(toStdout.Output).Name.LocalName);
    }

    [Theory]
    [InlineData("INT", 0)]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    [InlineData("QUIT", 131)]
    public void A_signal_ends_watching_and_the_terminal_is_as_it_was(string signal, int status)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(OnTerminal(
            $"{Watch}kill -{signal} $!; wait $!; echo status=$?")).Finish();

        Assert.StartsWith("\e[?1049h\e[?25l\e[H", run.Output);
        Assert.Contains($"{Leave}status={status}\r\n", run.Output);
        Assert.Equal(1, Regex.Count(run.Output, Regex.Escape("\e[?1049h")));
    }

    [Fact]
    public void While_stopped_the_terminal_is_as_it_was_too()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace(OnTerminal(
            $"{Watch}kill -TSTP $!; until grep -q '^State:.T' /proc/$!/status; do sleep 0.1; done; echo stopped; kill -CONT $!; sleep 1; kill $!; wait $!"))
            .Finish();

        Assert.Matches(
            $@"{Regex.Escape(Leave)}\s*(\[1\]\+ +Stopped[^\n]*\n)?stopped\r\n{Regex.Escape("\e[?1049h\e[?25l")}", run.Output);
        Assert.EndsWith(Leave, run.Output.TrimEnd());
    }

    [Fact]
    public void Watching_takes_no_pid_and_sees_who_does()
    {
        Machine.NeedsPidNamespace();

        // sleep is made before, and ends long after, the first pause: so nobody forks meanwhile.
        Finished run = Shell.InNewPidNamespace(OnTerminal(
            """
            NO_COLOR=1 $N map --watch & watch=$!
            sleep 5
            for i in $(seq 100); do sleep 0.03; done
            kill $watch; wait $watch
            """)).Finish();

        string[] frames = run.Output.Split("\e[H");
        Assert.Contains(frames, frame => frame.Contains(" 0 PIDs/s, no wrap in sight"));
        Assert.Contains(frames, frame => Regex.IsMatch(frame, @" [1-9][0-9.]* PIDs/s, the wrap comes in [0-9]+ (s|min|h|days)"));
        Assert.Contains(frames, frame => Regex.IsMatch(frame, @" [1-9][0-9]* % by [0-9]+ bash"));
    }

    [Fact]
    public void Without_a_terminal_nothing_is_watched()
    {
        Finished run = Shell.Start($"{Tool.Path} map --watch").Finish();

        Assert.Equal((1, ""), (run.Status, run.Output));
        Assert.StartsWith("nslp: map: --watch needs a terminal that can move its cursor", run.Errors);
    }

    [Theory]
    [InlineData("4194304", "PID must be a number from 0 to 4,194,303, not '4194304'")]
    [InlineData("x", "PID must be a number from 0 to 4,194,303, not 'x'")]
    [InlineData("-1", "PID must be a number from 0 to 4,194,303, not '-1'")]
    [InlineData("1 2", "expected one PID, got 2")]
    [InlineData("--bogus", "'--bogus' is not an option")]
    [InlineData("--svg a --json", "--svg and --json cannot be used together")]
    [InlineData("--watch --svg a", "--watch and --svg cannot be used together")]
    [InlineData("--target 0", "--target must be a number from 1 to 4,194,303, not '0'")]
    public void Bad_input_is_refused_in_words(string arguments, string message)
    {
        Finished run = Shell.Start($"{Tool.Path} map {arguments}").Finish();

        Assert.Equal((2, !arguments.Contains("--json")), (run.Status, run.Output == ""));
        Assert.Equal($"nslp: map: {message}\nTry 'nslp map --help' for more information.\n", run.Errors);
    }

    [Fact]
    public void Another_namespace_is_drawn_with_its_own_numbers()
    {
        Machine.NeedsRoot();

        Finished run = Shell.Start(
            $"""
            unshare -pf --mount-proc sh -c 'sleep 100 & sleep 100 & wait' & outer=$!
            wait_for 'inner=$(cat /proc/$outer/task/$outer/children) && [ "$(wc -w </proc/${"{inner% }"}/task/${"{inner% }"}/children)" = 2 ]'
            {Tool.Path} map --json --target $inner; kill -9 $inner
            """).Finish();

        using JsonDocument json = JsonDocument.Parse(run.Lines[0]);
        Assert.Equal([1, 2, 3], json.RootElement.GetProperty("blocks").EnumerateArray().Take(1)
            .SelectMany(block => Enumerable.Range(1, Number(block, "in_use"))));
    }

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();

    // As a file: a script in a script in a script cannot be quoted so that it can be read.
    private string OnTerminal(string script)
    {
        string file = Path.Combine(_directory.FullName, "script");
        File.WriteAllText(file, script.ReplaceLineEndings("\n"));
        // Whoever started the tests may have them ignore SIGINT and SIGQUIT, as a shell does in the background.
        return $"LC_ALL=C TERM=xterm env --default-signal script -qec 'bash -m {file}' /dev/null";
    }

    [DllImport("libc.so.6")]
    private static extern nint setlocale(int category, [MarshalAs(UnmanagedType.LPUTF8Str)] string locale);

    [DllImport("libc.so.6")]
    private static extern int wcwidth(int character);
}
