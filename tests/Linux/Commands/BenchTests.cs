using System.Text.Json;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class BenchTests
{
    [Fact]
    public void Each_way_has_a_rate_or_an_errno()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start($"{Tool.Path} bench --seconds 2 --json").Finish();

        Assert.Equal((0, ""), (run.Status, Errors(run)));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement[] results = [.. json.RootElement.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            Flavour.All.Select(way => way.Name),
            results.Where(result => Text(result, "group") == "consume").Select(result => Text(result, "name")).Distinct());
        Assert.All(results, result => Assert.NotEqual(Text(result, "errno") is null, result.GetProperty("per_second").ValueKind == JsonValueKind.Null));
        Assert.True(json.RootElement.GetProperty("own_namespace").GetBoolean());
        Assert.Equal(0, json.RootElement.GetProperty("set").GetProperty("wasted").GetInt32());
    }

    [Theory]
    [InlineData("C", false)]
    [InlineData("C.UTF-8", true)]
    public void The_chart_fits_80_columns_and_the_locale(string locale, bool isUnicode)
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.Start($"LC_ALL={locale} {Tool.Path} bench --seconds 1").Finish();

        Assert.Equal((0, ""), (run.Status, Errors(run)));
        Assert.InRange(run.Lines.Length, 8, 30);
        Assert.StartsWith("/s: median of ", run.Lines[^1]);
        Assert.All(run.Lines, line => Assert.InRange(line.Length, 1, 80));
        Assert.Equal(isUnicode, run.Output.Contains('█'));
        Assert.Equal(!isUnicode, run.Output.Contains('#'));
        Assert.DoesNotContain('\e', run.Output);
    }

    [Fact]
    public void Others_that_take_the_processors_are_told()
    {
        Machine.NeedsPidNamespace();

        Finished run = Shell.InNewPidNamespace("for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; $N bench --seconds 2 --json").Finish();

        Assert.Matches("^nslp: bench: warning: other processes had [1-9][0-9] % of the CPU time, and the host kept [0-9]+ % from this machine: ", run.Errors);
        Assert.True(Schema.Check(run.Output).GetProperty("others").GetDouble() > 0.1);
    }

    // The machine may be busy.
    private static string Errors(Finished run) => string.Concat(run.Errors.Split('\n').Where(line => !line.StartsWith("nslp: bench: warning: ")));

    private static string Text(JsonElement result, string name) => result.GetProperty(name).GetString()!;
}
