using System.Diagnostics;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>
/// Somebody who types at an interactive shell on a terminal of its own, whose home has a program that appends one line
/// to the file <c>seen</c> each time it is called.
/// </summary>
internal sealed class Typist : IDisposable
{
    // Shells draw a prompt again while one types: it is the number in it that says that the call is over.
    private const string Calls = "$(wc -l <~/seen)";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private readonly Process _process;
    private int _calls;

    /// <summary>Starts the shell and waits for its prompt.</summary>
    /// <param name="shell">Its name.</param>
    /// <param name="setup">What the shell is to do first.</param>
    /// <param name="home">Its home and working directory, with programs in <c>bin</c>; a file for the setup is made there.</param>
    internal Typist(string shell, string setup, string home)
    {
        File.WriteAllText(Path.Combine(home, "seen"), "");
        string file = Path.Combine(home, ".zshrc");
        (string prompt, string command) = shell switch
        {
            "bash" => ($"PS1='call-{Calls}> '", $"bash --rcfile {file} -i"),
            "zsh" => ($"setopt promptsubst; PS1='call-{Calls}> '", "zsh -d -i"),
            _ => ($"function fish_prompt; echo -n \"call-{Calls}> \"; end", $"fish --no-config -C 'source {file}' -i"),
        };
        File.WriteAllText(file, $"{setup}\n{prompt}\n");
        ProcessStartInfo start = new("script", ["-qec", command, "/dev/null"])
        {
            WorkingDirectory = home,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["HOME"] = start.Environment["ZDOTDIR"] = home;
        start.Environment["TERM"] = "dumb";
        start.Environment["PATH"] = $"{home}/bin:{Environment.GetEnvironmentVariable("PATH")}";
        _process = Process.Start(start)!;
        WaitForPrompt();
    }

    /// <summary>Types a line that calls the program once, and waits until the shell wants the next one.</summary>
    internal void Type(string line)
    {
        _process.StandardInput.Write(line + "\n");
        _process.StandardInput.Flush();
        _calls++;
        WaitForPrompt();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private void WaitForPrompt()
    {
        string prompt = $"call-{_calls}>";
        // A read from a pipe cannot be cancelled.
        using Timer limit = new(_ => _process.Kill(entireProcessTree: true), null, s_limit, Timeout.InfiniteTimeSpan);
        for (int found = 0; found < prompt.Length;)
        {
            int next = _process.StandardOutput.Read();
            Assert.True(next >= 0, $"the shell ended, or did not say {prompt} for a minute");
            found = next == prompt[found] ? found + 1 : next == prompt[0] ? 1 : 0;
        }
    }
}
