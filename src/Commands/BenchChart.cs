using System.Globalization;
using System.Text;

namespace SetNsLastPid.Commands;

/// <summary>The results of <c>nslp bench</c> as bars, in no more than 80 columns.</summary>
/// <param name="isUnicode">Whether eighths of a block can be shown; else the bars are of '#'.</param>
/// <param name="isColoured">Whether the fastest of each group is to stand out by colour.</param>
internal sealed class BenchChart(bool isUnicode, bool isColoured)
{
    private const int NameWidth = 28;
    private const int BarWidth = 20;
    private const string Green = "\e[32m";
    private const string Plain = "\e[0m";
    private const string Eighths = " ▏▎▍▌▋▊▉";

    /// <summary>The whole text.</summary>
    /// <param name="heading">What stands above all.</param>
    /// <param name="groups">Titles, and the results below them.</param>
    internal string Draw(string heading, IEnumerable<(string Title, List<BenchResult> Results)> groups)
    {
        StringBuilder text = new(heading);
        foreach ((string title, List<BenchResult> results) in groups)
        {
            if (results.Count > 0)
            {
                text.Append('\n').Append(title).Append('\n');
                DrawGroup(text, results);
            }
        }

        return text.ToString();
    }

    private void DrawGroup(StringBuilder text, List<BenchResult> results)
    {
        double[] rates = [.. results.Where(result => result.PerSecond > 0).Select(result => result.PerSecond)];
        double fastest = rates.DefaultIfEmpty(1).Max();
        double slowest = rates.DefaultIfEmpty(1).Min();
        string name = "";
        foreach (BenchResult result in results)
        {
            text.Append(result.Name == name ? "".PadRight(NameWidth) : result.Name.PadRight(NameWidth));
            name = result.Name;
            if (result.Error != 0)
            {
                text.Append("  ").Append(Output.Describe(result.Error)).Append('\n');
                continue;
            }

            string threads = result.Threads == 0 ? "" : result.Threads.ToString(CultureInfo.InvariantCulture);
            bool standsOut = isColoured && result.PerSecond == fastest;
            text.Append(CultureInfo.InvariantCulture, $"{threads,4} ")
                .Append(standsOut ? Green : "")
                .Append(Bar(result.PerSecond / fastest).PadRight(BarWidth))
                .Append(standsOut ? Plain : "")
                .Append(CultureInfo.InvariantCulture, $"{result.PerSecond,9:F0}/s")
                .Append(CultureInfo.InvariantCulture, $"{result.PerSecond / slowest,7:F1}x")
                .Append(CultureInfo.InvariantCulture, $"{100 * result.PerSecond / fastest,5:F0}%\n");
        }
    }

    private string Bar(double part)
    {
        int eighths = Math.Max((int)Math.Round(part * BarWidth * 8), 1);
        if (!isUnicode)
        {
            return new string('#', Math.Max((eighths + 4) / 8, 1));
        }

        string whole = new('█', eighths / 8);
        return eighths % 8 == 0 ? whole : whole + Eighths[eighths % 8];
    }
}
