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

        Assert.Equal((0, ""), (run.Status, run.Errors));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement[] results = [.. json.RootElement.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            Flavour.All.Select(way => way.Name),
            results.Where(result => Text(result, "group") == "consume").Select(result => Text(result, "name")).Distinct());
        Assert.All(results, result => Assert.NotEqual(Number(result, "per_second") > 0, Number(result, "errno") > 0));
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

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.All(run.Lines, line => Assert.InRange(line.Length, 1, 80));
        Assert.Equal(isUnicode, run.Output.Contains('█'));
        Assert.Equal(!isUnicode, run.Output.Contains('#'));
        Assert.DoesNotContain('\e', run.Output);
    }

    private static string Text(JsonElement result, string name) => result.GetProperty(name).GetString()!;

    private static double Number(JsonElement result, string name) => result.GetProperty(name).GetDouble();
}
