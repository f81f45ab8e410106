using System.Text.Json;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Commands;

/// <summary>What came of <c>nslp verify</c>, for a person, for a program, and as a file to replay.</summary>
/// <param name="seed">What the runs were drawn from, null for a file.</param>
/// <param name="recorded">The release of the kernel that is compared with, null for the model.</param>
internal sealed class VerifyResult(
    VerifyOptions options, ulong? seed, string? recorded, Setting setting, Report report, TimeSpan time)
{
    private readonly string _other = Points.other(recorded);
    private readonly string _release = Linux.Kernel.Release();
    private readonly string _where = Where(setting);

    // The run with a difference, from 0.
    private int Run => report.First.Value.Run;

    /// <summary>What differs, if anything does.</summary>
    internal bool Differs => report.First.IsSome;

    /// <summary>Whether nothing differs, as far as that can be told.</summary>
    internal bool Agrees => !Differs && report.Doubt is null;

    /// <summary>Where it differs, as part of a file's name.</summary>
    internal string Place => recorded is not null ? $"trace-{Run}"
        : report.First.Value.Case.Length > 0 ? $"case-{Run}"
        : $"{seed}-{Run}";

    private string Summary => string.Create(
        CultureInfo.InvariantCulture,
        $"{(seed is not null
            ? $"{Count(report.Tried, "case")}, {Count(report.Runs, "run")} of {Count(options.Steps, "step")}, seed {seed}"
            : options.Replay)}, on Linux {_release}, {_where}: "
        + $"{Count(report.Steps, "operation")} in {time.TotalSeconds:F1} s ({Rate:F0}/s)");

    // Where the kernel is not what its version says, and what was left out.
    private IEnumerable<string> Notes =>
    [
        .. setting.Surprises.IsEmpty ? [] : (string[])[$"Linux {_release}: {string.Join(", ", setting.Surprises)}"],
        .. setting.Kernel.WritesStrictly ? [] : (string[])["kernel.sysctl_writes_strict is not 1: a write counts at any offset"],
        .. report.Disturbed == 0 ? [] : (string[])[$"{report.Disturbed} cases and runs say nothing: others made processes meanwhile"],
        .. report.Late == 0 ? [] : (string[])[
            $"{report.Late} {(report.Late == 1 ? "thread's number was" : "threads' numbers were")} in use a moment longer than "
                + "the process, as may be since Linux 6.15"],
        .. setting.Lacks.Select(lack => lack.Why).Distinct().Select(why => $"left out: {why}"),
    ];

    private FSharpList<Point> TestPoints => Points.ofReport(
        recorded is not null ? "recorded runs" : seed is null ? "operations of a file" : "random sequences", setting, report);

    private double Rate => time > TimeSpan.Zero ? report.Steps / time.TotalSeconds : 0;

    /// <summary>The smallest sequence that differs as the text of a file.</summary>
    internal string ToReplay()
    {
        Difference difference = report.First.Value;
        IEnumerable<string> remarks =
        [
            $"{_other} and Linux {_release} differ: {_where}, "
                + (difference.Case.Length > 0 ? $"case '{difference.Case}'"
                    : seed is null ? $"run {difference.Run} of {Printable.From(options.Replay!)}"
                    : $"seed {seed}, run {difference.Run}, {Count(options.Steps, "step")}"),
            .. Show.rows(_other, difference.Rows).Select(line => line.TrimEnd()),
        ];
        return ReplayText.format(ListModule.OfSeq(remarks), difference.Operations);
    }

    /// <summary>The result for a person; <paramref name="file"/> is where the difference was saved, if it was.</summary>
    internal string ToText(string? file)
    {
        StringBuilder text = new();
        text.AppendLine(Summary);
        if (Differs)
        {
            AppendDifference(text, report.First.Value, file);
        }
        else if (Agrees)
        {
            text.AppendLine($"{_other} and kernel agree");
        }

        foreach (string note in Notes)
        {
            text.AppendLine(note);
        }

        if (seed is not null)
        {
            text.AppendLine();
            foreach (string line in Show.coverage(report))
            {
                text.AppendLine(line);
            }
        }

        return text.ToString();
    }

    internal string ToTap() => Points.tap(_release, recorded, ListModule.OfSeq([.. Notes, Summary]), TestPoints);

    internal string ToJunit() => Points.junit(_release, recorded, time.TotalSeconds, TestPoints);

    /// <summary>Where, and as whom, operations are run in such a setting.</summary>
    internal static string Where(Setting setting) =>
        (setting.IsHere ? "in this PID namespace, " : "")
        + (setting.OwnUser ? "in a user namespace"
            : geteuid() is var user && user != 0 ? $"as user {user}"
            : "as root");

    internal void Write(Utf8JsonWriter json, string? file)
    {
        json.WriteBoolean("agree", Agrees);
        json.WriteString("kernel", _release);
        json.WriteArray("surprises", setting.Surprises, json.WriteStringValue);
        json.WriteArray("lacks", setting.Lacks.Select(lack => lack.Why).Distinct(), json.WriteStringValue);
        json.WriteBoolean("user_namespace", setting.OwnUser);
        json.WriteString("recorded", recorded);
        json.WritePropertyName("seed");
        json.WriteRawValue(seed?.ToString(CultureInfo.InvariantCulture) ?? "null");
        json.WriteMaybe("steps", seed is null ? null : options.Steps);
        json.WriteString("replay", options.Replay);
        json.WriteNumber("cases", report.Tried);
        json.WriteNumber("runs", report.Runs);
        json.WriteNumber("disturbed", report.Disturbed);
        json.WriteNumber("late", report.Late);
        json.WriteNumber("operations", report.Steps);
        json.WriteNumber("clones", report.Clones);
        json.WriteSeconds("seconds", time.TotalSeconds);
        json.WriteArray("coverage", report.Coverage, reached => json.WriteObject(null, () =>
        {
            json.WriteString("name", reached.Key);
            json.WriteNumber("count", reached.Value);
        }));
        json.WriteMaybe("difference", Differs, () => WriteDifference(json, report.First.Value, file));
    }

    private static string Count(long number, string what) => $"{number} {what}{(number == 1 ? "" : "s")}";

    private void AppendDifference(StringBuilder text, Difference difference, string? file)
    {
        string where = difference.Case.Length > 0 ? $"the case '{difference.Case}'" : $"run {difference.Run}";
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{_other} and kernel differ in {where}{(difference.Tried > 0 ? $"; the shortest sequence that shows it ({difference.Tried} tried)" : "")}:");
        text.AppendLine();
        foreach (string line in Show.rows(_other, difference.Rows))
        {
            text.AppendLine(line.TrimEnd());
        }

        if (file is not null)
        {
            text.AppendLine();
            text.AppendLine(CultureInfo.InvariantCulture, $"to repeat: nslp verify --replay {file}");
        }
    }

    private void WriteDifference(Utf8JsonWriter json, Difference difference, string? file)
    {
        json.WriteNumber("run", difference.Run);
        json.WriteString("case", difference.Case.Length > 0 ? difference.Case : null);
        json.WriteNumber("tried", difference.Tried);
        json.WriteString("file", file);
        json.WriteArray("sequence", difference.Operations, operation => json.WriteStringValue(OperationText.format(operation)));
        json.WriteArray("trace", difference.Rows, row => json.WriteObject(null, () =>
        {
            json.WriteString("step", row.Step.IsSome ? Show.step(row.Step.Value) : "start");
            json.WriteObject("expected", () => WriteObservation(json, row.Model));
            json.WriteObject("observed", () => WriteObservation(json, row.Kernel));
        }));
    }

    private static void WriteObservation(Utf8JsonWriter json, Observation observation)
    {
        json.WriteArray("outcomes", observation.Outcomes, outcome =>
        {
            switch (outcome)
            {
                case Outcome.Given given:
                    json.WriteArray(null, given.Pids, json.WriteNumberValue);
                    break;
                case Outcome.Wrote wrote:
                    json.WriteNumberValue(wrote.Bytes);
                    break;
                case Outcome.Refused refused:
                    json.WriteStringValue(Output.NameOf(refused.Item));
                    break;
                default:
                    json.WriteStringValue("done");
                    break;
            }
        });
        json.WriteArray("namespaces", observation.Readings, reading => json.WriteObject(null, () =>
        {
            json.WriteNumber("number", reading.Space);
            json.WriteNumber("last_pid", reading.LastPid);
            json.WriteNumber("pid_max", reading.PidMax);
        }));
    }
}
