using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class LastPidTests
{
    [Fact]
    public void Reading_gives_what_the_file_says() =>
        Assert.Equal(["0", "False"], PidNamespace.Run("$SUPPORT read")[..2]);

    [Fact]
    public void Without_ns_last_pid_the_last_field_of_loadavg_is_read()
    {
        string[] words = PidNamespace.Run(
            """
            echo 5000 > /proc/sys/kernel/ns_last_pid; $SUPPORT read
            mount -t tmpfs none /proc/sys
            $SUPPORT read
            """,
            privileged: true);
        Assert.Equal(["0", "False"], words[..2]);
        Assert.Equal(["0", "True"], words[4..6]);
        int first = int.Parse(words[2]), second = int.Parse(words[6]);
        Assert.InRange(first, 5001, 5100);
        Assert.InRange(second, first + 1, first + 100);
        Assert.True(int.Parse(words[3]) > 300);
        Assert.Equal("-2", words[7]);
    }

    [Fact]
    public void A_write_is_read_back() =>
        Assert.Equal(["0", "0", "0", "4242"], PidNamespace.Run("$SUPPORT write 4242", privileged: true));

    [Fact]
    public void A_write_without_capability_says_EPERM() =>
        Assert.Equal(["0", "0", "1"], PidNamespace.Run("$SUPPORT write 4242")[..3]);

    [Fact]
    public void A_write_out_of_range_says_EINVAL() =>
        Assert.Equal(["0", "0", "22"], PidNamespace.Run("$SUPPORT write 2000000000", privileged: true)[..3]);

    [Fact]
    public void A_read_only_proc_sys_says_EROFS() =>
        Assert.Equal(
            "30",
            PidNamespace.Run(
                "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; $SUPPORT write 4242",
                privileged: true)[0]);

    [Fact]
    public void A_lock_kept_by_another_says_ETIMEDOUT() =>
        Assert.Equal(
            ["0", "110"],
            PidNamespace.Run("flock /proc/sys/kernel/ns_last_pid $SUPPORT write 4242", privileged: true)[..2]);
}
