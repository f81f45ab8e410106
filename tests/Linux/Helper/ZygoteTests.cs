using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

[Collection(Alone.Name)]
public sealed class ZygoteTests : IDisposable
{
    private const int EPERM = 1;
    private const int ESRCH = 3;
    private const int EBADF = 9;
    private const int SIGKILL = 9;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    private readonly Zygote _zygote = Lasting.Run(() => Zygote.Start());

    private RemoteTask Root => _zygote.Root;

    public void Dispose() => _zygote.Dispose();

    [Fact]
    public void Results_and_errno_come_back()
    {
        Assert.Equal(_zygote.Pid, Root.Call(Kernel.SYS_getpid));
        Assert.Equal(_zygote.Pid, Root.OwnPid);
        Assert.Equal(-EBADF, Root.Call(Kernel.SYS_close, 9999));
    }

    [Fact]
    public void A_result_is_an_argument_of_a_later_syscall()
    {
        using Order order = Root.NewOrder();
        nint name = order.Put("/proc/self/comm"), buffer = order.Reserve(16);
        int open = order.Call(Kernel.SYS_openat, 0, name, 0);
        int read = order.Call(Kernel.SYS_read, order.Result(open), buffer, 6);
        int again = order.Call(Kernel.SYS_read, order.Result(open), buffer + 6, order.Result(read));
        int close = order.Call(Kernel.SYS_close, order.Result(open));
        Root.Run(order);
        Assert.Equal((6, 6), (order[read].Value, order[again].Value));
        Assert.Equal("nslp-zygote\n"u8, Order.Bytes(buffer, 12));
        Assert.Equal(0, order[close]);
    }

    [Fact]
    public void A_failed_check_skips_the_rest()
    {
        using Order order = Root.NewOrder();
        int good = order.Call(Kernel.SYS_getpid);
        order.Expect(good, _zygote.Pid);
        int bad = order.Call(Kernel.SYS_close, 9999);
        order.Require(bad);
        int skipped = order.Call(Kernel.SYS_getpid);
        Root.Run(order);
        Assert.Equal(-EBADF, order[bad]);
        Assert.False(order.HasRun(skipped));
        Assert.Equal(_zygote.Pid, Root.Call(Kernel.SYS_getpid));
    }

    [Fact]
    public void A_failed_check_with_a_status_exits()
    {
        RemoteTask task = Root.Fork();
        using Order order = task.NewOrder();
        order.Expect(order.Call(Kernel.SYS_getpid), 1, 1, exit: 42);
        int skipped = order.Call(Kernel.SYS_getpid);
        Assert.True(task.Submit(order));
        Assert.Equal(Errno.ESRCH, task.Await(s_limit));
        Assert.False(order.HasRun(skipped));
        Assert.Equal(42 << 8, task.Wait(s_limit));
    }

    [Fact]
    public void A_child_runs_the_order_laid_ready_for_it()
    {
        RemoteTask child = _zygote.NewTask();
        using Order first = child.NewOrder();
        using Order birth = Root.NewOrder();
        int clone = birth.Clone(0, Child.Becomes(child));
        int own = first.Call(Kernel.SYS_getpid);
        int parent = first.Call(Kernel.SYS_getppid);
        Assert.True(child.Submit(first));
        Root.Run(birth);
        Assert.Equal((Errno)0, child.Await(s_limit));
        Assert.Equal(birth[clone], first[own]);
        Assert.Equal(_zygote.Pid, first[parent]);
        Assert.Equal(SIGKILL, child.End());
    }

    [Fact]
    public void A_program_takes_the_place_of_a_sibling_and_its_status_comes_back()
    {
        RemoteTask child = _zygote.NewTask();
        using Order exec = child.NewOrder();
        int mask = exec.Call(Kernel.SYS_rt_sigprocmask, 2, exec.Put(BitConverter.GetBytes(0UL)), 0, 8);
        int failed = exec.Call(Kernel.SYS_execve, exec.Put("/nonexistent"), 0, 0);
        int execve = exec.Call(
            Kernel.SYS_execve, exec.Put("/bin/sh"),
            exec.PutValue((exec.Put("sh"), exec.Put("-c"), exec.Put("kill -0 $PPID && exit $N"), (nint)0)),
            exec.PutValue((exec.Put("N=7"), (nint)0)));
        Assert.True(child.Submit(exec));
        using Order birth = Root.NewOrder();
        birth.Clone3(new clone_args { flags = Kernel.CLONE_PARENT }, Child.Becomes(child));
        Root.Run(birth);
        Assert.Equal(Errno.ESRCH, child.Await(s_limit));
        Assert.Null(child.Parent);
        Assert.Equal(0, exec[mask]);
        Assert.Equal(-2, exec[failed]);
        Assert.False(exec.HasRun(execve));
        Assert.Equal(7 << 8, child.Wait(s_limit));
    }

