using System.Text;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>What may be written to a place where somebody looks at it: a terminal, or a file or pipe.</summary>
/// <param name="IsTerminal">Whether it is a terminal.</param>
/// <param name="IsUnicode">Whether the locale has more than ASCII.</param>
/// <param name="IsColoured">Whether colours are welcome: on a terminal that has them, without NO_COLOR.</param>
/// <param name="Columns">How wide it is; 80 where that is not known.</param>
/// <param name="Rows">How high it is; 24 where that is not known.</param>
internal sealed record Look(bool IsTerminal, bool IsUnicode, bool IsColoured, int Columns, int Rows)
{
    private const int Fewest = 20;
    private const string Plain = "\e[0m";

    /// <summary>How an open file looks, 1 for stdout and 2 for stderr.</summary>
    internal static Look Of(int fd)
    {
        bool isTerminal = Kernel.IsTerminal(fd);
        _ = Kernel.TryGetTerminalSize(fd, out int columns, out int rows);
        return new Look(
            isTerminal,
            IsUtf8(),
            isTerminal && Variable("NO_COLOR") == "" && Variable("TERM") is not ("" or "dumb"),
            columns > 0 ? Math.Max(columns, Fewest) : 80,
            rows > 0 ? rows : 24);
    }

    /// <summary>Whether the cursor of the terminal can be moved.</summary>
    internal bool CanMove => IsTerminal && Variable("TERM") is not ("" or "dumb");

    /// <summary>The text in a colour, where colours are welcome.</summary>
    internal string Paint(Colour colour, string text) => IsColoured ? $"\e[{(int)colour}m{text}{Plain}" : text;

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
