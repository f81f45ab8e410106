using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp who</c> prints: lines, or one JSON object.</summary>
/// <param name="results">Where to.</param>
/// <param name="pidMax">pid_max of the namespace.</param>
/// <param name="json">Whether as JSON, with an object for each number.</param>
internal sealed class WhoText(Results results, int pidMax, bool json)
{
    // Members of a group or session that are named; of more only the number is told.
    private const int Named = 5;

    private string _separator = "";

    /// <summary>Writes what stands before the first.</summary>
    internal void Begin() => results.Text.Append(json ? "{\"pids\":[" : "");

    /// <summary>Writes one.</summary>
    /// <returns>Whether all could be written so far.</returns>
    internal bool Add(Holding holding)
    {
        if (!json)
        {
            string last = holding.Last == holding.Pid ? "" : $"-{holding.Last}";
            results.Text.Append(CultureInfo.InvariantCulture, $"{holding.Pid}{last}: {Words(holding)}\n");
            return results.Go();
        }

        string held = holding.IsHeld switch { true => "true", false => "false", _ => "null" };
        string rest = $",\"held\":{held},\"kind\":\"{Kind(holding.Holder.Kind)}\"{Details(holding)}}}";
        for (int pid = holding.Pid; pid <= holding.Last && results.Go(); pid++)
        {
            results.Text.Append(_separator).Append("{\"pid\":").Append(pid).Append(rest);
            _separator = ",";
        }

        return results.Status == Output.Done;
    }

    /// <summary>Writes what stands behind the last.</summary>
    internal void End()
    {
        results.Text.Append(json ? "]}\n" : "");
        results.Flush();
    }

    private string Words(Holding holding)
    {
        string who = HolderText.Describe(holding.Holder) ?? holding.Holder.Kind switch
        {
            HolderKind.Nobody => "free",
            HolderKind.OutOfRange => $"out of range: PIDs here are 1 to {pidMax - 1}",
            _ => "free as far as can be seen, but /proc hides processes of others",
        };
        if (holding.Process is not { } process)
        {
            return who;
        }

        string others = holding.Members.Count <= 1 ? ""
            : $" with {string.Join(", ", holding.Members.Skip(1).Take(Named))}"
                + (holding.Members.Count - 1 > Named ? $" and {holding.Members.Count - 1 - Named} more" : "");
        string parent = holding.Holder.Kind != HolderKind.Zombie ? ""
            : process.Parent == 0 ? " by its parent, outside this namespace"
            : $" by its parent, process {process.Parent} ({holding.Parent})";
        // Not local time: the file that TZ names may be anything, and in a container there is hardly one.
        string since = process.Since is { } start
            ? $", since {start.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}"
            : "";
        string user = process.UserId < 0 ? "" : $", user {process.User}";
        return $"{who}{parent}{others}{user}{since}";
    }

    private static string Details(Holding holding)
    {
        StringBuilder text = new();
        if (holding.Process is { } process)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $",\"process\":{holding.Holder.Process},\"command\":{Quote(process.CommandLine)}");
            if (process.UserId >= 0)
            {
                text.Append(CultureInfo.InvariantCulture, $",\"uid\":{process.UserId},\"user\":{Quote(process.User)}");
            }

            if (process.Since is { } since)
            {
                text.Append(CultureInfo.InvariantCulture, $",\"since\":\"{since:yyyy-MM-ddTHH:mm:ss.ffZ}\"");
            }

            text.Append(CultureInfo.InvariantCulture, $",\"parent\":{process.Parent}");
        }

        if (holding.Parent != "")
        {
            text.Append(",\"parent_command\":").Append(Quote(holding.Parent));
        }

        if (holding.Members.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $",\"members\":[{string.Join(',', holding.Members)}]");
        }

        return text.ToString();
    }

    private static string Kind(HolderKind kind) => kind switch
    {
        HolderKind.Nobody => "free",
        HolderKind.OutOfRange => "out_of_range",
        HolderKind.KernelThread => "kernel_thread",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Quote(string text) => $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
}
