using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp doctor</c> says of the machine itself.</summary>
/// <param name="InUse">How many numbers are seen in use.</param>
/// <param name="Flavour">The way PIDs were consumed to measure; empty for none.</param>
/// <param name="Rate">PIDs consumed a second; 0 if that was not measured.</param>
/// <param name="Lap">How many PIDs a lap has.</param>
internal sealed record DoctorFacts(
    Observed Seen, string Release, SysResult PidMax, SysResult LastPid, int InUse, string Flavour, double Rate, int Lap);

internal static class DoctorText
{
    private const int NameWidth = 11;

    internal static string ToText(DoctorFacts facts, Diagnosis diagnosis, Look look)
    {
        StringBuilder text = new();
        Machine(text, facts);
        text.Append('\n');
        List<Finding> told = [];
        foreach (Finding finding in diagnosis.Methods)
        {
            Finding? alike = told.Find(other => other.Cures.Equals(finding.Cures) && !finding.Cures.IsEmpty);
            Method(text, finding, alike, look);
            told.Add(finding);
            if (finding.Name == "cycle")
            {
                foreach (Finding flavour in diagnosis.Flavours.Where(flavour => !flavour.Works && !finding.Reason.EndsWith(flavour.Reason, StringComparison.Ordinal)))
                {
                    Wrap(text, $"{flavour.Name}: {flavour.Reason}", look.Columns, Indent(look));
                }
            }
        }

        text.Append('\n');
        Wrap(text, $"Linux {facts.Seen.Major}.{facts.Seen.Minor} has {Features(diagnosis, isThere: true)}.", look.Columns, 0);
        if (diagnosis.Features.Any(feature => !feature.IsThere))
        {
            Wrap(text, $"It lacks {Features(diagnosis, isThere: false)}.", look.Columns, 0);
        }

        if (!diagnosis.Surprises.IsEmpty)
        {
            Wrap(text, $"Linux {facts.Release}: {string.Join(", ", diagnosis.Surprises)}.", look.Columns, 0);
        }

        text.Append('\n').Append(look.Paint(diagnosis.CanChoose ? Colour.Green : Colour.Red, diagnosis.Advice)).Append('\n');
        return text.ToString();
    }

    internal static void Write(Utf8JsonWriter json, DoctorFacts facts, Diagnosis diagnosis)
    {
        json.WriteBoolean("can_choose", diagnosis.CanChoose);
        json.WriteArray("methods", diagnosis.Methods, Write);
        json.WriteArray("flavours", diagnosis.Flavours, Write);
        json.WriteString("kernel", facts.Release);
        json.WriteObject("features", () => diagnosis.Features.ToList().ForEach(feature => json.WriteBoolean(feature.Name, feature.IsThere)));
        json.WriteArray("surprises", diagnosis.Surprises, json.WriteStringValue);
        json.WriteMaybe("pid_max", facts.PidMax.IsError ? null : facts.PidMax.Value);
        json.WriteMaybe("last_pid", facts.LastPid.IsError ? null : facts.LastPid.Value);
        json.WriteNumber("in_use", facts.InUse);
        json.WriteMaybe("lap", facts.Rate > 0, () =>
        {
            json.WriteString("flavour", facts.Flavour);
            json.WriteNumber("per_second", Math.Round(facts.Rate));
            json.WriteNumber("length", facts.Lap);
            json.WriteSeconds("seconds", facts.Lap / facts.Rate);
        });
        json.WriteNumber("uid", facts.Seen.UserId);
        json.WriteBoolean("cap_checkpoint_restore", facts.Seen.HasCheckpointRestore);
        json.WriteBoolean("cap_sys_admin", facts.Seen.HasSysAdmin);
        json.WriteNumber("seccomp", facts.Seen.Confinement.Seccomp);
        json.WriteString("profile", facts.Seen.Confinement.Profile is { Length: > 0 } profile ? profile : null);
        json.WriteBoolean("container", facts.Seen.IsContainer);

        void Write(Finding finding) => json.WriteObject(null, () =>
        {
            // Methods are named by a word each; a flavour as --flavour has it.
            json.WriteString("name", diagnosis.Methods.Contains(finding) ? finding.Name.Replace('-', '_') : finding.Name);
            json.WriteBoolean("works", finding.Works);
            json.WriteString("reason", finding.Reason);
            json.WriteArray("cures", finding.Cures, json.WriteStringValue);
        });
    }

    private static void Machine(StringBuilder text, DoctorFacts facts)
    {
        Observed seen = facts.Seen;
        string rights = seen.HasSysAdmin ? ", with CAP_SYS_ADMIN"
            : seen.HasCheckpointRestore ? ", with CAP_CHECKPOINT_RESTORE"
            : "";
        string filter = seen.Confinement.Seccomp == 2 ? ", under a seccomp filter" : "";
        string profile = seen.Confinement.Profile is "" or "unconfined" ? "" : $", confined by '{seen.Confinement.Profile}'";
        string container = seen.IsContainer ? ", in a container" : "";
        text.Append($"Linux {facts.Release}, as user {seen.UserId}{rights}{container}{filter}{profile}\n");
        if (facts.PidMax.IsError || facts.LastPid.IsError)
        {
            text.Append("pid_max and last_pid cannot be read: needs /proc mounted\n");
            return;
        }

        text.Append($"pid_max {facts.PidMax.Value}, last_pid {facts.LastPid.Value}, {facts.InUse} numbers in use\n");
        if (facts.Rate > 0)
        {
            text.Append($"a lap of {facts.Lap} PIDs takes {facts.Lap / facts.Rate:F2} s, by {facts.Flavour} ({facts.Rate:F0}/s)\n");
        }
    }

    private static void Method(StringBuilder text, Finding finding, Finding? alike, Look look)
    {
        bool hasSymbols = HasSymbols(look);
        string mark = (finding.Works, hasSymbols) switch
        {
            (true, true) => "✔",
            (false, true) => "✘",
            (true, false) => "yes",
            (false, false) => "no ",
        };
        int indent = Indent(look);
        text.Append(look.Paint(finding.Works ? Colour.Green : Colour.Red, mark)).Append(' ')
            .Append(look.Paint(Colour.Bold, finding.Name.PadRight(NameWidth)));
        Wrap(text, finding.Reason, look.Columns, indent, isBegun: true);
        foreach (string cure in alike is null ? finding.Cures : [$"as for {alike.Name}"])
        {
            // Not wrapped: it is to be copied.
            text.Append(' ', indent).Append(hasSymbols ? "→ " : "> ").Append(look.Paint(Colour.Amber, cure)).Append('\n');
        }
    }

    private static bool HasSymbols(Look look) => look.IsTerminal && look.IsUnicode;

    // Of what stands behind the mark and the name.
    private static int Indent(Look look) => (HasSymbols(look) ? 2 : 4) + NameWidth;

    private static string Features(Diagnosis diagnosis, bool isThere) => string.Join(
        ", ",
        diagnosis.Features.Where(feature => feature.IsThere == isThere).Select(feature => $"{feature.Text} ({feature.Since})"));

    private static void Wrap(StringBuilder text, string words, int columns, int indent, bool isBegun = false) => text
        .Append(' ', isBegun ? 0 : indent)
        .AppendJoin('\n' + new string(' ', indent), Document.wrap(columns - indent, words))
        .Append('\n');
}
