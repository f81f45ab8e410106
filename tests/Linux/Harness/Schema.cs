using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>contrib/nslp.schema.json, and what it says of a JSON text: the part of JSON Schema that it uses. Stricter than that: a
/// property that it does not know is a fault.</summary>
internal static class Schema
{
    internal static JsonElement Root { get; } =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Source.Directory, "contrib/nslp.schema.json"))).RootElement;

    /// <summary>Fails unless the text is one object on a line, as the schema has it.</summary>
    internal static JsonElement Check(string output)
    {
        Assert.Matches("^{.*}\n?$", output);
        JsonElement value = JsonDocument.Parse(output).RootElement;
        string name = value.GetProperty("command").GetString() is { } command && value.EnumerateObject().Count() > 3 ? command : "failure";
        Assert.Empty(Faults(value, Root.GetProperty("$defs").GetProperty(name), name));
        // A result is a failure with more in it, and so of two forms.
        Assert.Contains(Root.GetProperty("anyOf").EnumerateArray(), form => !Faults(value, form, name).Any());
        return value;
    }

    /// <summary>What is wrong with a value, each with its place.</summary>
    internal static IEnumerable<string> Faults(JsonElement value, JsonElement schema, string place)
    {
        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            return Faults(value, reference.GetString()!.Split('/')[1..].Aggregate(Root, (at, step) => at.GetProperty(step)), place);
        }

        List<string> faults = [];
        string text = value.GetRawText();
        if ((schema.TryGetProperty("const", out JsonElement constant) && constant.GetRawText() != text)
            || (schema.TryGetProperty("enum", out JsonElement words) && words.EnumerateArray().All(word => word.GetRawText() != text))
            || (schema.TryGetProperty("type", out _) && !Types(schema).Any(type => Is(value, type))))
        {
            faults.Add($"{place} is {text}");
        }

        if (value.ValueKind == JsonValueKind.Object)
        {
            bool isMap = schema.TryGetProperty("additionalProperties", out JsonElement others);
            JsonElement properties = isMap ? default : schema.GetProperty("properties");
            if (!isMap)
            {
                faults.AddRange(schema.GetProperty("required").EnumerateArray().Select(name => name.GetString()!)
                    .Where(name => !value.TryGetProperty(name, out _)).Select(name => $"{place}.{name} is missing"));
            }

            foreach (JsonProperty property in value.EnumerateObject())
            {
                JsonElement known = others;
                bool isKnown = isMap || properties.TryGetProperty(property.Name, out known);
                faults.AddRange(isKnown ? Faults(property.Value, known, $"{place}.{property.Name}") : [$"{place}.{property.Name} is unknown"]);
            }
        }
        else if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out JsonElement items))
        {
            faults.AddRange(value.EnumerateArray().SelectMany(item => Faults(item, items, place + "[]")));
        }

        return faults;
    }

    internal static string[] Types(JsonElement schema) => !schema.TryGetProperty("type", out JsonElement type) ? []
        : type.ValueKind == JsonValueKind.String ? [type.GetString()!]
        : [.. type.EnumerateArray().Select(one => one.GetString()!)];

    private static bool Is(JsonElement value, string type) => type switch
    {
        "integer" => value.ValueKind == JsonValueKind.Number && !value.GetRawText().Contains('.'),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind.ToString().ToLowerInvariant() == type,
    };
}
