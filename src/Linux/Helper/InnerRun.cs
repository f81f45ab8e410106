using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>This very command line, executed once more as PID 1 of a new PID namespace, since no running process can move
/// into another one: nobody else forks there, and there the cursor may be written. The PIDs consumed in it are consumed in
/// those around it as well (alloc_pid, kernel/pid.c, takes one a level).</summary>
internal static class InnerRun
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    /// <summary>Whether this process is the first of its PID namespace.</summary>
    internal static bool IsHere => Environment.ProcessId == 1;

    /// <summary>Runs it. Throws <see cref="RemoteException"/> where it cannot.</summary>
    /// <returns>The exit status; 128 + n after signal n, 1 when it takes longer than ten minutes.</returns>
    internal static int Run()
    {
        // The first argument is the assembly, also when the program has another name.
        string program = Environment.ProcessPath!;
        string[] arguments = Environment.GetCommandLineArgs();
        arguments = [program, .. Path.GetFileName(program) == "dotnet" ? arguments : arguments[1..]];
        ExecImage image = new(Encoding.UTF8.GetBytes(string.Join('\0', arguments) + '\0'), Given.Read([]).Environment);
        using Zygote zygote = Zygote.Start(image.Size);
        RemoteTask init = Namespaces.Clone(zygote.Root);
        try
        {
            Namespaces.UnshareProc(init);
        }
        catch (RemoteException)
        {
            // Then /proc shows the outer namespace, so that the numbers in use cannot be seen.
        }

        Launcher.SetSignals(init, ignored: 0);
        image.CopyTo(zygote.Arena.Extra);
        using Order order = init.NewOrder();
        order.Call(SYS_rt_sigprocmask, SIG_SETMASK, order.PutValue(zygote.OwnerMask), 0, sizeof(ulong));
        int execute = order.Call(SYS_execve, image.Path, image.Arguments, image.Environment);
        if (init.Submit(order) && init.Await(RemoteTask.DefaultTimeout) == 0)
        {
            throw new RemoteException("cannot execute nslp there", order[execute].Error);
        }

        SysResult status = init.Wait(s_limit);
        int signalled = status.Value & 0x7f;
        return status.IsError ? 1 : signalled == 0 ? status.Value >> 8 : 128 + signalled;
    }
}
