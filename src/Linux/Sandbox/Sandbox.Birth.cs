using System.Runtime.InteropServices;
using System.Text;
using SetNsLastPid.Verification;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

/// <summary>Inits of nested namespaces.</summary>
internal sealed partial class Sandbox
{
    // Lays ready what the init of `space` does first: gets what it is going to need, and looks.
    private SandboxBirth NewBirth(SandboxAgent parent, Nesting nesting, bool capable, int space)
    {
        bool isUser = nesting.IsNewUserAndPid;
        RemoteTask task = _home.NewTask();
        SandboxAgent agent = new(_home, task, space, isUser ? (0, 0) : (parent.Uid, parent.Gid), parent.Capabilities);
        _birth.Clear();
        int[] maps = [];
        nint capabilities = 0;
        if (isUser)
        {
            // Without a user and a group of its own a user namespace can have none below it (create_user_ns,
            // kernel/user_namespace.c).
            maps = Namespaces.AppendUserMap(_birth, parent.Uid, parent.Gid, asRoot: true);
            capabilities = _birth.Reserve(Marshal.SizeOf<Capabilities>());
            _birth.Call(Kernel.SYS_capget, _birth.Put(Capabilities.Header), capabilities);
        }
        else
        {
            AppendRaise(_birth, parent, capable);
        }

        if (_home.IsHere && space == 0)
        {
            // Orphans are an init's, or those of the nearest that says so.
            _birth.Call(Kernel.SYS_prctl, Kernel.PR_SET_CHILD_SUBREAPER, 1);
        }

        int pidMax = _home.WritesPidMax
            ? _birth.Call(
                Kernel.SYS_openat, AT_FDCWD, _birth.Put("/proc/sys/kernel/pid_max"), O_RDWR | O_CLOEXEC)
            : _birth.Call(Kernel.SYS_dup, _home.PidMaxFd);
        int ns = _birth.Call(Kernel.SYS_openat, AT_FDCWD, _birth.Put("/proc/self/ns/pid"), O_CLOEXEC);
        SandboxReads reads = agent.AppendReads(_birth, _birth.Result(pidMax));
        _ = task.Submit(_birth);
        return new SandboxBirth(agent, reads, pidMax, ns, maps, capabilities);
    }

    private void Finish(SandboxBirth birth)
    {
        SandboxAgent agent = birth.Agent;
        _agents[agent.Space] = agent;
        Await(agent.Task);
        SysResult[] results = [.. birth.Maps.Select(_birth.Used), _birth[birth.PidMax], _birth[birth.Namespace]];
        foreach (SysResult result in results)
        {
            if (result.IsError)
            {
                throw new RemoteException("cannot prepare an init of the sandbox", result.Error);
            }
        }

        agent.PidMaxFd = (int)_birth[birth.PidMax];
        _descriptors[agent.Space] = (int)_birth[birth.Namespace];
        if (birth.Capabilities != 0)
        {
            agent.Capabilities =
                MemoryMarshal.Read<Capabilities>(Order.Bytes(birth.Capabilities, Marshal.SizeOf<Capabilities>()));
        }

        agent.Note(_birth, birth.Reads);
    }
}
