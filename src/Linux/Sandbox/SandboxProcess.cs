namespace SetNsLastPid.Linux;

/// <summary>A process of a sandbox that was not reaped yet.</summary>
/// <param name="Space">The namespace it is in.</param>
/// <param name="Parent">The namespace whose init is its parent.</param>
/// <param name="Pid">Its PID for that parent.</param>
internal readonly record struct SandboxProcess(int Space, int Parent, int Pid);
