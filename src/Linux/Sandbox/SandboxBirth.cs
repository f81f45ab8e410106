namespace SetNsLastPid.Linux;

/// <summary>What an init does first, laid ready before it is born.</summary>
/// <param name="Agent">The init.</param>
/// <param name="Reads">Its first look.</param>
/// <param name="PidMax">Where it opens pid_max.</param>
/// <param name="Namespace">Where it opens its namespace.</param>
/// <param name="Maps">Where it writes what a user namespace needs, empty if it has none of its own.</param>
/// <param name="Capabilities">Where it puts its capabilities, 0 if they are known.</param>
internal readonly record struct SandboxBirth(
    SandboxAgent Agent, SandboxReads Reads, int PidMax, int Namespace, int[] Maps, nint Capabilities);
