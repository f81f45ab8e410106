using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp get</c>: prints the last PID of this PID namespace, or of another.</summary>
internal static class Get
{
    private const string Name = "get";

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(GetOptions options)
    {
        try
        {
            using PidSpace space = PidSpace.Open(options.Target);
            SysResult last = space.ReadLastPid();
            return last.IsError
                ? Output.Fail(Name, Words.look(Stage.ReadLastPid, last.Error))
                : Output.Print(Name, Text(last.Value, options.Json));
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    private static string Text(int last, bool json)
    {
        string number = last.ToString(CultureInfo.InvariantCulture);
        return json ? string.Concat("{\"last_pid\":", number, "}\n") : string.Concat(number, "\n");
    }
}
