using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Addresses of unix sockets.</summary>
internal static unsafe class SocketAddress
{
    /// <summary>
    /// The longest path of a socket, in bytes. The kernel would take one more; but that path would have no NUL at its
    /// end, and clients copy it with strcpy.
    /// </summary>
    internal static int MaxPathLength => sockaddr_un.sun_path_length - 1;

    /// <summary>Whether the runtime, which takes arguments for UTF-8, put U+FFFD where a path has something else: it would be
    /// that of another file.</summary>
    internal static bool IsMangled(string? path) => path is not null && path.Contains('\uFFFD');

    /// <summary>Fills in the address of a path.</summary>
    /// <param name="address">Filled in.</param>
    /// <param name="path">Bytes without a NUL; with '@' for its first, after systemd's fashion, an abstract name if
    /// <paramref name="mayBeAbstract"/>.</param>
    /// <param name="mayBeAbstract">Whether '@' is more than a character of a path.</param>
    /// <returns>The length of the address, or 0 when the path is empty or too long.</returns>
    internal static int Fill(sockaddr_un* address, ReadOnlySpan<byte> path, bool mayBeAbstract = false)
    {
        *address = default;
        if (path.IsEmpty || path.Length > MaxPathLength)
        {
            return 0;
        }

        address->sun_family = AF_UNIX;
        path.CopyTo(new Span<byte>(address->sun_path, sockaddr_un.sun_path_length));
        if (mayBeAbstract && path[0] == '@')
        {
            address->sun_path[0] = 0;
            return sockaddr_un.sun_path_offset + path.Length;
        }

        return sockaddr_un.sun_path_offset + path.Length + 1;
    }

    /// <summary>The path that a socket is bound to; empty for none, with '@' first for an abstract name.</summary>
    internal static string OfSocket(int fd)
    {
        sockaddr_un address;
        socklen_t length = sizeof(sockaddr_un);
        if (getsockname(fd, (sockaddr*)&address, &length) != 0 || length <= (uint)sockaddr_un.sun_path_offset)
        {
            return "";
        }

        ReadOnlySpan<byte> path = new(address.sun_path, (int)length - sockaddr_un.sun_path_offset);
        return path[0] == 0
            ? "@" + Encoding.UTF8.GetString(path[1..])
            : Encoding.UTF8.GetString(path.IndexOf((byte)0) is >= 0 and int end ? path[..end] : path);
    }
}
