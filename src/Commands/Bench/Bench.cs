namespace SetNsLastPid.Commands;

/// <summary><c>nslp bench</c>: what there is to consume, read, write and choose PIDs with, side by side in one run.</summary>
internal static class Bench
{
    private const string Name = "bench";
    private const int LapDistance = 8000;
    private const double ConsumingShare = 0.7;
    private const double OtherShare = 0.15;

    // More makes the figures of a second run differ.
    private const double MostStolen = 0.02;
    private const double MostOthers = 0.1;

    /// <summary>Runs the command, in a PID namespace of its own where there can be one.</summary>
    internal static int Run(double longest, ColorWhen color, bool isJson)
    {
        if (!InnerRun.IsHere)
        {
            try
            {
                // They go to the inner one too, which says how far it was and ends by them.
                using CaughtSignals caught = new();
                caught.CatchUnlessIgnored(SIGINT, SIGQUIT);
                int status = InnerRun.Run();
                int signal = caught.Next(wait: false).Number;
                if (signal != 0)
                {
                    caught.Dispose();
                    CaughtSignals.Suffer(signal);
                }

                return status;
            }
            catch (RemoteException e)
            {
                Output.Say(Name, $"{e.Message}; so this consumes PIDs of the namespace it was called in");
            }
        }

        return Measure(longest, color, isJson, InnerRun.IsHere);
    }

    private static int Measure(double longest, ColorWhen color, bool isJson, bool isOwn)
    {
        using PidSpace space = new();
        using LastPid lastPid = LastPid.OpenForReading();
        SysResult read = space.ReadPidMax();
        if (lastPid.Error != 0 || read.IsError)
        {
            return Output.Fail(Name, Words.look(Stage.ReadLastPid, lastPid.Error != 0 ? lastPid.Error : read.Error));
        }

        int pidMax = read.Value;
        CpuTimes start = CpuTimes.Read();
        List<BenchResult> results = [];
        using ProgressLine progress = new(Name, endsBySignal: true);
        // Before anything that makes a thread: the zygote is best the child of a process with one.
        using (Zygote zygote = Zygote.Start())
        {
            BenchMeter processes = new((next, part) => Show(next, part * OtherShare));
            BenchWays.AddProcesses(processes, zygote, Array.Find(Flavour.All, way => way.Suits(isHere: true, threads: 1) && CyclingProbe.Probe(way, lastPid) == 0), pidMax - 1, isOwn);
            results.AddRange(processes.Run(longest * OtherShare));
        }

        BenchMeter files = new((next, part) => Show(next, (1 + part) * OtherShare));
        BenchWays.AddLastPid(files, isOwn);
        results.AddRange(files.Run(longest * OtherShare));

        BenchMeter consuming = new((next, part) => Show(next, (2 * OtherShare) + (part * ConsumingShare)));
        BenchWays.AddConsuming(consuming, lastPid, ThreadCounts());
        results.AddRange(consuming.Run(longest * ConsumingShare));

        progress.Hide();
        Errno error = space.PrepareToConsume();
        int from = Math.Max(space.ReadLastPid().Value, 0);
        Goal goal = GoalModule.after(from + LapDistance < pidMax ? from + LapDistance : LapDistance);
        LandingRun landing = new(space, goal, space.ReadOwnNumbers);
        long setOut = Stopwatch.GetTimestamp();
        End end = error != 0 ? End.NewFailed(Stage.ConsumePids, error) : landing.Run(setOut + (10 * Stopwatch.Frequency));
        double seconds = Stopwatch.GetElapsedTime(setOut).TotalSeconds;
        BenchLap? lap = end.IsDone ? new(space.Cycler!.Flavour.Name, landing.State, seconds) : null;
        (double stolen, double others) = CpuTimes.Read().Since(start);
        if (stolen > MostStolen || others > MostOthers)
        {
            Output.Say(
                Name, $"warning: other processes had {100 * others:F0} % of the CPU time, and the host kept {100 * stolen:F0} % from this machine: the figures are too low");
        }

        return isJson
            ? Output.PrintJson(Name, json => BenchText.Write(json, results, lap, isOwn, stolen, others))
            : Output.Print(Name, BenchText.ToText(results, lap, isOwn, Look.Of(color)));

        void Show(BenchResult next, double part) =>
            progress.Show(part, $"{100 * part:F0} %, {next.Name}{(next.Threads > 1 ? $" x{next.Threads}" : "")}");
    }

    // 1, 2, 4 and so on up to the cores, and two more than these, as others do it.
    private static List<int> ThreadCounts()
    {
        List<int> counts = [];
        int cores = Environment.ProcessorCount;
        for (int count = 1; count < cores; count *= 2)
        {
            counts.Add(count);
        }

        counts.Add(cores);
        counts.Add(cores + 2);
        return counts;
    }
}
