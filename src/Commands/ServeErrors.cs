using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>Why there is no socket to listen on, in words.</summary>
internal static class ServeErrors
{
    /// <summary>Says it on stderr.</summary>
    /// <returns>The exit status.</returns>
    internal static int Fail(string command, SocketStep step, ServeSettings settings, int error)
    {
        string path = settings.Socket;
        return step switch
        {
            SocketStep.Name => Output.Fail(command, $"cannot listen on '{path}': it names a directory"),
            SocketStep.Length => Output.Fail(
                command,
                $"cannot listen on '{path}': it has {System.Text.Encoding.UTF8.GetByteCount(path)} bytes, the path of a socket "
                + $"has {SocketAddress.MaxPathLength} at most"),
            SocketStep.Directory => Output.Fail(command, $"cannot open the directory of '{path}'", error),
            SocketStep.Lock => Output.Fail(command, $"cannot lock the directory of '{path}'", error),
            SocketStep.Look => Output.Fail(command, $"cannot look at '{path}'", error),
            SocketStep.NotSocket => Output.Fail(command, $"cannot listen on '{path}': something else than a socket is there"),
            SocketStep.Link => Output.Fail(command, $"cannot listen on '{path}': a symbolic link is there"),
            SocketStep.Busy => Output.Fail(command, $"cannot listen on '{path}': somebody does already"),
            SocketStep.Probe => Output.Fail(command, $"cannot find out whether somebody listens on '{path}'", error),
            SocketStep.Unlink => Output.Fail(command, $"cannot remove '{path}', on which nobody listens", error),
            SocketStep.Make => Output.Fail(command, "cannot make a socket", error),
            SocketStep.Bind => Output.Fail(command, $"cannot listen on '{path}'", error),
            SocketStep.Swapped => Output.Fail(command, $"cannot listen on '{path}': somebody changes it at the same time"),
            SocketStep.Group => Output.Fail(command, $"cannot give '{path}' to group {settings.Group}", error),
            SocketStep.Mode => Output.Fail(
                command, $"cannot give '{path}' the permissions 0{Convert.ToString(settings.Mode, 8)}", error),
            _ => Output.Fail(
                command,
                "cannot serve the descriptor of LISTEN_FDS: it is no unix datagram socket that is bound",
                error),
        };
    }
}
