using Microsoft.FSharp.Collections;

namespace SetNsLastPid.Commands;

/// <summary>The PID namespaces that the command will be seen in, as far as they can be seen beforehand.</summary>
internal static class SpawnLevels
{
    /// <summary>What is wrong with the PIDs whatever else there may be, in words; null for nothing.</summary>
    internal static string? FindFault(SpawnOptions options) => Find(options, Limits.PidMax);

    /// <summary>The same once the innermost namespace can be looked at.</summary>
    internal static string? Explain(SpawnOptions options, PidSpace space) => Find(options, space.PidMaxOrLimit)
        ?? (options.Goals.Length > 1
            ? $"{options.Goals.Length} PIDs: there are fewer PID namespaces, or one does not allow its PID"
            : null);

    /// <summary>The same where the kernel says that the PIDs may not be chosen (EPERM); null where that is all that is known.
    /// </summary>
    internal static string? ExplainRefusal(SpawnOptions options) =>
        options.NewPidns > 0 ? Find(options, Limits.PidMax, mayChooseHere: false) : null;

    private static string? Find(SpawnOptions options, int targetPidMax, bool mayChooseHere = true)
    {
        KernelRules kernel = Kernel.Rules;
        using PidSpace own = new();
        PidNamespace here = PidNamespaceModule.observed(0, own.PidMaxOrLimit, PidSetModule.empty);
        here = mayChooseHere ? PidNamespaceModule.withChoice(here) : here;
        List<PidNamespace> stack = [];
        for (int level = 0; level < options.NewPidns; level++)
        {
            int asked = options.PidMax > 0 && level == 0 ? options.PidMax : Limits.PidMax;
            int pidMax = kernel.PidMaxPerNamespace ? asked : here.PidMax;
            // nslp's own process is the first one there.
            stack.Add(IsInit(options) && level == 0
                ? PidNamespaceModule.create(true, pidMax)
                : Namespace(pidMax, PidSetModule.add(1, PidSetModule.empty)));
        }

        for (int below = ProcMount.LevelsBelow(options.Target); below > 0; below--)
        {
            int pidMax = stack.Count == 0 ? targetPidMax : Limits.PidMax;
            stack.Add(Namespace(kernel.PidMaxPerNamespace ? pidMax : here.PidMax, PidSetModule.empty));
        }

        stack.Add(here);
        if (!NamespaceLinks.IsInitial() && mayChooseHere)
        {
            // Those further out cannot be counted from within.
            while (stack.Count < Limits.Levels)
            {
                stack.Add(Namespace(Limits.PidMax, PidSetModule.empty));
            }
        }

        // Of a range any number that is not taken for certain.
        IEnumerable<int> pids = options.Goals.Select(goal => Math.Min(Math.Max(goal.First, goal.IsLoose ? 2 : 0), goal.Last));
        var fault = SetTid.fault(kernel, ListModule.OfSeq(pids), ListModule.OfSeq(stack));
        return fault.IsValueSome ? SetTid.describe(options.Goals.Length, fault.Value) : null;
    }

    /// <summary>How many PID namespaces the command's own one is below nslp's.</summary>
    internal static int Below(SpawnOptions options) =>
        options.NewPidns > 0 ? options.NewPidns : ProcMount.LevelsBelow(options.Target);

    /// <summary>Whether the command is to be the first process of a new namespace.</summary>
    internal static bool IsInit(SpawnOptions options) =>
        options.NewPidns > 0 && options.Goals[0] is { First: 1, Last: 1 };

    private static PidNamespace Namespace(int pidMax, PidSet inUse) =>
        PidNamespaceModule.withChoice(PidNamespaceModule.observed(0, pidMax, inUse));
}
