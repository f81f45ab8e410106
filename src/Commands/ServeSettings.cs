using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>What the server needs to know, with all names resolved.</summary>
/// <param name="Socket">The path, empty for the socket that systemd passes on.</param>
/// <param name="Method">How requests are carried out.</param>
/// <param name="Mode">The permissions of the socket, 0 to 0777 octal.</param>
/// <param name="Group">The number of its group, -1 for that of the process.</param>
/// <param name="Users">The numbers of the users to serve; empty for all.</param>
/// <param name="Timeout">Seconds after which to give up on a request; may be infinite.</param>
/// <param name="IsVerbose">Whether each request is told of.</param>
internal sealed record ServeSettings(
    string Socket, SetMethod Method, int Mode, long Group, uint[] Users, double Timeout, bool IsVerbose)
{
    private const string Variable = "NSLP_SERVE";

    /// <summary>
    /// As an environment variable for this process alone, to live through an execve: its children would not take it
    /// for theirs.
    /// </summary>
    internal string ToVariable() => string.Join(
        '\n',
        $"{Variable}={Environment.ProcessId}",
        ((int)Method).ToString(CultureInfo.InvariantCulture),
        Mode.ToString(CultureInfo.InvariantCulture),
        Group.ToString(CultureInfo.InvariantCulture),
        string.Join(',', Users),
        Timeout.ToString("R", CultureInfo.InvariantCulture),
        IsVerbose ? "1" : "0",
        Socket);

    /// <summary>What <see cref="ToVariable"/> left to this process, or null.</summary>
    internal static ServeSettings? FromVariable() =>
        Environment.GetEnvironmentVariable(Variable) is { } value ? Parse(value) : null;

    private static ServeSettings? Parse(string value)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        string[] fields = value.Split('\n', 8);
        return fields.Length == 8 && fields[0] == Environment.ProcessId.ToString(culture)
            ? new ServeSettings(
                fields[7],
                (SetMethod)int.Parse(fields[1], culture),
                int.Parse(fields[2], culture),
                long.Parse(fields[3], culture),
                Array.ConvertAll(fields[4].Split(',', StringSplitOptions.RemoveEmptyEntries), user => uint.Parse(user, culture)),
                double.Parse(fields[5], culture),
                fields[6] == "1")
            : null;
    }
}
