using System.Globalization;
using System.Text;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp bench</c> prints.</summary>
internal static class BenchText
{
    /// <summary>For people.</summary>
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
            : text + string.Create(
                CultureInfo.InvariantCulture,
                $"\nset by {lap.Flavour}, with landing\n{lap.Landing.State.Consumed} PIDs in {lap.Seconds:F3} s, "
                + $"{lap.Landing.State.Consumed / lap.Seconds:F0}/s, {lap.Landing.State.Reads} reads, {lap.Landing.State.Wasted} too many\n");
    }

    /// <summary>For programs: one object.</summary>
    internal static string ToJson(List<BenchResult> results, BenchLap? lap, bool isOwn)
    {
        StringBuilder json = new();
        json.Append(CultureInfo.InvariantCulture, $"{{\"cores\":{Environment.ProcessorCount},");
        json.Append(isOwn ? "\"own_namespace\":true,\"results\":[" : "\"own_namespace\":false,\"results\":[");
        string comma = "";
        foreach (BenchResult result in results)
        {
            json.Append(
                CultureInfo.InvariantCulture,
                $"{comma}{{\"group\":\"{result.Group}\",\"name\":\"{result.Name}\",\"threads\":{result.Threads},"
                + $"\"per_second\":{result.PerSecond:F0},\"errno\":{result.Error}}}");
            comma = ",";
        }

        json.Append(']');
        if (lap is not null)
        {
            json.Append(
                CultureInfo.InvariantCulture,
                $",\"set\":{{\"flavour\":\"{lap.Flavour}\",\"consumed\":{lap.Landing.State.Consumed},\"wasted\":{lap.Landing.State.Wasted},"
                + $"\"reads\":{lap.Landing.State.Reads},\"seconds\":{lap.Seconds:F6}}}");
        }

        return json.Append("}\n").ToString();
    }

    private static List<BenchResult> Of(string group, List<BenchResult> results) =>
        results.FindAll(result => result.Group == group);
}
