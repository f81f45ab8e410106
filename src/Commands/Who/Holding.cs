using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>What is known of one number, or of some in a row that nobody is known to hold.</summary>
/// <param name="Pid">The number, or the first of them.</param>
/// <param name="Last">The last of them.</param>
/// <param name="Holder">Who holds it.</param>
/// <param name="Process">What is known of the process in <paramref name="Holder"/>; null when it names none.</param>
/// <param name="Parent">The command line of that one's parent, for a zombie; empty for none.</param>
/// <param name="Members">All processes that keep a group or session.</param>
internal sealed record Holding(
    int Pid, int Last, Holder Holder, ProcessFacts? Process, string Parent, IReadOnlyList<int> Members)
{
    /// <summary>Whether somebody holds the number; null if that cannot be told.</summary>
    internal bool? IsHeld => Holder.Kind switch
    {
        HolderKind.Nobody or HolderKind.OutOfRange => false,
        HolderKind.Unknown => null,
        _ => true,
    };
}
