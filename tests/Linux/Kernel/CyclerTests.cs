using System.Globalization;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class CyclerTests
{
    private const int ENOSYS = 38;
    private const int EINVAL = 22;
    private const string Table = "pidfd-table-thread-legacy";

    public static TheoryData<string> Names => [.. Flavour.All.Select(way => way.Name)];

    public static TheoryData<string, int> NamesAndThreads
    {
        get
        {
            TheoryData<string, int> data = [];
            foreach (Flavour way in Flavour.All)
            {
                data.Add(way.Name, 1);
                data.Add(way.Name, 2);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_step_consumes_one_PID_and_leaves_nothing_behind(string name)
    {
        string[] words = PidNamespace.Run($"$SUPPORT flavour {name}");
        SkipWhenMissing(name, words[0]);

        // No probe error, one PID, no error, the same limit twice, no children.
        Assert.Equal(["0", "1", "0", words[3], words[3], "0"], words);
        Assert.NotEqual("0", words[3]);
    }

    [Theory]
    [MemberData(nameof(NamesAndThreads))]
    public void A_burst_consumes_exactly_what_was_ordered(string name, int threads)
    {
        foreach (int count in (int[])[0, 1, 7, 8, 9, 63, 64, 65, 3000])
        {
            string[] words = PidNamespace.Run($"$SUPPORT flavour {name}; $SUPPORT burst {name} {threads} {count}");
            SkipWhenMissing(name, words[0]);
            string ordered = count.ToString(CultureInfo.InvariantCulture);
            Assert.Equal([ordered, ordered, "0", words[9], words[9]], words[6..]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void In_a_burst_the_threads_that_consume_have_full_tables_and_no_other(int threads)
    {
        string[] words = PidNamespace.Run($"$SUPPORT flavour {Table}; $SUPPORT during {Table} {threads} {threads}");
        SkipWhenMissing(Table, words[0]);
        words = words[6..];
        Assert.Equal(["True", "128", $"{threads}", "True", words[4], words[4]], words);
        Assert.NotEqual("128", words[4]);
    }

    [Fact]
    public void A_lock_is_gone_although_a_thread_has_a_copy_of_the_file()
    {
        string[] words = PidNamespace.Run("$SUPPORT unlock");
        Assert.SkipWhen(words[0] == $"{ENOSYS}", "the kernel has no close_range");
        Assert.Equal(["0", "0", "0"], words);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Where_no_table_can_be_had_a_burst_consumes_as_much(int threads)
    {
        string[] words = PidNamespace.Run(
            $"$SUPPORT flavour {Table}; $SUPPORT old-seccomp $SUPPORT flavour {Table};"
            + $"$SUPPORT old-seccomp $SUPPORT burst {Table} {threads} 3000; $SUPPORT old-seccomp $SUPPORT during {Table} {threads} 0");
        SkipWhenMissing(Table, words[0]);
        Assert.Equal(["1", "1", "0"], [words[6], .. words[7..9]]);
        Assert.Equal(["3000", "3000", "0"], words[12..15]);
        Assert.Equal(["True", "128", "0", "True", words[21], words[21]], words[17..]);
    }

    [Theory]
    [InlineData("exiting-thread")]
    [InlineData("pidfd-emfile-thread")]
    [InlineData(Table)]
    public void A_deadline_ends_a_burst_and_the_limit_is_as_before(string name)
    {
        string[] words = PidNamespace.Run($"$SUPPORT flavour {name}; $SUPPORT deadline {name} 2");
        SkipWhenMissing(name, words[0]);
        words = words[6..];
        Assert.Equal(["True", "True", words[3]], words[..3]);
        Assert.NotEqual("0", words[2]);
    }

    /// <summary>The next process would skip a number that is not free, although nobody has it: since Linux 6.15 a thread is gone
    /// before its number is free.</summary>
    [Fact]
    public void The_numbers_of_threads_that_were_ended_are_free()
    {
        string[] words = PidNamespace.Run("$SUPPORT end-threads 2000");

        Assert.NotEqual("0", words[0]);
        Assert.Equal("0", words[1]);
    }

    private static void SkipWhenMissing(string name, string probe)
    {
        int error = int.Parse(probe, CultureInfo.InvariantCulture);
        Assert.SkipWhen(error is ENOSYS or EINVAL, $"the kernel has no {name}");
    }
}
