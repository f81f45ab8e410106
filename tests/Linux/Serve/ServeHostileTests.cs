using System.Diagnostics;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What one user does to a server must not reach another. <c>$HARM</c> is bench/hostile.c, <c>$OTHER</c> makes a
/// command that of another user.</summary>
public sealed class ServeHostileTests : IDisposable
{
    private readonly string _program = Path.GetTempFileName();

    public void Dispose() => File.Delete(_program);

    [Fact]
    public void A_relative_address_is_not_answered()
    {
        // Seen from the server's directory it is the server itself.
        Finished run = Run("""
            cd /; serve; mkdir -p $D/x/mnt; (cd $D/x; $HARM post mnt/s $S 999999999 4)
            $ASK ask-fork $S 100 1; stop; tail -n +2 $LOG
            """);

        Assert.Equal("0 0", run.Lines[0]);
        Assert.Matches("^nslp: serve: cannot make 999999999 the last PID for process .*: out of range$", run.Lines[2]);
        Assert.Matches("^nslp: serve: cannot answer process [0-9]+ of user 0: its address is a relative path$", run.Lines[1]);
        Assert.Equal(4, run.Lines.Length);
    }

    [Fact]
    public void An_answer_is_not_answered()
    {
        // The client's /mnt/x is another than that of the servers, where this is the address of the second one.
        Finished run = Run("""
            mkdir $D/x; S=$D/x/s LOG=$D/log2; serve -v; S=$D/s LOG=$D/log; SECOND=$P; serve -v
            unshare -m sh -c 'mount -t tmpfs none /mnt/x; exec "$@"' - $HARM post $D/x/s $S 999999999 4
            $ASK ask-fork $S 10 1; $ASK ask-fork $D/x/s 10 1; stop; kill $SECOND; wait $SECOND; grep -c bytes $D/log $D/log2
            """);

        Assert.Equal(["0 0", "0 0", "/mnt/log:0", "/mnt/log2:1"], run.Lines);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ln -s root $D/x/client;")]
    [InlineData("ln $D/x/root $D/x/client;")]
    public void Nobody_is_answered_at_a_socket_of_another_user(string make)
    {
        string address = make == "" ? "root" : "client";
        Finished run = Run($$"""
            mkdir $D/x; $ASK manage $D/x/root >$D/heard & await $D/heard bound; chmod 600 $D/x/root; {{make}}
            serve --mode 666
            unshare -m sh -c 'mount -t tmpfs none /mnt/x; chmod 777 /mnt/x; exec "$@"' - $OTHER $HARM post $D/x/{{address}} $S 500 4
            $ASK ask-fork $S 100 1; tail -1 $LOG; cat $D/heard; kill $!
            """);

        Assert.Equal("0 0", run.Lines[0]);
        Assert.Matches("^nslp: serve: cannot answer process [0-9]+ of user 1234: ", run.Lines[1]);
        Assert.Equal(["bound"], run.Lines[2..]);
    }

    [Fact]
    public void Ones_own_socket_is_answered_wherever_it_is_bound()
    {
        Finished run = Run("""
            mkdir -p $D/l $D/u $D/w $D/o; mount -t overlay none -o lowerdir=$D/l,upperdir=$D/u,workdir=$D/w $D/o 2>/dev/null; chmod 777 $D/o
            serve --mode 666; ln -s $D/o $D/link
            for path in $D/client $D/o/client $D/link/other; do
                $ASK ask-send $path $S 5000 4; rm $path
            done
            """);

        Assert.Equal(["0", "0", "0"], run.Lines);
    }

    [Theory]
    [InlineData(400, 1)]
    [InlineData(1000, 1000)]
    public void Answers_that_one_user_does_not_read_leave_room_for_others(int count, int sockets)
    {
        Finished run = Run($"""
            serve --mode 666; $OTHER $HARM deaf $S {count} {sockets} >$D/deaf & await $D/deaf deaf
            $ASK ask-fork $S 1000 1; stop; echo $?; grep -c 'of user 1234: its process or user leaves answers unread' $LOG
            """);

        Assert.Equal(["0 0", "0"], run.Lines[..2]);
        Assert.NotEqual("0", run.Lines[2]);
    }

    [Fact]
    public void Who_reads_at_last_is_served_again()
    {
        Finished run = Run("""
            serve --mode 666; $OTHER $HARM deaf $S 400 1 >$D/deaf & H=$!; await $D/deaf deaf
            $ASK ask-fork $S 100 1; kill $H; wait $H; $OTHER $HARM breathe $S 250 0.3; echo $?
            """);

        Assert.Equal(["0 0", "0"], run.Lines);
    }

    [Fact]
    public void A_stopped_client_that_reads_nothing_leaves_room_for_others()
    {
        Finished run = Run("""
            serve --mode 666; $OTHER $HARM breathe $S 250 60 & H=$!; await $LOG "user 1234"; kill -STOP $H
            $ASK ask-fork $S 1000 1; kill -CONT $H; $ASK ask-fork $S 100 1; kill $H; wait $H; stop; echo $?
            """);

        Assert.Equal(["0 0", "0 0", "0"], run.Lines);
    }

    [Fact]
    public void Nobody_can_say_that_another_user_sent_it()
    {
        // EPERM but for who has CAP_SETUID (scm_check_creds, net/core/scm.c).
        Finished run = Run("""
            serve --mode 666 --allow-user 0 -v; $OTHER $HARM forge $S 5000 0; $OTHER $HARM forge $S 5000 1234
            $ASK ask-fork $S 1 1; stop; tail -n +2 $LOG | head -1
            """);

        Assert.Equal(["1", "0", "0 0"], run.Lines[..3]);
        Assert.Matches("^nslp: serve: refused process [0-9]+ of user 1234: the user is not allowed$", run.Lines[3]);
    }

    [Theory]
    [InlineData(100, 4)]
    [InlineData(10, 65507)]
    public void A_crowd_of_one_user_leaves_others_served(int processes, int length)
    {
        Finished run = Run($"""
            serve --mode 666; $OTHER $HARM crowd $S {processes} 60 {length} & H=$!; await $LOG "user 1234"
            $ASK ask-send '' $S 5000 $(yes 4 | head -100) | sort | uniq -c | tr -s ' '; kill $H; stop; echo $?
            """);

        Assert.Equal([" 100 0", "0"], run.Lines);
    }

    private Finished Run(string script)
    {
        Machine.NeedsRoot();
        using (Process compiler = Process.Start("cc", ["-O2", "-o", _program, Path.Combine(Source.Directory, "bench/hostile.c")]))
        {
            compiler.WaitForExit();
            Assert.SkipUnless(compiler.ExitCode == 0, "needs a C compiler");
        }

        return Serving.Run($"""
            cp {_program} $D/hostile; HARM=$D/hostile OTHER='setpriv --reuid 1234 --regid 1234 --clear-groups'
            {script}
            """);
    }
}
