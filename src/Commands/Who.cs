using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp who</c>: tells who holds a number, also those that no list of processes shows.</summary>
internal static class Who
{
    private const string Name = "who";
    private const int CannotTell = 3;

    // Members of a group or session that are named; of more only the number is told.
    private const int Named = 5;

    /// <summary>Runs the command.</summary>
    /// <returns>0 if a number is held, 1 if all are free, 3 if none is known to be held and it is not known of all.</returns>
    internal static int Run(WhoOptions options)
    {
        try
        {
            using IPidSpace space = PidSpaces.Open(options.Target);
            if (space.ProcDirectory < 0)
            {
                _ = Output.Fail(Name, "cannot read /proc of this PID namespace", 0, "needs /proc mounted for it");
                return CannotTell;
            }

            // Tasks from before pid_max was lowered keep numbers above it, so these are looked at all the same.
            int pidMax = space.ReadPidMax();
            if (pidMax > 0 && options.Ranges.Any(range => range.Item2 >= pidMax))
            {
                Output.Say(Name, $"warning: this namespace gives PIDs from 1 to {pidMax - 1}");
            }

            List<Holding> holdings = Find(options, space);
            int status = Output.Print(Name, options.Json ? Json(holdings) : Text(holdings));
            return status != Output.Done ? CannotTell
                : holdings.Exists(holding => holding.IsHeld == true) ? 0
                : holdings.Exists(holding => holding.IsHeld is null) ? CannotTell
                : 1;
        }
        catch (RemoteException e)
        {
            _ = Output.Fail(Name, e);
            return CannotTell;
        }
    }

    private static List<Holding> Find(WhoOptions options, IPidSpace space)
    {
        HolderMap map = HolderMap.Read(space.ProcDirectory);
        bool mayBeBlind = map.IsIncomplete
            || (space is OwnPidSpace && ProcMount.HidesTasks(space.ProcDirectory));
        PidSet own = space.ReadOwnNumbers();
        List<Holding> holdings = [];
        List<int> open = [];
        foreach ((int first, int last) in options.Ranges)
        {
            for (int pid = first; pid <= last; pid++)
            {
                // nslp's own numbers are free as soon as it has told.
                bool isOwn = PidSetModule.contains(pid, own);
                Holder holder = isOwn ? default : map.Find(pid);
                if (holder.Kind == HolderKind.Nobody && !isOwn)
                {
                    // A group whose members are hidden still answers.
                    holder = space.HasTask(pid) ? new Holder(HolderKind.Hidden, 0, "")
                        : space.HasGroup(pid) ? new Holder(HolderKind.Group, 0, "")
                        : new Holder(mayBeBlind ? HolderKind.Unknown : HolderKind.Nobody, 0, "");
                    if (holder.Kind is HolderKind.Unknown or HolderKind.Nobody)
                    {
                        open.Add(holdings.Count);
                    }
                }

                holdings.Add(Complete(pid, holder, map, space));
            }
        }

        Settle(holdings, open, space);
        return holdings;
    }

    private static Holding Complete(int pid, Holder holder, HolderMap map, IPidSpace space)
    {
        ProcessFacts? facts = holder.Process == 0 ? null : ProcessFacts.Read(space.ProcDirectory, holder.Process);
        string parent = holder.Kind == HolderKind.Zombie && facts!.Parent > 0
            ? Holders.CommandLine(space.ProcDirectory, facts.Parent)
            : "";
        return new Holding(
            pid, holder with { CommandLine = facts?.CommandLine ?? "" }, facts, parent, map.Members(pid, holder.Kind));
    }

    // The allocator knows, and may be asked with the capability. Without, what was seen must do.
    private static void Settle(List<Holding> holdings, List<int> open, IPidSpace space)
    {
        if (open.Count == 0)
        {
            return;
        }

        bool?[] answers;
        try
        {
            using ExactProbe probe = space.StartProbe();
            answers = probe.Ask([.. open.Select(i => holdings[i].Pid)]);
        }
        catch (RemoteException)
        {
            return;
        }

        for (int i = 0; i < answers.Length; i++)
        {
            Holding holding = holdings[open[i]];
            if (answers[i] == true)
            {
                // Come since, or never to be seen.
                Holder holder = space.FindHolder(holding.Pid);
                HolderMap map = HolderMap.Read(space.ProcDirectory);
                holdings[open[i]] = Complete(
                    holding.Pid,
                    holder.Kind is HolderKind.Nobody or HolderKind.Unknown ? new Holder(HolderKind.Hidden, 0, "") : holder,
                    map,
                    space);
            }
            else if (answers[i] == false)
            {
                holdings[open[i]] = holding with { Holder = new Holder(HolderKind.Nobody, 0, "") };
            }
        }
    }

    private static string Text(List<Holding> holdings)
    {
        StringBuilder text = new();
        for (int i = 0; i < holdings.Count;)
        {
            // Numbers in a row that nobody holds are one line.
            int end = i + 1;
            while (holdings[i].IsHeld != true && end < holdings.Count
                && holdings[end].Holder == holdings[i].Holder && holdings[end].Pid == holdings[end - 1].Pid + 1)
            {
                end++;
            }

            string last = end == i + 1 ? "" : $"-{holdings[end - 1].Pid}";
            text.Append(CultureInfo.InvariantCulture, $"{holdings[i].Pid}{last}: {Words(holdings[i])}\n");
            i = end;
        }

        return text.ToString();
    }

    private static string Words(Holding holding)
    {
        string who = HolderText.Describe(holding.Holder)
            ?? (holding.IsHeld == false ? "free" : "free as far as can be seen, but /proc hides processes of others");
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
        string since = process.Since is { } start
            ? $", since {start.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}"
            : "";
        string user = process.UserId < 0 ? "" : $", user {process.User}";
        return $"{who}{parent}{others}{user}{since}";
    }

    private static string Json(List<Holding> holdings)
    {
        StringBuilder text = new("{\"pids\":[");
        foreach (Holding holding in holdings)
        {
            string held = holding.IsHeld switch { true => "true", false => "false", _ => "null" };
            text.Append(holding == holdings[0] ? "" : ",").Append(
                CultureInfo.InvariantCulture,
                $"{{\"pid\":{holding.Pid},\"held\":{held},\"kind\":\"{Kind(holding.Holder.Kind)}\"");
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

            text.Append('}');
        }

        return text.Append("]}\n").ToString();
    }

    private static string Kind(HolderKind kind) => kind switch
    {
        HolderKind.Nobody => "free",
        HolderKind.KernelThread => "kernel_thread",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Quote(string text) => $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
}
