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

    /// <summary>
    /// What is mounted over parts of /proc, as containers have it. In a user namespace nobody may mount another /proc then
    /// (mount_too_revealing, fs/namespace.c). Not binfmt_misc, whose directory has nothing to cover.
    /// </summary>
    internal static string[] ProcCovers { get; } = [.. File.ReadLines("/proc/self/mountinfo")
        .Select(line => line.Split(' ')[4])
        .Where(at => at.StartsWith("/proc/", StringComparison.Ordinal) && at != "/proc/sys/fs/binfmt_misc").Distinct()];

    private static readonly Lazy<Finished> s_pidNamespace = new(() => Shell.InNewPidNamespace("true").Finish());

    /// <summary>Skips the test where not even an unprivileged user namespace gives a PID namespace with its own /proc.</summary>
    internal static void NeedsPidNamespace() =>
        Assert.SkipUnless(
            s_pidNamespace.Value.Status == 0,
            s_pidNamespace.Value.Errors.Contains("mount /proc")
                ? $"needs a /proc with nothing mounted over parts of it: {string.Join(", ", ProcCovers)}"
                : "needs a PID namespace: root, or user namespaces for everyone");

    /// <summary>Skips the test for other users.</summary>
    internal static void NeedsRoot() => Assert.SkipUnless(IsRoot, "needs root");
}
