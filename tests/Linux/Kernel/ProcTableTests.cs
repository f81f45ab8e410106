using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ProcTableTests
{
    // Leaves a group 'g' and a session 's' whose leaders are dead and reaped, and a zombie 'z'; 'm' and 'n' are the
    // members.
    private const string Leftovers =
        """
        set -m
        cd $(mktemp -d)
        bash -c 'echo $$ > g; sleep 30 & echo $! > m' &
        wait
        setsid -w bash -c 'set -m; echo $$ > s; sleep 30 & echo $! > n' &
        wait
        g=$(<g) m=$(<m) s=$(<s) n=$(<n)
        rm -r $PWD
        # Who would wait for it is gone before it ends.
        bash -c '(until read -r c </proc/$$/comm && [ "$c" = sleep ]; do :; done; exec sleep 0) & echo $!; exec sleep 30' | {
            read -r z; until grep -qs '^State:.Z' /proc/$z/status; do sleep 0.01; done; echo $z $g $m $s $n; 
        """;

    [Fact]
    public void Threads_are_found()
    {
        string[] words = PidNamespace.Run("$SUPPORT numbers");
        Assert.Equal(["False", "False", "0"], words[..3]);
        Assert.True(int.Parse(words[3]) > 2);
    }

    [Fact]
    public void Numbers_ascend_and_each_stands_once()
    {
        int[] numbers = [.. PidNamespace.Run("sleep 9 & sleep 9 & $SUPPORT numbers")[4..].Select(int.Parse)];
        Assert.Equal(numbers.Distinct().Order(), numbers);
        Assert.Equal(1, numbers[0]);
    }

    [Fact]
    public void Groups_and_sessions_without_a_leader_and_zombies_are_found()
    {
        string[] words = PidNamespace.Run(Leftovers + "$SUPPORT numbers; kill -9 -1; }");
        string[] numbers = words[(5 + 4)..];
        Assert.All(words[..5], number => Assert.Contains(number, numbers));
    }

    [Fact]
    public void Proc_of_another_namespace_is_told()
    {
        string[] words = PidNamespace.Run("unshare -pf $SUPPORT numbers", privileged: true);
        Assert.Equal("True", words[0]);
    }

    [Fact]
    public void Proc_of_another_namespace_is_told_even_where_the_numbers_agree()
    {
        // The helper is 5002 in both: unshare is 5000 outside, the inner shell 5001. Each `true` keeps a shell from
        // becoming its last command.
        string[] words = PidNamespace.Run(
            """
            echo 4999 > /proc/sys/kernel/ns_last_pid
            unshare -pf bash -c 'echo 5001 > /proc/sys/kernel/ns_last_pid; $SUPPORT numbers; true'
            true
            """,
            privileged: true);
        Assert.Equal("True", words[0]);
        Assert.Contains("5002", words[4..]);
    }

    [Fact]
    public void Hidepid_is_told()
    {
        string[] words = PidNamespace.Run(
            """
            mount -o remount,hidepid=2 /proc
            $SUPPORT numbers
            exec setpriv --inh-caps=-all --bounding-set=-all $SUPPORT numbers
            """,
            privileged: true);
        Assert.Equal(["False", "False"], words[..2]);
        Assert.Contains("True", words[2..]);
    }

    [Fact]
    public void Each_holder_is_told_by_its_kind()
    {
        string[] words = PidNamespace.Run(
            Leftovers + "for p in 1 $z $g $s own-thread 99999 $$; do $SUPPORT holder $p; done; kill -9 -1; }");
        string text = string.Join(' ', words[5..]);
        Assert.Matches(
            $"^Process 1 bash .* Zombie {words[0]} \\[sleep\\] Group {words[2]} sleep 30 Session {words[4]} sleep 30 "
            + "Thread [0-9]+ [^ ]*Support holder own-thread Nobody 0 Process 1 ",
            text);
    }
}
