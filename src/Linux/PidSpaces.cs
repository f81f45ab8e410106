using System.Text;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Which PID namespace a process lives in.</summary>
internal static unsafe class PidSpaces
{
    private const int LinkSize = 64;

    /// <summary>The PID namespace of a process. Throws <see cref="RemoteException"/> if it cannot be entered.</summary>
    /// <param name="process">A process, or 0 for nslp itself.</param>
    internal static IPidSpace Open(int process) =>
        IsOwn(process) ? new OwnPidSpace() : RemotePidSpace.Enter(process);

    /// <summary>Whether a process, or 0 for nslp itself, is known to live in nslp's own PID namespace.</summary>
    internal static bool IsOwn(int process)
    {
        if (process == 0)
        {
            return true;
        }

        string? link = ReadLink($"/proc/{process}/ns/pid");
        return link is not null && link == ReadLink("/proc/self/ns/pid");
    }

    /// <summary>Whether nslp lives in the initial PID namespace.</summary>
    internal static bool IsInitial() => ReadLink("/proc/self/ns/pid") == "pid:[4026531836]"; // PROC_PID_INIT_INO

    private static string? ReadLink(string path)
    {
        byte* link = stackalloc byte[LinkSize];
        fixed (byte* pathname = Encoding.ASCII.GetBytes(path + "\0"))
        {
            long length = readlink(pathname, link, LinkSize);
            return length < 0 ? null : Encoding.ASCII.GetString(link, (int)length);
        }
    }
}
