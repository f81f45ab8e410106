using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Names of users and groups, with an /etc and a getent(1) of the test's own.</summary>
public sealed class AccountsTests
{
    // A user whom only getent knows, by two numbers of processes, and one whom nobody knows.
    private const string Setup = """
        mount -t tmpfs none /mnt && chmod 755 /mnt
        cat >/mnt/getent <<'END'
        #!/bin/sh
        echo "$*" >>/mnt/asked; tr '\0' '\n' </proc/$$/environ >>/mnt/environment
        case "$*" in
        "passwd 54321" | "passwd Distant") echo "distant:x:54321:1::/:/bin/sh" ;;
        "group restorers") echo "restorers:x:5432:somebody" ;;
        "passwd endless") exec cat /dev/zero ;;
        "passwd 77777") exec sleep 2000 ;;
        *) exit 2 ;;
        esac
        END
        chmod 755 /mnt/getent
        for f in /usr/bin/getent /bin/getent; do [ ! -e $f ] || mount --bind /mnt/getent $f; done
        as() { setpriv --reuid $1 --clear-groups sleep 1000 & P=$!; wait_for "grep -q '^Uid:.$1' /proc/$P/status"; }
        user_of() { $N who "$@" | sed 's/.*, user \([^,]*\),.*/\1/'; }
        accept() { rm -f /mnt/s; : >/mnt/log; $N serve /mnt/s --allow-user="$1" --group "${2:-0}" 2>/mnt/log & W=$!
            wait_for 'grep -q . /mnt/log'; [ -z "$2" ] || stat -c %g /mnt/s; ! grep -q listening /mnt/log || kill $W; wait $W; head -n 1 /mnt/log; }

        """;

    [Fact]
    public void Who_names_users_by_the_file_then_by_getent_and_else_by_number()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace(Setup + """
            printf 'root:x:0:0::/root:\nlocal:x:1234:1::/:\n' >/mnt/passwd; mount --bind /mnt/passwd /etc/passwd
            as 1234; A=$P; as 54321; B=$P; as 54321; C=$P; as 65000; D=$P
            user_of 1 $A $B $C $D; cat /mnt/asked
            """).Finish();

        Assert.Equal(["root", "local", "distant", "distant", "65000", "passwd 54321", "passwd 65000"], run.Lines);
    }

    [Fact]
    public void The_server_knows_whom_getent_knows_and_asks_it_for_nobody_else()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace(Setup + """
            for user in root 4711 Distant nowhere endless -x +5 ' 5' 'a:b'; do accept "$user"; done
            accept root restorers
            cat /mnt/asked; grep -v '^PWD=' /mnt/environment
            """).Finish();

        const string Listening = "nslp: serve: listening on '/mnt/s', by write";
        Assert.Equal(
            [
                Listening, Listening, Listening,
                .. new[] { "nowhere", "endless", "-x", "+5", " 5", "a:b" }.Select(user => $"nslp: serve: there is no user '{user}'"),
                "5432", Listening,
                "passwd Distant", "passwd nowhere", "passwd endless", "group restorers",
            ],
            run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void A_getent_that_never_answers_costs_its_patience_once()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace(Setup + """
            as 77777; A=$P; as 54321; B=$P
            user_of $A $B; cat /mnt/asked; pgrep -c -f '^sleep 2000'
            """).Finish();

        // The second one is not asked about any more, and no getent is left.
        Assert.Equal(["77777", "54321", "passwd 77777", "0"], run.Lines);
    }

    [Theory]
    [InlineData("mkfifo /mnt/passwd")]
    [InlineData("mknod /mnt/passwd c 1 5")]
    [InlineData("truncate -s 1T /mnt/passwd")]
    [InlineData("head -c 3000000 /dev/urandom | tr '\\n' x >/mnt/passwd; printf '\\nlocal:x:1234:1::/:\\n' >>/mnt/passwd", "local")]
    [InlineData("printf 'b\\303d\\033:x:1234:1::/:\\n' >/mnt/passwd", "b?d?")]
    [InlineData("printf 'local:x\\nlocal:x:+1234\\nlocal:x:1234x\\n' >/mnt/passwd")]
    [InlineData("printf 'local:x:1234' >/mnt/passwd", "local")]
    [InlineData(": >/mnt/passwd")]
    public void Whatever_the_file_is_a_name_or_number_comes(string make, string name = "1234")
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace(
            $"{Setup}\n{make}\nas 1234; mount --bind /mnt/passwd /etc/passwd; user_of $P").Finish();

        Assert.Equal([name], run.Lines);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public void Without_getent_and_files_there_are_numbers()
    {
        Machine.NeedsRoot();
        Finished run = Shell.InNewPidNamespace(Setup + """
            as 54321; mount --bind /dev/null /etc/passwd
            for f in /usr/bin/getent /bin/getent; do [ ! -e $f ] || mount --bind /dev/null $f; done
            user_of $P; accept Distant
            """).Finish();

        Assert.Equal(["54321", "nslp: serve: there is no user 'Distant'"], run.Lines);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("4294967294", 4294967294)]
    [InlineData("4294967295", -1)]
    [InlineData("4294967296", -1)]
    [InlineData("00007", 7)]
    [InlineData("", -1)]
    [InlineData("7 ", -1)]
    [InlineData("0x7", -1)]
    public void A_number_stands_for_itself(string text, long number)
    {
        if (number >= 0)
        {
            Assert.Equal(number, Accounts.FindUser(text, nobody: -1));
        }
        else
        {
            Assert.Equal($"there is no user '{text}'", Assert.Throws<RemoteException>(() => Accounts.FindUser(text, nobody: -1)).Message);
        }
    }
}
