using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;

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
