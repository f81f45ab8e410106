using System.Text;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

internal sealed partial class RemoteTask
{
    /// <summary>
    /// The first process (PID 1 inside) of a new PID namespace below that of this task's children; it takes orders.
    /// Where this task has no CAP_SYS_ADMIN, a user namespace is made along with it, owned by this task's user, who
    /// is 0 in it, as is the group: then PID 1 has all capabilities there.
    /// Throws <see cref="RemoteException"/> that names the step and has its errno.
    /// </summary>
    /// <param name="newUserNamespace">true makes the user namespace in any case</param>
    internal RemoteTask NewPidNamespace(bool newUserNamespace = false)
    {
        using Order ids = NewOrder();
        int uid = ids.Call(Kernel.SYS_geteuid);
        int gid = ids.Call(Kernel.SYS_getegid);
        Run(ids);
        if (!newUserNamespace)
        {
            try
            {
                return Fork(Kernel.CLONE_NEWPID);
            }
            catch (RemoteException e) when (e.Errno == EPERM)
            {
                // No CAP_SYS_ADMIN: a user namespace gives it.
            }
        }

        RemoteTask init;
        try
        {
            init = Fork(Kernel.CLONE_NEWUSER | Kernel.CLONE_NEWPID);
        }
        catch (RemoteException e) when (e.Errno != 0)
        {
            throw new RemoteException("cannot create a user and a PID namespace", e.Errno);
        }

        try
        {
            // Linux 3.19 and later take gid_map from a user without CAP_SETGID only once setgroups is denied
            // (new_idmap_permitted, kernel/user_namespace.c). /proc/self is found here although /proc shows an outer
            // namespace: PID 1 has a number there too.
            init.WriteFile("/proc/self/setgroups", "deny");
            init.WriteFile("/proc/self/uid_map", $"0 {ids[uid]} 1");
            init.WriteFile("/proc/self/gid_map", $"0 {ids[gid]} 1");
            return init;
        }
        catch
        {
            init.End();
            throw;
        }
    }

    /// <summary>Writes <paramref name="text"/> by one write(2) to an existing file, as this task. Throws
    /// <see cref="RemoteException"/> that names the file.</summary>
    internal void WriteFile(string path, string text)
    {
        using Order order = NewOrder();
        int length = Encoding.UTF8.GetByteCount(text);
        int open = order.Call(Kernel.SYS_openat, AT_FDCWD, order.Put(path), O_WRONLY | O_CLOEXEC);
        order.Require(open);
        int write = order.Call(Kernel.SYS_write, order.Result(open), order.Put(text), length);
        order.Call(Kernel.SYS_close, order.Result(open));
        Run(order);
        long failed = order[open] < 0 ? order[open] : order[write];
        if (failed < 0)
        {
            throw new RemoteException($"cannot {(order[open] < 0 ? "open" : "write")} {path}", (int)-failed);
        }
    }
}