    [Fact]
    public void A_blocked_task_does_not_block_its_owner()
    {
        RemoteTask child = Root.Fork();
        using Order wait = Root.NewOrder();
        nint status = wait.Reserve(4);
        int waited = wait.Call(Kernel.SYS_wait4, child.Pid, status, Kernel.__WALL, 0);
        Assert.True(Root.Submit(wait));
        Assert.Equal(Errno.ETIMEDOUT, Root.Await(TimeSpan.FromMilliseconds(20)));
        using Order exit = child.NewOrder();
        exit.Call(Kernel.SYS_exit_group, 3);
        child.Submit(exit);
        Assert.Equal((Errno)0, Root.Await(s_limit));
        Assert.Equal(child.Pid, wait[waited]);
        Assert.Equal(3 << 8, Order.Int(status));
    }

    [Fact]
    public void A_task_killed_at_work_is_noticed_before_the_time_is_up()
    {
        RemoteTask task = Root.Fork();
        using Order order = task.NewOrder();
        order.Call(Kernel.SYS_ppoll);
        Assert.True(task.Submit(order));
        using Timer killer = new(_ => Raw.Call(Kernel.SYS_kill, task.Pid, SIGKILL), null, 50, Timeout.Infinite);
        Assert.Equal(Errno.ESRCH, task.Await(s_limit));
        Assert.Equal(SIGKILL, task.Wait(s_limit));
    }

    [Fact]
    public void A_task_killed_when_idle_takes_no_order()
    {
        RemoteTask task = Root.Fork();
        Root.Call(Kernel.SYS_kill, task.Pid, SIGKILL);
        using Order order = task.NewOrder();
        order.Call(Kernel.SYS_getpid);
        Assert.True(SpinWait.SpinUntil(() => task.IsGone, s_limit));
        Assert.False(task.Submit(order));
        Assert.Throws<RemoteException>(() => task.Run(order));
        Assert.Equal(SIGKILL, task.End());
    }

    [Fact]
    public void A_chosen_pid_is_had_in_a_new_namespace()
    {
        RemoteTask init;
        try
        {
            init = Namespaces.Clone(_zygote.Root);
        }
        catch (RemoteException e)
        {
            Assert.Skip(e.Message);
            return;
        }

        Assert.Equal(1, init.Call(Kernel.SYS_getpid));
        Assert.Equal(4242, CloneWithPid(init, 4242));
        Assert.Equal(300, CloneWithPid(init, 300));
    }

