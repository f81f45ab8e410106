using System.Globalization;
using System.Text;

namespace SetNsLastPid.Commands;

/// <summary>The results of <c>nslp bench</c> as bars, the fastest of each group in colour.</summary>
/// <param name="look">Of what they are shown on; without Unicode the bars are of '#'.</param>
internal sealed class BenchChart(Look look)
{
    private const int NameWidth = 28;
    private const int OtherWidth = NameWidth + 32;
    private const int ShortestBar = 20;
    private const int LongestBar = 80;
    private const string Eighths = " ▏▎▍▌▋▊▉";

    private readonly int _barWidth = Math.Clamp(look.Columns - OtherWidth, ShortestBar, LongestBar);

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
            string bar = Bar(result.PerSecond / fastest).PadRight(_barWidth);
            text.Append(CultureInfo.InvariantCulture, $"{threads,4} ")
                .Append(result.PerSecond == fastest ? look.Paint(Colour.Green, bar) : bar)
                .Append(CultureInfo.InvariantCulture, $"{result.PerSecond,9:F0}/s")
                .Append(CultureInfo.InvariantCulture, $"{result.PerSecond / slowest,7:F1}x")
                .Append(CultureInfo.InvariantCulture, $"{100 * result.PerSecond / fastest,5:F0}%\n");
        }
    }

    private string Bar(double part)
    {
        int eighths = Math.Max((int)Math.Round(part * _barWidth * 8), 1);
        if (!look.IsUnicode)
        {
            return new string('#', Math.Max((eighths + 4) / 8, 1));
        }

        string whole = new('█', eighths / 8);
        return eighths % 8 == 0 ? whole : whole + Eighths[eighths % 8];
    }
}
