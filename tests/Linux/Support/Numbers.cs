using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Support;

internal static class Numbers
{
    // Prints: of another namespace, may be blind, how many of its own threads are missing, the numbers.
    internal static int List()
    {
        int[] threads = Array.ConvertAll(
            Directory.GetDirectories("/proc/self/task"),
            task => int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture));
        using Fd proc = Proc.Open();
        ProcTable found = ProcTable.Read(proc.Number);
        int[] numbers = [.. PidSetModule.toSeq(found.ReadNumbers())];
        Console.WriteLine(
            $"{ProcMount.IsOfOtherNamespace(proc.Number)} {found.IsIncomplete || ProcMount.HidesTasks(proc.Number)}"
            + $" {threads.Except(numbers).Count()} {threads.Length} {string.Join(' ', numbers)}");
        return 0;
    }

    // Prints: kind, process, command line.
    internal static int Hold(string number)
    {
        int held = number == "own-thread"
            ? int.Parse(Path.GetFileName(Directory.GetDirectories("/proc/self/task").Last()), CultureInfo.InvariantCulture)
            : int.Parse(number, CultureInfo.InvariantCulture);
        using PidSpace space = new PidSpace();
        Holder holder = space.FindHolder(held);
        Console.WriteLine($"{holder.Kind} {holder.Process} {holder.CommandLine}");
        return 0;
    }
}
