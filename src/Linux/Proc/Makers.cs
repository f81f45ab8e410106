using System.Buffers.Text;

namespace SetNsLastPid.Linux;

/// <summary>Finds out who made a process or thread.</summary>
internal static class Makers
{
    /// <summary>The process that made it: the parent of a process, that of a thread its own.</summary>
    /// <param name="proc">A /proc of the namespace.</param>
    /// <param name="number">The process or thread.</param>
    /// <returns>0 when there is no such task any more, or its parent is outside the namespace.</returns>
    internal static int Of(int proc, int number)
    {
        Span<byte> text = stackalloc byte[4096];
        int length = Proc.Read(proc, number, "/status"u8, text);
        if (length < 0
            || !ProcMount.TryField(text[..length], "\nTgid:"u8, out ReadOnlySpan<byte> group)
            || !Utf8Parser.TryParse(group, out int process, out _))
        {
            return 0;
        }

        return process != number ? process
            : ProcMount.TryField(text[..length], "\nPPid:"u8, out ReadOnlySpan<byte> parent)
                && Utf8Parser.TryParse(parent, out int its, out _) ? its
            : 0;
    }
}
