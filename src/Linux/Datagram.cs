using Tmds.Linux;

namespace SetNsLastPid.Linux;

/// <summary>A datagram as it was received, and who sent it.</summary>
internal struct Datagram
{
    /// <summary>Its first four bytes as a number of this machine's byte order; undefined if it has fewer.</summary>
    internal uint Value;

    /// <summary>How many bytes it had, however many were kept.</summary>
    internal uint Length;

    /// <summary>
    /// The sender as the kernel vouches for it. The process is 0 when it is not seen in this PID namespace, the user
    /// is that of /proc/sys/kernel/overflowuid when it has no number in this user namespace.
    /// </summary>
    internal ucred Sender;

    /// <summary>The length of <see cref="Address"/>; 0 when the sender's socket is not bound.</summary>
    internal int AddressLength;

    /// <summary>Where to answer.</summary>
    internal sockaddr_un Address;
}
