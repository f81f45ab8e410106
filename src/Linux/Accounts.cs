using System.Globalization;

namespace SetNsLastPid.Linux;

/// <summary>Users and groups by name or number, as /etc/passwd and /etc/group have them.</summary>
internal static class Accounts
{
    /// <summary>Finds a user's number. A number stands for itself, whether or not there is such a user.</summary>
    /// <returns>The number, or -1 when there is no user of that name.</returns>
    internal static long FindUser(string user) => Find("/etc/passwd", user);

    /// <summary>Finds a group's number. A number stands for itself, whether or not there is such a group.</summary>
    /// <returns>The number, or -1 when there is no group of that name.</returns>
    internal static long FindGroup(string group) => Find("/etc/group", group);

    /// <summary>The name of a user, safe to print; the number where it has none.</summary>
    internal static string NameOf(uint user)
    {
        string number = user.ToString(CultureInfo.InvariantCulture);
        string? name = Lines("/etc/passwd").Find(fields => fields[2] == number)?[0];
        return name is null ? number : Printable.From(System.Text.Encoding.UTF8.GetBytes(name));
    }

    /// <summary>
    /// The number that senders without a number in this user namespace appear with, or -1 when all users have one
    /// here, as in the initial namespace.
    /// </summary>
    internal static long FindOverflowUser()
    {
        // One line that maps all of the 32 bits but the last, which is no user.
        string[] map = File.ReadAllText("/proc/self/uid_map").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return map is ["0", _, "4294967295"]
            ? -1
            : long.Parse(File.ReadAllText("/proc/sys/kernel/overflowuid"), CultureInfo.InvariantCulture);
    }

    private static long Find(string file, string name) =>
        TryNumber(name, out long number) || (Lines(file).Find(fields => fields[0] == name) is { } entry && TryNumber(entry[2], out number))
            ? number
            : -1;

    // name:password:number and more.
    private static List<string[]> Lines(string file)
    {
        List<string[]> lines = [];
        if (File.Exists(file))
        {
            foreach (string line in File.ReadLines(file))
            {
                string[] fields = line.Split(':');
                if (fields.Length > 2)
                {
                    lines.Add(fields);
                }
            }
        }

        return lines;
    }

    private static bool TryNumber(string text, out long number)
    {
        bool isNumber = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value);
        number = value;
        // The last number is "no user" to the kernel.
        return isNumber && value != uint.MaxValue;
    }
}
