namespace SetNsLastPid.Commands;

/// <summary>What may be written to stdout: a terminal, or a file or pipe.</summary>
/// <param name="IsUnicode">Whether the locale has more than ASCII.</param>
/// <param name="IsColoured">Whether colours are welcome.</param>
/// <param name="Columns">How wide it is; 80 where that is not known.</param>
/// <param name="Rows">How high it is; 24 where that is not known.</param>
internal sealed record Look(bool IsTerminal, bool IsUnicode, bool IsColoured, int Columns, int Rows)
{
    private const int Fewest = 20;
    private const string Plain = "\e[0m";

    // Of a palette of 256 where there is one: unlike the first 16, which each terminal has its own of, these can be read on black
    // and on white.
    private static readonly bool s_isRich = Variable("TERM").Contains("256", StringComparison.Ordinal) || Variable("COLORTERM") != "";

    /// <param name="when">What the user said of colours. Else NO_COLOR has a say, then CLICOLOR_FORCE, then what it is.</param>
    internal static Look Of(ColorWhen when = ColorWhen.Auto)
    {
        bool isTerminal = Kernel.IsTerminal(Output.Stdout);
        (int columns, int rows) = Kernel.TerminalSize(Output.Stdout);
        return new Look(
            isTerminal,
            IsUtf8(),
            when == ColorWhen.Always || (when == ColorWhen.Auto && Variable("NO_COLOR") == ""
                && (Variable("CLICOLOR_FORCE") is not ("" or "0") || (isTerminal && Variable("TERM") is not ("" or "dumb")))),
            columns > 0 ? Math.Max(columns, Fewest) : 80,
            rows > 0 ? rows : 24);
    }

    internal bool CanMove => IsTerminal && Variable("TERM") is not ("" or "dumb");

    /// <summary>The text in a colour, where colours are welcome.</summary>
    internal string Paint(Colour colour, string text) => IsColoured ? $"\e[{Sgr(colour, s_isRich)}m{text}{Plain}" : text;

    /// <summary>Parameters of the terminal's SGR sequence.</summary>
    /// <param name="isRich">Whether it has a palette of 256.</param>
    internal static string Sgr(Colour colour, bool isRich) => colour switch
    {
        Colour.Bold => "1",
        Colour.Faint => "2",
        Colour.Red => isRich ? "38;5;160" : "31",
        Colour.Green => isRich ? "38;5;28" : "32",
        // Yellow cannot be read on white.
        Colour.Amber => isRich ? "38;5;130" : "35",
        Colour.Blue => isRich ? "38;5;26" : "34",
        _ => isRich ? "38;5;127" : "35",
    };

    /// <summary>A line for a terminal, in which a command line is cut after a word so that it fits, if that will do.</summary>
    internal string Fit(string line, string command)
    {
        string end = IsUnicode ? " …" : " ...";
        int room = IsTerminal ? TextWidth.Of(command) - TextWidth.Of(line) + Columns - end.Length : int.MaxValue;
        int cut = command.IndexOf(' ');
        if (cut < 0 || room >= TextWidth.Of(command) - end.Length)
        {
            return line;
        }

        for (int next = cut; next >= 0 && TextWidth.Of(command[..next]) <= room; next = command.IndexOf(' ', next + 1))
        {
            cut = next;
        }

        int at = line.IndexOf(command, StringComparison.Ordinal);
        return at < 0 ? line : line[..(at + cut)] + end + line[(at + command.Length)..];
    }

    /// <summary>As much of a line, which may have what <see cref="Paint"/> gave, as there is room for.</summary>
    internal string Cut(string line)
    {
        int seen = 0;
        for (int i = 0; i < line.Length;)
        {
            if (line[i] == '\e')
            {
                i = line.IndexOf('m', i) + 1;
                continue;
            }

            Rune rune = Rune.GetRuneAt(line, i);
            seen += TextWidth.Of(rune);
            if (seen > Columns)
            {
                return line[..i] + (IsColoured ? Plain : "");
            }

            i += rune.Utf16SequenceLength;
        }

        return line;
    }

    // The first that is set and not empty decides, as in setlocale(3).
    private static bool IsUtf8()
    {
        string locale = Variable("LC_ALL");
        locale = locale == "" ? Variable("LC_CTYPE") : locale;
        locale = locale == "" ? Variable("LANG") : locale;
        return locale.Contains("utf-8", StringComparison.OrdinalIgnoreCase)
            || locale.Contains("utf8", StringComparison.OrdinalIgnoreCase);
    }

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";
}

/// <summary>What stands out, on a dark and a light ground.</summary>
internal enum Colour
{
    Bold,
    Faint,
    Red,
    Green,
    Amber,
    Blue,
    Magenta,
}

internal static class TextWidth
{
    // Blocks that have characters as wide as two (East_Asian_Width W and F of Unicode), the first and the last of each.
    private static readonly (int First, int Last)[] s_wide =
    [
        (0x1100, 0x115f), (0x231a, 0x23f3), (0x25fd, 0x27bf), (0x2b1b, 0x2b55), (0x2e80, 0xa4cf), (0xa960, 0xa97f),
        (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe10, 0xfe6f), (0xff01, 0xff60), (0xffe0, 0xffe6), (0x16fe0, 0x1d37f),
        (0x1f000, 0x1faff), (0x20000, 0x3ffff),
    ];

    /// <summary>The columns of a text, which may have what <see cref="Look.Paint"/> gave.</summary>
    internal static int Of(string text)
    {
        int width = 0;
        bool isEscape = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            width += isEscape || rune.Value == '\e' ? 0 : Of(rune);
            isEscape = rune.Value == '\e' || (isEscape && rune.Value != 'm');
        }

        return width;
    }

    /// <summary>The columns of a character that <see cref="Linux.Printable"/> lets pass, or more than it takes where that is a
    /// symbol: 0 for what combines with the one before it, 2 for the wide, else 1.</summary>
    internal static int Of(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark ? 0
        : Array.Exists(s_wide, block => block.First <= rune.Value && rune.Value <= block.Last) ? 2
        : 1;
}
