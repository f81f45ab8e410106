namespace SetNsLastPid.Linux;

/// <summary>An open file of this process, closed when disposed of; or why it could not be opened.</summary>
internal sealed unsafe class Fd(SysResult opened) : IDisposable
{
    private SysResult _opened = opened;

    /// <summary>Opens a file, which no program gets that is executed.</summary>
    /// <param name="directory">Where to begin, or AT_FDCWD.</param>
    /// <param name="path">It ends with a NUL, as literals do.</param>
    internal static Fd Open(int directory, ReadOnlySpan<byte> path, int flags)
    {
        fixed (byte* start = path)
        {
            return new Fd(SysResult.Of(openat(directory, start, flags | O_CLOEXEC)));
        }
    }

    internal static Fd Open(int directory, string path, int flags) => Open(directory, Encoding.UTF8.GetBytes(path + '\0'), flags);

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

    public void Dispose()
    {
        if (IsOpen)
        {
            _ = LibC.close(Release());
        }
    }
}
