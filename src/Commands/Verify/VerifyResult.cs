using System.Text.Json;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Commands;

/// <summary>What came of <c>nslp verify</c>, for a person, for a program, and as a file to replay.</summary>
/// <param name="seed">What the runs were drawn from, null for a file.</param>
internal sealed class VerifyResult(VerifyOptions options, ulong? seed, Setting setting, Report report, TimeSpan time)
{
    private readonly string _release = Linux.Kernel.Release();
    private readonly string _where = setting.OwnUser ? "in a user namespace" : "as root";

    internal ulong? Seed => seed;

    /// <summary>The run with a difference, from 0.</summary>
    internal int Run => report.Difference.Value.Run;

    private double Rate => time > TimeSpan.Zero ? report.Steps / time.TotalSeconds : 0;

    /// <summary>The smallest sequence that differs as the text of a file.</summary>
    internal string ToReplay()
    {
        Difference difference = report.Difference.Value;
        IEnumerable<string> remarks =
        [
            $"Model and Linux {_release} differ: {_where}, seed {seed}, "
                + $"run {difference.Run}, {options.Steps} steps",
            .. Show.rows(difference.Rows).Select(line => line.TrimEnd()),
        ];
        return ReplayText.format(ListModule.OfSeq(remarks), difference.Operations);
    }

    /// <summary>The result for a person; <paramref name="file"/> is where the difference was saved, if it was.</summary>
    internal string ToText(string? file)
    {
        StringBuilder text = new();
        string what = seed is not null
            ? $"{report.Runs} {(report.Runs == 1 ? "run" : "runs")} of {options.Steps} steps, seed {seed}"
            : options.Replay!;
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{what}, on Linux {_release}, {_where}: {report.Steps} operations in {time.TotalSeconds:F1} s ({Rate:F0}/s)");
        if (report.Difference.IsSome)
        {
            AppendDifference(text, report.Difference.Value, file);
        }
        else
        {
            text.AppendLine("model and kernel agree");
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

    internal void Write(Utf8JsonWriter json, string? file)
    {
        json.WriteBoolean("agree", report.Difference.IsNone);
        json.WriteString("kernel", _release);
        json.WriteBoolean("user_namespace", setting.OwnUser);
        json.WritePropertyName("seed");
        json.WriteRawValue(seed?.ToString(CultureInfo.InvariantCulture) ?? "null");
        json.WriteMaybe("steps", seed is null ? null : options.Steps);
        json.WriteString("replay", options.Replay);
        json.WriteNumber("runs", report.Runs);
        json.WriteNumber("operations", report.Steps);
        json.WriteNumber("clones", report.Clones);
        json.WriteSeconds("seconds", time.TotalSeconds);
        json.WriteArray("coverage", report.Coverage, reached => json.WriteObject(null, () =>
        {
            json.WriteString("name", reached.Key);
            json.WriteNumber("count", reached.Value);
        }));
        json.WriteMaybe("difference", report.Difference.IsSome, () => WriteDifference(json, report.Difference.Value, file));
    }

    private static void AppendDifference(StringBuilder text, Difference difference, string? file)
    {
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"model and kernel differ in run {difference.Run}; the shortest sequence that shows it ({difference.Tried} tried):");
        text.AppendLine();
        foreach (string line in Show.rows(difference.Rows))
        {
            text.AppendLine(line.TrimEnd());
        }

        if (file is not null)
        {
            text.AppendLine();
            text.AppendLine(CultureInfo.InvariantCulture, $"to repeat: nslp verify --replay {file}");
        }
    }

    private static void WriteDifference(Utf8JsonWriter json, Difference difference, string? file)
    {
        json.WriteNumber("run", difference.Run);
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
