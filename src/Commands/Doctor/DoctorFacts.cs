namespace SetNsLastPid.Commands;

/// <summary>What <c>nslp doctor</c> says of the machine itself.</summary>
/// <param name="Seen">What was tried.</param>
/// <param name="Release">The kernel's release.</param>
/// <param name="PidMax">pid_max, or an errno turned.</param>
/// <param name="LastPid">last_pid, or an errno turned.</param>
/// <param name="InUse">How many numbers are seen in use.</param>
/// <param name="Flavour">The way PIDs were consumed to measure; empty for none.</param>
/// <param name="Rate">PIDs consumed a second; 0 if that was not measured.</param>
/// <param name="Lap">How many PIDs a lap has.</param>
internal sealed record DoctorFacts(
    Observed Seen, string Release, int PidMax, int LastPid, int InUse, string Flavour, double Rate, int Lap);
