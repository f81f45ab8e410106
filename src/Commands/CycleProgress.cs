using System.Diagnostics;
using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>
/// A line on the terminal that shows how far a long cycle has come; none where stderr is no terminal or the way is
/// short. Written with write(2), and gone before the target is near: it takes no PID.
/// </summary>
/// <param name="command">The command's name.</param>
internal sealed class CycleProgress(string command)
{
    /// <summary>After so many PIDs, some quarter of a second, the line is written anew.</summary>
    internal const int Part = 50_000;

    private const long Least = 4 * Part;
    private const int BarWidth = 24;
    private const int Width = 78;
    private const int Stderr = 2;

    private long _start;
    private long _whole;
    private long _left;
    private long _done;
    private long _place;

    /// <summary>Whether the line is there.</summary>
    internal bool IsShown { get; private set; }

    /// <summary>The way was measured.</summary>
    /// <param name="left">PIDs to consume.</param>
    /// <param name="lastPid">Where the cursor is.</param>
    internal void Look(long left, int lastPid)
    {
        if (left < Least)
        {
            Hide();
            return;
        }

        if (_start == 0)
        {
            _start = Stopwatch.GetTimestamp();
            IsShown = Kernel.IsTerminal(Stderr);
        }

        (_left, _place) = (left, lastPid);
        _whole = Math.Max(_whole, _done + left);
        Write();
    }

    /// <summary>So many more were consumed.</summary>
    internal void Move(long consumed)
    {
        _done += consumed;
        _left -= consumed;
        _place += consumed;
        Write();
    }

    /// <summary>Wipes the line out.</summary>
    internal void Hide()
    {
        if (IsShown)
        {
            _ = Output.Complain('\r' + new string(' ', Width) + '\r');
            IsShown = false;
        }
    }

    private void Write()
    {
        if (!IsShown)
        {
            return;
        }

        double rate = _done / Stopwatch.GetElapsedTime(_start).TotalSeconds;
        int bar = (int)(BarWidth * Math.Clamp((double)_done / _whole, 0, 1));
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"nslp: {command}: [{new string('#', bar)}{new string('.', BarWidth - bar)}] at {_place}"
            + $"{(_done == 0 ? "" : $", {rate:F0}/s, {_left / rate:F0} s left")}");
        _ = Output.Complain('\r' + text.PadRight(Width)[..Width]);
    }
}
