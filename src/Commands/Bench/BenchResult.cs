namespace SetNsLastPid.Commands;

/// <summary>What one thing that <c>nslp bench</c> tried came to.</summary>
/// <param name="Group">What it is one of several ways of.</param>
/// <param name="Name">The way; stable.</param>
/// <param name="Threads">On how many threads, 0 where that has no meaning.</param>
/// <param name="PerSecond">The median over the rounds of how often a second it was done; 0 if it failed.</param>
/// <param name="Error">The errno with which it failed, 0 if it did not.</param>
internal sealed record BenchResult(string Group, string Name, int Threads, double PerSecond, int Error);
