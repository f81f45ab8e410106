namespace SetNsLastPid.Commands;

/// <summary>A line on stderr that says how far a command has come; none where stderr is no terminal. Written with write(2):
/// it takes no PID.</summary>
/// <param name="endsBySignal">Whether a signal that ends nslp is to wipe it out first, and to say how far it was: it is looked for
/// whenever there is something to show.</param>
internal sealed class ProgressLine(string command, bool endsBySignal = false) : IDisposable
{
    private const int Stderr = 2;
    private const int BarWidth = 16;

    // More often nobody can read it, and a slow terminal would be waited for.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private CaughtSignals? _caught;
    private long _start;
    private long _shownAt;
    private int _width;
    private string _text = "";

    internal bool IsPossible { get; } = Kernel.IsTerminal(Stderr);

    /// <summary>Shows a bar and the time left, in place of the last one; not more often than ten times a second.</summary>
    /// <param name="part">How much of all is done, 0 to 1; below 0 where that is not known.</param>
    /// <param name="text">What is done.</param>
    /// <param name="done">How many; 0 where a rate would mean nothing.</param>
    internal void Show(double part, string text, double done = 0)
    {
        _text = text;
        EndBySignal();
        if (!IsPossible || (_width > 0 && Stopwatch.GetElapsedTime(_shownAt) < s_pause))
        {
            return;
        }

        _shownAt = Stopwatch.GetTimestamp();
        _start = _start == 0 ? _shownAt : _start;
        if (endsBySignal && _caught is null)
        {
            // Before the line: who sees it may send one.
            _caught = new CaughtSignals();
            _caught.CatchEnd();
        }

        double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        int bar = (int)(BarWidth * Math.Clamp(part, 0, 1));
        string line = $"nslp: {command}: {(part < 0 ? "" : $"[{new string('#', bar)}{new string('.', BarWidth - bar)}] ")}{text}"
            + (done > 0 && seconds > 0 ? $", {done / seconds:F0}/s" : "")
            + (part > 0 && seconds > 0 ? $", {seconds * (1 - Math.Min(part, 1)) / part:F0} s left" : "");
        // A full line would begin the next one.
        int most = Kernel.TerminalSize(Stderr) is { Columns: > 1 and var columns } ? columns - 1 : 79;
        line = line[..Math.Min(line.Length, most)];
        // Back to its end, where the terminal's "^C" goes.
        Output.SayAsIs($"\r{line.PadRight(Math.Min(_width, most))}\r{line}");
        _width = Math.Min(line.Length + 2, most);
    }

    internal void Hide()
    {
        if (_width > 0)
        {
            Output.SayAsIs('\r' + new string(' ', _width) + '\r');
            _width = 0;
        }

        EndBySignal();
        _caught?.Dispose();
        _caught = null;
    }

    public void Dispose() => Hide();

    private void EndBySignal()
    {
        if (_caught is { } caught && caught.Next(wait: false).Number is not 0 and var signal)
        {
            _caught = null;
            caught.Dispose();
            Hide();
            Output.Say(command, $"interrupted: {_text}");
            CaughtSignals.Suffer(signal);
            // To PID 1 a signal does nothing by default.
            Kernel.exit_group(128 + signal);
        }
    }
}
