using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class PrintableTests
{
    [Theory]
    [InlineData("sleep\0" + "30", "sleep 30")]
    [InlineData("\u001b[31mred\r\n\u0007", "?[31mred???")]
    [InlineData("a\u202eb\u2028c\u200bd\u009be", "a?b?c?d?e")]
    [InlineData("grün 猫 😀", "grün 猫 😀")]
    [InlineData("", "")]
    public void Only_what_is_harmless_is_printed(string text, string printed) =>
        Assert.Equal(printed, Printable.From(System.Text.Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Bytes_that_are_not_UTF_8_become_question_marks() =>
        Assert.Equal("a?b?", Printable.From([(byte)'a', 0xff, (byte)'b', 0xc3]));

    [Fact]
    public void A_long_text_is_cut()
    {
        string printed = Printable.From(Enumerable.Repeat((byte)'x', 5000).ToArray());
        Assert.Equal(new string('x', 200) + "...", printed);
    }
}
