namespace SetNsLastPid.Linux;

/// <summary>What keeps a user from making user and PID namespaces.</summary>
internal static class UserNamespaces
{
    private const int EPERM = 1;
    private const int EACCES = 13;
    private const int EINVAL = 22;
    private const int ENOSPC = 28;
    private const int ENOSYS = 38;

    /// <summary>Names the setting or profile that forbids them, judged by the errno and by what /proc says; null if
    /// nothing there explains it.</summary>
    internal static string? WhyNot(int errno) => errno switch
    {
        ENOSPC when Read("/proc/sys/user/max_user_namespaces") == "0" => "user.max_user_namespaces is 0 (sysctl)",
        ENOSPC when Read("/proc/sys/user/max_pid_namespaces") == "0" => "user.max_pid_namespaces is 0 (sysctl)",
        ENOSPC => "user.max_user_namespaces, user.max_pid_namespaces or 32 levels are used up",
        EINVAL => "needs a kernel with CONFIG_USER_NS and CONFIG_PID_NS",
        EPERM or EACCES or ENOSYS => WhyForbidden(),
        _ => null,
    };

    private static string? WhyForbidden()
    {
        // Debian's, in its kernels before 5.10's default of 1 and wherever an administrator set it.
        if (Read("/proc/sys/kernel/unprivileged_userns_clone") == "0")
        {
            return "kernel.unprivileged_userns_clone is 0 (sysctl)";
        }

        // Ubuntu's: the namespace is made, but without capabilities in it.
        if (Read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") is "1" or "2")
        {
            return "kernel.apparmor_restrict_unprivileged_userns is set (sysctl): needs an AppArmor profile with 'userns'";
        }

        string? profile = Read("/proc/self/attr/current");
        if (profile is not null and not "" and not "unconfined" && !profile.Contains(':', StringComparison.Ordinal))
        {
            return $"confined by the security profile '{profile}'";
        }

        return StatusLine("Seccomp:") == "2"
            ? "filtered by a seccomp profile, as those of containers are"
            : "needs root, or a user who may make user namespaces";
    }

    private static string? StatusLine(string name) =>
        Read("/proc/self/status")?.Split('\n')
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim();

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim('\n', '\0', ' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
