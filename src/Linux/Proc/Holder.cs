namespace SetNsLastPid.Linux;

/// <summary>Who holds a number.</summary>
/// <param name="Kind">In which role.</param>
/// <param name="Process">
/// The process; for a thread the one it is of, for a group or session one of its members; 0 for none.
/// </param>
/// <param name="CommandLine">
/// That process's command line, or its name in brackets where it has none. Safe to print; empty for none.
/// </param>
internal readonly record struct Holder(HolderKind Kind, int Process, string CommandLine);
