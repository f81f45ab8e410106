using Microsoft.FSharp.Collections;
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
            checksInitAfterPick: false, Limits.PidMax, Limits.Levels)));

    public Setting Setting => SettingOf(KernelRulesModule.ofVersion(6, 18));

    public ISandbox Open() => _other.Open();

    internal static int Run(string? replay, bool json)
    {
        FSharpList<Operation>? operations =
            replay is null ? null : ReplayText.parse(File.ReadAllText(replay)).ResultValue;
        return Commands.Verify.Run(new VerifyOptions(500, 50, 7, replay, json), operations, new Verifying());
    }

    private static Setting SettingOf(KernelRules rules) => new(
        rules, outerLevels: 1, ownUser: false, pidMax: 4194304, makesUsers: true, writesPidMax: true);
}
