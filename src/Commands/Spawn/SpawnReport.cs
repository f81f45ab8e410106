namespace SetNsLastPid.Commands;

/// <summary>What became of a spawn as one JSON object, for who reads a file or a descriptor of its own.</summary>
internal static class SpawnReport
{
    /// <summary>Throws <see cref="RemoteException"/>.</summary>
    /// <param name="target">The number of a descriptor that nslp was given, from 3 on, or the path of a new file.</param>
    internal static Fd Open(string target)
    {
        if (int.TryParse(target, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
        {
            // What the command writes to would be mixed with it.
            Errno error = number < 3 ? Errno.EINVAL
                // It would be too late to learn it when the command has run.
                : Kernel.IsGiven(number) && Kernel.IsWritable(number) ? 0
                : Errno.EBADF;
            return error == 0 ? new Fd(number) : throw new RemoteException(
                $"cannot report to descriptor {number}", error,
                number < 3 ? "needs one from 3 on, which the command does not get" : $"needs one that is open for writing, such as by {number}>FILE");
        }

        Fd file = Output.CreateNew(target);
        RemoteException.ThrowIf(
            file.Error, $"cannot make '{Printable.From(target)}'", file.Error == Errno.EEXIST ? "needs a file that does not exist yet" : null);
        return file;
    }

    /// <param name="report">Where to; null for nowhere.</param>
    /// <param name="attempts">What was done; null for nothing.</param>
    /// <param name="isRunning">Whether the command ran, so that it has a PID.</param>
    /// <param name="status">The exit status; -1 while it runs.</param>
    /// <returns>Whether it could be written; said, if not.</returns>
    internal static bool Write(Fd? report, SpawnAttempts? attempts, bool isRunning, int status)
    {
        if (report is null)
        {
            return true;
        }

        Results results = new(Spawn.Name, output: report.Number);
        results.WriteResult(() =>
        {
            results.Json.WriteMaybe("pid", isRunning ? attempts!.Pids[0] : null);
            results.Json.WriteMaybe("own_pid", isRunning ? attempts!.Pid : null);
            results.Json.WriteString("method", attempts?.Name);
            results.Json.WriteNumber("tries", attempts?.Tries ?? 0);
            results.Json.WriteNumber("consumed", attempts?.Consumed ?? 0);
            results.Json.WriteMaybe("status", status < 0 ? null : status);
        });
        return results.End() == Output.Done;
    }
}
