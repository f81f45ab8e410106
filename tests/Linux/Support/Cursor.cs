using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Support;

internal static class Cursor
{
    // Prints: errno of opening, from loadavg, last_pid, pid_max.
    internal static int Read()
    {
        int error = LastPid.OpenForReading(out LastPid? lastPid);
        Console.WriteLine($"{error} {lastPid?.IsLoadavg} {lastPid?.Read()} {LastPid.ReadPidMax()}");
        return 0;
    }

    // Prints: errno of opening, of locking within a tenth of a second, of writing, what is read back.
    internal static int Write(int pid)
    {
        int open = LastPid.OpenForWriting(out LastPid? lastPid);
        int locked = lastPid?.Lock(TimeSpan.FromSeconds(0.1)) ?? 0;
        int written = locked == 0 ? lastPid?.Write(pid) ?? 0 : 0;
        int? read = lastPid?.Read();
        lastPid?.Dispose();
        Console.WriteLine($"{open} {locked} {written} {read}");
        return 0;
    }
}
