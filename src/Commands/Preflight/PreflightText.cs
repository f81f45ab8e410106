using Plan = SetNsLastPid.Preflight;

namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp preflight</c> prints for people.</summary>
internal sealed class PreflightText(Results results, Look look)
{
    // Of more numbers or ranges on a line, or holders, only how many there are is told.
    private const int Most = 20;

    // Nobody can follow a branch any further.
    private const int Deepest = 32;

    private readonly string _mark = look.IsUnicode ? "✗" : "!";

    internal void Write(Checkpoint checkpoint, PreflightFacts facts)
    {
        PreflightReport report = facts.Report;
        ImageTree tree = checkpoint.Tree;
        HashSet<int> inTheWay = [.. report.InTheWay.Select(obstruction => obstruction.Need.Pid)];
        if (look.IsTerminal)
        {
            WriteTree(tree, inTheWay);
        }
        else
        {
            WriteNumbers(tree);
        }

        WriteNotes(checkpoint, facts);
        foreach (IGrouping<string, Obstruction> alike in report.InTheWay.GroupBy(
            obstruction => Plan.name(obstruction.Hindrance) + '\n' + Words.cure(report, obstruction.Hindrance)))
        {
            WriteAlike([.. alike], facts);
            string cure = alike.Key[(alike.Key.IndexOf('\n') + 1)..];
            Line(cure == "" ? "" : $"  {cure}\n");
        }

        string verdict = inTheWay.Count > 0 ? look.Paint(Colour.Red, $"in the way: {Count(inTheWay.Count, "number")}")
            : facts.IsUnknown ? look.Paint(Colour.Amber, "nothing seems to be in the way, but /proc hides other users' processes")
            : look.Paint(Colour.Green, "nothing is in the way");
        Line($"{verdict}\n");
    }

    private void Line(string text)
    {
        if (results.Go())
        {
            results.Add(text);
        }
    }