    [Fact]
    public void A_chosen_pid_is_had_without_privilege()
    {
        SkipUnlessRoot();
        string said = ZygoteHelper.Run("set_tid", ["setpriv", "--reuid", "65534", "--clear-groups"]);
        Assert.Equal("uid 65534 pid 4242", said);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Namespaces_nest_five_deep(bool users)
    {
        RemoteTask task = Root;
        for (int depth = 1; depth <= 5; depth++)
        {
            try
            {
                task = users ? Namespaces.CloneWithUser(task) : Namespaces.Clone(task);
            }
            catch (RemoteException e) when (depth == 1)
            {
                Assert.Skip(e.Message);
            }

            Assert.Equal(1, task.Call(Kernel.SYS_getpid));
        }

        // Privilege in a user namespace of its own reaches no further than the PID namespace made with it.
        Assert.Equal(users ? -EPERM : 50, CloneWithPid(task, 50, 40, 30, 20, 10));
        Assert.Equal(60, CloneWithPid(task, 60));
    }

    [Fact]
    public void A_file_that_cannot_be_used_says_so()
    {
        using Order order = Root.NewOrder();
        int closed = order.Write("/proc/self/uid_map", "0 0 1");
        int missing = order.Write("/proc/self/nonexistent", "x");
        Root.Run(order);
        Assert.Equal(Errno.EPERM, order.Used(closed).Error);
        Assert.Equal(Errno.ENOENT, order.Used(missing).Error);
        Assert.False(order.HasRun(missing));
    }

    [Fact]
    public void An_order_longer_than_a_chunk_runs()
    {
        using Order order = Root.NewOrder(kibibytes: 100);
        int[] pids = new int[256];
        for (int i = 0; i < pids.Length; i++)
        {
            pids[i] = order.Clone(0, Child.Exits());
            order.Require(pids[i]);
            order.Call(Kernel.SYS_wait4, order.Result(pids[i]), 0, Kernel.__WALL, 0);
        }

        Root.Run(order);
        Assert.All(pids, i => Assert.True(!order[i].IsError && order[i] == order[i + 1]));
        Assert.Throws<InvalidOperationException>(() =>
        {
            for (int i = 0; i < 2000; i++)
            {
                order.Call(Kernel.SYS_getpid);
            }
        });
    }

    [Fact]
    public void Dispose_leaves_nothing()
    {
        int[] pids;
        using (Zygote zygote = Zygote.Start())
        {
            RemoteTask task = zygote.Root.Fork();
            RemoteTask below = task.Fork();
            pids = [zygote.Pid, task.Pid, below.Pid];
            Assert.All(pids, pid => Assert.Equal(0, Raw.Call(Kernel.SYS_kill, pid, 0)));
        }

        Assert.All(pids, pid => Assert.Equal(-ESRCH, Raw.Call(Kernel.SYS_kill, pid, 0)));
    }

    [Fact]
    public void Slots_come_back()
    {
        for (int i = 0; i < 3 * Arena.Slots; i++)
        {
            Assert.Equal(SIGKILL, Root.Fork().End());
        }
    }

    [Fact]
    public void All_die_with_the_owner()
    {
        using Process owner = ZygoteHelper.Start("live", []);
        string line = owner.StandardOutput.ReadLine()!;
        string[] pids = line.Split(' ');
        string?[] births = Array.ConvertAll(pids, Birth);
        Assert.Equal(5, pids.Length);
        Assert.All(births, birth => Assert.NotNull(birth));
        owner.Kill();
        owner.WaitForExit();

        // Another process may have come by the same number.
        Assert.True(SpinWait.SpinUntil(() => !pids.Where((pid, i) => Birth(pid) == births[i]).Any(), s_limit), line);
    }

    [Fact]
    public void Time_in_which_all_were_stopped_does_not_count()
    {
        // A session of its own is a process group of its own.
        using Process stopped = ZygoteHelper.Start("naps", ["setsid"]);
        Assert.Equal("napping", stopped.StandardOutput.ReadLine());

        Finished run = Shell.Start($"kill -STOP -{stopped.Id}; sleep 6; kill -CONT -{stopped.Id}").Finish();

        Assert.Equal("", run.Errors);
        Assert.Equal("0", stopped.StandardOutput.ReadLine());
        stopped.WaitForExit();
    }

    [Fact]
    public void Starting_takes_one_pid()
    {
        SkipUnlessRoot();
        Assert.Equal("1", ZygoteHelper.Run("pids", ["unshare", "--pid", "--fork", "--mount-proc"]));
    }

    /// <summary>Of the native files: reads the machine code of TaskLoop.Start.</summary>
    [Theory]
    [InlineData("linux-x64", @"^mov +\$0x[0-9a-f]+,%eax;ret *; constant 0*([0-9a-f]+)$", "*%", "*-0x2({0})")]
    [InlineData("linux-arm64", @"^stp\t[^;]*;mov\tx29, sp;mov\tw0, #0x[^;]*;ldp\t[^;]*;ret; constant 0*([0-9a-f]+)$", "x", "[{0}, #-2]")]
    public void The_task_loop_of_a_native_file_calls_nothing_but_syscall_and_constants(
        string machine, string constant, string register, string shared)
    {
        string directory = Path.Combine(Source.Directory, $"artifacts/native/bin/Cli/release_{machine}/native");
        Assert.SkipUnless(File.Exists($"{directory}/nslp.dbg"), $"needs the native file for {machine}, by contrib/package");
        string prefix = machine == "linux-arm64" && RuntimeInformation.OSArchitecture != Architecture.Arm64 ? "aarch64-linux-gnu-" : "";
        Finished run = Shell.Start($$"""
            set -e
            code() { # from, size
                {{prefix}}objdump -d --no-show-raw-insn --start-address=$((0x$1)) --stop-address=$((0x$1 + 0x$2)) nslp | grep '^ '
            }
            cd {{directory}}
            {{prefix}}nm -S nslp.dbg | grep -v lsda | while read -r from size type name; do
                case $name in
                *_TaskLoop__Start) code $from $size ;;
                *_Kernel__get_SYS_*) code $from $size | awk -v from=$from '{ sub(/^[^	]*	/, ""); printf "%s", $0 ";" } END { print " constant", from }' ;;
                esac
            done
            """).Finish();
        Assert.Equal((0, ""), (run.Status, run.Errors));

        // A getter that is a call of its own does nothing but return a number.
        HashSet<string> constants = [.. run.Lines
            .Where(line => line.Contains(" constant ", StringComparison.Ordinal))
            .Select(line => Assert.Single(Regex.Matches(line, constant)).Groups[1].Value)];

        // What else leaves the method: calls, and jumps to what a register says.
        string[] code = [.. run.Lines.Where(line => Regex.IsMatch(line, @"^ +[0-9a-f]+:\t"))];
        string[] calls = [.. code
            .Select(line => Regex.Match(line, @"\t(?:call|bl|blr|br|jmp(?= +\*))\s+(?:0x)?([^ ]+)"))
            .Where(match => match.Success)
            .Select(match => match.Groups[1].Value)];
        Assert.True(calls.Length > 10, run.Output);

        // Through one register, also where it could be the descriptor of a shared generic method, which it is not.
        string pointer = calls.Where(to => to.StartsWith(register, StringComparison.Ordinal)).GroupBy(to => to).MaxBy(some => some.Count())!.Key;
        string descriptor = shared.Replace("{0}", pointer.TrimStart('*'), StringComparison.Ordinal);
        Assert.All(
            calls.Where(to => to != pointer && to != descriptor),
            to => Assert.True(constants.Contains(to) || Loads(code, to).SequenceEqual([descriptor]), to));

        // What a register is loaded from before calls through it.
        static IEnumerable<string> Loads(string[] code, string to)
        {
            string last = "";
            HashSet<string> loads = [];
            foreach (string line in code)
            {
                last = Regex.Match(line, $@"\tldu?r\t{to}, (\[.*\])") is { Success: true } load ? load.Groups[1].Value : last;
                if (Regex.IsMatch(line, $@"\tblr\t{to}$"))
                {
                    loads.Add(last);
                }
            }

            return loads;
        }
    }

    /// <summary>Of the build for the JIT.</summary>
    [Fact]
    public void The_task_loop_of_the_JIT_calls_nothing_but_syscall()
    {
        string listing = Path.GetTempFileName();
        string said = ZygoteHelper.Run(
            "start", [], ("DOTNET_JitDisasm", "*TaskLoop:Start"), ("DOTNET_JitStdOutFile", listing));
        string[] lines = File.ReadAllLines(listing);
        File.Delete(listing);
        Assert.Equal("True", said);
        Assert.Contains(lines, line => line.Contains("FullOpts", StringComparison.Ordinal));
        string[] calls = [.. lines.Where(l => l.Contains(" call ") || l.Contains(" bl") || l.Contains(" tail."))];
        string[] targets = [.. calls.Select(l => l.Trim().Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1])];

        // The numbers of the syscalls may be fetched by calls before the clone, the first call of the register.
        int clone = Array.FindIndex(calls, l => !l.Contains('['));
        clone = Array.FindIndex(calls, clone + 1, l => !l.Contains('['));
        Assert.True(calls.Length - clone > 10, string.Join('\n', calls));
        Assert.Single(targets[clone..].Distinct());
        Assert.DoesNotContain("[", targets[clone]);
    }

    [Fact]
    public void It_starts_while_other_threads_collect()
    {
        using Turmoil turmoil = new(2);
        for (int i = 0; i < 30; i++)
        {
            using Zygote zygote = Lasting.Run(() => Zygote.Start());
            Assert.Equal(zygote.Pid, zygote.Root.Call(Kernel.SYS_getpid));
        }
    }

    /// <summary>The PID of a child that <paramref name="task"/> makes with that set_tid, innermost first, or -errno.</summary>
    internal static long CloneWithPid(RemoteTask task, params int[] pids)
    {
        using Order order = task.NewOrder();
        int clone = order.Clone3(default, Child.Exits(), pids);
        order.Require(clone);
        order.Call(Kernel.SYS_wait4, order.Result(clone), 0, Kernel.__WALL, 0);
        task.Run(order);
        return order[clone].Raw;
    }

    // When the process started, in ticks; null if it does not run. A zombie does not: who inherited it has not come to
    // reap it yet.
    private static string? Birth(string pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static void SkipUnlessRoot() =>
        Assert.SkipUnless(Raw.Call(Kernel.SYS_geteuid) == 0, "needs root, to change credentials or make a namespace");
}
