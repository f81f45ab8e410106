namespace SetNsLastPid.Linux;

/// <summary>A signal that came to nslp.</summary>
/// <param name="Number">Which; 0 for none.</param>
/// <param name="Code">si_code: above 0 it comes from the kernel, as all that a terminal sends does.</param>
/// <param name="Sender">The PID of the sender, if a process sent it; 0 for one outside the PID namespace.</param>
internal readonly record struct CaughtSignal(int Number, int Code, int Sender)
{
    /// <summary>Whether the kernel sent it, so that all of the process group got it.</summary>
    internal bool IsFromKernel => Code > 0;
}
