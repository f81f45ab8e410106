using System.Globalization;
using System.Text;

namespace SetNsLastPid.Commands;

/// <summary>How many columns of a terminal characters take.</summary>
internal static class TextWidth
{
    // Blocks that have characters as wide as two (East_Asian_Width W and F of Unicode), the first and the last of each.
    private static readonly (int First, int Last)[] s_wide =
    [
        (0x1100, 0x115f), (0x231a, 0x23f3), (0x25fd, 0x27bf), (0x2b1b, 0x2b55), (0x2e80, 0xa4cf), (0xa960, 0xa97f),
        (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe10, 0xfe6f), (0xff01, 0xff60), (0xffe0, 0xffe6), (0x16fe0, 0x1d37f),
        (0x1f000, 0x1faff), (0x20000, 0x3ffff),
    ];

    /// <summary>The columns of a character that <see cref="Linux.Printable"/> lets pass, or more than it takes where that is a
    /// symbol: 0 for what combines with the one before it, 2 for the wide, else 1.</summary>
    internal static int Of(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark ? 0
        : Array.Exists(s_wide, block => block.First <= rune.Value && rune.Value <= block.Last) ? 2
        : 1;
}
