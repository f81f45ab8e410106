using System.Globalization;
using System.Text;
using SetNsLastPid.Verification;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>
/// Arguments and replay files at random: no exception, no stack trace, a status that the command may have. NSLP_SEED draws
/// the same again; NSLP_VECTORS and NSLP_CALLS are how many argument vectors go through the parser and the built tool.
/// </summary>
public sealed class InputTests
{
    private static readonly int s_seed = Soak.Number("NSLP_SEED", Random.Shared.Next());

    private static readonly string[] s_commands =
        ["get", "set", "spawn", "who", "predict", "preflight", "serve", "verify", "doctor", "map", "bench", "completion"];

    private static readonly string[] s_words =
    [
        "--help", "-h", "help", "--version", "--json", "-v", "--verbose", "-", "--", "---", "-vv", "-x", "--nothing", "",
        " ", "\t", "\n", "a\nb", "\u001b[31m", "ünï", "\ud83d\ude00", "١٢", "0", "1", "-1", "+1", "01", "0x10", "1e3",
        "299", "300", "4242", "4194303", "4194304", "2147483647", "2147483648", "99999999999999999999", "1,2", "1,,2", ",",
        "1-5", "5-1", "1-", "-5", "--5", "1-4194303", "NaN", "Infinity", "0.01", "1.", ".5", "1,5", "%s%n", "$(id)", "*", "=",
        "--=", "--method", "--method=", "--method=write", "--method=cycle", "--method=clone3", "--method=Auto", "--timeout",
        "--timeout=0.2", "--timeout=-1", "--timeout", "--target", "--target=1", "--target=0", "--target=99999", "--flavour",
        "--flavour=cgroup-thread", "--flavour=no", "--server", "--server=/mnt/none", "--new-pidns", "--map-root", "--detach",
        "--runs", "--runs=1", "--steps", "--steps=3", "--seed", "--seed=1", "--replay", "--replay=/mnt/none", "--mode",
        "--mode=0777", "--mode=8", "--group", "--group=root", "--group=none", "--allow-user", "--allow-user=root", "/mnt/s",
        "/mnt/none/s", "--seconds", "--seconds=0.1", "--svg", "--svg=-", "--watch", "--make-way", "bash", "zsh", "true", "/bin/true",
    ];

    [Fact]
    public void Every_argument_vector_is_understood_or_wrong_usage()
    {
        Random random = new(s_seed);
        int count = Soak.Number("NSLP_VECTORS", 20_000);
        for (int i = 0; i < count; i++)
        {
            string[] argv = Vector(random);
            try
            {
                Command command = CommandLine.parse(argv);
                Assert.True(command is not Command.Wrong { Message: "" }, "an empty message");
                _ = CommandLine.parseAncestor(argv);
            }
            catch (Exception e)
            {
                Assert.Fail($"NSLP_SEED={s_seed}, vector {i}: {Show(argv)}: {e.Message}");
            }
        }
    }

    [Fact]
    public void Every_replay_file_is_understood_or_wrong()
    {
        Random random = new(s_seed);
        for (int i = 0; i < 20_000; i++)
        {
            string text = Replay(random);
            try
            {
                var parsed = ReplayText.parse(text);
                Assert.True(parsed.IsOk || parsed.ErrorValue != "", "an empty message");
            }
            catch (Exception e)
            {
                Assert.Fail($"NSLP_SEED={s_seed}, file {i}: {Show([text])}: {e.Message}");
            }
        }
    }

