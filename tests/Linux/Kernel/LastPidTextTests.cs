using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The kernel's reading of what is written to ns_last_pid against the model's.</summary>
[Collection(Alone.Name)]
public sealed class LastPidTextTests
{
    private const int Texts = 20_000;
    private const int O_RDWR = 2;
    private const int PROT_READ = 1;
    private const int MAP_PRIVATE = 2;
    private const int MAP_ANONYMOUS = 0x20;

    // What the parser tells apart; everything else is only wrong.
    private const string Alphabet = "0011223456789  \n\t\v\r\u00a0\0--+xXaAfFgo.,";

    private static readonly string[] s_numbers =
    [
        "0", "00", "4194304", "4194305", "2147483647", "2147483648", "18446744073709551615", "18446744073709551616",
        "18446744073709551617", "00000000000000000007", "000000000000000000007", "0x40000", "0X1f", "-0", "-0x0",
    ];

    [Fact]
    public void Random_bytes_are_read_as_the_model_reads_them()
    {
        Random random = new(20090609);
        using Sandboxes home = SandboxSteps.Open();
        using ISandbox sandbox = home.Open();
        World world = Perform.start(AllocatorModule.model, home.Setting);
        Dictionary<string, int> outcomes = [];
        for (int i = 0; i < Texts; i++)
        {
            string text = NextText(random);
            int offset = random.Next(10) == 0 ? random.Next(3) : 0;
            Step step = Step.NewWriteLastPid(0, text, offset, random.Next(20) != 0);
            (Observation model, world) = Perform.step(AllocatorModule.model, world, step);
            Observation kernel = sandbox.Perform(step);
            Assert.True(
                model.Equals(kernel),
                $"{OperationText.quote(text)} at {offset}: model {Show.outcomes(model.Outcomes)} {model.Readings}, "
                + $"kernel {Show.outcomes(kernel.Outcomes)} {kernel.Readings}");
            string outcome = model.Outcomes.Head.IsWrote ? "wrote" : Show.outcomes(model.Outcomes);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        // The texts are of use only if both sides take a good part of them.
        Assert.InRange(outcomes["wrote"], Texts / 5, Texts);
        Assert.InRange(outcomes["EINVAL"], Texts / 5, Texts);
        Assert.InRange(outcomes["EPERM"], 1, Texts);
    }

    [Fact]
    public void From_four_mebibytes_on_there_is_no_memory()
    {
        Assert.SkipUnless(Environment.SystemPageSize == 4096, "needs pages of 4096 bytes");
        const int Size = 4 * 1024 * 1024;
        using Zygote zygote = Lasting.Run(() => Zygote.Start());
        RemoteTask init = SandboxSteps.NewInit(zygote);
        using Order order = init.NewOrder();
        int open = order.Call(Kernel.SYS_openat, 0, order.Put("/proc/sys/kernel/ns_last_pid"), O_RDWR);
        int memory = order.Call(Kernel.SYS_mmap, 0, Size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        // Not at offset 0, where it is taken whatever it is.
        int most = order.Call(Kernel.SYS_pwrite64, order.Result(open), order.Result(memory), Size - 1, 1);
        int more = order.Call(Kernel.SYS_pwrite64, order.Result(open), order.Result(memory), Size, 1);
        init.Run(order);
        Assert.Equal(Size - 1, order[most]);
        Assert.Equal(-(int)Errno.ENOMEM, order[more]);
    }

    private static string NextText(Random random)
    {
        string text = random.Next(8) switch
        {
            0 => new string([.. Enumerable.Range(0, random.Next(8)).Select(_ => (char)random.Next(256))]),
            1 => s_numbers[random.Next(s_numbers.Length)] + Draw(random, 2),
            2 => Draw(random, 2) + s_numbers[random.Next(s_numbers.Length)],
            3 => random.Next(5_000_000).ToString() + Draw(random, 3),
            4 => Draw(random, 2) + random.Next(400) + Draw(random, 2),
            _ => Draw(random, 24),
        };
        return random.Next(50) == 0 ? new string(' ', Environment.SystemPageSize - 16 + random.Next(20)) + text : text;
    }

    private static string Draw(Random random, int most) =>
        new([.. Enumerable.Range(0, random.Next(most + 1)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
}
