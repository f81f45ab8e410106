namespace SetNsLastPid.Commands;

/// <summary>A file that nslp creates: there was none before, nor a link of that name. Unless it was written completely it is
/// removed on Dispose, if its name is still its own.</summary>
internal sealed unsafe class NewFile : IDisposable
{
    private readonly byte[] _path;
    private readonly Fd _file;
    private readonly statx _made;
    private bool _isWhole;

    /// <summary>Makes it; <see cref="Error"/> tells why it could not be made, EEXIST where the name is taken.</summary>
    internal NewFile(string path)
    {
        Path = path;
        _path = Encoding.UTF8.GetBytes(path + '\0');
        _file = Output.CreateNew(path);
        Error = _file.Error;
        if (_file.IsOpen)
        {
            _ = UnixSocket.Look(_file.Number, "\0"u8, AT_EMPTY_PATH, out _made);
        }
    }

    internal string Path { get; }

    internal Errno Error { get; private set; }

    /// <summary>Makes it, where there is a path.</summary>
    internal static NewFile? For(string? path) => path is null ? null : new NewFile(path);

    /// <summary>Writes all of it and closes it, once.</summary>
    /// <returns>What went wrong, as <see cref="Error"/>.</returns>
    internal Errno Write(ReadOnlySpan<byte> bytes)
    {
        Error = Error != 0 ? Error : Output.WriteTo(_file.Number, bytes);
        // Some file systems tell only then that there is no room.
        SysResult closed = SysResult.Of(close(_file.Release()));
        Error = Error != 0 ? Error : closed.Error;
        _isWhole = Error == 0;
        return Error;
    }

    public void Dispose()
    {
        bool isMade = _made.stx_ino != 0;
        _file.Dispose();
        if (isMade && !_isWhole
            && UnixSocket.Look(AT_FDCWD, _path, AT_SYMLINK_NOFOLLOW, out statx there) == 0
            && (there.stx_ino, there.stx_dev_major, there.stx_dev_minor)
                == (_made.stx_ino, _made.stx_dev_major, _made.stx_dev_minor))
        {
            fixed (byte* path = _path)
            {
                _ = unlink(path);
            }
        }
    }
}
