using System.Runtime.InteropServices;
using System.Text;
using Tmds.Linux;

namespace SetNsLastPid.Commands;

/// <summary>The terminal's other screen, with the cursor hidden. The terminal is as it was after <see cref="Dispose"/>,
/// after each signal that ends nslp but SIGKILL, and while nslp is stopped by Ctrl-Z.</summary>
internal sealed class MapScreen : IDisposable
{
    private const int Stdout = 1;
    private const string Enter = "\e[?1049h\e[?25l";
    private const string Leave = "\e[?25h\e[?1049l";

    private static readonly (PosixSignal Name, int Number)[] s_ends =
        [(PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1)];

    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly Lock _lock = new();
    private volatile int _received;
    private bool _isThere;

    internal MapScreen()
    {
        foreach ((PosixSignal name, int number) in s_ends)
        {
            On(name, () => _received = number);
        }

        On(PosixSignal.SIGTSTP, () =>
        {
            Show(false);
            _ = LibC.kill(LibC.getpid(), LibC.SIGSTOP);
        });
        On(PosixSignal.SIGCONT, () => Show(true));
        Show(true);
    }

    /// <summary>The signal that is to end nslp, 0 as long as there was none.</summary>
    internal int Received => _received;

    /// <summary>Draws a text in place of the last one.</summary>
    internal Errno Draw(string text)
    {
        lock (_lock)
        {
            return _isThere ? Write("\e[H" + text.Replace("\n", "\e[K\n") + "\e[J") : 0;
        }
    }

    public void Dispose()
    {
        _signals.ForEach(signal => signal.Dispose());
        Show(false);
    }

    private static Errno Write(string text) => Output.WriteTo(Stdout, Encoding.UTF8.GetBytes(text));

    private void On(PosixSignal name, Action action) => _signals.Add(PosixSignalRegistration.Create(name, context =>
    {
        context.Cancel = true;
        action();
    }));

    private void Show(bool isThere)
    {
        lock (_lock)
        {
            if (isThere != _isThere)
            {
                _isThere = isThere;
                _ = Write(isThere ? Enter : Leave);
            }
        }
    }
}
