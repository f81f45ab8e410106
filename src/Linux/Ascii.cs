namespace SetNsLastPid.Linux;

/// <summary>What the library has for texts of bytes, without what that costs at a start: for a search or a number it has
/// the runtime load vector types and one more assembly, which takes longer than nslp needs for its own work.</summary>
internal static class Ascii
{
    /// <summary>Where the first such byte is, or -1.</summary>
    internal static int IndexOf(ReadOnlySpan<byte> text, byte sought)
    {
        int at = 0;
        while (at < text.Length && text[at] != sought)
        {
            at++;
        }

        return at < text.Length ? at : -1;
    }

    /// <summary>Where the last such byte is, or -1.</summary>
    internal static int LastIndexOf(ReadOnlySpan<byte> text, byte sought)
    {
        int at = text.Length - 1;
        while (at >= 0 && text[at] != sought)
        {
            at--;
        }

        return at;
    }

    /// <summary>Whether the text begins with another.</summary>
    internal static bool StartsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> start)
    {
        int at = 0;
        while (at < start.Length && at < text.Length && text[at] == start[at])
        {
            at++;
        }

        return at == start.Length;
    }

    /// <summary>The decimal number that the text begins with, which may have a minus sign.</summary>
    /// <param name="text">The text.</param>
    /// <param name="number">The number.</param>
    /// <param name="used">How many bytes it has.</param>
    /// <returns>Whether there is one that 64 bits hold.</returns>
    internal static bool TryParse(ReadOnlySpan<byte> text, out long number, out int used)
    {
        bool isNegative = text is [(byte)'-', ..];
        int start = isNegative ? 1 : 0;
        number = 0;
        bool fits = true;
        for (used = start; used < text.Length && text[used] is >= (byte)'0' and <= (byte)'9'; used++)
        {
            int digit = text[used] - '0';
            fits &= number <= (long.MaxValue - digit) / 10;
            number = fits ? (number * 10) + digit : 0;
        }

        number = isNegative ? -number : number;
        return fits && used > start;
    }
}
