using Microsoft.FSharp.Collections;

namespace SetNsLastPid;

/// <summary>
/// The most frequent command lines, understood without Argu: its reflection costs more than all the rest of a start.
/// </summary>
internal static class QuickParser
{
    private const int MaxTimeout = 1_000_000;

    /// <summary>What <see cref="CommandLine.parse"/> says of the same arguments, or null when that is to be asked.</summary>
    internal static Command? Parse(string[] argv) => argv switch
    {
        ["get"] => Command.NewGet(new GetOptions(target: 0, json: false)),
        ["get", "--json"] => Command.NewGet(new GetOptions(target: 0, json: true)),
        ["set", ..] => ParseSet(argv),
        ["spawn", var pid, "--", _, ..] when Number(pid) >= 0 => Command.NewSpawn(new SpawnOptions(
            pids: ListModule.OfSeq([Number(pid)]),
            method: SpawnMethod.Auto,
            timeout: 10,
            target: 0,
            newPidns: false,
            mapRoot: false,
            detach: false,
            verbose: false,
            command: ListModule.OfSeq(argv[3..]))),
        ["serve", ['/', ..] socket] => Command.NewServe(new ServeOptions(
            socket: socket,
            method: SetMethod.Auto,
            mode: -1,
            group: null,
            allowUsers: [],
            timeout: double.PositiveInfinity,
            verbose: false)),
        ["--version"] => Command.Version,
        _ => null,
    };

    // Each option at most once, and numbers that cannot be out of range: the rest is for a better message than null.
    private static Command? ParseSet(string[] argv)
    {
        int pid = -1;
        int timeout = 0;
        SetMethod? method = null;
        string? flavour = null;
        bool verbose = false;
        bool json = false;
        for (int i = 1; i < argv.Length; i++)
        {
            bool isNew;
            switch (argv[i])
            {
                case "-v" or "--verbose":
                    isNew = !verbose;
                    verbose = true;
                    break;
                case "--json":
                    isNew = !json;
                    json = true;
                    break;
                case "--method" when i + 1 < argv.Length:
                    isNew = method is null;
                    method = Method(argv[++i]);
                    isNew &= method is not null;
                    break;
                case ['-', '-', 'm', 'e', 't', 'h', 'o', 'd', '=', .. var name]:
                    isNew = method is null;
                    method = Method(name);
                    isNew &= method is not null;
                    break;
                case "--timeout" when i + 1 < argv.Length:
                    isNew = timeout == 0;
                    timeout = Number(argv[++i]);
                    isNew &= timeout is > 0 and <= MaxTimeout;
                    break;
                case "--flavour" when i + 1 < argv.Length:
                    isNew = flavour is null;
                    flavour = argv[++i];
                    isNew &= flavour is [>= 'a' and <= 'z', ..];
                    break;
                default:
                    isNew = pid < 0;
                    pid = Number(argv[i]);
                    isNew &= pid >= 0;
                    break;
            }

            if (!isNew)
            {
                return null;
            }
        }

        return pid < 0
            ? null
            : Command.NewSet(new SetOptions(
                pid: pid,
                method: method ?? SetMethod.Auto,
                timeout: timeout == 0 ? double.PositiveInfinity : timeout,
                target: 0,
                server: null,
                flavour: flavour,
                verbose: verbose,
                json: json));
    }

    private static SetMethod? Method(string name) => name switch
    {
        "auto" => SetMethod.Auto,
        "write" => SetMethod.Write,
        "cycle" => SetMethod.Cycle,
        _ => null,
    };

    // Up to seven digits hold every PID there can be; -1 for anything else.
    private static int Number(string text)
    {
        int number = text.Length is >= 1 and <= 7 ? 0 : -1;
        for (int i = 0; i < text.Length && number >= 0; i++)
        {
            number = char.IsAsciiDigit(text[i]) ? (number * 10) + text[i] - '0' : -1;
        }

        return number;
    }
}
