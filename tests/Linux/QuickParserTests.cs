using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class QuickParserTests
{
    private static readonly string[] s_words =
    [
        "get", "serve", "serve", "/s", "/run/a b", "set", "set", "set", "--json", "--json", "-v", "--verbose", "--method", "--method", "auto", "write", "cycle", "Write",
        "0", "1", "2", "--method=write", "--method=cycle", "--method=", "--method=no", "--method=WRITE", "--timeout",
        "--timeout", "--timeout=3", "--timeout=", "0.5", "--target", "--target=4", "--flavour", "--flavour=cgroup-thread",
        "cgroup-thread", "--version", "--help", "-h", "help", "300", "0300", "4194304", "9999999", "1000001", "10000000",
        "who", "predict", "verify", "--runs", "--seed=1", "1-2", "spawn", "spawn", "--", "--", "2147483648", "-1", "+1", " 1", "", "-", "--", "x", "١", "--server", "s",
    ];

    // Sets as people write them, besides words at random, which seldom make sense.
    private static readonly Gen<string[]> s_options = Gen.Elements<string[]>(
        ["--json"], ["-v"], ["--verbose"], ["--method", "write"], ["--method=cycle"], ["--method", "auto"],
        ["--timeout", "5"], ["--timeout", "0"], ["--timeout", "007"], ["--timeout", "1000000"], ["--timeout", "1000001"],
        ["--flavour", "exiting-thread"], ["--flavour", "--json"], ["--flavour", "5"], ["4242"], ["0"], ["-5"],
        ["--target", "1"], ["--target=0"], ["--target", "x"], ["--server", "/s"], ["--server="], ["--server", "-"]);

    private static readonly Gen<string[]> s_sensible =
        from options in s_options.ListOf().Where(list => list.Count < 7)
        select (string[])["set", .. options.SelectMany(words => words)];

    private static readonly Gen<string[]> s_serveOptions = Gen.Elements<string[]>(
        ["-v"], ["--verbose"], ["--method", "write"], ["--method=cycle"], ["--method", "Auto"], ["--timeout", "5"],
        ["--timeout=0"], ["--mode", "0660"], ["--mode=777"], ["--mode", "1000"], ["--mode", "00660"], ["--mode", "8"],
        ["--mode", "0777"], ["--mode="], ["--group", "users"], ["--group=0"], ["--group", "-5"], ["--group", "--mode"],
        ["--allow-user", "root"], ["--allow-user=1000"], ["--allow-user", "-x"], ["--allow-user=a=b"], ["--json"],
        ["/run/nslp.sock"], ["relative"], ["/a=b"], ["--x=y"], [""]);

    private static readonly Gen<string[]> s_serves =
        from options in s_serveOptions.ListOf().Where(list => list.Count < 7)
        select (string[])["serve", .. options.SelectMany(words => words)];

    private static readonly Gen<string[]> s_spawnOptions = Gen.Elements<string[]>(
        ["4242"], ["0"], ["1,2"], ["1,,2"], ["1,"], [string.Join(',', Enumerable.Range(1, 33))], ["x"], ["9999999"],
        ["10000000"], ["-v"], ["--verbose"], ["--detach"], ["--new-pidns"], ["--map-root"], ["--method", "clone3"],
        ["--method=write"], ["--method", "cycle"], ["--method", "AUTO"], ["--timeout", "5"], ["--timeout=0"], ["--target", "1"],
        ["--target=0"], ["--json"], ["--"]);

    private static readonly Gen<string[]> s_spawns =
        from pid in Gen.Elements<string[]>(["4242"], ["4242"], ["1,2"], [])
        from options in s_spawnOptions.ListOf().Where(list => list.Count < 5)
        from command in Gen.Elements(s_words).ArrayOf()
        select (string[])["spawn", .. pid, .. options.SelectMany(words => words), "--", .. command];

    private static readonly Gen<string[]> s_others =
        from name in Gen.Elements("who", "predict", "verify")
        from options in Gen.Elements<string[]>(
            ["4242"], ["0"], ["1"], ["4194303"], ["4194304"], ["4194305"], ["1-2"], ["-5"], ["--json"], ["--target", "1"], ["--target=0"],
            ["--runs", "3"], ["--runs=0"], ["--runs", "1000001"], ["--steps", "7"], ["--steps=10001"], ["--seed", "0"],
            ["--seed=18446744073709551615"], ["--seed", "-1"], ["--replay", "f"]).ListOf().Where(list => list.Count < 5)
        select (string[])[name, .. options.SelectMany(words => words)];

    private static readonly Gen<string[]> s_random =
        from words in Gen.Elements(s_words).ArrayOf()
        select words;

    private static Arbitrary<string[]> Lines => Arb.From(
        Gen.OneOf(s_sensible, s_sensible, s_serves, s_spawns, s_spawns, s_others, s_random),
        words => Enumerable.Range(0, words.Length).Select(i => words.Where((_, at) => at != i).ToArray()));

    [Fact]
    public void Where_it_answers_it_says_what_the_whole_parser_says() =>
        Prop.ForAll(
            Lines,
            argv => QuickParser.Parse(argv) is not { } quick || quick.Equals(CommandLine.parse(argv)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000).WithQuietOnSuccess(true));

    [Theory]
    [InlineData("get")]
    [InlineData("get", "--json")]
    [InlineData("--version")]
    [InlineData("serve", "/run/nslp.sock")]
    [InlineData("serve", "/run/nslp.sock", "--mode", "0660", "--group=users", "--allow-user", "root", "--allow-user", "1000")]
    [InlineData("serve", "-v", "--method=cycle", "--timeout", "5")]
    [InlineData("spawn", "4242", "--", "ls", "--help", "--")]
    [InlineData("spawn", "4242,7", "--new-pidns", "--map-root", "-v", "--method=clone3", "--timeout", "3", "--", "ls")]
    [InlineData("spawn", "--method", "cycle", "--target", "1", "4242", "--detach", "--", "ls")]
    [InlineData("who", "4242", "--json", "--target=1")]
    [InlineData("predict")]
    [InlineData("predict", "3", "--json", "--target=1")]
    [InlineData("verify", "--runs", "200", "--steps=10", "--seed", "1", "--json")]
    [InlineData("set", "4242")]
    [InlineData("set", "0", "-v", "--json", "--method=cycle", "--timeout", "5")]
    [InlineData("set", "--method", "write", "4194303")]
    [InlineData("set", "4242", "--method", "cycle", "--flavour", "exiting-thread", "--target", "1")]
    [InlineData("set", "4242", "--server", "/run/nslp.sock", "--timeout", "3")]
    public void It_answers_what_is_called_most(params string[] argv)
    {
        Command? quick = QuickParser.Parse(argv);

        Assert.NotNull(quick);
        Assert.Equal(CommandLine.parse(argv), quick);
    }

    [Theory]
    [InlineData]
    [InlineData("set")]
    [InlineData("set", "--help")]
    [InlineData("set", "12345678")]
    [InlineData("set", "1", "2")]
    [InlineData("set", "1", "--json", "--json")]
    [InlineData("set", "1", "--timeout", "0")]
    [InlineData("set", "1", "--server", "s", "--method", "write")]
    [InlineData("spawn", "1", "--")]
    [InlineData("spawn", "1,2", "--method", "write", "--", "ls")]
    [InlineData("spawn", "1", "--map-root", "--", "ls")]
    [InlineData("spawn", "1", "--new-pidns", "--target", "1", "--", "ls")]
    [InlineData("who", "1-2")]
    [InlineData("verify", "--replay", "f")]
    [InlineData("get", "--help")]
    public void It_leaves_the_rest_to_the_whole_parser(params string[] argv) => Assert.Null(QuickParser.Parse(argv));
}
