using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Each system call of nslp's own fails once, with each errno that it may well fail with.</summary>
/// <remarks>
/// Its own are those that its code makes from Main on; what the runtime does before, and for itself after, is left
/// alone: nslp cannot change what comes of that. faults.c draws that line.
/// </remarks>
public sealed class FaultTests
{
    private const int EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, E2BIG = 7, EAGAIN = 11;
    private const int ENOMEM = 12, EACCES = 13, EBUSY = 16, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOTTY = 25;
    private const int ENOSPC = 28, EROFS = 30, EPIPE = 32, ENOLCK = 37, ENOSYS = 38, ENODATA = 61, ENOPROTOOPT = 92;
    private const int EOPNOTSUPP = 95, EAFNOSUPPORT = 97, EADDRINUSE = 98, ENOBUFS = 105, ECONNREFUSED = 111;
    private const string Write = "1", Close = "3";

    // poll, sched_yield, wait4, futex, waitid, ppoll and recvmmsg.
    private static readonly string[] s_waits = ["7", "24", "61", "202", "247", "271", "299"];

    // Of calls in a row that are alike, such as those that consume PIDs, so many are made to fail.
    private const int MostOfAKind = 40;
    private const int Batch = 20;

    // By the number on x86-64. Empty: with the arguments that nslp has for it it cannot fail.
    private static readonly Dictionary<int, int[]> s_errnos = new()
    {
        [0] = [EIO],
        [1] = [EIO, ENOSPC, EPIPE, EINTR, EAGAIN],
        [3] = [EIO],
        [5] = [EIO], // fstat
        [7] = [EINTR, ENOMEM], // poll
        [9] = [ENOMEM],
        [10] = [], // mprotect, of the collector
        [11] = [ENOMEM],
        [12] = [], // brk, malloc's
        [13] = [], // rt_sigaction
        [14] = [], // rt_sigprocmask
        [15] = [], // rt_sigreturn
        [16] = [ENOTTY],
        [17] = [EIO],
        [18] = [EPERM, EINVAL, EIO],
        [24] = [], // sched_yield
        [32] = [EMFILE], // dup
        [39] = [], // getpid
        [41] = [EMFILE, EAFNOSUPPORT, ENOBUFS],
        [42] = [ECONNREFUSED, EACCES, EAGAIN],
        [44] = [EAGAIN, ECONNREFUSED, ENOBUFS],
        [46] = [EAGAIN, ECONNREFUSED, ENOBUFS],
        [49] = [EADDRINUSE, EACCES, EROFS, ENOSPC],
        [51] = [ENOBUFS],
        [54] = [ENOPROTOOPT],
        [55] = [ENOPROTOOPT],
        [56] = [EAGAIN, ENOMEM, EPERM, ENOSYS],
        [59] = [ENOENT, EACCES, ENOMEM, E2BIG, EIO],
        [61] = [EINTR],
        [62] = [ESRCH, EPERM],
        [63] = [], // uname
        [72] = [], // fcntl
        [73] = [EINTR, EAGAIN, ENOLCK],
        [89] = [ENOENT, EACCES],
        [90] = [EPERM, EROFS],
        [91] = [EPERM],
        [95] = [], // umask
        [107] = [], // geteuid
        [108] = [], // getegid
        [110] = [], // getppid
        [111] = [], // getpgrp
        [121] = [ESRCH], // getpgid
        [138] = [ENOMEM], // fstatfs
        [124] = [ESRCH], // getsid
        [140] = [ESRCH],
        [144] = [EPERM], // sched_setscheduler
        [157] = [EINVAL],
        [165] = [EPERM, EBUSY, ENOMEM],
        [186] = [], // gettid
        [197] = [ENODATA, EOPNOTSUPP],
        [202] = [EINTR, EAGAIN],
        [203] = [EINVAL], // sched_setaffinity
        [204] = [EINVAL],
        [217] = [ENOENT, EIO, ENOMEM],
        [228] = [], // clock_gettime
        [231] = [], // exit_group
        [234] = [], // tgkill
        [247] = [], // waitid, of a child that takes its time
        [257] = [ENOENT, EACCES, EMFILE, ENFILE, ENOMEM],
        [260] = [EPERM],
        [262] = [], // newfstatat, the runtime's
        [263] = [ENOENT, EACCES, EROFS],
        [271] = [EINTR, ENOMEM],
        [272] = [EPERM, ENOSPC, ENOMEM],
        [273] = [], // set_robust_list, asked for once before
        [274] = [ENOSYS], // get_robust_list
        [290] = [EMFILE, ENFILE, ENOMEM], // eventfd2
        [293] = [EMFILE, ENFILE],
        [299] = [EINTR, ENOMEM],
        [302] = [], // prlimit64: soft limits alone
        [307] = [EAGAIN, ECONNREFUSED, ENOBUFS],
        [308] = [EPERM, EINVAL, ENOMEM],
        [309] = [ENOSYS], // getcpu
        [316] = [ENOENT, EACCES], // renameat2
        [332] = [ENOENT, EACCES, ENOSYS],
        [434] = [ENOSYS, EMFILE],
        [435] = [EAGAIN, ENOMEM, EPERM, ENOSYS],
        [437] = [EACCES, EAGAIN, ENOSYS], // openat2
        [436] = [EPERM, ENOSYS, ENOMEM], // close_range
    };

