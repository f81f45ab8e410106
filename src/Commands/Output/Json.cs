using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary>A result of any length, written part by part: text, or one JSON object on a line.</summary>
/// <param name="progress">A line that must not be there while something is written, or null.</param>
/// <param name="output">The descriptor to write to.</param>
internal sealed class Results(string command, ProgressLine? progress = null, int output = Output.Stdout)
{
    private const int Part = 64 * 1024;

    // What goes to a terminal or a program is no web page.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _bytes = new();
    private Utf8JsonWriter? _json;

    /// <summary>Writes JSON, instead of <see cref="Add"/>.</summary>
    internal Utf8JsonWriter Json => _json ??= new Utf8JsonWriter(_bytes, s_options);

    /// <summary><see cref="Output.Done"/>, or else what <see cref="Output.Print(string, string)"/> gave.</summary>
    internal int Status { get; private set; } = Output.Done;

    /// <summary>Writes the object that is the whole result: its version and command, what <paramref name="write"/> adds, and the
    /// error, null where there was none.</summary>
    internal void WriteResult(Action write)
    {
        Output.HasResult = true;
        Json.WriteObject(null, () =>
        {
            Json.WriteNumber("version", Output.JsonVersion);
            Json.WriteString("command", command == "" ? null : command);
            write();
            Output.WriteError(Json);
        });
    }

    internal void Add(string text) => _ = Encoding.UTF8.GetBytes(text, _bytes);

    /// <summary>Sends what there is if it is much.</summary>
    /// <returns>Whether all could be sent so far.</returns>
    internal bool Go()
    {
        if (_bytes.WrittenCount + (_json?.BytesPending ?? 0) >= Part)
        {
            Send();
        }

        return Status == Output.Done;
    }

    /// <summary>Ends the line of JSON, and sends what there is.</summary>
    internal int End()
    {
        if (_json is not null)
        {
            _json.Flush();
            Add("\n");
        }

        Send();
        return Status;
    }

    private void Send()
    {
        _json?.Flush();
        progress?.Hide();
        Status = Status == Output.Done ? Output.Print(command, _bytes.WrittenSpan, output) : Status;
        _bytes.ResetWrittenCount();
    }
}

internal static class JsonWriting
{
    /// <summary>An object in an object; in an array without a name.</summary>
    internal static void WriteObject(this Utf8JsonWriter json, string? name, Action write)
    {
        if (name is not null)
        {
            json.WritePropertyName(name);
        }

        json.WriteStartObject();
        write();
        json.WriteEndObject();
    }

    /// <summary>An array in an object; in an array without a name.</summary>
    internal static void WriteArray<T>(this Utf8JsonWriter json, string? name, IEnumerable<T> items, Action<T> write)
    {
        if (name is not null)
        {
            json.WritePropertyName(name);
        }

        json.WriteStartArray();
        foreach (T item in items)
        {
            write(item);
        }

        json.WriteEndArray();
    }

    /// <summary>A number, or null.</summary>
    internal static void WriteMaybe(this Utf8JsonWriter json, string name, long? number)
    {
        if (number is { } known)
        {
            json.WriteNumber(name, known);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    /// <summary>An object in an object; null where there is nothing to say.</summary>
    internal static void WriteMaybe(this Utf8JsonWriter json, string name, bool isThere, Action write)
    {
        if (isThere)
        {
            json.WriteObject(name, write);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    /// <summary>Seconds, always with six decimals.</summary>
    internal static void WriteSeconds(this Utf8JsonWriter json, string name, double seconds) =>
        json.WriteNumber(name, Math.Round((decimal)seconds, 6) + 0.000000m);
}
