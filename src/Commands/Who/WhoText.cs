using System.Text.Json;

namespace SetNsLastPid.Commands;

internal static class HolderText
{
    /// <summary>Such as <c>process 4243 (sleep 100)</c>; null for a number that nobody is seen to hold.</summary>
    internal static string? Describe(Holder holder)
    {
        // At once: interpolating numbers makes the runtime open a file and keep it, and set may have none to spare.
        if (holder.Kind is HolderKind.Nobody or HolderKind.OutOfRange or HolderKind.Unknown)
        {
            return null;
        }

        string process = $"process {holder.Process} ({holder.CommandLine})";
        string member = holder.Process == 0 ? "a process that /proc does not show" : process;
        return holder.Kind switch
        {
            HolderKind.Process => process,
            HolderKind.KernelThread => $"kernel thread {holder.Process} {holder.CommandLine}",
            HolderKind.Thread => $"a thread of {process}",
            HolderKind.Zombie => $"{process}, which has ended but was not waited for",
            HolderKind.Group => $"a process group whose leader is gone; {member} is still in it",
            HolderKind.Session => $"a session whose leader is gone; {member} is still in it",
            HolderKind.Hidden => "something that /proc does not show",
            _ => null,
        };
    }

    /// <summary>Who keeps others from writing ns_last_pid, where /proc/locks tells of nslp's own namespace; else null.</summary>
    internal static string? DescribeLocker(PidSpace space) =>
        space.IsHere && LastPid.FindLocker() is > 0 and var process && Describe(space.FindHolder(process)) is { } locker
            ? locker + " holds the lock on ns_last_pid"
            : null;
}

/// <summary>What <c>nslp who</c> prints: lines, or one JSON object.</summary>
/// <param name="json">Whether as JSON, with an object for each number.</param>
internal sealed class WhoText(Results results, int pidMax, Look look, bool json)
{
    // Members of a group or session that are named; of more only the number is told.
    private const int Named = 5;

    /// <summary>Writes what is known of all these, as long as it can be written.</summary>
    internal int Write(IEnumerable<Holding> holdings)
    {
        holdings = holdings.TakeWhile(_ => results.Go());
        if (json)
        {
            results.WriteResult(() => results.Json.WriteArray("pids", holdings, WriteJson));
        }
        else
        {
            foreach (Holding holding in holdings)
            {
                results.Add(Fit($"{SetNsLastPid.Words.numbers(holding.Pid, holding.Last)}: {Words(holding)}", holding) + '\n');
            }
        }

        return results.End();
    }

    /// <summary>A line about it with its command lines cut so that it fits.</summary>
    internal string Fit(string line, Holding holding) => look.Fit(look.Fit(line, holding.Parent), holding.Holder.CommandLine ?? "");

    /// <summary>Who holds a number, in words.</summary>
    internal string Words(Holding holding)
    {
        string who = HolderText.Describe(holding.Holder) ?? holding.Holder.Kind switch
        {
            HolderKind.Nobody => "free",
            HolderKind.OutOfRange => $"out of range: PIDs here are 1 to {pidMax - 1}",
            _ => "it seems free, but /proc hides other users' processes",
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
            ? $", since {start.ToString("yyyy-MM-dd HH:mm:ss'Z'")}"
            : "";
        string user = process.UserId < 0 ? "" : $", user {process.User}";
        return $"{who}{parent}{others}{user}{since}";
    }

    private void WriteJson(Holding holding)
    {
        for (int pid = holding.Pid; pid <= holding.Last && results.Go(); pid++)
        {
            results.Json.WriteObject(null, () =>
            {
                results.Json.WriteNumber("pid", pid);
                WriteFields(results.Json, holding);
            });
        }
    }

    /// <summary>The fields of an object about one number, null for one that nobody holds.</summary>
    internal static void WriteFields(Utf8JsonWriter json, Holding? holding)
    {
        json.WritePropertyName("held");
        if ((holding is null ? false : holding.IsHeld) is { } isHeld)
        {
            json.WriteBooleanValue(isHeld);
        }
        else
        {
            json.WriteNullValue();
        }

        json.WriteString("kind", holding?.Holder.Kind switch
        {
            null or HolderKind.Nobody => "free",
            HolderKind.OutOfRange => "out_of_range",
            HolderKind.KernelThread => "kernel_thread",
            { } kind => kind.ToString().ToLowerInvariant(),
        });
        json.WriteMaybe("holder", holding?.Process is not null, () =>
        {
            ProcessFacts process = holding!.Process!;
            json.WriteNumber("process", holding.Holder.Process);
            json.WriteString("command_line", process.CommandLine);
            json.WriteMaybe("uid", process.UserId < 0 ? null : process.UserId);
            json.WriteString("user", process.UserId < 0 ? null : process.User);
            json.WriteString("since", process.Since?.ToString("yyyy-MM-ddTHH:mm:ss.ff'Z'"));
            json.WriteMaybe("parent", process.Parent == 0 ? null : process.Parent);
            json.WriteString("parent_command_line", holding.Parent == "" ? null : holding.Parent);
            json.WriteArray("members", holding.Members, json.WriteNumberValue);
        });
    }
}
