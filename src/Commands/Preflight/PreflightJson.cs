using System.Text.Json;
using Plan = SetNsLastPid.Preflight;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp preflight --json</c> prints: one object.</summary>
internal static class PreflightJson
{
    internal static void Write(Results results, Checkpoint checkpoint, PreflightFacts facts) => results.WriteResult(() =>
    {
        Utf8JsonWriter json = results.Json;
        PreflightReport report = facts.Report;
        ImageTree tree = checkpoint.Tree;
        json.WriteBoolean("ok", report.InTheWay.Length == 0 && !facts.IsUnknown);
        json.WriteBoolean("may_be_blind", facts.IsUnknown);
        json.WriteString("namespace", checkpoint.Namespace switch
        {
            { IsNew: true } => "new",
            ImageNamespace.Given => "given",
            _ => "caller",
        });
        json.WriteBoolean("shell_job", Plan.needsShellJob(tree));
        json.WriteNumber("last_pid", facts.Space.LastPid);
        json.WriteNumber("pid_max", facts.Space.PidMax);
        json.WriteMaybe("raises_pid_max", report.RaisesPidMax > 0 ? report.RaisesPidMax : null);
        json.WriteMaybe("make_way", report.MakeWay >= 0 ? report.MakeWay : null);
        json.WriteArray("in_the_way", report.InTheWay.TakeWhile(_ => results.Go()), obstruction => json.WriteObject(null, () =>
        {
            Need need = obstruction.Need;
            json.WriteNumber("pid", need.Pid);
            json.WriteArray("roles", Plan.roles(need.Roles), json.WriteStringValue);
            json.WriteString("why", Plan.name(obstruction.Hindrance));
            json.WriteString("cure", Words.cure(report, obstruction.Hindrance) is { Length: > 0 } cure ? cure : null);
            WhoText.WriteFields(json, facts.Holdings.GetValueOrDefault(need.Pid));
        }));
        json.WriteArray("processes", tree.Tasks.TakeWhile(_ => results.Go()), task => json.WriteObject(null, () =>
        {
            json.WriteNumber("pid", task.Pid);
            json.WriteMaybe("parent", task.Parent < 0 ? null : tree.Tasks[task.Parent].Pid);
            json.WriteNumber("group", task.Group);
            json.WriteNumber("session", task.Session);
            json.WriteArray("threads", tree.ThreadsOf(task), json.WriteNumberValue);
        }));
    });
}
