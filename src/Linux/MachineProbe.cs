using Microsoft.FSharp.Collections;
using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Tries every method of choosing a PID. It consumes some dozens of PIDs and changes nothing else.</summary>
internal static unsafe class MachineProbe
{
    // Left by docker, podman, and systemd for every engine that tells it.
    private static readonly string[] s_containerMarks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

    // In the names of the cgroups that engines make.
    private static readonly string[] s_engines = ["docker", "libpod", "kubepods", "containerd", "lxc"];

    /// <summary>Tries. Best called by the main thread, before there are others: see <see cref="Zygote.Start"/>, of which it
    /// makes two.</summary>
    internal static Observed Observe()
    {
        Errno setTid;
        Attempt newPidns, mapRoot;
        try
        {
            using Zygote zygote = Zygote.Start();
            setTid = TrySetTid(zygote);
            newPidns = Try(() => TryNamespace(zygote, mapRoot: false));
            mapRoot = Try(() => TryNamespace(zygote, mapRoot: true));
        }
        catch (RemoteException e)
        {
            setTid = e.Errno;
            newPidns = mapRoot = Attempt.NewFailed(setTid, e.Message);
        }

        Attempt verify = TryVerify(out KernelRules kernel);
        using LastPid reader = LastPid.OpenForReading();
        using LastPid writer = LastPid.OpenForWriting();
        Capabilities capabilities = ReadCapabilities();
        Version version = Environment.OSVersion.Version;
        return new Observed(
            major: version.Major,
            minor: version.Minor,
            kernel: kernel,
            userId: Raw.Call(SYS_geteuid).Value,
            hasCheckpointRestore: capabilities.HasEffectiveCheckpointRestore,
            hasSysAdmin: capabilities.HasEffectiveSysAdmin,
            isInBoundingSet: Raw.Call(SYS_prctl, PR_CAPBSET_READ, Capabilities.ToChoosePids(version)).Raw == 1,
            ownsPidNamespace: NamespaceLinks.OwnsPidNamespace(),
            hasContainerMark: HasContainerMark(),
            hasHostNamespaces: NamespaceLinks.AreOthersInitial(),
            confinement: Namespaces.ReadConfinement(),
            hasProcSys: !LastPid.ReadPidMax().IsError,
            openLastPid: writer.Error,
            writeLastPid: writer.Error != 0 ? 0 : writer.TryToWrite(),
            @lock: TryLock(),
            clone3: Raw.Call(SYS_clone3).Error,
            setTid: setTid,
            flavours: ListModule.OfSeq(Flavour.All.Select(way => new TriedFlavour(
                way.Name, reader.Error != 0 ? reader.Error : CyclingProbe.Probe(way, reader), way.Since.Major, way.Since.Minor))),
            newPidns: newPidns,
            mapRoot: mapRoot,
            verify: verify);
    }

    private static bool HasContainerMark()
    {
        if (Array.Exists(s_containerMarks, File.Exists))
        {
            return true;
        }

        // Engines tell it to the first process, whose environment is not for everyone to read.
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/1/environ\0"u8, out byte[] environment);
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/cgroup\0"u8, out byte[] cgroup);
        string groups = Encoding.UTF8.GetString(cgroup);
        return environment.AsSpan().StartsWith("container="u8)
            || environment.AsSpan().IndexOf("\0container="u8) >= 0
            || Array.Exists(s_engines, engine => groups.Contains(engine, StringComparison.Ordinal));
    }

    // For its own number, which is in use for sure, so that nothing can be born of it.
    private static Errno TrySetTid(Zygote zygote)
    {
        using Order order = zygote.Root.NewOrder();
        int clone = order.Clone3(default, Child.Exits(), [zygote.Pid]);
        zygote.Root.Run(order);
        return order[clone].Error;
    }

    private static void TryNamespace(Zygote zygote, bool mapRoot)
    {
        RemoteTask task = zygote.Root.Fork();
        try
        {
            Namespaces.Unshare(task, mapRoot, newMounts: true);
            _ = Namespaces.ForkInit(task, mountProc: true).End();
        }
        finally
        {
            task.End();
        }
    }

    private static Attempt TryVerify(out KernelRules kernel)
    {
        kernel = Rules;
        try
        {
            using Sandboxes sandboxes = new();
            kernel = sandboxes.Setting.Kernel;
            return Attempt.Works;
        }
        catch (RemoteException e)
        {
            return Attempt.NewFailed(0, e.Help is null ? e.Message : $"{e.Message}; {e.Help}");
        }
    }

    private static Attempt Try(Action action)
    {
        try
        {
            action();
            return Attempt.Works;
        }
        catch (RemoteException e)
        {
            return e.Step switch
            {
                NamespaceStep.RootMap => Attempt.RootUnmapped,
                NamespaceStep.MountProc => Attempt.NewProcUnmounted(e.Errno, e.Message),
                _ => Attempt.NewFailed(e.Errno, e.Message),
            };
        }
    }

    private static Errno TryLock()
    {
        using LastPid file = LastPid.OpenForReading();
        return file.IsLoadavg ? Errno.ENOENT : file.Lock(TimeSpan.Zero);
    }

    private static Capabilities ReadCapabilities()
    {
        Capabilities capabilities;
        fixed (byte* header = Capabilities.Header)
        {
            // The kernel writes to the header only what is there already.
            return Raw.Call(SYS_capget, (nint)header, (nint)(&capabilities)).IsError ? default : capabilities;
        }
    }
}
