namespace SetNsLastPid.Linux;

/// <summary>An open file of this process, closed when disposed of; or why it could not be opened.</summary>
internal sealed class Fd(SysResult opened) : IDisposable
{
    private SysResult _opened = opened;

    /// <summary>Why it could not be opened, 0 when it could; EBADF once it is closed.</summary>
    internal Errno Error => _opened.Error;

    internal bool IsOpen => !_opened.IsError;

    /// <summary>The descriptor; below 0 where there is none.</summary>
    internal int Number => _opened.Value;

    /// <summary>Gives the descriptor to the caller, who closes it.</summary>
    internal int Release()
    {
        int number = Number;
        _opened = Errno.EBADF;
        return number;
    }

    /// <summary>Closes it, once.</summary>
    public void Dispose()
    {
        if (IsOpen)
        {
            _ = LibC.close(Release());
        }
    }
}
