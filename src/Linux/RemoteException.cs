using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>Something in or around the zygote that could not be done; the message is ready for a person.</summary>
internal sealed class RemoteException : Exception
{
    /// <param name="what">"cannot VERB OBJECT"</param>
    /// <param name="errno">the reason, positive; 0 if there is none</param>
    internal RemoteException(string what, int errno = 0)
        : base(errno == 0 ? what : $"{what}: {Marshal.GetPInvokeErrorMessage(errno)}")
    {
        Errno = errno;
    }

    /// <summary>The errno that stopped it, positive; 0 if it was none: a time limit, or a process that went away.</summary>
    internal int Errno { get; }
}
