using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>One way to a last PID as <c>nslp set</c> goes it.</summary>
internal sealed record BenchLap(string Flavour, Landing Landing, double Seconds);

internal static class BenchText
{
    internal static string ToText(List<BenchResult> results, BenchLap? lap, bool isOwn)
    {
        BenchChart chart = new(Look.Of(1));
        string where = isOwn ? "a PID namespace of its own" : "the caller's PID namespace";
        string text = chart.Draw(
            $"{Environment.ProcessorCount} cores, in {where}.\nx: against the slowest; %: of the fastest; the number before the bar: threads.\n",
            [
                ("PIDs consumed a second, by way and threads", Of(BenchWays.Consume, results)),
                ("last_pid, times a second", Of(BenchWays.LastPidFile, results)),
                ("Processes made and waited for a second", Of(BenchWays.Processes, results)),
            ]);
        return lap is null
            ? text
            : text + $"\nset by {lap.Flavour}, with landing\n{lap.Landing.Consumed} PIDs in {lap.Seconds:F3} s, "
                + $"{lap.Landing.Consumed / lap.Seconds:F0}/s, {lap.Landing.Reads} reads, {lap.Landing.Wasted} too many\n";
    }

    internal static void Write(Utf8JsonWriter json, List<BenchResult> results, BenchLap? lap, bool isOwn)
    {
        json.WriteNumber("cores", Environment.ProcessorCount);
        json.WriteBoolean("own_namespace", isOwn);
        json.WriteArray("results", results, result => json.WriteObject(null, () =>
        {
            json.WriteString("group", result.Group);
            json.WriteString("name", result.Name);
            json.WriteNumber("threads", result.Threads);
            json.WriteNumber("per_second", Math.Round(result.PerSecond));
            json.WriteNumber("errno", (int)result.Error);
        }));
        if (lap is not null)
        {
            json.WriteObject("set", () =>
            {
                json.WriteString("flavour", lap.Flavour);
                json.WriteNumber("consumed", lap.Landing.Consumed);
                json.WriteNumber("wasted", lap.Landing.Wasted);
                json.WriteNumber("reads", lap.Landing.Reads);
                json.WriteSeconds("seconds", lap.Seconds);
            });
        }
    }

    private static List<BenchResult> Of(string group, List<BenchResult> results) =>
        results.FindAll(result => result.Group == group);
}

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

            string threads = result.Threads == 0 ? "" : result.Threads.ToString();
            string bar = Bar(result.PerSecond / fastest).PadRight(_barWidth);
            text.Append($"{threads,4} ")
                .Append(result.PerSecond == fastest ? look.Paint(Colour.Green, bar) : bar)
                .Append($"{result.PerSecond,9:F0}/s")
                .Append($"{result.PerSecond / slowest,7:F1}x")
                .Append($"{100 * result.PerSecond / fastest,5:F0}%\n");
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
