namespace SetNsLastPid.Commands;

/// <summary>The terminal's other screen, with the cursor hidden. The terminal is as it was after <see cref="Dispose"/>,
/// after each signal that ends nslp but SIGKILL, and while nslp is stopped by Ctrl-Z.</summary>
internal sealed class MapScreen : IDisposable
{
    private const int Stdout = 1;
    private const string Enter = "\e[?1049h\e[?25l";
    private const string Leave = "\e[?25h\e[?1049l";

    private readonly CaughtSignals _signals = new();
    private Keys? _keys;
    private bool _isThere;

    /// <summary>Throws <see cref="RemoteException"/>. What is ignored stays so.</summary>
    internal MapScreen()
    {
        _signals.CatchEnd();
        _signals.CatchUnlessIgnored(SIGTSTP, SIGCONT);
        Show(true);
    }

    /// <summary>Stops nslp where Ctrl-Z asked for it. To be called often.</summary>
    /// <returns>The signal that is to end nslp, which q is like Ctrl-C, 0 as long as there was none.</returns>
    internal int TakeSignal()
    {
        while (true)
        {
            int signal = _signals.Next(wait: false).Number;
            if (signal != SIGTSTP && signal != SIGCONT)
            {
                return signal == 0 && _keys?.IsPressed('q') == true ? SIGINT : signal;
            }

            Show(signal == SIGCONT);
            _ = signal == SIGCONT ? 0 : kill(getpid(), SIGSTOP);
        }
    }

    /// <summary>Draws a text in place of the last one.</summary>
    internal Errno Draw(string text) => _isThere ? Write("\e[H" + text.Replace("\n", "\e[K\n") + "\e[J") : 0;

    public void Dispose()
    {
        _signals.Dispose();
        Show(false);
    }

    private static Errno Write(string text) => Output.WriteTo(Stdout, Encoding.UTF8.GetBytes(text));

    private void Show(bool isThere)
    {
        if (isThere != _isThere)
        {
            _isThere = isThere;
            _keys?.Dispose();
            _keys = isThere ? Keys.TryRead() : null;
            _ = Write(isThere ? Enter : Leave);
        }
    }
}
