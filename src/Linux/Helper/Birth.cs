namespace SetNsLastPid.Linux;

/// <summary>A task that is born if an instruction of an <see cref="Order"/> succeeds.</summary>
/// <param name="Index">the instruction</param>
/// <param name="Task">the task</param>
/// <param name="IsSibling">CLONE_PARENT: the parent of the cloning task becomes its parent</param>
internal sealed record Birth(int Index, RemoteTask Task, bool IsSibling);
