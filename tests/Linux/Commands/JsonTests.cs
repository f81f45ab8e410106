using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>One naming, one shape: what every command prints with --json, against contrib/nslp.schema.json.</summary>
public sealed class JsonTests
{
    [Theory]
    [InlineData("get")]
    [InlineData("get --target 1")]
    [InlineData("set 5000 --method write")]
    [InlineData("set 5000 --method cycle")]
    [InlineData("set 5000-6000")]
    [InlineData("predict 3")]
    [InlineData("who 1 300-310 0 40000")]
    [InlineData("map")]
    [InlineData("map 4242")]
    [InlineData("map 40000")]
    [InlineData("doctor")]
    [InlineData("verify --runs 3 --steps 20 --seed 18446744073709551615")]
    [InlineData("bench --seconds 1")]
    [InlineData("preflight C/plain")]
    [InlineData("preflight C/new")]
    public void A_result_is_as_the_schema_says(string arguments)
    {
        Machine.NeedsPidNamespace();
        string images = Path.Combine(AppContext.BaseDirectory, "Checkpoints");

        Finished run = Shell.InNewPidNamespace($"sleep 100 & $N set 4990; $N {arguments.Replace("C/", images + '/')} --json").Finish();

        JsonElement result = Schema.Check(run.Output);
        Assert.Equal(arguments.Split(' ')[0], result.GetProperty("command").GetString());
        Assert.Equal(JsonValueKind.Null, result.GetProperty("error").ValueKind);
    }

    [Theory]
    [InlineData("set 999999", 1, "set", null)]
    [InlineData("set x", 2, "set", null)]
    [InlineData("set 5000 --method cycle --timeout 0.000001", 1, "set", null)]
    [InlineData("set 5 --server /nowhere", 1, "set", "ENOENT")]
    [InlineData("get --target 99999", 1, "get", null)]
    [InlineData("preflight /nowhere", 3, "preflight", "ENOENT")]
    [InlineData("verify --replay /nowhere", 3, "verify", "ENOENT")]
    [InlineData("verify --replay /dev/null", 3, "verify", null)]
    [InlineData("frobnicate", 2, "frobnicate", null)]
    public void A_failure_is_an_object_too_and_lines_on_stderr(string arguments, int status, string command, string? errno)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace($"$N {arguments} --json").Finish();

        Assert.Equal(status, run.Status);
        JsonElement result = Schema.Check(run.Output);
        JsonElement error = result.GetProperty("error");
        Assert.Equal((command, errno), (result.GetProperty("command").GetString(), error.GetProperty("errno").GetString()));
        Assert.StartsWith($"nslp: {(status == 2 && command == "frobnicate" ? "" : command + ": ")}{error.GetProperty("message").GetString()}\n", run.Errors);
        Assert.Contains(error.GetProperty("help").GetString() ?? "", run.Errors);
    }

    [Fact]
    public void A_result_that_is_less_than_was_asked_for_has_its_error()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace("$N predict 40000 --json").Finish();

        Assert.Equal(1, run.Status);
        Assert.Matches("^only 3[0-9]+ PIDs are left$", Schema.Check(run.Output).GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public void Only_one_flag_before_the_dashes_asks_for_an_object()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace("$N spawn 1x -- echo --json; $N reserve 1x -- echo --json; $N set -- --json").Finish();

        Assert.Equal("", run.Output);
    }

    [Fact]
    public void Each_name_is_snake_case_required_and_of_one_type()
    {
        Dictionary<string, string> types = [];
        foreach (JsonElement schema in Below(Schema.Root).Where(each => each.TryGetProperty("properties", out JsonElement fields)
            && each.TryGetProperty("required", out _) && fields.ValueKind == JsonValueKind.Object))
        {
            JsonProperty[] fields = [.. schema.GetProperty("properties").EnumerateObject()];
            Assert.Equal(fields.Select(field => field.Name), schema.GetProperty("required").EnumerateArray().Select(name => name.GetString()!));
            foreach (JsonProperty field in fields)
            {
                Assert.Matches("^[a-z]+(_[a-z]+)*$", field.Name);
                string type = string.Join(' ', Schema.Types(field.Value).Where(each => each != "null"));
                Assert.True(type == "" || types.TryAdd(field.Name, type) || types[field.Name] == type, $"{field.Name}: {type}, {types.GetValueOrDefault(field.Name)}");
            }
        }

        Assert.All(
            Below(Schema.Root).Where(each => each.TryGetProperty("enum", out _)).SelectMany(each => each.GetProperty("enum").EnumerateArray()),
            word => Assert.Matches("^([a-z]+[0-9]?(_[a-z]+)*)?$", word.GetString() ?? ""));
    }

    [Theory]
    [InlineData("""{"version":1,"command":"get","error":null}""", 0)]
    [InlineData("""{"version":1,"command":"get","last_pid":7,"error":null}""", 0)]
    [InlineData("""{"version":1,"command":"get","last_pid":7.5,"error":null}""", 1)]
    [InlineData("""{"version":1,"command":"get","last_pid":"7","error":null}""", 1)]
    [InlineData("""{"version":2,"command":"get","last_pid":7,"error":null}""", 1)]
    [InlineData("""{"version":1,"command":"get","last":7,"error":null}""", 2)]
    [InlineData("""{"version":1,"command":"get","last_pid":7,"error":{"message":null,"errno":null}}""", 2)]
    public void What_is_not_as_the_schema_says_is_found(string text, int count)
    {
        JsonElement value = JsonDocument.Parse(text).RootElement;
        string name = value.EnumerateObject().Count() == 3 ? "failure" : "get";

        Assert.Equal(count, Schema.Faults(value, Schema.Root.GetProperty("$defs").GetProperty(name), name).Count());
    }

    private static IEnumerable<JsonElement> Below(JsonElement at) => at.ValueKind switch
    {
        JsonValueKind.Object => at.EnumerateObject().SelectMany(property => Below(property.Value)).Prepend(at),
        JsonValueKind.Array => at.EnumerateArray().SelectMany(Below),
        _ => [],
    };
}
