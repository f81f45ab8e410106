using System.Text;
using Tmds.Linux;

namespace SetNsLastPid.Linux;

/// <summary>What keeps a user from making user and PID namespaces.</summary>
internal static class UserNamespaces
{
    /// <summary>Names the setting or profile that forbids them, judged by the errno and by what /proc says; null if
    /// nothing there explains it.</summary>
    internal static string? WhyNot(int errno) => Examination.whyNoNamespace(errno, ReadConfinement());

    /// <summary>What confines this process.</summary>
    internal static Confinement ReadConfinement() => new(
        maxUserNamespaces: Number("/proc/sys/user/max_user_namespaces"),
        maxPidNamespaces: Number("/proc/sys/user/max_pid_namespaces"),
        unprivilegedUsernsClone: Number("/proc/sys/kernel/unprivileged_userns_clone"),
        appArmorRestricts: Number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        profile: Printable.From(Encoding.UTF8.GetBytes(Read("/proc/self/attr/current") ?? "")),
        seccomp: int.TryParse(StatusLine("Seccomp:"), out int mode) ? mode : -1);

    private static int Number(string path) => int.TryParse(Read(path), out int number) ? number : -1;

    private static string? StatusLine(string name) =>
        Read("/proc/self/status")?.Split('\n')
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim();

    private static string? Read(string path) =>
        Proc.ReadAllAt(LibC.AT_FDCWD, Encoding.ASCII.GetBytes(path + '\0'), out byte[] text) == 0
            ? Encoding.UTF8.GetString(text).Trim('\n', '\0', ' ')
            : null;
}
