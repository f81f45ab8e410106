using System.Globalization;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ServeSocketTests
{
    [Theory]
    [InlineData("", "600 0")]
    [InlineData("--mode 0660", "660 0")]
    [InlineData("--mode 666 --group 4242", "666 4242")]
    [InlineData("--group daemon --mode=0620", "620 1")]
    [InlineData("--mode 0", "0 0")]
    public void The_socket_has_the_permissions_asked_for(string options, string expected)
    {
        Machine.NeedsRoot();

        // A umask that would leave it open.
        Finished run = Serving.Run($"umask 0; serve {options}; stat -c '%a %g' $S; $ASK ask-send '' $S 5000 4");

        Assert.Equal([expected, "0"], run.Lines);
    }

    [Fact]
    public void One_capability_and_one_writable_file_are_enough()
    {
        Machine.NeedsRoot();

        // As under contrib/systemd: 40 is CAP_CHECKPOINT_RESTORE.
        Finished run = Serving.Run("""
            mount --bind /proc/sys /proc/sys && mount --bind /proc/sys/kernel/ns_last_pid /proc/sys/kernel/ns_last_pid
            mount -o remount,ro,bind /proc/sys
            one='-all,+cap_40' user='--reuid 1234 --regid 1234 --clear-groups'
            setpriv $user --no-new-privs --inh-caps=$one --ambient-caps=$one --bounding-set=$one $N serve $S --method write 2>$LOG & P=$!
            await $LOG listening; grep CapEff /proc/$P/status; setpriv $user $ASK ask-fork $S 100 1
            """);

        Assert.Equal(["CapEff:	0000010000000000", "0 0"], run.Lines);
    }

    [Fact]
    public void The_socket_is_never_wider_than_asked_for()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Shell.Start("command -v strace").Finish().Status == 0, "needs strace");

        Finished run = Serving.Run("""
            umask 0; strace -f -o $D/trace -e trace=umask,bind,fchownat,chmod,fchmodat,removexattr \
                $N serve $S --mode 0660 --group 4242 2>$LOG & P=$!
            await $LOG listening; grep -v 'umask(0)\|SIG' $D/trace | sed 's/^[0-9]* *//;s/(.*, 0/ 0/;s/(/ /;s/).*//' | tr '\n' ' '
            kill $(pidof nslp)
            """);

        Assert.Matches("umask 0177 bind .* fchownat .*removexattr .*chmod.* 0660", run.Output);
    }

    [Fact]
    public void A_default_ACL_of_the_directory_does_not_open_the_socket()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Shell.Start("command -v setfacl").Finish().Status == 0, "needs setfacl");

        Finished run = Serving.Run("""
            mkdir $D/d && setfacl -d -m u:77:rwx $D/d && S=$D/d/s; serve --mode 0660; getfacl -pc $S
            """);

        Assert.DoesNotContain("user:77", run.Output);
        Assert.Contains("group::rw-", run.Output);
    }

    [Theory]
    [InlineData("echo precious >$S", "something that is not a socket is there")]
    [InlineData("mkdir $S", "something that is not a socket is there")]
    [InlineData("mkfifo $S", "something that is not a socket is there")]
    [InlineData("echo precious >$D/f; ln -s f $S", "a symbolic link is there")]
    [InlineData("ln -s nowhere $S", "a symbolic link is there")]
    public void What_is_not_a_socket_is_left_alone(string make, string words)
    {
        Finished run = Serving.Run($"{make}; stat -c '%F %i %s' $S; $N serve $S; echo $?; stat -c '%F %i %s' $S");

        Assert.Equal("1", run.Lines[1]);
        Assert.Equal(run.Lines[0], run.Lines[2]);
        Assert.Equal($"nslp: serve: cannot listen on '/mnt/s': {words}\n", run.Errors);
    }

    [Fact]
    public void A_second_server_is_refused_and_the_first_goes_on()
    {
        Finished run = Serving.Run("serve; $N serve $S; echo $?; $ASK ask-fork $S 10 1; stop; echo $?; ls $S 2>&1");

        Assert.Equal(["1", "0 0", "0"], run.Lines[..3]);
        Assert.Contains("No such file", run.Lines[3]);
        Assert.Equal("nslp: serve: cannot listen on '/mnt/s': another server uses it\n", run.Errors);
    }

    [Fact]
    public void Of_many_servers_that_start_at_once_over_a_dead_socket_one_serves()
    {
        Finished run = Serving.Run("""
            serve; kill -9 $P; wait $P 2>/dev/null
            for i in 1 2 3 4 5 6; do $N serve $S 2>$D/log$i & done
            wait_for '[ $(cat $D/log[1-6] | wc -l) = 6 ]'
            grep -l listening $D/log* | grep -vc '/log$'; grep -c 'another server uses it' $D/log? | grep -c ':1$'
            $ASK ask-fork $S 10 1
            """);

        Assert.Equal(["1", "5", "0 0"], run.Lines);
    }

    [Fact]
    public void A_dead_servers_socket_is_replaced()
    {
        Finished run = Serving.Run("serve; kill -9 $P; wait $P 2>/dev/null; [ -S $S ] && echo stale; serve; $ASK ask-fork $S 100 1; stop; echo $?");

        Assert.Equal(["stale", "0 0", "0"], run.Lines);
    }

    [Fact]
    public void A_listener_of_another_kind_is_left_alone()
    {
        Finished run = Serving.Run("""
            $ASK mute $S >$D/mute & M=$!; await $D/mute bound; $N serve $S; echo $?; [ -S $S ] && echo there; kill $M
            """);

        Assert.Equal(["1", "there"], run.Lines);
        Assert.Equal("nslp: serve: cannot listen on '/mnt/s': another server uses it\n", run.Errors);
    }

    [Theory]
    [InlineData("rm $S; echo mine >$S")]
    [InlineData("mv $S $D/elsewhere; ln -s elsewhere $S")]
    [InlineData("mv $S $D/elsewhere; $ASK mute $S >$D/mute & await $D/mute bound")]
    public void At_its_end_only_its_own_socket_is_removed(string replace)
    {
        Finished run = Serving.Run($"serve; {replace}; stat -c '%F %i' $S; stop; stat -c '%F %i' $S");

        Assert.Equal(run.Lines[0], run.Lines[1]);
    }

    [Theory]
    [InlineData("mount -t tmpfs -o nr_inodes=1 none $D; ", "/mnt/s", "cannot listen on '/mnt/s': No space left on device")]
    [InlineData("mount -o remount,bind,ro $D || exit 9; ", "/mnt/s", "cannot listen on '/mnt/s': Read-only file system")]
    [InlineData("", "/mnt/none/s", "cannot open the directory of '/mnt/none/s': No such file or directory")]
    [InlineData(": >/mnt/file; ", "/mnt/file/s", "cannot open the directory of '/mnt/file/s': Not a directory")]
    [InlineData("", "/mnt/", "cannot listen on '/mnt/': it names a directory")]
    [InlineData("", "/mnt/..", "cannot listen on '/mnt/..': it names a directory")]
    [InlineData("", "/mnt/s --group nogroupofthatname", "there is no group 'nogroupofthatname'")]
    [InlineData("", "/mnt/s --allow-user nouserofthatname", "there is no user 'nouserofthatname'")]
    public void Without_a_socket_there_is_a_reason(string before, string arguments, string words)
    {
        Finished run = Serving.Run($"{before}$N serve {arguments}; echo $?");

        Assert.Equal(["1"], run.Lines);
        Assert.Equal($"nslp: serve: {words}\n", run.Errors);
    }

    [Fact]
    public void A_path_that_is_not_UTF_8_is_not_taken_for_another()
    {
        Finished run = Serving.Run("""
            S=$(printf '/mnt/\377'); timeout 20 $N serve "$S"; echo $?; $N set 5000 --server "$S"; echo $?; ls /mnt
            """);

        Assert.Equal(["1", "1"], run.Lines);
        Assert.Equal(
            "nslp: serve: cannot listen on '/mnt/\uFFFD': its path is not UTF-8\n"
            + "nslp: set: cannot reach server '/mnt/\uFFFD': its path is not UTF-8\n",
            run.Errors);
    }

    [Fact]
    public void The_longest_path_is_of_107_bytes()
    {
        Finished run = Serving.Run("""
            p=$(printf '/mnt/%0103d' 0); $N serve $p; echo $?
            S=$(printf '/mnt/%0102d' 0); serve; $ASK ask-send '' $S 5000 4
            """);

        Assert.Equal(["1", "0"], run.Lines);
        Assert.EndsWith("': it is 108 bytes long; a socket's path has at most 107\n", run.Errors);
    }

    [Fact]
    public void A_lock_of_others_on_the_directory_keeps_nobody_waiting()
    {
        Finished run = Serving.Run("""
            $N serve $S 2>$LOG & P=$!; await $LOG listening; kill -9 $P; wait $P 2>/dev/null
            (flock 9; sleep 1000) 9<$D & wait_for '! flock -n $D true'
            serve; $ASK ask-fork $S 10 1; stop; echo $?; [ -e $S ] || echo gone; ls -A $D
            """);

        Assert.Equal(["0 0", "0", "gone", "log"], run.Lines);
    }

    [Fact]
    public void Others_than_the_allowed_users_are_refused_and_told_of_once_a_second()
    {
        Machine.NeedsRoot();

        Finished run = Serving.Run("""
            serve --mode 666 --allow-user 1234 --allow-user daemon
            start=$(date +%s); $ASK ask-send '' $S 5000 4 4 4 4 4 4 4 4 | sort | uniq -c | tr -s ' '; echo $(($(date +%s) - start))
            last=$(cat /proc/sys/kernel/ns_last_pid); echo $((last < 5000))
            setpriv --reuid 1234 --clear-groups env HOME=/mnt DOTNET_TieredCompilation=0 SUPPORT ask-send '' $S 5000 4
            setpriv --reuid 1 --clear-groups env HOME=/mnt DOTNET_TieredCompilation=0 SUPPORT ask-send '' $S 5000 4
            grep refused $LOG
            """.Replace("SUPPORT", Tool.Directory + "/SetNsLastPid.Tests.Support"));

        Assert.Equal(" 8 1", run.Lines[0]);
        Assert.Equal(["1", "0", "0"], run.Lines[2..5]);
        Assert.InRange(run.Lines[5..].Length, 1, int.Parse(run.Lines[1], CultureInfo.InvariantCulture) + 1);
        Assert.All(run.Lines[5..], line => Assert.Matches(
            "^nslp: serve: refused process [0-9]+ of user 0: the user is not allowed( \\(and [0-9]+ more\\))?$", line));
    }

    [Fact]
    public void A_user_that_cannot_be_told_from_others_cannot_be_allowed()
    {
        Finished run = Shell.Start($"unshare -Ur {Tool.Path} serve /tmp/nslp-never --allow-user 65534; echo $?").Finish();
        Assert.SkipUnless(!run.Errors.StartsWith("unshare", StringComparison.Ordinal), "needs user namespaces");

        Assert.Equal(["1"], run.Lines);
        Assert.StartsWith("nslp: serve: cannot tell user '65534' from others\n", run.Errors);
    }
}
