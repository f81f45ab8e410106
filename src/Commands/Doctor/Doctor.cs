namespace SetNsLastPid.Commands;

/// <summary><c>nslp doctor</c>: tries what works here, and says what would make the rest work.</summary>
internal static class Doctor
{
    private const string Name = "doctor";

    // Enough to tell a rate by; in a namespace of the usual size a quarter of a lap.
    private const int MostConsumed = 8000;

    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(0.25);

    /// <returns>The exit status: 0 when a PID can be chosen in some way, 1 when not, 3 when the result cannot be
    /// written.</returns>
    internal static int Run(ColorWhen color, bool isJson)
    {
        ProgressLine progress = new(Name);
        progress.Show(-1, "trying what works here");
        // Before anything that makes a thread.
        Observed seen = MachineProbe.Observe();
        Diagnosis diagnosis = Examination.diagnose(seen);
        DoctorFacts facts = Measure(seen);
        progress.Hide();
        int status = isJson
            ? Output.PrintJson(Name, json => DoctorText.Write(json, facts, diagnosis))
            : Output.Print(Name, DoctorText.ToText(facts, diagnosis, Look.Of(color)));
        return status != Output.Done || diagnosis.CanChoose ? status : Output.Failed;
    }

    private static DoctorFacts Measure(Observed seen)
    {
        using PidSpace space = new();
        SysResult pidMax = space.ReadPidMax(), lastPid = space.ReadLastPid();
        PidSet inUse = space.ReadNumbersInUse();
        DoctorFacts facts = new(seen, Kernel.Release(), pidMax, lastPid, inUse.Count, "", 0, 0);
        if (pidMax.IsError || space.PrepareToConsume() != 0)
        {
            return facts;
        }

        long start = Stopwatch.GetTimestamp();
        long deadline = start + (long)(s_longest.TotalSeconds * Stopwatch.Frequency);
        CycleResult result = space.Cycler!.Burst(Math.Min(MostConsumed, pidMax.Value / 4), deadline);
        double rate = result.Consumed / Stopwatch.GetElapsedTime(start).TotalSeconds;
        return facts with
        {
            Flavour = space.Cycler.Flavour.Name,
            Rate = rate,
            Lap = PidSetModule.countFree(Limits.Reserved, pidMax.Value, inUse),
        };
    }
}
