using System.Text.Json;
using Plan = SetNsLastPid.Preflight;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp preflight --json</c> prints: one object.</summary>
/// <param name="results">Where to.</param>
internal sealed class PreflightJson(Results results)
{
    private readonly Utf8JsonWriter _json = results.Json;

    /// <summary>Writes it.</summary>
    internal void Write(Checkpoint checkpoint, PreflightFacts facts) => results.WriteResult(() =>
    {
        PreflightReport report = facts.Report;
        ImageTree tree = checkpoint.Tree;
        _json.WriteBoolean("ok", report.InTheWay.Length == 0 && !facts.IsUnknown);
        _json.WriteBoolean("may_be_blind", facts.IsUnknown);
        _json.WriteString("namespace", checkpoint.Namespace switch
        {
            { IsNew: true } => "new",
            ImageNamespace.Given => "given",
            _ => "caller",
        });
        _json.WriteBoolean("shell_job", Plan.needsShellJob(tree));
        _json.WriteNumber("last_pid", facts.Space.LastPid);
        _json.WriteNumber("pid_max", facts.Space.PidMax);
        _json.WriteMaybe("raises_pid_max", report.RaisesPidMax > 0 ? report.RaisesPidMax : null);
        _json.WriteMaybe("make_way", report.MakeWay >= 0 ? report.MakeWay : null);
        _json.WriteArray("in_the_way", report.InTheWay.TakeWhile(_ => results.Go()), obstruction => _json.WriteObject(null, () =>
        {
            Need need = obstruction.Need;
            _json.WriteNumber("pid", need.Pid);
            _json.WriteArray("roles", Plan.roles(need.Roles), _json.WriteStringValue);
            _json.WriteString("why", Plan.name(obstruction.Hindrance));
            _json.WriteString("cure", Words.cure(report, obstruction.Hindrance) is { Length: > 0 } cure ? cure : null);
            WhoText.WriteFields(_json, facts.Holdings.GetValueOrDefault(need.Pid));
        }));
        _json.WriteArray("processes", tree.Tasks.TakeWhile(_ => results.Go()), task => _json.WriteObject(null, () =>
        {
            _json.WriteNumber("pid", task.Pid);
            _json.WriteMaybe("parent", task.Parent < 0 ? null : tree.Tasks[task.Parent].Pid);
            _json.WriteNumber("group", task.Group);
            _json.WriteNumber("session", task.Session);
            _json.WriteArray("threads", tree.ThreadsOf(task), _json.WriteNumberValue);
        }));
    });
}