    private static string Count(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private void WriteNotes(Checkpoint checkpoint, PreflightFacts facts)
    {
        switch (checkpoint.Namespace)
        {
            case { IsNew: true }:
                Line("criu makes a new PID namespace for them\n");
                break;
            case ImageNamespace.Given given:
                Line($"criu is to be given a PID namespace for them, as {given.Key}; --target looks into it\n");
                break;
        }

        if (Plan.needsShellJob(checkpoint.Tree))
        {
            Line("criu needs --shell-job: the first process does not lead its session\n");
        }

        if (facts.Report.RaisesPidMax > 0)
        {
            Line($"criu raises pid_max from {facts.Space.PidMax} to {facts.Report.RaisesPidMax}\n");
        }
    }

    private void WriteNumbers(ImageTree tree)
    {
        Write("process", "processes", tree.Tasks.Select(task => task.Pid));
        Write("thread", "threads", tree.Threads);
        Write("group", "groups", tree.Tasks.Select(task => task.Group));
        Write("session", "sessions", tree.Tasks.Select(task => task.Session));

        void Write(string one, string several, IEnumerable<int> pids)
        {
            Need[] sorted = [.. pids.Where(pid => pid > 0).Distinct().Order().Select(pid => new Need(pid, Role.None))];
            if (sorted.Length > 0)
            {
                Line($"{sorted.Length} {(sorted.Length == 1 ? one : several)}: {Ranges(sorted)}\n");
            }
        }
    }

    private static string Ranges(Need[] sorted, Func<string, int, int, string>? mark = null)
    {
        (int First, int Last)[] ranges = [.. Plan.ranges(sorted).Select(range => (range.Item1, range.Item2))];
        string more = ranges.Length > Most ? $" and {ranges.Length - Most} more ranges" : "";
        return string.Join(", ", ranges.Take(Most).Select(Range)) + more;

        string Range((int First, int Last) range)
        {
            string text = Words.numbers(range.First, range.Last);
            return mark is null ? text : mark(text, range.First, range.Last);
        }
    }

    private void WriteAlike(Obstruction[] alike, PreflightFacts facts)
    {
        Hindrance why = alike[0].Hindrance;
        string? ofAll = why switch
        {
            { IsPidMax: true } => $"not below pid_max, which is {Math.Max(facts.Space.PidMax, facts.Report.RaisesPidMax)}",
            { IsCriu: true } => $"criu, or what it starts, gets {(alike.Length == 1 ? "it" : "these")}: last_pid is {facts.Space.LastPid}",
            { IsInitOfCaller: true } => "criu makes no new PID namespace for this init, which was dumped from within its own",
            { IsInitOfGiven: true } => "criu is to be given a PID namespace for this init, and would find one there",
            { IsNewWithoutInit: true } => "the PID namespace of this process is not among the images",
            _ => null,
        };
        if (ofAll is not null)
        {
            Line($"{Ranges([.. alike.Select(obstruction => obstruction.Need)])}: {ofAll}\n");
            return;
        }

        WhoText who = new(results, facts.Space.PidMax, look, json: false);
        foreach (Obstruction obstruction in alike.Take(Most))
        {
            Need need = obstruction.Need;
            string own = why.IsOwnSession ? "your own session, " : why.IsOwnGroup ? "your own process group, " : "";
            string holder = facts.Holdings.TryGetValue(need.Pid, out Holding? holding) ? who.Words(holding) : "";
            string line = $"{need.Pid} ({string.Join(", ", Plan.roles(need.Roles))}): {(own + holder).TrimEnd(' ', ',')}";
            Line((holding is null ? line : who.Fit(line, holding)) + '\n');
        }

        Line(alike.Length > Most ? $"and {alike.Length - Most} more\n" : "");
    }

    // Like pstree, a line a process; threads, groups and sessions where they are not those of the parent.
    private void WriteTree(ImageTree tree, HashSet<int> inTheWay)
    {
        int[] next = new int[tree.Tasks.Length], child = new int[tree.Tasks.Length];
        Array.Fill(next, -1);
        Array.Fill(child, -1);
        for (int i = tree.Tasks.Length - 1; i > 0; i--)
        {
            int parent = tree.Tasks[i].Parent;
            (next[i], child[parent]) = (child[parent], i);
        }

        List<int> path = [0];
        while (path.Count > 0 && results.Go())
        {
            int at = path[^1];
            WriteTask(tree, at, path, next, inTheWay);
            if (child[at] >= 0)
            {
                path.Add(child[at]);
                continue;
            }

            while (path.Count > 0 && next[path[^1]] < 0)
            {
                path.RemoveAt(path.Count - 1);
            }

            if (path.Count > 0)
            {
                path[^1] = next[path[^1]];
            }
        }
    }

    private void WriteTask(ImageTree tree, int at, List<int> path, int[] next, HashSet<int> inTheWay)
    {
        ImageTask task = tree.Tasks[at];
        StringBuilder line = new();
        for (int depth = 1; depth < Math.Min(path.Count - 1, Deepest); depth++)
        {
            line.Append(next[path[depth]] < 0 ? "   " : look.IsUnicode ? "│  " : "|  ");
        }

        line.Append(path.Count > Deepest ? "... " : "")
            .Append(at == 0 ? "" : next[at] < 0 ? (look.IsUnicode ? "└─ " : "`- ") : look.IsUnicode ? "├─ " : "|- ")
            .Append(Marked(task.Pid));
        if (task.ThreadCount > 0)
        {
            Need[] threads = [.. tree.ThreadsOf(task).Order().Select(thread => new Need(thread, Role.Thread))];
            line.Append($", {(threads.Length == 1 ? "thread" : "threads")} ").Append(Ranges(threads, Mark));
        }

        bool isRoot = task.Parent < 0;
        if (isRoot || task.Session != tree.Tasks[task.Parent].Session)
        {
            line.Append(", session ").Append(task.Session == task.Pid ? $"{task.Pid}" : Marked(task.Session));
        }

        if (isRoot || task.Group != tree.Tasks[task.Parent].Group)
        {
            line.Append(", group ").Append(task.Group == task.Pid ? $"{task.Pid}" : Marked(task.Group));
        }

        results.Add(line.Append('\n').ToString());

        string Marked(int pid) => Mark($"{pid}", pid, pid);

        string Mark(string text, int first, int last)
        {
            bool isMarked = Enumerable.Range(first, last - first + 1).Any(inTheWay.Contains);
            return isMarked ? look.Paint(Colour.Red, text + _mark) : text;
        }
    }
}
