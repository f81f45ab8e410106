namespace SetNsLastPid.Linux;

/// <summary>How an attempt to start the command ended.</summary>
internal enum LaunchEnd
{
    /// <summary>It runs, as a child of nslp.</summary>
    Running,

    /// <summary>No process was made.</summary>
    NotMade,

    /// <summary>A process was made, got another PID and ended without doing anything; it was waited for.</summary>
    OtherPid,

    /// <summary>A process was made with the PID, but the command could not be executed; it was waited for.</summary>
    NotExecuted,
}

/// <summary>What an attempt to start the command came to.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Pid">The process's PID in nslp's own PID namespace; 0 when none was made.</param>
/// <param name="Error">The errno of clone, of the write before it or of execve; else 0.</param>
internal readonly record struct Launch(LaunchEnd End, int Pid, int Error);
