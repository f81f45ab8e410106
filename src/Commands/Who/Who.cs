using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp who</c>: tells who holds a number, also those that no list of processes shows.</summary>
internal static class Who
{
    private const string Name = "who";
    private const int CannotTell = 3;

    /// <summary>Runs the command.</summary>
    /// <returns>0 if a number is held, 1 if none is, 3 if none is known to be held and it is not known of all.</returns>
    internal static int Run(WhoOptions options)
    {
        try
        {
            using PidSpace space = PidSpace.Open(options.Target);
            if (space.ProcDirectory < 0)
            {
                _ = Output.Fail(Name, "cannot read /proc of this PID namespace", 0, "needs /proc mounted for it");
                return CannotTell;
            }

            return Run(options, space);
        }
        catch (RemoteException e)
        {
            _ = Output.Fail(Name, e);
            return CannotTell;
        }
    }

    private static int Run(WhoOptions options, PidSpace space)
    {
        using ProgressLine progress = new(Name);
        Results results = new(Name, progress);
        SysResult read = space.ReadPidMax();
        int pidMax = read.IsError ? Limits.PidMax : read.Value;
        WhoScan scan = new(space, pidMax, progress);
        WhoText text = new(results, pidMax, options.Json);
        bool isHeld = false, isUnknown = false;
        text.Begin();
        foreach (Holding holding in options.Ranges.SelectMany(range => scan.Find(range.Item1, range.Item2)))
        {
            isHeld |= holding.IsHeld == true;
            isUnknown |= holding.IsHeld is null;
            if ((holding.IsHeld == true || !options.Held) && !text.Add(holding))
            {
                break;
            }
        }

        text.End();
        return results.Status != Output.Done ? CannotTell
            : isHeld ? 0
            : isUnknown ? CannotTell
            : 1;
    }
}
