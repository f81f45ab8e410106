using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>A holder of a number, in words.</summary>
internal static class HolderText
{
    /// <summary>Such as <c>process 4243 (sleep 100)</c>; null for a number that nobody is seen to hold.</summary>
    internal static string? Describe(Holder holder)
    {
        if (holder.Kind is HolderKind.Nobody or HolderKind.OutOfRange or HolderKind.Unknown)
        {
            return null;
        }

        string process = $"process {holder.Process} ({holder.CommandLine})";
        string member = holder.Process == 0 ? "a process that /proc does not show" : process;
        return holder.Kind switch
        {
            HolderKind.Process => process,
            HolderKind.KernelThread => $"kernel thread {holder.Process} {holder.CommandLine}",
            HolderKind.Thread => $"a thread of {process}",
            HolderKind.Zombie => $"{process}, which has ended but was not waited for",
            HolderKind.Group => $"a process group that {member} is left of",
            HolderKind.Session => $"a session that {member} is left of",
            HolderKind.Hidden => "something that /proc does not show",
            _ => null,
        };
    }

    /// <summary>Who keeps others from writing ns_last_pid, where /proc/locks tells of nslp's own namespace; else null.</summary>
    internal static string? DescribeLocker(PidSpace space) =>
        space.IsHere && LastPid.FindLocker() is > 0 and var process && Describe(space.FindHolder(process)) is { } locker
            ? locker + " holds the lock on ns_last_pid"
            : null;
}