    public static TheoryData<string> Commands =>
    [
        "get",
        "set 700 --method write",
        "set 700 --method cycle",
        "set 700 --method cycle --flavour cgroup-thread",
        "set 700 --method cycle --flavour pidfd-emfile-thread",
        "set 700 --target $T",
        "spawn 700 --method clone3 -- COMMAND",
        "spawn 700 --method write -- COMMAND",
        "spawn 700 --method cycle -- COMMAND",
        "spawn 700 --new-pidns -- COMMAND",
        "spawn 700 --target $T -- COMMAND",
        "who 1",
        "preflight IMAGES",
        "reserve 700-799 -- COMMAND",
        "serve /mnt/d/s --method write",
        "serve /mnt/d/s --method cycle",
    ];

    /// <summary>A few of them; NSLP_FAULT_SEED draws others.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void A_failing_call_is_told_or_made_good(string command)
    {
        FaultRun.SkipUnlessPossible();
        int seed = Soak.Number("NSLP_FAULT_SEED", 1);
        // By their names: how many waits there are is a matter of chance, and must not change which others are drawn.
        string[] faults = [.. AllOf(command).OrderBy(fault => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{seed} {fault}"))))];

        Check(command, faults[..6], seed);
    }

    /// <summary>All of them; NSLP_FAULT_COMMAND is a part of the commands that it is about.</summary>
    [Theory(Explicit = true)]
    [MemberData(nameof(Commands))]
    public void All_failing_calls_are_told_or_made_good(string command)
    {
        FaultRun.SkipUnlessPossible();
        Assert.SkipUnless(
            command.Contains(Environment.GetEnvironmentVariable("NSLP_FAULT_COMMAND") ?? ""), "not asked for");
        Check(command, AllOf(command), 0);
    }

    /// <summary>The socket stayed where it could not be looked at once it was bound, and where that failed in the end nobody was
    /// told.</summary>
    [Fact]
    public void A_server_that_cannot_look_removes_its_socket_or_says_so()
    {
        FaultRun.SkipUnlessPossible();
        const string Command = "serve /mnt/d/s --method write";
        Check(Command, [.. AllOf(Command).Where(fault =>
            fault.EndsWith($":{EMFILE}", StringComparison.Ordinal) || fault.StartsWith("m:332:", StringComparison.Ordinal))], 0);
    }

    private static string Arguments(string command) => command.Replace(
        "COMMAND", "/bin/sh -c 'echo $$ $(ulimit -Sn) $(ulimit -Hn); grep -E \"^Sig(Blk|Ign)\" /proc/self/status'")
        .Replace("IMAGES", Path.Combine(Source.Directory, "tests/Linux/Checkpoints/plain"));

    // Each call with each errno. Of many alike the first and the last, and some between.
    private static string[] AllOf(string command)
    {
        string[] calls = [.. FaultRun.Each(["-"], Arguments(command))[0].Calls];
        List<string> faults = [];
        foreach (IGrouping<string, string> alike in calls.GroupBy(call => call[..call.LastIndexOf(':')]))
        {
            int number = int.Parse(alike.Key.Split(':')[1], CultureInfo.InvariantCulture);
            Assert.True(s_errnos.ContainsKey(number), $"what errnos has system call {number}?");
            string[] all = [.. alike];
            double step = Math.Max(1, (double)all.Length / MostOfAKind);
            for (double i = 0; i < all.Length; i += step)
            {
                faults.AddRange(s_errnos[number].Select(errno => $"{all[(int)i]}:{errno}"));
            }
        }

        Assert.True(faults.Count > 5, $"{faults.Count} faults in {string.Join(' ', calls)}");
        return [.. faults];
    }

    private static void Check(string command, string[] faults, int seed)
    {
        FaultRun clean = FaultRun.Each(["-"], Arguments(command))[0];
        Assert.Equal("", Wrong(command, clean, clean));
        FaultRun[] runs = [.. faults.Chunk(Batch).SelectMany(some => FaultRun.Each(some, Arguments(command)))];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{command}: {runs.Count(run => run.Log.Contains("hit"))} of {faults.Length} faults made, "
            + $"{runs.Count(run => run.Status == 0)} made good, seed {seed}");
        foreach (IGrouping<string, FaultRun> kind in runs.GroupBy(run => $"{run.Status} {run.Errors}"))
        {
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{kind.Count()} times {kind.Key.Trim()}: {string.Join(' ', kind.Select(run => run.Fault).Take(5))}");
        }

        string wrong = string.Concat(runs.Select(run => Wrong(command, run, clean)));
        // Whole: xunit cuts strings off.
        TestContext.Current.TestOutputHelper?.WriteLine(wrong);
        Assert.Equal("", wrong);
        // Not all: how often a task waits for another is a matter of chance.
        FaultRun[] sure = [.. runs.Where(run => !s_waits.Contains(run.Fault.Split(':')[1]))];
        Assert.True(sure.Count(run => run.Log.Contains("hit")) >= sure.Length / 2);
    }

    // What is wrong with a run, in words.
    private static string Wrong(string command, FaultRun run, FaultRun clean)
    {
        string name = command.Split(' ')[0];
        List<string> wrong = [];
        if (run.Log.Contains("hang"))
        {
            wrong.Add("hangs");
        }

        if (run.Log.FirstOrDefault(line => line.StartsWith("left ", StringComparison.Ordinal)) is { } left)
        {
            wrong.Add(left);
        }

        // Who is told that no socket is there removes none.
        bool isToldGone = run.Fault.Split(':') is [_, "332" or "263", _, "2"];
        if (run.Left != "" && !isToldGone && !run.Errors.Contains("cannot remove '/mnt/d/s'"))
        {
            wrong.Add(run.Left);
        }

        if (Tool.IsNative && run.Open.Length > 0 && run.Fault.Split(':')[1..2] is not [Close])
        {
            wrong.Add($"leaves {string.Join(", ", run.Open)}");
        }

        if (run.Status == 0)
        {
            // A server's answers are right too, and its files gone.
            bool isRight = name switch
            {
                "set" => command.Contains("--target") || run.LastPid == 700,
                "serve" => !run.Log.Contains("answer 0") || run.LastPid >= 4242,
                "get" => int.TryParse(run.Output, out int last) && last >= 400,
                // What the parent had is not to be known without /proc.
                // Perhaps without a detail.
                "who" => run.Output.StartsWith("1: ", StringComparison.Ordinal) && !run.Output.Contains("free"),
                "spawn" when IsWithoutFile(run.Fault) => run.Output.Split(' ')[0] == clean.Output.Split(' ')[0],
                _ => run.Output == clean.Output,
            };
            if (!isRight)
            {
                wrong.Add($"is wrong, last_pid {run.LastPid}: {run.Output}");
            }
        }
        else
        {
            int[] statuses = name switch { "spawn" or "reserve" => [125, 126, 127], "who" or "preflight" => [3], _ => [1] };
            if (!statuses.Contains(run.Status) || run.Output != "")
            {
                wrong.Add($"status {run.Status}: {run.Output}");
            }

            if (run.Errors == "" && run.Fault.Split(':')[1] != Write)
            {
                wrong.Add("says nothing");
            }
        }

        if (run.Errors.Split('\n')[..^1].Any(line => !line.StartsWith($"nslp: {name}: ", StringComparison.Ordinal))
            || run.Errors.Contains("bug in nslp"))
        {
            wrong.Add($"says {run.Errors}");
        }

        return wrong.Count == 0 ? "" : $"{Name(run.Fault)}: {string.Join("; ", wrong)}\n";
    }

    private static bool IsWithoutFile(string fault) =>
        fault.Split(':') is [_, "257" or "89" or "0", _, var errno]
            && int.Parse(errno, CultureInfo.InvariantCulture) is ENOENT or EACCES or EIO;

    private static string Name(string fault) =>
        fault == "-" ? fault : $"{fault} ({Marshal.GetPInvokeErrorMessage(int.Parse(fault.Split(':')[3], CultureInfo.InvariantCulture))})";
}
