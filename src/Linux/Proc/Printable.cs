namespace SetNsLastPid.Linux;

/// <summary>Text of others, such as command lines, made safe for a terminal.</summary>
internal static class Printable
{
    private const int MaxLength = 200;

    /// <summary>The text with blanks for the NULs between arguments, and '?' for what could move the cursor, change the
    /// direction or hide: controls, formats, separators, and bytes that are not UTF-8.</summary>
    /// <returns>At most 200 characters, then "..." in place of the rest.</returns>
    internal static string From(ReadOnlySpan<byte> text)
    {
        StringBuilder safe = new();
        while (!text.IsEmpty)
        {
            _ = Rune.DecodeFromUtf8(text, out Rune rune, out int used);
            text = text[used..];
            if (safe.Length + rune.Utf16SequenceLength > MaxLength)
            {
                return safe.Append("...").ToString();
            }

            _ = safe.Append(rune.Value == 0 ? " " : IsHarmless(rune) ? rune.ToString() : "?");
        }

        return safe.ToString();
    }

    internal static string From(string text) => From(Encoding.UTF8.GetBytes(text));

    private static bool IsHarmless(Rune rune) =>
        rune != Rune.ReplacementChar
        && Rune.GetUnicodeCategory(rune)
            is not (UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.PrivateUse
                or UnicodeCategory.Surrogate
                or UnicodeCategory.OtherNotAssigned);
}