    // In a PID namespace of their own; of paths below /mnt alone, and no command is run but true.
    [Fact]
    public void The_tool_survives_every_argument_vector_and_replay_file()
    {
        Machine.NeedsPidNamespace();
        Random random = new(s_seed);
        StringBuilder script = new("""
            mount -t tmpfs none /mnt; cd /mnt
            call() {
                timeout -s INT -k 10 3 "$N" "$@" >/mnt/out 2>/mnt/err </dev/null; s=$?
                case $s in 0|1|2|3|124|125|126|127|130) ;; *) echo "$n: status $s";; esac
                ! grep -q 'bug in\|Unhandled\|^   at \|Fatal' /mnt/err || { echo "$n:"; cat /mnt/err; }
                [ $s != 2 ] || [ -s /mnt/err ] || echo "$n: nothing said"
                rm -f /mnt/s
            }

            """);
        List<string> shown = [];
        int count = Soak.Number("NSLP_CALLS", 100);
        for (int i = 0; i < count; i++)
        {
            string[] argv = Vector(random);
            if (i % 5 == 4)
            {
                // Written by the shell, a byte an escape.
                script.Append("printf '").AppendJoin("", Encoding.Latin1.GetBytes(Replay(random)).Select(b => $"\\{Convert.ToString(b, 8).PadLeft(3, '0')}"))
                    .Append("' >/mnt/replay\n");
                argv = ["verify", "--replay", "/mnt/replay"];
            }

            shown.Add(Show(argv));
            script.Append(CultureInfo.InvariantCulture, $"n={i}; call ").AppendJoin(' ', argv.Select(Quote)).Append('\n');
        }

        string path = Path.GetTempFileName();
        File.WriteAllText(path, script.ToString());
        try
        {
            Finished run = Shell.InNewPidNamespace($". {path}").Finish(TimeSpan.FromMinutes(2) + (count * TimeSpan.FromSeconds(4)));
            Assert.True(
                run is { Status: 0, Output: "" },
                $"NSLP_SEED={s_seed} NSLP_CALLS={count}: status {run.Status}, {run.Output}{run.Errors}\n"
                + string.Join('\n', shown.Select((text, i) => $"{i}: {text}")));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string[] Vector(Random random)
    {
        List<string> argv = random.Next(10) == 0 ? [] : [s_commands[random.Next(s_commands.Length)]];
        for (int left = random.Next(7); left > 0; left--)
        {
            argv.Add(random.Next(12) switch
            {
                0 => Noise(random, random.Next(12)),
                1 when random.Next(100) == 0 => Noise(random, 20_000),
                _ => s_words[random.Next(s_words.Length)],
            });
        }

        // These would run for long, and what is to be executed is to be harmless.
        switch (argv.FirstOrDefault())
        {
            case "verify":
                argv.AddRange(["--runs", "1", "--steps", "3"]);
                break;
            case "bench":
                argv.AddRange(["--seconds", "0.1"]);
                break;
            case "spawn" when argv.IndexOf("--") is >= 0 and int cut && cut + 1 < argv.Count:
                argv[cut + 1] = random.Next(2) == 0 ? "true" : "/mnt/none";
                break;
        }

        return [.. argv];
    }

    private static string Noise(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => (char)random.Next(1, random.Next(2) == 0 ? 128 : 0xd800)));

    // One that is right, with what happens to files.
    private static string Replay(Random random)
    {
        string[] lines =
        [
            "nslp-verify-replay 1", "# remark", "clone from=0 new=same capable=yes child=lives",
            "clone from=0 new=user+pid set_tid=1,used#1,max-1,cursor+2 capable=no child=fails-nofile", "end child=0", "end-init of=1",
            "forsake from=0 as=session", "unshare from=0 capable=yes", "enter from=0 into=0 capable=no", "leave from=0",
            "write-last-pid in=0 text=\" 12\\n\\x00\" offset=0 capable=yes",
            "write-last-pid in=0 number=300 spelling=hex offset=1 capable=yes", "write-pid-max in=0 number=400", "end-of-replay",
        ];
        StringBuilder text = new(string.Join('\n', random.Next(3) == 0 ? lines : lines.Where((_, i) => i is 0 or 13 || random.Next(2) == 0)) + '\n');
        for (int changes = random.Next(4); changes > 0; changes--)
        {
            int at = random.Next(text.Length);
            _ = random.Next(6) switch
            {
                0 => text.Remove(at, Math.Min(text.Length - at, random.Next(20))),
                1 => text.Insert(at, (char)random.Next(256)),
                2 => text.Insert(at, random.Next(-3, int.MaxValue).ToString(CultureInfo.InvariantCulture)),
                3 => text.Insert(at, new string((char)random.Next(33, 127), random.Next(3000))),
                4 => text.Insert(at, text.ToString(0, at)),
                _ => text.Replace(text[at], (char)random.Next(256), at, 1),
            };
            text.Append(text.Length == 0 ? "\n" : "");
        }

        return text.ToString();
    }

    private static string Show(string[] argv) =>
        string.Join(' ', argv.Select(word => Quote(word.Length > 300 ? word[..300] + "..." : word))).Replace("\n", "\\n");

    private static string Quote(string word) => $"'{word.Replace("'", "'\\''")}'";
}
