namespace SetNsLastPid.Commands;

/// <summary>A line on stderr that says how far a command has come; none where stderr is no terminal. Written with write(2):
/// it takes no PID.</summary>
internal sealed class ProgressLine(string command) : IDisposable
{
    private const int Stderr = 2;

    // More often nobody can read it, and a slow terminal would be waited for.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private long _shownAt;
    private int _width;

    internal bool IsPossible { get; } = Kernel.IsTerminal(Stderr);

    /// <summary>Shows the text in place of the last one; not more often than ten times a second.</summary>
    internal void Show(string text)
    {
        if (!IsPossible || (_width > 0 && Stopwatch.GetElapsedTime(_shownAt) < s_pause))
        {
            return;
        }

        _shownAt = Stopwatch.GetTimestamp();
        // A full line would begin the next one.
        int most = Kernel.TryGetTerminalSize(Stderr, out int columns, out _) && columns > 1 ? columns - 1 : 79;
        string line = $"nslp: {command}: {text}";
        line = line[..Math.Min(line.Length, most)];
        Output.SayAsIs('\r' + line.PadRight(Math.Min(_width, most)));
        _width = line.Length;
    }

    internal void Hide()
    {
        if (_width > 0)
        {
            Output.SayAsIs('\r' + new string(' ', _width) + '\r');
            _width = 0;
        }
    }

    public void Dispose() => Hide();
}
