using System.Reflection;
using SetNsLastPid.Commands;

namespace SetNsLastPid;

/// <summary>The program: argv, understood by <see cref="CommandLine"/>, goes to the handler of its command.</summary>
internal static class Cli
{
    private static int Main(string[] argv)
    {
        int status;
        try
        {
            status = Run(argv);
        }
        catch (Exception e)
        {
            string command = argv.FirstOrDefault("");
            _ = e is RemoteException known ? Output.Fail(command, known) : Output.Fail(e);
            status = Words.failureStatus(command);
        }

        if (argv is [not Spawn.Name, ..] && argv.TakeWhile(word => word != "--").Contains("--json"))
        {
            Output.PrintError(argv[0].StartsWith('-') ? "" : argv[0]);
        }

        // The runtime's own way out waits for its finalizers' thread, which is not there (RuntimeStart).
        Kernel.exit_group(status);
        return status;
    }

    private static int Run(string[] argv)
    {
        if (OwnProgram.IsCalled(Ancestor.Name))
        {
            return Ancestor.Run(argv);
        }

        return CommandLine.parse(argv) switch
        {
            Command.Get get => Get.Run(get.Target, get.Json),
            Command.Verify verify => Commands.Verify.Run(verify.Options),
            Command.Set set => set.Options.Server is null ? Set.Run(set.Options) : SetClient.Run(set.Options),
            Command.Serve serve => Serve.Run(serve.Options),
            Command.Bench bench => Bench.Run(bench.Seconds, bench.Color, bench.Json),
            Command.Spawn spawn => Spawn.Run(spawn.Options),
            Command.Who who => Who.Run(who.Options),
            Command.Preflight preflight => Commands.Preflight.Run(preflight.Options),
            Command.Reserve reserve => Reserve.Run(reserve.Options),
            Command.Map map => Map.Run(map.Options),
            Command.Doctor doctor => Doctor.Run(doctor.Color, doctor.Json),
            Command.Predict predict => Predict.Run(predict.Count, predict.Target, predict.Json),
            Command.Completion completion => Commands.Completion.Run(completion.Shell),
            Command.Help help => Output.Print("help", help.Text),
            Command.Wrong wrong => Output.Wrong(wrong.Name, wrong.Message),
            { IsVersion: true } => Output.Print("version", $"nslp {Version}\n"),
            _ => throw new UnreachableException(),
        };
    }

    private static string Version =>
        typeof(Cli).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
}
