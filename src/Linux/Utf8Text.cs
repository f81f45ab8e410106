using System.Text;

namespace SetNsLastPid.Linux;

/// <summary>Text for the kernel.</summary>
internal static class Utf8Text
{
    /// <summary>The text as UTF-8.</summary>
    /// <remarks>Most is ASCII, and is spared the encoding, for whose sake the runtime loads types for a tenth of a start.</remarks>
    internal static byte[] ToBytes(string text)
    {
        byte[] bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] >= 0x80)
            {
                return Encoding.UTF8.GetBytes(text);
            }

            bytes[i] = (byte)text[i];
        }

        return bytes;
    }
}
