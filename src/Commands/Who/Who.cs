namespace SetNsLastPid.Commands;

/// <summary><c>nslp who</c>: tells who holds a number, also those that no list of processes shows.</summary>
internal static class Who
{
    private const string Name = "who";

    /// <returns>0 if a number is held, 1 if none is, 3 if none is known to be held and it is not known of all.</returns>
    internal static int Run(WhoOptions options)
    {
        using PidSpace space = PidSpace.Open(options.Target);
        using ProgressLine progress = new(Name, endsBySignal: true);
        int pidMax = space.PidMaxOrLimit;
        WhoScan scan = new(space, pidMax, progress);
        bool isHeld = false, isUnknown = false;
        WhoText text = new(new Results(Name, progress), pidMax, Look.Of(), options.Json);
        int status = text.Write(options.Ranges.SelectMany(range => scan.Find(range.Item1, range.Item2)).Where(holding =>
        {
            isHeld |= holding.IsHeld == true;
            isUnknown |= holding.IsHeld is null;
            return holding.IsHeld == true || !options.Held;
        }));
        return status != Output.Done || isHeld ? status
            : isUnknown ? Words.failureStatus(Name)
            : Output.Failed;
    }
}
