namespace SetNsLastPid.Linux;

/// <summary>What a burst or a step did.</summary>
/// <param name="Consumed">How many PIDs it consumed; the kernel may have skipped others that were in use.</param>
/// <param name="Error">
/// 0; or the errno of the call that ended it, such as EAGAIN at RLIMIT_NPROC; or below zero the PID of a task that
/// was born by mistake, turned: the way must not be used again.
/// </param>
/// <param name="Stopped">Whether the deadline or <see cref="Cycler.Stop"/> ended it.</param>
internal readonly record struct CycleResult(long Consumed, int Error, bool Stopped);
