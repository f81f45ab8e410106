using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>One way to a last PID as <c>nslp set</c> goes it.</summary>
internal sealed record BenchLap(string Flavour, Landing Landing, double Seconds);

internal static class BenchText
{
    internal static string ToText(List<BenchResult> results, BenchLap? lap, bool isOwn, Look look)
    {
        BenchChart chart = new(look);
        string where = isOwn ? "a PID namespace of its own" : "the caller's PID namespace";
        string text = chart.Draw(
            [
                ("consume PIDs", Best(BenchWays.Consume, results)),
                ("last_pid", Best(BenchWays.LastPidFile, results)),
                ("make a process, wait for it", Best(BenchWays.Processes, results)),
            ]);
        string set = lap is null ? "" : $"set by {lap.Flavour}: {lap.Landing.Consumed} PIDs in {lap.Seconds:F3} s, {lap.Landing.Wasted} too many\n";
        // Last, so that it is in sight.
        return $"{text}{set}{Environment.ProcessorCount} cores, in {where}; thr: how many threads were fastest\n"
            + $"/s: median of {BenchMeter.Rounds} rounds; {chart.PlusMinus}: half of slowest to fastest; %: of the best way\n";
    }

    internal static void Write(Utf8JsonWriter json, List<BenchResult> results, BenchLap? lap, bool isOwn, double stolen, double others)
    {
        json.WriteNumber("cores", Environment.ProcessorCount);
        json.WriteBoolean("own_namespace", isOwn);
        json.WriteNumber("stolen", Math.Round(stolen, 3));
        json.WriteNumber("others", Math.Round(others, 3));
        json.WriteArray("results", results, result => json.WriteObject(null, () =>
        {
            json.WriteString("group", result.Group);
            json.WriteString("name", result.Name);
            json.WriteMaybe("thread_count", result.Threads == 0 ? null : result.Threads);
            json.WriteMaybe("per_second", result.Error == 0 ? (long)result.PerSecond : null);
            json.WriteMaybe("slowest_per_second", result.Error == 0 ? (long)result.Slowest : null);
            json.WriteMaybe("fastest_per_second", result.Error == 0 ? (long)result.Fastest : null);
            json.WriteString("errno", Output.NameOf(result.Error));
        }));
        json.WriteMaybe("set", lap is not null, () =>
        {
            json.WriteString("flavour", lap!.Flavour);
            json.WriteNumber("consumed", lap.Landing.Consumed);
            json.WriteNumber("wasted", lap.Landing.Wasted);
            json.WriteNumber("reads", lap.Landing.Reads);
            json.WriteSeconds("seconds", lap.Seconds);
        });
    }

    // Of each way the fastest number of threads.
    private static List<BenchResult> Best(string group, List<BenchResult> results) =>
        [.. results.Where(result => result.Group == group).GroupBy(result => result.Name).Select(way => way.MaxBy(result => result.PerSecond)!)];
}

/// <summary>The results of <c>nslp bench</c> as bars, the fastest of each group in colour.</summary>
/// <param name="look">Of what they are shown on; without Unicode the bars are of '#'.</param>
internal sealed class BenchChart(Look look)
{
    private const int NameWidth = 28;
    private const int OtherWidth = NameWidth + 26;
    private const int ShortestBar = 20;
    private const int LongestBar = 80;
    private const string Eighths = " ▏▎▍▌▋▊▉";

    private readonly int _barWidth = Math.Clamp(look.Columns - OtherWidth, ShortestBar, LongestBar);

    internal string PlusMinus => look.IsUnicode ? "±" : "+-";

    internal string Draw(IEnumerable<(string Title, List<BenchResult> Results)> groups)
    {
        StringBuilder text = new();
        foreach ((string title, List<BenchResult> results) in groups.Where(group => group.Results.Count > 0))
        {
            string head = $"{title.PadRight(NameWidth)} thr {"".PadRight(_barWidth)}{"/s",10}{PlusMinus,5}{"%",6}";
            text.Append(look.Paint(Colour.Bold, head)).Append('\n');
            DrawGroup(text, results);
        }

        return text.ToString();
    }

    private void DrawGroup(StringBuilder text, List<BenchResult> results)
    {
        double fastest = results.Max(result => result.PerSecond);
        foreach (BenchResult result in results)
        {
            text.Append(result.Name.PadRight(NameWidth));
            if (result.Error != 0)
            {
                text.Append(' ').Append(Output.Describe(result.Error)).Append('\n');
                continue;
            }

            string threads = result.Threads == 0 ? "" : result.Threads.ToString();
            string bar = Bar(result.PerSecond / fastest).PadRight(_barWidth);
            text.Append($"{threads,4} ")
                .Append(result.PerSecond == fastest ? look.Paint(Colour.Green, bar) : bar)
                .Append($"{result.PerSecond,10:F0}")
                .Append($"{Math.Min(50 * (result.Fastest - result.Slowest) / result.PerSecond, 999),4:F0}%")
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
