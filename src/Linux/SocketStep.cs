namespace SetNsLastPid.Linux;

/// <summary>What went wrong on the way to a listening socket, if anything.</summary>
internal enum SocketStep
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The path is empty, or ends in '/', "." or "..".</summary>
    Name,

    /// <summary>The path is longer than <see cref="SocketAddress.MaxPathLength"/>.</summary>
    Length,

    /// <summary>The directory could not be opened.</summary>
    Directory,

    /// <summary>The directory could not be locked: ETIMEDOUT when another process kept the lock.</summary>
    Lock,

    /// <summary>What stands at the path could not be looked at.</summary>
    Look,

    /// <summary>Something else than a socket stands at the path.</summary>
    NotSocket,

    /// <summary>A symbolic link stands at the path.</summary>
    Link,

    /// <summary>Somebody listens on the socket at the path.</summary>
    Busy,

    /// <summary>Whether somebody listens on the socket at the path could not be found out.</summary>
    Probe,

    /// <summary>The socket that nobody listens on could not be removed.</summary>
    Unlink,

    /// <summary>The socket could not be made.</summary>
    Make,

    /// <summary>The socket could not be bound to the path.</summary>
    Bind,

    /// <summary>What stands at the path after binding is not the socket.</summary>
    Swapped,

    /// <summary>The group of the socket could not be set.</summary>
    Group,

    /// <summary>The permissions of the socket could not be set.</summary>
    Mode,

    /// <summary>The descriptor passed on is not a bound unix datagram socket.</summary>
    Inherited,
}
