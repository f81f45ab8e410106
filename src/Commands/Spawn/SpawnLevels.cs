using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>The PID namespaces that the command will be seen in, as far as they can be seen beforehand.</summary>
internal static class SpawnLevels
{
    /// <summary>What is wrong with the PIDs whatever else there may be, in words; null for nothing.</summary>
    internal static string? FindFault(SpawnOptions options) => Find(options, Limits.PidMax);

    /// <summary>The same once the innermost namespace can be looked at.</summary>
    internal static string? Explain(SpawnOptions options, PidSpace space)
    {
        return Find(options, PidMaxOf(space))
            ?? (options.Pids.Length > 1
                ? $"{options.Pids.Length} PIDs: there are not as many PID namespaces, or one does not allow its number"
                : null);
    }

    private static string? Find(SpawnOptions options, int targetPidMax)
    {
        Version version = Environment.OSVersion.Version;
        KernelRules kernel = KernelRulesModule.ofVersion(version.Major, version.Minor);
        using PidSpace own = new();
        PidNamespace here = Namespace(PidMaxOf(own), PidSetModule.empty);
        List<PidNamespace> stack = [];
        if (options.NewPidns)
        {
            // nslp's own process is the first one there.
            stack.Add(Namespace(
                kernel.PidMaxPerNamespace ? Limits.PidMax : here.PidMax, PidSetModule.add(1, PidSetModule.empty)));
        }

        for (int below = ProcMount.LevelsBelow(options.Target); below > 0; below--)
        {
            int pidMax = stack.Count == 0 ? targetPidMax : Limits.PidMax;
            stack.Add(Namespace(kernel.PidMaxPerNamespace ? pidMax : here.PidMax, PidSetModule.empty));
        }

        stack.Add(here);
        if (!NamespaceLinks.IsInitial())
        {
            // Those further out cannot be counted from within.
            while (stack.Count < Limits.Levels)
            {
                stack.Add(Namespace(Limits.PidMax, PidSetModule.empty));
            }
        }

        var fault = SetTid.fault(
            kernel, options.Pids, Microsoft.FSharp.Collections.ListModule.OfSeq(stack));
        return fault.IsValueSome ? SetTid.describe(fault.Value) : null;
    }

    private static int PidMaxOf(PidSpace space) =>
        space.ReadPidMax() is { IsError: false } pidMax ? pidMax.Value : Limits.PidMax;

    private static PidNamespace Namespace(int pidMax, PidSet inUse) =>
        PidNamespaceModule.withChoice(PidNamespaceModule.observed(0, pidMax, inUse));
}
