using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What this machine and user allow.</summary>
internal static class Machine
{
    /// <summary>Whether the tests run as root.</summary>
    internal static bool IsRoot => Environment.IsPrivilegedProcess;

    /// <summary>Whether a namespace has a pid_max of its own. Where it has not, writing it changes the host's.</summary>
    internal static bool HasPidMaxPerNamespace => Environment.OSVersion.Version >= new Version(6, 14);

    /// <summary>How many PIDs are handed out here in a second while this process makes none.</summary>
    internal static int ForksASecond()
    {
        int before = LastPid();
        Thread.Sleep(1000);
        int after = LastPid();
        // After a wrap it is not known, but it was many.
        return after >= before ? after - before : int.MaxValue;
    }

    /// <summary>How many processes and threads were ever made on this machine.</summary>
    internal static long Forks() => long.Parse(
        File.ReadLines("/proc/stat").First(line => line.StartsWith("processes ", StringComparison.Ordinal))[10..],
        System.Globalization.CultureInfo.InvariantCulture);

    private static int LastPid() =>
        int.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[4], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Skips the test where not even an unprivileged user namespace gives a PID namespace.</summary>
    internal static void NeedsPidNamespace() =>
        Assert.SkipUnless(
            Shell.InNewPidNamespace("true").Finish().Status == 0,
            "needs a PID namespace: root, or user namespaces for everyone");

    /// <summary>Skips the test for other users.</summary>
    internal static void NeedsRoot() => Assert.SkipUnless(IsRoot, "needs root");
}
