using System.Collections;
using SetNsLastPid.Linux;
using static SetNsLastPid.Linux.Kernel;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>
/// A PID namespace of its own for <c>nslp bench</c>: nobody else forks there, and there the cursor may be written. The
/// PIDs consumed in it are consumed in those around it as well (alloc_pid, kernel/pid.c, takes one a level). nslp is
/// executed in it once more, as PID 1, since no running process can move into another PID namespace.
/// </summary>
internal static class BenchNamespace
{
    private const int Kibibytes = 512;
    private const int LastSignal = 64;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    /// <summary>Whether this process is the first of its PID namespace.</summary>
    internal static bool IsOwn => Environment.ProcessId == 1;

    /// <summary>Runs the command of this process in such a namespace.</summary>
    /// <returns>The exit status, or null with the reason when there can be no such namespace.</returns>
    internal static int? Run(out string reason)
    {
        reason = "";
        try
        {
            using Zygote zygote = Zygote.Start();
            RemoteTask init = Namespaces.Clone(zygote.Root);
            MountProc(init);
            using Order order = init.NewOrder(Kibibytes);
            // Handlers first: their code is not there, and the mask keeps them from being called.
            nint byDefault = order.Reserve(4 * sizeof(long));
            for (int signal = 1; signal <= LastSignal; signal++)
            {
                order.Call(SYS_rt_sigaction, signal, byDefault, 0, sizeof(ulong));
            }

            nint mask = order.Put(BitConverter.GetBytes(zygote.OwnerMask));
            order.Call(SYS_rt_sigprocmask, SIG_SETMASK, mask, 0, sizeof(ulong));
            nint path = order.Put(Environment.ProcessPath!);
            int execute = order.Call(SYS_execve, path, order.Put(Arguments()), order.Put(Variables()));
            if (init.Submit(order) && init.Await(RemoteTask.DefaultTimeout) == 0)
            {
                reason = $"cannot execute nslp there: {Output.Describe((int)-order[execute])}";
                return null;
            }

            SysResult ended = init.Wait(s_limit);
            int status = ended.Value;
            int signalled = status & 0x7f;
            return ended.IsError ? Output.Failed : signalled == 0 ? status >> 8 : 128 + signalled;
        }
        catch (RemoteException e)
        {
            reason = e.Message;
            return null;
        }
    }

    // Else /proc shows the outer namespace, so that the numbers in use cannot be seen.
    private static void MountProc(RemoteTask init)
    {
        using Order order = init.NewOrder();
        order.Require(order.Call(SYS_unshare, Kernel.CLONE_NEWNS));
        nint none = order.Put("none"), root = order.Put("/"), proc = order.Put("proc"), mountPoint = order.Put("/proc");
        order.Require(order.Call(SYS_mount, none, root, 0, MS_REC | MS_PRIVATE));
        order.Call(SYS_mount, proc, mountPoint, proc, 0);
        init.Run(order);
    }

    // The first one is the assembly, also when the program has another name.
    private static string[] Arguments()
    {
        string[] arguments = Environment.GetCommandLineArgs();
        string program = Path.GetFileName(Environment.ProcessPath!);
        return program == "dotnet" ? [program, .. arguments] : [program, .. arguments[1..]];
    }

    private static List<string> Variables()
    {
        List<string> variables = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            variables.Add($"{variable.Key}={variable.Value}");
        }

        return variables;
    }
}
