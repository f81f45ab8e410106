using System.Globalization;
using System.Text.Json;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Images that criu 3.17.1 made on Linux 6.1 of tests/Kernels/tree.c: <c>$C/plain</c>, <c>wide</c>, <c>job</c> and
/// <c>new</c>, the last one with a PID namespace of its own.</summary>
public sealed class PreflightTests
{
    private static readonly string[] s_plain =
        ["2 processes: 5000, 5003", "4 threads: 5001-5002, 5004-5005", "1 group: 5000", "1 session: 5000"];

    [Fact]
    public void Where_all_numbers_are_free_nothing_is_in_the_way()
    {
        Finished run = Run("$N preflight $C/plain; echo $?; $N preflight $C/wide; echo $?");

        Assert.Equal("", run.Errors);
        Assert.Equal([.. s_plain, "nothing is in the way", "0"], run.Lines[..6]);
        Assert.Equal(
            [
                "7 processes: 5000, 5003-5004, 5006-5007, 5009, 5011", "1 thread: 5002", "5 groups: 5000, 5003, 5005, 5007, 5010",
                "3 sessions: 5000, 5007, 5010", "nothing is in the way", "0",
            ],
            run.Lines[6..]);
    }

    [Theory]
    [InlineData("plain", 5000, "process, group, session")]
    [InlineData("plain", 5003, "process")]
    [InlineData("plain", 5005, "thread")]
    [InlineData("wide", 5010, "group, session")]
    [InlineData("wide", 5005, "group")]
    // criu 3.17.1 made a helper with that number; it is in no image.
    [InlineData("wide", 5001, "helper")]
    public void A_number_that_is_held_is_in_the_way_with_its_holder(string images, int number, string roles)
    {
        Finished run = Run($"$N spawn {number} --detach -- sleep 100 >/dev/null; $N set 9000; $N preflight $C/{images}; echo $?");

        Assert.Equal("", run.Errors);
        Assert.Matches(
            $@"^{number} \({roles}\): process {number} \(sleep 100\), user root, since [-0-9]* [:0-9]*Z$", run.Lines[^4]);
        Assert.StartsWith("  end the process, or restore in a new PID namespace: nslp spawn ", run.Lines[^3]);
        Assert.Equal(["in the way: 1 number", "1"], run.Lines[^2..]);
    }

    [Theory]
    [InlineData("plain", 5001)]
    [InlineData("plain", 4999)]
    [InlineData("plain", 5006)]
    [InlineData("wide", 5008)]
    public void Another_number_is_not(string images, int number)
    {
        Finished run = number == 5001
            ? Run($"$N spawn {number} --detach -- sleep 100 >/dev/null; $N set 9000; $N preflight $C/new; echo $?")
            : Run($"$N spawn {number} --detach -- sleep 100 >/dev/null; $N set 9000; $N preflight $C/{images}; echo $?");

        Assert.Equal(["nothing is in the way", "0"], run.Lines[^2..]);
    }

    [Fact]
    public void Images_with_a_namespace_of_their_own_have_all_numbers()
    {
        Finished run = Run("$N who 1 | cut -d' ' -f1-3; $N preflight $C/new; echo $?");

        Assert.Equal(
            [
                "1: process 1", "2 processes: 1, 4", "4 threads: 2-3, 5-6", "1 group: 1", "1 session: 1",
                "criu makes a new PID namespace for them", "nothing is in the way", "0",
            ],
            run.Lines);
    }

    [Fact]
    public void What_is_not_below_pid_max_is_in_the_way_unless_criu_raises_it()
    {
        Assert.SkipUnless(Machine.HasPidMaxPerNamespace, "needs a pid_max per namespace (6.14)");

        // Root may write pid_max, which criu does for processes, groups and sessions above it.
        Finished run = Run(
            "for m in 5003 5004; do echo $m >/proc/sys/kernel/pid_max; $N preflight $C/plain | tail -n 3; done; "
            + "echo 5004 >/proc/sys/kernel/pid_max; $N preflight $C/wide | tail -n 2; "
            + $"setpriv {Shell.Unprivileged} $N preflight $C/wide | tail -n 3");

        Assert.Equal("", run.Errors);
        Assert.Equal(
            [
                "5003-5005: not below pid_max, which is 5003", "  as root: echo 5006 >/proc/sys/kernel/pid_max", "in the way: 3 numbers",
                "5004-5005: not below pid_max, which is 5004", "  as root: echo 5006 >/proc/sys/kernel/pid_max", "in the way: 2 numbers",
                "criu raises pid_max from 5004 to 5012", "nothing is in the way",
                "5004-5007, 5009-5011: not below pid_max, which is 5004", "  as root: echo 5012 >/proc/sys/kernel/pid_max",
                "in the way: 7 numbers",
            ],
            run.Lines);
    }

