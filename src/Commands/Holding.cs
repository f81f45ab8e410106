using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>What is known of one number.</summary>
/// <param name="Pid">The number.</param>
/// <param name="Holder">Who holds it.</param>
/// <param name="Process">What is known of the process in <paramref name="Holder"/>; null when it names none.</param>
/// <param name="Parent">The command line of that one's parent, for a zombie; empty for none.</param>
/// <param name="Members">All processes that keep a group or session.</param>
internal sealed record Holding(
    int Pid, Holder Holder, ProcessFacts? Process, string Parent, IReadOnlyList<int> Members)
{
    /// <summary>Whether somebody holds the number; null if that cannot be told.</summary>
    internal bool? IsHeld => Holder.Kind switch
    {
        HolderKind.Nobody => false,
        HolderKind.Unknown => null,
        _ => true,
    };
}
