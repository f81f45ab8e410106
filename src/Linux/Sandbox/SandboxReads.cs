namespace SetNsLastPid.Linux;

/// <summary>Where in an order ns_last_pid and pid_max are read, and where the texts go.</summary>
internal readonly record struct SandboxReads(int Last, int Max, nint LastText, nint MaxText);
