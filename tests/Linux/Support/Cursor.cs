using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Support;

internal static class Cursor
{
    // Prints: errno of opening, from loadavg, last_pid, pid_max.
    internal static int Read()
    {
        using LastPid lastPid = LastPid.OpenForReading();
        Console.WriteLine($"{(int)lastPid.Error} {lastPid.IsLoadavg} {lastPid.Read().Raw} {LastPid.ReadPidMax().Raw}");
        return 0;
    }

    // Prints: errno of opening, of locking within a tenth of a second, of writing, what is read back.
    internal static int Write(int pid)
    {
        using LastPid lastPid = LastPid.OpenForWriting();
        Errno locked = lastPid.Lock(TimeSpan.FromSeconds(0.1));
        Errno written = locked == 0 ? lastPid.Write(pid) : 0;
        Console.WriteLine($"{(int)lastPid.Error} {(int)locked} {(int)written} {lastPid.Read().Raw}");
        return 0;
    }
}
