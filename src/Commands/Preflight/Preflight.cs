using Plan = SetNsLastPid.Preflight;

namespace SetNsLastPid.Commands;

/// <summary>What was seen of the namespace that a checkpoint would be restored in.</summary>
/// <param name="Space">For the model.</param>
/// <param name="Holdings">Who holds which of its numbers.</param>
/// <param name="IsUnknown">Whether it cannot be told of all of them.</param>
/// <param name="Report">What the model makes of it.</param>
internal sealed record PreflightFacts(
    PreflightSeen Space, IReadOnlyDictionary<int, Holding> Holdings, bool IsUnknown, PreflightReport Report);

/// <summary><c>nslp preflight</c>: says whether the processes and threads of a checkpoint would get their numbers here.</summary>
internal static class Preflight
{
    private const string Name = "preflight";

    // How long to wait for another's lock; cycling gives up by itself.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <returns>0 if nothing is in the way, 1 if something is, 3 if that cannot be told: the images cannot be read, or
    /// /proc.</returns>
    internal static int Run(PreflightOptions options)
    {
        using ProgressLine progress = new(Name, endsBySignal: true);
        Checkpoint checkpoint;
        try
        {
            checkpoint = ImageReader.Read(options.Images, bytes => progress.Show(-1, $"at {bytes >> 20} MiB"));
        }
        catch (ImageException e)
        {
            progress.Hide();
            return Output.Fail(Name, e.Complaint);
        }

        progress.Hide();
        using PidSpace space = PidSpace.Open(options.Target);
        Need[] needs = Plan.needs(checkpoint);
        PreflightFacts facts = Observe(checkpoint, needs, space, progress);
        bool isMoved = true;
        if (options.MakeWay && facts.Report.MakeWay >= 0)
        {
            isMoved = MakeWay(space, facts.Report.MakeWay);
            facts = Observe(checkpoint, needs, space, progress);
        }

        progress.Hide();
        Results results = new(Name);
        if (options.Json)
        {
            PreflightJson.Write(results, checkpoint, facts);
        }
        else
        {
            new PreflightText(results, Look.Of(options.Color)).Write(checkpoint, facts);
        }

        int status = results.End();
        return status != Output.Done ? status
            : facts.Report.InTheWay.Length > 0 || !isMoved ? Output.Failed
            : facts.IsUnknown ? Words.failureStatus(Name)
            : Output.Done;
    }

    private static PreflightFacts Observe(Checkpoint checkpoint, Need[] needs, PidSpace space, ProgressLine progress)
    {
        int pidMax = Output.Of(space.ReadPidMax(), Stage.ReadPidMax);
        Dictionary<int, Holding> holdings = [];
        bool isUnknown = false;
        WhoScan scan = new(space, pidMax, progress);
        foreach ((int first, int last) in Plan.ranges(needs))
        {
            foreach (Holding holding in scan.Find(first, last))
            {
                isUnknown |= holding.IsHeld is null;
                if (holding.IsHeld == true)
                {
                    holdings[holding.Pid] = holding;
                }
            }
        }

        // nslp is gone by the time of a restore, and so is a session or group that it leads.
        PidSet inUse = PidSetModule.except(space.ReadOwnNumbers(), space.ReadNumbersInUse());
        PreflightSeen seen = new(
            held: [.. holdings.Values.Select(holding => (holding.Pid, holding.Holder.Kind))],
            inUse: inUse,
            pidMax: pidMax,
            mayWritePidMax: space.MayWritePidMax,
            sharesPidMax: !Kernel.Rules.PidMaxPerNamespace,
            lastPid: Output.Of(space.ReadLastPid(), Stage.ReadLastPid),
            session: Others(space.Session),
            group: Others(space.Group));
        return new PreflightFacts(seen, holdings, isUnknown, Plan.examine(seen, checkpoint, needs));

        int Others(int pid) => space.IsOwn(pid) ? 0 : pid;
    }

    // What follows last_pid is free for many numbers: that others fork meanwhile, or nslp's threads end, does no harm.
    private static bool MakeWay(PidSpace space, int target)
    {
        Goal goal = GoalModule.after(target);
        End end = End.Done;
        for (var methods = Approach.methods(Method.Auto, makesProcess: false, [goal]); !methods.IsEmpty; methods = methods.Tail)
        {
            end = methods.Head.IsWrite ? space.WriteLastPid(target, s_patience) : Cycle(space, goal);
            if (!Approach.goesOn(end))
            {
                break;
            }
        }

        return end.IsDone || Output.Done == Output.Fail(Name, Words.set(
            new Attempted([goal], double.PositiveInfinity, -1, 0, null, HolderText.DescribeLocker(space), "PIDs are consumed instead", 0), end));
    }

    private static End Cycle(PidSpace space, Goal goal)
    {
        Errno error = space.Lock(s_patience);
        if (Approach.needsLock(error))
        {
            return End.NewFailed(Stage.LockLastPid, error);
        }

        error = space.PrepareToConsume();
        CycleProgress progress = new(Name);
        End end = error != 0
            ? End.NewFailed(Stage.ConsumePids, error)
            : new LandingRun(space, goal, space.ReadOwnNumbers, null, progress).Run(long.MaxValue);
        progress.Hide();
        return end;
    }
}