    [Theory]
    [InlineData("")]
    [InlineData(Shell.Unprivileged)]
    public void The_last_PID_is_moved_to_where_criu_does_no_harm(string unprivileged)
    {
        Finished run = Run(
            "$N spawn 5500 --detach -- sleep 100 >/dev/null; $N set 4980; $N preflight $C/plain | tail -n 3; echo $?; "
            + $"setpriv {unprivileged} $N preflight $C/plain --make-way | tail -n 1; $N get; $N preflight $C/plain --make-way | tail -n 1; $N get");

        Assert.Equal("", run.Errors);
        Assert.Matches("^500[0-9-]*: criu, or what it starts, gets .*: last_pid is 498[0-9]$", run.Lines[0]);
        Assert.Equal("  nslp preflight --make-way, or nslp set 5500", run.Lines[1]);
        Assert.Equal("nothing is in the way", run.Lines[4]);
        Assert.InRange(int.Parse(run.Lines[5], CultureInfo.InvariantCulture), 5501, 5520);
        Assert.Equal("nothing is in the way", run.Lines[6]);
        Assert.InRange(int.Parse(run.Lines[7], CultureInfo.InvariantCulture), 5502, 5540);
    }

    [Fact]
    public void The_own_session_and_group_are_told()
    {
        Finished run = Run(
            "$N spawn 5003 -- setsid sh -c '$N set 9000; $N preflight $C/plain; echo $?' | tail -n 4; "
            + "$N spawn 5002 -- setsid sh -c '$N set 9000; $N preflight $C/job; echo $?' | tail -n 5");

        Assert.Equal("", run.Errors);
        Assert.Matches(@"^5003 \(process\): your own session, process 5003 \(sh -c .*$", run.Lines[0]);
        Assert.StartsWith("  start criu from another session, and end this one, or restore in a new PID namespace: nslp spawn ", run.Lines[1]);
        Assert.Equal(["in the way: 1 number", "1"], run.Lines[2..4]);
        Assert.Equal("criu needs --shell-job: the first process does not lead its session", run.Lines[4]);
        Assert.Matches(@"^5002 \(thread\): your own session, process 5002 \(sh -c .*$", run.Lines[5]);
    }

    [Fact]
    public void Another_namespace_is_looked_into()
    {
        Finished run = Run(
            "unshare -pf --mount-proc sh -c '$N spawn 5003 -- sleep 100' & wait_for 'pgrep -x sleep >/dev/null'; S=$(pgrep -x sleep); "
            + "$N preflight $C/plain | tail -n 1; $N preflight $C/plain --target $S | tail -n 3; "
            + "$N preflight $C/plain --json --target $S | tr , '\\n' | grep session:");

        Assert.Equal("nothing is in the way", run.Lines[0]);
        Assert.Matches(@"^5003 \(process\): process 5003 \(sleep 100\)", run.Lines[1]);
    }

    [Theory]
    [InlineData("tar -cf A -C $C/plain .")]
    [InlineData("tar -czf A -C $C/plain .")]
    [InlineData("tar -czf A -C $C/plain --transform 's,^\\.,checkpoint,' .")]
    [InlineData("tar -cf A -C $C/plain --transform 's,^,checkpoint/,' pstree.img inventory.img ids-5000.img")]
    [InlineData("tar -cf A --format=pax --pax-option=path=checkpoint/pstree.img:=x -C $C/plain pstree.img inventory.img ids-5000.img; tar -cf A --format=posix -C $C/plain .")]
    [InlineData("tar -cf A --format=ustar -C $C/plain .")]
    [InlineData("truncate -s 3M pages-1.img; tar -cf A pages-1.img -C $C/plain .")]
    [InlineData("truncate -s 3M pages-1.img; printf x >>pages-1.img; tar -cSf A --format=gnu pages-1.img -C $C/plain .")]
    [InlineData("truncate -s 3M pages-1.img; printf x >>pages-1.img; tar -czSf A --format=posix pages-1.img -C $C/plain .")]
    [InlineData("L=$(printf %0200d 1); touch $L; tar -cf A --format=gnu $L -C $C/plain .")]
    [InlineData("mkdir -p A/checkpoint; cp $C/plain/* A/checkpoint; tar -cf B -C A .")]
    public void An_archive_is_read_like_a_directory(string make)
    {
        Finished run = Run(
            $"mount -t tmpfs none /mnt; cd /mnt; {make}; $N preflight A; echo $?; [ -d A ] || cat A | $N preflight /dev/stdin; echo $?");

        Assert.Equal("", run.Errors);
        Assert.Equal([.. s_plain, "nothing is in the way", "0"], run.Lines[..6]);
        Assert.Equal("0", run.Lines[^1]);
    }

