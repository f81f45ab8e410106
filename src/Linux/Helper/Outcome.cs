namespace SetNsLastPid.Linux;

/// <summary>How an order ended.</summary>
internal enum Outcome
{
    /// <summary>The program ran to its end or to a failed check; the results are there.</summary>
    Done,

    /// <summary>The task died, exited or called execve successfully; <see cref="Instruction.Result"/> is there for what
    /// ran before.</summary>
    Gone,

    /// <summary>The time limit passed; the order is still under way.</summary>
    TimedOut,
}
