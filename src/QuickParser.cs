using Microsoft.FSharp.Collections;

namespace SetNsLastPid;

/// <summary>
/// The most frequent command lines, understood without Argu: its reflection costs more than all the rest of a start.
/// </summary>
internal static class QuickParser
{
    private const int MaxTimeout = 1_000_000;
    private const int MaxMode = 0x1ff; // 0777

    /// <summary>What <see cref="CommandLine.parse"/> says of the same arguments, or null when that is to be asked.</summary>
    internal static Command? Parse(string[] argv) => argv switch
    {
        ["get"] => Get(json: false),
        ["get", "--json"] => Get(json: true),
        ["set", ..] => Set(Split(argv)),
        ["spawn", var pid, "--", _, ..] when Number(pid) >= 0 => Spawn(Number(pid), argv[3..]),
        ["serve", ..] => Serve(Split(argv)),
        ["--version"] => Command.Version,
        _ => null,
    };

    // A method for each: before one runs for the first time, the runtime loads the types that it names.
    private static Command Get(bool json) => Command.NewGet(new GetOptions(target: 0, json: json));

    private static Command Spawn(int pid, string[] command) => Command.NewSpawn(new SpawnOptions(
        pids: ListModule.OfSeq([pid]),
        method: SpawnMethod.Auto,
        timeout: 10,
        target: 0,
        newPidns: false,
        mapRoot: false,
        detach: false,
        verbose: false,
        command: ListModule.OfSeq(command)));

    // Here and below each option at most once, and values that cannot be wrong: for all else the whole parser has the
    // better message.
    private static Command? Set(string[] words)
    {
        string? pid = null, method = null, timeout = null, flavour = null;
        bool verbose = false, json = false, isUnderstood = true;
        for (int i = 1; i < words.Length && isUnderstood; i++)
        {
            isUnderstood = words[i] switch
            {
                "-v" or "--verbose" => Take(ref verbose),
                "--json" => Take(ref json),
                "--method" => Take(ref method, words, ++i),
                "--timeout" => Take(ref timeout, words, ++i),
                "--flavour" => Take(ref flavour, words, ++i),
                _ => Take(ref pid, words, i),
            };
        }

        return isUnderstood && Number(pid) >= 0 && Method(method) is { } way && Seconds(timeout) is > 0 and var seconds
            ? Command.NewSet(new SetOptions(
                pid: Number(pid),
                method: way,
                timeout: seconds,
                target: 0,
                flavour: flavour,
                server: null,
                verbose: verbose,
                json: json))
            : null;
    }

    private static Command? Serve(string[] words)
    {
        string? socket = null, method = null, mode = null, group = null, timeout = null;
        List<string> users = [];
        bool verbose = false, isUnderstood = true;
        for (int i = 1; i < words.Length && isUnderstood; i++)
        {
            string? user = null;
            isUnderstood = words[i] switch
            {
                "-v" or "--verbose" => Take(ref verbose),
                "--method" => Take(ref method, words, ++i),
                "--mode" => Take(ref mode, words, ++i),
                "--group" => Take(ref group, words, ++i),
                "--timeout" => Take(ref timeout, words, ++i),
                "--allow-user" => Take(ref user, words, ++i),
                _ => Take(ref socket, words, i),
            };
            if (user is not null)
            {
                users.Add(user);
            }
        }

        int permissions = Number(mode, radix: 8);
        return isUnderstood && Method(method) is { } way && Seconds(timeout) is > 0 and var seconds
            && (mode is null || (mode.Length <= 4 && permissions is >= 0 and <= MaxMode))
            ? Command.NewServe(new ServeOptions(
                socket: socket,
                method: way,
                mode: permissions,
                group: group,
                allowUsers: users.ToArray(),
                timeout: seconds,
                verbose: verbose))
            : null;
    }

    // --option=value becomes two words.
    private static string[] Split(string[] argv)
    {
        List<string> words = new(argv.Length + 4);
        foreach (string word in argv)
        {
            int end = word is ['-', '-', ..] ? 2 : word.Length;
            while (end < word.Length && word[end] != '=')
            {
                end++;
            }

            words.Add(word[..end]);
            if (end < word.Length)
            {
                words.Add(word[(end + 1)..]);
            }
        }

        return words.ToArray();
    }

    private static bool Take(ref bool flag)
    {
        bool isNew = !flag;
        flag = true;
        return isNew;
    }

    private static bool Take(ref string? value, string[] words, int at)
    {
        bool isNew = value is null && at < words.Length && words[at] is [not '-', ..];
        value = isNew ? words[at] : null;
        return isNew;
    }

    private static double Seconds(string? text) => text is null ? double.PositiveInfinity
        : Number(text) is <= MaxTimeout and var seconds ? seconds
        : -1;

    private static SetMethod? Method(string? name) => name switch
    {
        null or "auto" => SetMethod.Auto,
        "write" => SetMethod.Write,
        "cycle" => SetMethod.Cycle,
        _ => null,
    };

    // Up to seven digits hold every PID there can be; -1 for anything else.
    private static int Number(string? text, int radix = 10)
    {
        int number = text is { Length: >= 1 and <= 7 } ? 0 : -1;
        for (int i = 0; number >= 0 && i < text!.Length; i++)
        {
            number = text[i] >= '0' && text[i] < '0' + radix ? (number * radix) + text[i] - '0' : -1;
        }

        return number;
    }
}
