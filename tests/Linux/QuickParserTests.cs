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
        "spawn", "spawn", "--", "--", "2147483648", "-1", "+1", " 1", "", "-", "--", "x", "١", "--server", "s",
    ];

    // Sets as people write them, besides words at random, which seldom make sense.
    private static readonly Gen<string[]> s_options = Gen.Elements<string[]>(
        ["--json"], ["-v"], ["--verbose"], ["--method", "write"], ["--method=cycle"], ["--method", "auto"],
        ["--timeout", "5"], ["--timeout", "0"], ["--timeout", "007"], ["--timeout", "1000000"], ["--timeout", "1000001"],
        ["--flavour", "exiting-thread"], ["--flavour", "--json"], ["--flavour", "5"], ["4242"], ["0"], ["-5"]);

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

    private static readonly Gen<string[]> s_spawns =
        from pid in Gen.Elements("4242", "0", "1,2", "x", "4194304", "9999999", "10000000", "-v")
        from cut in Gen.Elements<string[]>(["--"], [], ["-v", "--"], ["--", "--"])
        from command in Gen.Elements(s_words).ArrayOf()
        select (string[])["spawn", pid, .. cut, .. command];

    private static readonly Gen<string[]> s_random =
        from words in Gen.Elements(s_words).ArrayOf()
        select words;

    private static Arbitrary<string[]> Lines => Arb.From(
        Gen.OneOf(s_sensible, s_sensible, s_serves, s_spawns, s_random),
        words => Enumerable.Range(0, words.Length).Select(i => words.Where((_, at) => at != i).ToArray()));

    [Fact]
    public void Where_it_answers_it_says_what_the_whole_parser_says() =>
        Prop.ForAll(
            Lines,
            argv => QuickParser.Parse(argv) is not { } quick || quick.Equals(CommandLine.parse(argv)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3000).WithQuietOnSuccess(true));

    [Theory]
    [InlineData("get")]
    [InlineData("get", "--json")]
    [InlineData("--version")]
    [InlineData("serve", "/run/nslp.sock")]
    [InlineData("serve", "/run/nslp.sock", "--mode", "0660", "--group=users", "--allow-user", "root", "--allow-user", "1000")]
    [InlineData("serve", "-v", "--method=cycle", "--timeout", "5")]
    [InlineData("spawn", "4242", "--", "ls", "--help", "--")]
    [InlineData("set", "4242")]
    [InlineData("set", "0", "-v", "--json", "--method=cycle", "--timeout", "5")]
    [InlineData("set", "--method", "write", "4194303")]
    [InlineData("set", "4242", "--method", "cycle", "--flavour", "exiting-thread")]
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
    [InlineData("get", "--help")]
    public void It_leaves_the_rest_to_the_whole_parser(params string[] argv) => Assert.Null(QuickParser.Parse(argv));
}
