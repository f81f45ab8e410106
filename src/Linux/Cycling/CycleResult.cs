namespace SetNsLastPid.Linux;

/// <summary>What a burst or a step did.</summary>
/// <param name="Consumed">How many PIDs it consumed; the kernel may have skipped others that were in use.</param>
/// <param name="Error">
/// The errno of the call that ended it, such as EAGAIN at RLIMIT_NPROC; ECHILD when a task was born by mistake: the way must
/// not be used again. 0 for none.
/// </param>
/// <param name="Stopped">Whether the deadline or <see cref="Cycler.Stop"/> ended it.</param>
internal readonly record struct CycleResult(long Consumed, Errno Error, bool Stopped);
