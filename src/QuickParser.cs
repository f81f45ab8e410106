using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid;

/// <summary>
/// The most frequent command lines, understood without Argu: its reflection costs more than all the rest of a start.
/// </summary>
internal static class QuickParser
{
    private const int MaxTimeout = 1_000_000;
    private const int MaxMode = 0x1ff; // 0777
    private const int MaxRuns = 1_000_000;
    private const int MaxSteps = 10_000;

    /// <summary>What <see cref="CommandLine.parse"/> says of the same arguments, or null when that is to be asked.</summary>
    internal static Command? Parse(string[] argv) => argv switch
    {
        ["get"] => Get(json: false),
        ["get", "--json"] => Get(json: true),
        ["set", ..] => Set(Split(argv)),
        ["spawn", ..] => Spawn(argv, Array.IndexOf(argv, "--")),
        ["who", ..] => Who(Split(argv)),
        ["predict", ..] => Predict(Split(argv)),
        ["serve", ..] => Serve(Split(argv)),
        ["verify", ..] => Verify(Split(argv)),
        ["--version"] => Command.Version,
        _ => null,
    };

    // A method for each: before one runs for the first time, the runtime loads the types that it names.
    private static Command Get(bool json) => Command.NewGet(new GetOptions(target: 0, json: json));

    // Here and below each option at most once, and values that cannot be wrong: for all else the whole parser has the
    // better message.
    private static Command? Set(string[] words)
    {
        string? pid = null, method = null, timeout = null, flavour = null, target = null, server = null;
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
                "--target" => Take(ref target, words, ++i),
                "--server" => Take(ref server, words, ++i),
                _ => Take(ref pid, words, i),
            };
        }

        bool isApart = server is null || (method is null && flavour is null && target is null);
        return isUnderstood && isApart && Number(pid) >= 0 && Method(method) is { } way
            && Seconds(timeout) is > 0 and var seconds && Process(target) is >= 0 and var process
            ? Command.NewSet(new SetOptions(
                pid: Number(pid),
                method: way,
                timeout: seconds,
                target: process,
                flavour: flavour,
                server: server,
                verbose: verbose,
                json: json))
            : null;
    }

    private static Command? Spawn(string[] argv, int end)
    {
        if (end < 0 || end == argv.Length - 1)
        {
            return null;
        }

        string? pids = null, method = null, timeout = null, target = null;
        bool newPidns = false, mapRoot = false, detach = false, verbose = false, isUnderstood = true;
        string[] words = Split(argv[..end]);
        for (int i = 1; i < words.Length && isUnderstood; i++)
        {
            isUnderstood = words[i] switch
            {
                "-v" or "--verbose" => Take(ref verbose),
                "--detach" => Take(ref detach),
                "--new-pidns" => Take(ref newPidns),
                "--map-root" => Take(ref mapRoot),
                "--method" => Take(ref method, words, ++i),
                "--timeout" => Take(ref timeout, words, ++i),
                "--target" => Take(ref target, words, ++i),
                _ => Take(ref pids, words, i),
            };
        }

        SpawnMethod? way = method switch
        {
            null or "auto" => SpawnMethod.Auto,
            "clone3" => SpawnMethod.Clone3,
            "write" => SpawnMethod.Write,
            "cycle" => SpawnMethod.Cycle,
            _ => null,
        };
        List<int> numbers = Numbers(pids);
        bool isPossible = (!newPidns || target is null) && (newPidns || !mapRoot)
            && numbers.Count is >= 1 and <= Limits.Levels
            && (numbers.Count == 1 || way is SpawnMethod.Auto or SpawnMethod.Clone3);
        return isUnderstood && isPossible && way is not null
            && Seconds(timeout) is > 0 and var seconds && Process(target) is >= 0 and var process
            ? Command.NewSpawn(new SpawnOptions(
                pids: ListModule.OfSeq(numbers),
                method: way.Value,
                timeout: timeout is null ? 10 : seconds,
                target: process,
                newPidns: newPidns,
                mapRoot: mapRoot,
                detach: detach,
                verbose: verbose,
                command: ListModule.OfSeq(argv[(end + 1)..])))
            : null;
    }

    private static Command? Who(string[] words)
    {
        string? pid = null, target = null;
        bool json = false;
        return Look(words, ref pid, ref target, ref json)
            && Number(pid) is >= 1 and < Limits.PidMax and var number && Process(target) is >= 0 and var process
            ? Command.NewWho(new WhoOptions(ranges: ListModule.OfSeq([(number, number)]), target: process, json: json))
            : null;
    }

    private static Command? Predict(string[] words)
    {
        string? count = null, target = null;
        bool json = false;
        return Look(words, ref count, ref target, ref json)
            && (count is null ? 1 : Number(count)) is >= 1 and <= Limits.PidMax and var number
            && Process(target) is >= 0 and var process
            ? Command.NewPredict(new PredictOptions(count: number, target: process, json: json))
            : null;
    }

    private static bool Look(string[] words, ref string? operand, ref string? target, ref bool json)
    {
        bool isUnderstood = true;
        for (int i = 1; i < words.Length && isUnderstood; i++)
        {
            isUnderstood = words[i] switch
            {
                "--json" => Take(ref json),
                "--target" => Take(ref target, words, ++i),
                _ => Take(ref operand, words, i),
            };
        }

        return isUnderstood;
    }

    private static Command? Verify(string[] words)
    {
        string? runs = null, steps = null, seed = null;
        bool json = false, isUnderstood = true;
        for (int i = 1; i < words.Length && isUnderstood; i++)
        {
            isUnderstood = words[i] switch
            {
                "--json" => Take(ref json),
                "--runs" => Take(ref runs, words, ++i),
                "--steps" => Take(ref steps, words, ++i),
                "--seed" => Take(ref seed, words, ++i),
                _ => false,
            };
        }

        return isUnderstood
            && (runs is null ? Runner.DefaultRuns : Number(runs)) is >= 1 and <= MaxRuns and var count
            && (steps is null ? Runner.DefaultSteps : Number(steps)) is >= 1 and <= MaxSteps and var length
            && (seed is null || Number(seed) >= 0)
            ? Command.NewVerify(new VerifyOptions(
                runs: count, steps: length, seed: seed is null ? null : (ulong)Number(seed), replay: null, json: json))
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

    // Joined by commas; none where one of them is no number.
    private static List<int> Numbers(string? text)
    {
        List<int> numbers = [];
        for (int start = 0, end; text is not null && start <= text.Length; start = end + 1)
        {
            end = text.IndexOf(',', start);
            end = end < 0 ? text.Length : end;
            int number = Number(text[start..end]);
            if (number < 0)
            {
                return [];
            }

            numbers.Add(number);
        }

        return numbers;
    }

    // 0 when not given, -1 for what is none.
    private static int Process(string? target) => target is null ? 0 : Number(target) is > 0 and var pid ? pid : -1;

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
