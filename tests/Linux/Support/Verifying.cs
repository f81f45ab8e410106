using System.Globalization;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Outcome = SetNsLastPid.Verification.Outcome;

namespace SetNsLastPid.Tests.Support;

/// <summary><c>nslp verify</c> on a kernel that is not what it says: the first clone into a namespace may fail late there
/// without harm.</summary>
internal sealed class Verifying : ISandboxes
{
    private readonly ISandboxes _other = ModelSandbox.create(
        AllocatorModule.model,
        SettingOf(new KernelRules(
            pidMaxPerNamespace: true, pidfdOfThread: true, failedFirstCloneKills: false, checksBeforePicks: false,
            checksInitAfterPick: false, freesThreadsLate: true, clonesIntoCgroup: true, writesStrictly: true, pageSize: 4096, Limits.PidMax, Limits.Levels)));

    public Setting Setting => SettingOf(KernelRulesModule.ofVersion(6, 18));

    public ISandbox Open() => _other.Open();

    internal static int Run(string? replay, bool json, bool tap = false)
    {
        FSharpList<Operation>? operations =
            replay is null ? null : ReplayText.parse(File.ReadAllText(replay)).ResultValue;
        return Commands.Verify.Run(new VerifyOptions(500, 50, 7, replay, null, false, tap, null, json), operations, new Verifying());
    }

    /// <summary>On the running kernel, told that it is of another version.</summary>
    internal static int As(int major, int minor, ulong seed)
    {
        using Sandboxes sandboxes = new(byVersion: KernelRulesModule.ofVersion(major, minor));
        return Commands.Verify.Run(new VerifyOptions(100, 50, seed, null, null, false, false, null, json: true), null, sandboxes);
    }

    private static Setting SettingOf(KernelRules rules) => new(
        rules, outerLevels: 1, ownUser: false, pidMax: 4194304, FSharpList<Lack>.Empty, FSharpList<string>.Empty);
}

/// <summary>The operations of <c>nslp verify</c> in the PID namespace that it runs in, among all that lives there, with
/// pid_max changed for it. Only for namespaces, or kernels before 6.14, of one's own.</summary>
internal sealed class VerifyingHere : IDisposable
{
    private const int Steps = 50;
    private const string PidMaxPath = "/proc/sys/kernel/pid_max";
    private const string LastPidPath = "/proc/sys/kernel/ns_last_pid";

    // A run in which a process came or went that is not ours says nothing. More of them than one in so many are no verdict.
    private const int LeastQuiet = 10;

    private static readonly int[] s_pidMax = [4194304, 32768, 1000, 700];

    private readonly string _pidMax = File.ReadAllText(PidMaxPath);
    private readonly Sandboxes _sandboxes = new(here: true, ownsAll: true);
    private readonly Setting _setting;
    private int _given;

    private VerifyingHere(bool isWrong)
    {
        Setting setting = _sandboxes.Setting;
        KernelRules kernel = setting.Kernel;
        // What is looked at first, a number in use or the capability, is easily met.
        _setting = !isWrong ? setting : new Setting(
            new KernelRules(
                kernel.PidMaxPerNamespace, kernel.PidfdOfThread, kernel.FailedFirstCloneKills,
                !kernel.ChecksBeforePicks, kernel.ChecksInitAfterPick, kernel.FreesThreadsLate, kernel.ClonesIntoCgroup,
                kernel.WritesStrictly, kernel.PageSize, kernel.PidMaxLimit, kernel.Levels),
            setting.OuterLevels, setting.OwnUser, setting.PidMax, setting.Lacks, setting.Surprises);
    }

    public void Dispose()
    {
        File.WriteAllText(PidMaxPath, _pidMax);
        _sandboxes.Dispose();
    }

    // Exit status 1: they differ, or it was too noisy to tell.
    internal static int Run(int runs, ulong seed, bool isWrong)
    {
        using VerifyingHere verifying = new(isWrong);
        int run = 0, operations = 0, noisy = 0;
        foreach (FSharpList<Operation> sequence in Runner.sequences(seed, runs, Steps))
        {
            File.WriteAllText(PidMaxPath, s_pidMax[run++ % s_pidMax.Length].ToString(CultureInfo.InvariantCulture));
            if (verifying.Difference(sequence, ref operations, out bool isNoise) is not { } difference)
            {
                continue;
            }

            noisy++;
            if (!isNoise || noisy > runs / LeastQuiet)
            {
                Console.WriteLine(isNoise ? "too many processes come and go" : difference);
                return 1;
            }
        }

        Console.WriteLine(
            $"{runs} runs, seed {seed}: {operations} operations{(noisy > 0 ? $", {noisy} runs cut short by others" : "")}");
        return 0;
    }

    // What differs, in words; null if nothing does.
    private string? Difference(FSharpList<Operation> sequence, ref int operations, out bool isNoise)
    {
        (PidNamespace before, long forks) = See();
        string told = $"pid_max {before.PidMax}, cursor {before.Cursor}, {before.InUse.Count} in use\n";
        bool isDifferent;
        _given = 1;
        using (Sandbox sandbox = new(_sandboxes))
        {
            World world = Perform.startIn(PidNamespaceModule.withChoice(before), AllocatorModule.model, _setting);
            isDifferent = !Agree(Step.Nothing, WorldModule.observe(FSharpList<Outcome>.Empty, world), sandbox.Start, ref told);
            foreach (Operation operation in sequence)
            {
                Step step = Resolve.step(world, operation);
                if (isDifferent || step.IsNothing)
                {
                    continue;
                }

                Observation model = Perform.step(AllocatorModule.model, world, step).Item1, kernel = sandbox.Perform(step);
                // Of what may come of it; else the first is told.
                var followed = Perform.follow(world, step, kernel);
                isDifferent = !Agree(step, followed.IsValueSome ? kernel : model, kernel, ref told);
                world = followed.IsValueSome ? followed.Value.Item1 : world;
                operations++;
            }
        }

        (PidNamespace after, long now) = See();
        // Only the initial namespace has all the processes that are counted.
        bool hasForked = _setting.OuterLevels == 0 && now - forks != _given;
        isNoise = hasForked || !after.InUse.Equals(before.InUse);
        return isDifferent ? told : null;
    }

    private bool Agree(Step step, Observation model, Observation kernel, ref string told)
    {
        _given += kernel.Outcomes.Count(outcome => outcome.IsGiven);
        told += Show.step(step) + "\n";
        if (model.Equals(kernel))
        {
            return true;
        }

        told += $"model {model}\nkernel {kernel}";
        return false;
    }

    // With how many processes there have ever been in the whole system; of a namespace within, which others do not fork in, with
    // its last_pid.
    private (PidNamespace Namespace, long Forks) See()
    {
        for (int i = 0; i < 100; i++)
        {
            long forks = Forks();
            using Fd proc = Proc.Open();
            PidNamespace seen = PidNamespaceModule.observed(
                Number(LastPidPath), Number(PidMaxPath), ProcTable.Read(proc.Number).ReadNumbers());
            if (Forks() == forks)
            {
                return (seen, forks);
            }
        }

        throw new InvalidOperationException("processes come and go all the time");
    }

    private static int Number(string path) => int.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture);

    private long Forks() => _setting.OuterLevels > 0 ? Number(LastPidPath) : long.Parse(
        File.ReadLines("/proc/stat").First(line => line.StartsWith("processes ", StringComparison.Ordinal))[10..],
        CultureInfo.InvariantCulture);
}
