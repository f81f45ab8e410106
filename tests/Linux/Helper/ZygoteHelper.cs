using System.Diagnostics;
using System.Runtime.CompilerServices;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Tests.Linux;

/// <summary>
/// The test program run again as a small program of its own, on its main thread, when NSLP_TEST_HELPER names what it
/// shall do: for what needs other credentials, a process to kill, or a process without a test runner's threads.
/// </summary>
internal static class ZygoteHelper
{
    private const string Variable = "NSLP_TEST_HELPER";

    /// <summary>Starts this program as helper <paramref name="name"/>, with <paramref name="prefix"/> as the command
    /// that starts it; its output can be read.</summary>
    internal static Process Start(string name, string[] prefix, params (string Name, string Value)[] environment)
    {
        string[] command = [.. prefix, Environment.ProcessPath!];
        ProcessStartInfo info = new(command[0], command[1..]) { RedirectStandardOutput = true };
        info.Environment[Variable] = name;
        foreach ((string key, string value) in environment)
        {
            info.Environment[key] = value;
        }

        return Process.Start(info)!;
    }

    /// <summary>Runs it to its end, at most 60 s. Returns what it printed, trimmed.</summary>
    internal static string Run(string name, string[] prefix, params (string Name, string Value)[] environment)
    {
        using Process process = Start(name, prefix, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(60_000))
        {
            process.Kill();
            throw new TimeoutException(name);
        }

        return output.Result.Trim();
    }

    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        string? name = Environment.GetEnvironmentVariable(Variable);
        if (name is null)
        {
            return;
        }

        Environment.SetEnvironmentVariable(Variable, null);
        try
        {
            Console.WriteLine(name switch
            {
                "set_tid" => SetTid(),
                "live" => Live(),
                "pids" => Pids(),
                "start" => StartOnly(),
                "naps" => Naps(),
                _ => "unknown helper",
            });
        }
        catch (Exception e)
        {
            Console.WriteLine(e);
        }

        Console.Out.Flush();
        Environment.Exit(0);
    }

    private static string SetTid()
    {
        using Zygote zygote = Zygote.Start();
        RemoteTask init = Namespaces.Clone(zygote.Root);
        return $"uid {Raw.Call(Kernel.SYS_geteuid).Value} pid {ZygoteTests.CloneWithPid(init, 4242)}";
    }

    private static string Live()
    {
        Zygote zygote = Zygote.Start();
        RemoteTask task = zygote.Root.Fork();
        RemoteTask below = task.Fork();
        RemoteTask init = Namespaces.Clone(zygote.Root);
        RemoteTask inside = init.Fork();

        // One of them blocks in the kernel rather than on its slot.
        Order wait = below.NewOrder();
        wait.Call(Kernel.SYS_ppoll);
        below.Submit(wait);

        // Its number out here, which may be any.
        string insideOuter = File.ReadAllText($"/proc/{init.Pid}/task/{init.Pid}/children").Trim();
        Console.WriteLine($"{zygote.Pid} {task.Pid} {below.Pid} {init.Pid} {insideOuter}");
        GC.KeepAlive(inside);
        Thread.Sleep(60_000);
        return "";
    }

    private static string Pids()
    {
        int before = LastPid();
        using Zygote zygote = Zygote.Start();
        int after = LastPid();
        // The runtime may have made threads meanwhile.
        int threads = Directory.GetDirectories("/proc/self/task").Count(task => int.Parse(Path.GetFileName(task)) > before);
        return $"{after - before - threads}";
    }

    private static string StartOnly()
    {
        using Zygote zygote = Zygote.Start();
        return $"{zygote.Root.Call(Kernel.SYS_getpid) == zygote.Pid}";
    }

    // Two sleeps: a stop ends the first, whose time goes on meanwhile.
    private static string Naps()
    {
        using Zygote zygote = Zygote.Start();
        using Order order = zygote.Root.NewOrder();
        foreach (long seconds in new[] { 3, 1 })
        {
            order.Call(Kernel.SYS_ppoll, 0, 0, order.Put([.. BitConverter.GetBytes(seconds), .. new byte[sizeof(long)]]));
        }

        zygote.Root.Submit(order);
        Console.WriteLine("napping");
        return $"{zygote.Root.Await(TimeSpan.FromSeconds(5))}";
    }

    private static int LastPid() => int.Parse(File.ReadAllText("/proc/sys/kernel/ns_last_pid"));
}
