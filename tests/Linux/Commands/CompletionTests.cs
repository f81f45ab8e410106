using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The completions, by the Tab key in real shells. What they complete are arguments of a script that notes them.</summary>
public sealed class CompletionTests : IDisposable
{
    private const string Files = "contrib/completions";

    private readonly string _directory = Directory.CreateTempSubdirectory("nslp-completion-").FullName;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public static TheoryData<string, string> Shells => new()
    {
        { "bash", $"source '{Source.Directory}/{Files}/nslp.bash'" },
        { "zsh", $"autoload -U compinit; compinit -u; source '{Source.Directory}/{Files}/_nslp'" },
        { "zsh", $"fpath=('{Source.Directory}/{Files}' $fpath); autoload -U compinit; compinit -u" },
        { "fish", $"source '{Source.Directory}/{Files}/nslp.fish'" },
    };

    private int _sleeper;

    public CompletionTests()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "bin"));
        WriteScript("nslp", $"for word; do printf '%s ' \"$word\"; done >>'{_directory}/seen'; echo >>'{_directory}/seen'");
        WriteScript("unheard-of", "");
        File.WriteAllText(Path.Combine(_directory, "some-file"), "");
        File.WriteAllText(Path.Combine(_directory, "sock-b"), "");
        _socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_directory, "sock-a")));
    }

    public void Dispose()
    {
        if (_sleeper != 0)
        {
            Process.GetProcessById(_sleeper).Kill();
        }

        _socket.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public void Tab_completes(string shell, string setup)
    {
        Assert.SkipUnless(Shell.Start($"command -v {shell} && command -v script").Finish().Lines.Length == 2, $"no {shell}");
        // No other PID begins with this one.
        int least = (int.Parse(File.ReadAllText("/proc/sys/kernel/pid_max"), CultureInfo.InvariantCulture) + 9) / 10;
        _sleeper = int.Parse(
            Shell.Start($"{Tool.Path} spawn {least}- --detach -- sleep 600 </dev/null").Finish().Output, CultureInfo.InvariantCulture);
        (string Typed, string Completed)[] lines =
        [
            ("sp\t4242 --new-p\t--me\tcl\t", "spawn 4242 --new-pidns --method clone3"),
            ("set 1 --method=wr\t--js\t", "set 1 --method write --json"),
            ("set 2 --flav\tcgroup-t\t", "set 2 --flavour cgroup-thread"),
            ("set --serv\tso\t-\b3", "set --server sock-a 3"),
            ("verify --rep\tsom\t", "verify --replay some-file"),
            ("serve --allow-user nobo\t --group dae\t some\t", "serve --allow-user nobody --group daemon some-file"),
            ($"who --target {_sleeper}\t--js\t", $"who --target {_sleeper} --json"),
            ($"who {_sleeper}\t {_sleeper}\t", $"who {_sleeper} {_sleeper}"),
            ("map --col\tne\t", "map --color never"),
            ("comp\tfi\t", "completion fish"),
            ("--vers\t", "--version"),
            ("spawn 4 -- unhe\tsom\t", "spawn 4 -- unheard-of some-file"),
        ];
        using Typist typist = new(shell, setup, _directory);

        foreach ((string typed, _) in lines)
        {
            typist.Type($"nslp {typed}");
        }

        // Some shells put a value after a blank, others after an equals sign.
        string[] seen = File.ReadAllLines(Path.Combine(_directory, "seen"));
        Assert.Equal(lines.Select(line => line.Completed), seen.Select(line => line.Replace('=', ' ').TrimEnd()));
    }

    [Theory]
    [InlineData(63, "auto   (the first that works)", "write  (write ns_last_pid)", "cycle  (consume PIDs, which needs no privilege)")]
    [InlineData(37, "auto", "write", "cycle")]
    public void Bash_says_what_words_mean_where_it_lists_them(int kind, params string[] listed) =>
        Assert.Equal(listed, Listed(":", kind, "nslp set 1 --method ''"));

    [Fact]
    public void Bash_cuts_what_it_lists_to_the_width() =>
        Assert.Contains("reserve     (keep new p", Listed("COLUMNS=24", 63, "nslp ''"));

    [Fact]
    public void Bash_names_processes_without_their_control_characters() =>
        Assert.Contains(Listed("printf 'a\\033b' >/proc/$$/comm", 63, "nslp who ''"), line => line.EndsWith("  (a?b)", StringComparison.Ordinal));

    // What bash would list for the last word of a line; kind is its COMP_TYPE.
    private static string[] Listed(string first, int kind, string line)
    {
        Assert.SkipUnless(Shell.Start("command -v bash").Finish().Status == 0, "no bash");
        return Shell.Start(
            $"""
            exec bash <<'END'
            source '{Source.Directory}/{Files}/nslp.bash'
            {first}
            COMP_WORDS=({line}) COMP_TYPE={kind}
            COMP_CWORD=$((${"{#COMP_WORDS[@]}"} - 1))
            _nslp
            printf '%s\n' "${"{COMPREPLY[@]}"}"
            END
            """).Finish().Lines;
    }

    private void WriteScript(string name, string text)
    {
        string path = Path.Combine(_directory, "bin", name);
        File.WriteAllText(path, $"#!/bin/sh\n{text}\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
    }
}