    [Theory]
    [InlineData(":", "cannot read 'A': No such file or directory")]
    [InlineData("mkdir A", "cannot read 'A/pstree.img': No such file or directory")]
    [InlineData("cp -r $C/plain A; rm A/inventory.img", "cannot read 'A/inventory.img': No such file or directory")]
    [InlineData("cp -r $C/plain A; rm A/ids-5000.img", "cannot read 'A/ids-5000.img': No such file or directory")]
    [InlineData("cp -r $C/plain A; truncate -s 50 A/pstree.img", "cannot read 'A/pstree.img': at byte 32: it ends before the entry does, which has 21 bytes")]
    [InlineData("cp -r $C/plain A; truncate -s 8 A/pstree.img", "cannot read 'A/pstree.img': at byte 8: it holds no process")]
    [InlineData("cp -r $C/plain A; : >A/pstree.img", "cannot read 'A/pstree.img': at byte 0: it does not begin as CRIU's image of that name does")]
    [InlineData("cp -r $C/plain A; cp A/inventory.img A/pstree.img", "cannot read 'A/pstree.img': at byte 0: it does not begin as CRIU's image of that name does")]
    [InlineData("cp -r $C/plain A; rm A/pstree.img; mkfifo A/pstree.img", "cannot read 'A/pstree.img': at byte 0: it does not begin as CRIU's image of that name does")]
    [InlineData("cp -r $C/plain A; rm A/pstree.img; mkdir A/pstree.img", "cannot read 'A/pstree.img': Is a directory")]
    [InlineData("cp -r $C/plain A; rm A/pstree.img; ln -s /dev/zero A/pstree.img", "cannot read 'A/pstree.img': it is longer than 8388608 bytes, as no such image is")]
    [InlineData("cp -r $C/plain A; truncate -s 100G A/inventory.img", "cannot read 'A/inventory.img': it is longer than 65536 bytes, as no such image is")]
    [InlineData("cp $C/plain/pstree.img A", "cannot read 'A': it is one of the images")]
    [InlineData(": >A", "cannot read 'checkpoint/pstree.img' in 'A': it is not there")]
    [InlineData("ln -s /dev/zero A", "cannot read 'checkpoint/pstree.img' in 'A': it is not there")]
    [InlineData("head -c 4096 $N >A", "cannot read 'A': at byte 0: that is no tar archive")]
    [InlineData("printf '\\050\\265\\057\\375xxx' >A", "cannot read 'A': it is compressed by zstd")]
    [InlineData("tar -cf A -C $C/plain pstree.img", "cannot read 'checkpoint/inventory.img' in 'A': it is not there")]
    [InlineData("tar -cf A -C $C/plain pstree.img inventory.img", "cannot read 'checkpoint/ids-5000.img' in 'A': it is not there")]
    [InlineData("tar -cf - -C $C/plain pstree.img | head -c 600 >A", "cannot read 'A': it ends at byte 600, within an entry")]
    [InlineData("tar -czf - -C $C/plain pstree.img | head -c 100 >A", "cannot read 'A': it ends at byte 100, within an entry")]
    [InlineData("(printf '\\037\\213'; head -c 999 $N) >A", "cannot read 'A': its compressed data is damaged before byte 512")]
    [InlineData("mkdir B; truncate -s 30M B/pstree.img; tar -czSf A -C B pstree.img; tar -czf A -C B pstree.img", "cannot read 'pstree.img' in 'A': it is longer than 8388608 bytes, as no such image is")]
    public void What_cannot_be_read_is_told_with_its_place(string make, string message)
    {
        Finished run = Run($"mount -t tmpfs none /mnt; cd /mnt; {make}; $N preflight A; echo $?; $N preflight A --json 2>/dev/null; echo $?");

        Assert.Equal(["3", "3"], run.Lines.Where(line => !line.StartsWith('{')));
        string[] errors = run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal($"nslp: preflight: {message}", errors[0]);
        Assert.InRange(errors.Length, 1, 2);
    }

