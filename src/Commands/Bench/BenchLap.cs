namespace SetNsLastPid.Commands;

/// <summary>One way to a last PID as <c>nslp set</c> goes it.</summary>
/// <param name="Flavour">By what.</param>
/// <param name="Landing">The way it was.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record BenchLap(string Flavour, LandingRun Landing, double Seconds);
