using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp map</c>: shows the PID space.</summary>
internal static class Map
{
    private const string Name = "map";

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(MapOptions options)
    {
        if (options.Watch || options.Svg is not null)
        {
            return Output.Fail(Name, "cannot draw yet");
        }

        try
        {
            using IPidSpace space = PidSpaces.Open(options.Target);
            int pidMax = space.ReadPidMax();
            int last = space.ReadLastPid();
            if (pidMax < 0 || last < 0)
            {
                return Output.Fail(
                    Name, "cannot read last_pid and pid_max from /proc", -Math.Min(pidMax, last), "needs /proc mounted");
            }

            int inUse = space.ReadNumbersInUse().Count;
            return Output.Print(
                Name,
                options.Json
                    ? $"{{\"last_pid\":{last},\"pid_max\":{pidMax},\"in_use\":{inUse}}}\n"
                    : $"last_pid {last}, pid_max {pidMax}, {inUse} numbers in use\n");
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }
}