    [Fact]
    public void On_a_terminal_it_is_a_tree_with_marks()
    {
        Finished run = Run(
            "$N spawn 5009 --detach -- sleep 100 >/dev/null; $N set 9000; "
            + "LC_ALL=C.UTF-8 TERM=xterm NO_COLOR=1 script -qec '$N preflight $C/wide' /dev/null | head -n 8; "
            + "LC_ALL=C TERM=xterm script -qec '$N preflight $C/plain' /dev/null | tail -n 2");
        Assert.SkipWhen(run.Errors.Contains("script", StringComparison.Ordinal), "needs script");

        Assert.Equal(
            [
                "5000, thread 5002, session 5000, group 5000", "├─ 5003, group 5003", "│  └─ 5004", "├─ 5006, group 5005",
                "├─ 5007, session 5007, group 5007", "├─ 5009✗, session 5007, group 5007", "└─ 5011, session 5010, group 5010",
            ],
            run.Lines[..7].Select(line => line.TrimEnd('\r')));
        Assert.Equal(["`- 5003, threads 5004-5005", "\u001b[32mnothing is in the way\u001b[0m"], run.Lines[^2..].Select(line => line.TrimEnd('\r')));
    }

    [Fact]
    public void Json_has_all_of_it()
    {
        Finished run = Run("$N spawn 5004 --detach -- sleep 100 >/dev/null; $N set 4980; $N preflight $C/plain --json; $N preflight $C/new --json");

        JsonElement json = Schema.Check(run.Lines[0]);
        Assert.False(json.GetProperty("ok").GetBoolean());
        Assert.Equal("caller", json.GetProperty("namespace").GetString());
        Assert.False(json.GetProperty("shell_job").GetBoolean());
        Assert.Equal(5005, json.GetProperty("make_way").GetInt32());
        JsonElement held = json.GetProperty("in_the_way").EnumerateArray().Single(number => number.GetProperty("why").GetString() == "held");
        Assert.Equal(5004, held.GetProperty("pid").GetInt32());
        Assert.Equal("sleep 100", held.GetProperty("holder").GetProperty("command_line").GetString());
        Assert.Equal(["thread"], held.GetProperty("roles").EnumerateArray().Select(role => role.GetString()!));
        Assert.Equal(
            [5000, 5001, 5002, 5003, 5005],
            json.GetProperty("in_the_way").EnumerateArray().Where(number => number.GetProperty("why").GetString() == "criu")
                .Select(number => number.GetProperty("pid").GetInt32()));
        Assert.Equal(
            """[{"pid":5000,"parent":null,"group":5000,"session":5000,"threads":[5001,5002]},{"pid":5003,"parent":5000,"group":5000,"session":5000,"threads":[5004,5005]}]""",
            json.GetProperty("processes").GetRawText());
        json = JsonDocument.Parse(run.Lines[1]).RootElement;
        Assert.True(json.GetProperty("ok").GetBoolean());
        Assert.Equal("new", json.GetProperty("namespace").GetString());
    }

