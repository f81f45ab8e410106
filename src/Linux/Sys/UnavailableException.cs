using System.Runtime.InteropServices;

namespace SetNsLastPid.Linux;

/// <summary>This machine or this user cannot do what is needed at all; the message is ready for a person.</summary>
internal sealed class UnavailableException : Exception
{
    /// <param name="what">"cannot VERB OBJECT"</param>
    /// <param name="errno">the reason, positive; 0 if there is none</param>
    /// <param name="help">what forbids it and would help, null if not known</param>
    internal UnavailableException(string what, int errno = 0, string? help = null)
        : base(errno == 0 ? what : $"{what}: {Marshal.GetPInvokeErrorMessage(errno)}")
    {
        Help = help;
    }

    /// <summary>What forbids it and would help, null if not known.</summary>
    internal string? Help { get; }
}
