namespace SetNsLastPid.Commands;

/// <summary>What was read of a PID namespace to draw it.</summary>
/// <param name="LastPid">last_pid.</param>
/// <param name="PidMax">pid_max.</param>
/// <param name="InUse">The numbers in use, without nslp's own.</param>
/// <param name="MayBeBlind">Whether processes may be hidden.</param>
/// <param name="Target">A number to show the place of; -1 for none.</param>
internal sealed record MapFacts(int LastPid, int PidMax, PidSet InUse, bool MayBeBlind, int Target)
{
    /// <summary>The namespace, to decide from.</summary>
    internal PidNamespace Namespace => PidNamespaceModule.observed(LastPid, PidMax, InUse);

    /// <summary>The picture with at most so many rows of cells.</summary>
    internal MapPicture Draw(int columns, int rows) => PidMap.draw(
        columns,
        rows,
        Target < 0 ? Microsoft.FSharp.Core.FSharpValueOption<int>.None : Microsoft.FSharp.Core.FSharpValueOption<int>.Some(Target),
        Namespace);
}
