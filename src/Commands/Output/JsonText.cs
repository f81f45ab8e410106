using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>One JSON object as text.</summary>
internal static class JsonText
{
    // What goes to a terminal or a program is no web page.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The object that has what <paramref name="write"/> writes, on a line.</summary>
    internal static string Object(Action<Utf8JsonWriter> write)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, s_options))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length) + '\n';
    }
}
