namespace SetNsLastPid.Commands;

/// <summary>What became of a spawn as one JSON object, for who reads a file or a descriptor of its own.</summary>
internal sealed class SpawnReport : IDisposable
{
    private readonly Fd _file;

    private SpawnReport(Fd file) => _file = file;

    internal int Descriptor => _file.Number;

    /// <param name="target">The number of a descriptor that nslp was given, from 3 on, or the path of a new file.</param>
    /// <param name="report">It; null where that was not possible.</param>
    /// <returns>What is wrong, or null.</returns>
    internal static Complaint? TryOpen(string target, out SpawnReport? report)
    {
        report = null;
        if (int.TryParse(target, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
        {
            // What the command writes to would be mixed with it.
            Errno error = number < 3 ? Errno.EINVAL : !Kernel.IsGiven(number) ? Errno.EBADF
                // It would be too late to learn it when the command has run.
                : !Kernel.IsWritable(number) ? Errno.EBADF
                : 0;
            if (error != 0)
            {
                return new Complaint(
                    $"cannot report to descriptor {number}", error,
                    number < 3 ? "needs one from 3 on, which the command does not get" : $"needs one that is open for writing, such as by {number}>FILE");
            }

            report = new SpawnReport(new Fd(number));
            return null;
        }

        Fd file = Output.CreateNew(target);
        if (!file.IsOpen)
        {
            return new Complaint(
                $"cannot make '{Printable.From(target)}'", file.Error, file.Error == Errno.EEXIST ? "needs a file that does not exist yet" : null);
        }

        report = new SpawnReport(file);
        return null;
    }

    /// <param name="attempts">What was done; null for nothing.</param>
    /// <param name="isRunning">Whether the command ran, so that it has a PID.</param>
    /// <param name="status">The exit status; -1 while it runs.</param>
    /// <returns>Whether it could be written; said, if not.</returns>
    internal bool Write(SpawnAttempts? attempts, bool isRunning, int status)
    {
        Results results = new(Spawn.Name, output: Descriptor);
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

    public void Dispose() => _file.Dispose();
}
