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
        fixed (byte* path = "/dev/tty"u8)
        {
            using Fd terminal = new(SysResult.Of(open(path, O_RDWR | O_CLOEXEC)));
            _ = Raw.Call(Kernel.SYS_ioctl, terminal.Number, request, (nint)group);
        }
    }
}
