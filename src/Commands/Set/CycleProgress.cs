namespace SetNsLastPid.Commands;

/// <summary>Shows how far a long cycle has come, while the target is not near: nothing where the way is short.</summary>
internal sealed class CycleProgress(string command)
{
    // With fewer left, some quarter of a second, the line is gone.
    private const int Part = 20_000;

    // A second or so: for less no line is worth while.
    private const long Least = 3 * Part;

    private readonly ProgressLine _line = new(command);
    private long _whole;
    private long _done;
    private long _place;
    private bool _isShown;

    /// <summary>The way was measured.</summary>
    /// <param name="left">PIDs to consume.</param>
    /// <param name="lastPid">Where the cursor is.</param>
    internal void Look(long left, int lastPid)
    {
        if (left < (_isShown ? Part : Least))
        {
            Hide();
            return;
        }

        _isShown = _line.IsPossible;
        _place = lastPid;
        _whole = Math.Max(_whole, _done + left);
        Write();
    }

    /// <summary>So many more were consumed.</summary>
    internal void Move(long consumed)
    {
        _done += consumed;
        _place += consumed;
        Write();
    }

    /// <summary>Wipes the line out.</summary>
    internal void Hide()
    {
        _line.Hide();
        _isShown = false;
    }

    private void Write()
    {
        if (_isShown)
        {
            _line.Show((double)_done / _whole, $"at {_place}", _done);
        }
    }
}
