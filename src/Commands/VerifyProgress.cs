using System.Diagnostics;

namespace SetNsLastPid.Commands;

/// <summary>A line on a terminal that says how far verify has come; nothing where stderr is none.</summary>
internal sealed class VerifyProgress : IDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly int _runs;
    private readonly bool _isShown;
    private long _shownAt;
    private int _width;

    internal VerifyProgress(int runs, bool isShown)
    {
        _runs = runs;
        _isShown = isShown && !Console.IsErrorRedirected;
    }

    /// <summary>Says that so many runs were made.</summary>
    internal void Show(int done)
    {
        if (_isShown && (_shownAt == 0 || Stopwatch.GetElapsedTime(_shownAt) >= s_pause))
        {
            _shownAt = Stopwatch.GetTimestamp();
            string text = $"nslp: verify: {done} of {_runs} runs";
            _width = text.Length;
            Console.Error.Write('\r' + text);
        }
    }

    /// <summary>Wipes the line out.</summary>
    public void Dispose()
    {
        if (_width > 0)
        {
            Console.Error.Write('\r' + new string(' ', _width) + '\r');
            _width = 0;
        }
    }
}