    // NSLP_SEED draws the same again; NSLP_CALLS is how many files there are.
    [Fact]
    public void Whatever_is_in_the_files_it_ends_with_a_line_and_little_memory()
    {
        Machine.NeedsPidNamespace();
        int seed = Soak.Number("NSLP_SEED", Random.Shared.Next());
        int count = Soak.Number("NSLP_CALLS", 150);
        Random random = new(seed);
        string directory = Directory.CreateTempSubdirectory("nslp-images-").FullName;
        try
        {
            string[] sources = ["plain.tar", "plain.tgz", "pstree.img", "inventory.img", "ids-5000.img"];
            Finished made = Shell.Start($"cd {directory}; C={Checkpoints}; tar -cf plain.tar -C $C/plain .; tar -czf plain.tgz -C $C/plain .; cp $C/plain/*.img .").Finish();
            Assert.Equal(0, made.Status);
            for (int i = 0; i < count; i++)
            {
                string name = sources[random.Next(sources.Length)];
                byte[] bytes = Change(random, File.ReadAllBytes($"{directory}/{name}"));
                string path = $"{directory}/{i}";
                if (name.EndsWith(".img", StringComparison.Ordinal))
                {
                    Directory.CreateDirectory(path);
                    Array.ForEach(sources[2..], image => File.Copy($"{directory}/{image}", $"{path}/{image}"));
                    path = $"{path}/{name}";
                }

                File.WriteAllBytes(path, bytes);
            }

            Finished run = Run($$"""
                time=$(command -v time) || time=
                for i in $(seq 0 {{count - 1}}); do
                    ${time:+/usr/bin/time -f %M -o {{directory}}/memory} $N preflight {{directory}}/$i >{{directory}}/out 2>{{directory}}/err; s=$?
                    case $s in 0|1) ;; 3) [ -s {{directory}}/err ] || echo "$i: nothing said";; *) echo "$i: status $s";; esac
                    ! grep -q 'bug in\|Unhandled\|^   at \|Fatal' {{directory}}/err || { echo "$i:"; cat {{directory}}/err; }
                    [ $(wc -l <{{directory}}/err) -le 2 ] || { echo "$i: more than two lines"; cat {{directory}}/err; }
                    [ ! -s {{directory}}/memory ] || [ $(tail -n 1 {{directory}}/memory) -lt 60000 ] || { echo "$i: memory"; cat {{directory}}/memory; }
                done
                """);

            Assert.True(run is { Status: 0, Output: "" }, $"NSLP_SEED={seed} NSLP_CALLS={count}: {run.Output}{run.Errors}");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Theory]
    [InlineData(10_000, 10, false, 60_000)]
    [InlineData(1, 1_600_000, true, 400_000)]
    [InlineData(300_000, 1, false, 400_000)]
    public void Large_trees_take_memory_in_proportion(int processes, int threads, bool isPacked, int kilobytes)
    {
        Assert.SkipUnless(Tool.IsNative, "needs a C compiler, to make the native file");
        string directory = Directory.CreateTempSubdirectory("nslp-images-").FullName;
        try
        {
            foreach (string image in (string[])["pstree.img", "inventory.img", "ids-5000.img"])
            {
                File.Copy($"{Checkpoints}/plain/{image}", $"{directory}/{image}");
            }

            using (BinaryWriter tree = new(File.Create($"{directory}/pstree.img")))
            {
                tree.Write(0x54564319);
                tree.Write(0x50273030);
                for (int i = 0; i < processes; i++)
                {
                    tree.Write(Entry(5000 + (i * threads), i == 0 ? 0 : 5000, threads, isPacked));
                }
            }

            Finished run = Run($"/usr/bin/time -f %M $N preflight {directory} --json | tr , '\n' | grep -c parent");

            Assert.SkipWhen(run.Errors.Contains("not found", StringComparison.Ordinal), "needs time");
            Assert.Equal($"{processes}\n", run.Output);
            Assert.InRange(int.Parse(run.Errors.Trim().Split('\n')[^1], CultureInfo.InvariantCulture), 1, kilobytes);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static byte[] Entry(int pid, int parent, int threads, bool isPacked)
    {
        using MemoryStream message = new();
        using BinaryWriter writer = new(message);
        writer.Write(0);
        foreach ((int field, int value) in ((int, int)[])[(1, pid), (2, parent), (3, 5000), (4, 5000)])
        {
            writer.Write7BitEncodedInt(field << 3);
            writer.Write7BitEncodedInt(value);
        }

        if (isPacked)
        {
            using MemoryStream run = new();
            using BinaryWriter numbers = new(run);
            Enumerable.Range(pid, threads).ToList().ForEach(numbers.Write7BitEncodedInt);
            writer.Write7BitEncodedInt((5 << 3) | 2);
            writer.Write7BitEncodedInt((int)run.Length);
            writer.Write(run.ToArray());
        }
        else
        {
            foreach (int thread in Enumerable.Range(pid, threads))
            {
                writer.Write7BitEncodedInt(5 << 3);
                writer.Write7BitEncodedInt(thread);
            }
        }

        byte[] bytes = message.ToArray();
        BitConverter.TryWriteBytes(bytes, bytes.Length - 4);
        return bytes;
    }

    private static byte[] Change(Random random, byte[] bytes)
    {
        List<byte> changed = [.. bytes];
        for (int changes = random.Next(5); changes >= 0; changes--)
        {
            int at = random.Next(changed.Count + 1);
            switch (random.Next(6))
            {
                case 0:
                    changed.RemoveRange(at, random.Next(changed.Count - at + 1));
                    break;
                case 1:
                    changed.InsertRange(at, Enumerable.Range(0, random.Next(600)).Select(_ => (byte)random.Next(256)));
                    break;
                case 2:
                    changed.InsertRange(at, changed[..Math.Min(changed.Count, 512)]);
                    break;
                default:
                    changed[Math.Min(at, changed.Count - 1)] = (byte)(random.Next(3) == 0 ? 255 : random.Next(256));
                    break;
            }

            if (changed.Count == 0)
            {
                break;
            }
        }

        return [.. changed];
    }

    private static string Checkpoints => Path.Combine(Tool.Directory, "Checkpoints");

    private static Finished Run(string script)
    {
        Machine.NeedsPidNamespace();
        return Shell.InNewPidNamespace($"export C={Checkpoints} N\n{script}").Finish();
    }
}
