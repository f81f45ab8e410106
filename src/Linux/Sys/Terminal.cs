namespace SetNsLastPid.Linux;

/// <summary>The controlling terminal of nslp's session.</summary>
internal static unsafe class Terminal
{
    /// <summary>The process group that may read from it; 0 where there is no such terminal, or its group has no number
    /// here.</summary>
    internal static int ForegroundGroup
    {
        get
        {
            int group = 0;
            Control(TIOCGPGRP, &group);
            return group;
        }
        set => Control(TIOCSPGRP, &value);
    }

    private static void Control(long request, int* group)
    {
        using Fd terminal = Fd.Open(AT_FDCWD, "/dev/tty"u8, O_RDWR);
        _ = Raw.Call(Kernel.SYS_ioctl, terminal.Number, request, (nint)group);
    }
}

/// <summary>Keys on stdin as they are pressed, without Enter and an echo. Ctrl-C and the like still make signals.</summary>
internal sealed unsafe class Keys : IDisposable
{
    // struct termios of the kernel: four words of flags, of which the last is c_lflag, a byte, and c_cc.
    private const int Size = 36, LocalFlags = 12, Controls = 17;

    private readonly byte[] _old;

    private Keys(byte[] old) => _old = old;

    /// <summary>Null where stdin is no terminal, or another process group's.</summary>
    internal static Keys? TryRead()
    {
        byte[] old = new byte[Size];
        if (Terminal.ForegroundGroup != getpgrp() || Control(TCGETS, old) != 0)
        {
            return null;
        }

        byte[] raw = [.. old];
        raw[LocalFlags] &= unchecked((byte)~(ICANON | ECHO));
        (raw[Controls + VTIME], raw[Controls + VMIN]) = (0, 0);
        return Control(TCSETS, raw) == 0 ? new Keys(old) : null;
    }

    /// <summary>Whether that key was among those pressed since the last call.</summary>
    internal bool IsPressed(char key)
    {
        byte* keys = stackalloc byte[64];
        SysResult read = Raw.Call(Kernel.SYS_read, 0, (nint)keys, 64);
        return !read.IsError && new ReadOnlySpan<byte>(keys, read.Value).Contains((byte)key);
    }

    public void Dispose() => _ = Control(TCSETS, _old);

    private static Errno Control(long request, byte[] termios)
    {
        fixed (byte* start = termios)
        {
            return Raw.Call(Kernel.SYS_ioctl, 0, request, (nint)start).Error;
        }
    }
}
