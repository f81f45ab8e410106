using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>New PID namespaces, each in the one before, for a command that is to live in the innermost.</summary>
internal sealed class Nest
{
    private readonly Launcher _launcher;
    private readonly List<RemoteTask> _inits = [];

    /// <summary>Makes them, so that the launcher starts its command in there. Throws <see cref="RemoteException"/>.</summary>
    /// <param name="launcher">What starts the command; with <see cref="LaunchSettings.IsMarked"/> for more than one.</param>
    /// <param name="levels">How many, 1 or more.</param>
    /// <param name="settings">How the command starts: whether it is the init of the innermost, and which /proc it has.</param>
    /// <param name="mapRoot">Make a user namespace in any case, with the user and the group as 0.</param>
    internal Nest(Launcher launcher, int levels, LaunchSettings settings, bool mapRoot)
    {
        _launcher = launcher;
        Namespaces.Unshare(launcher.Maker, mapRoot, settings.NewProc);
        for (int level = 1; level < levels || (level == levels && !settings.IsInit); level++)
        {
            RemoteTask init = Namespaces.ForkInit(launcher.Maker, settings.NewProc && level == levels);
            _inits.Add(init);
            if (level == levels)
            {
                Inside = init;
                InsideNumber = launcher.NumberOf(init);
            }
            else
            {
                // Only who lives in a namespace makes one below it, and an init has no siblings (copy_process, kernel/fork.c).
                launcher.Maker = MakeSibling(launcher.Maker);
                Namespaces.Unshare(launcher.Maker, mapRoot: false, newMounts: false);
            }
        }
    }

    /// <summary>The init of the innermost namespace; null where the command is to be that.</summary>
    internal RemoteTask? Inside { get; }

    /// <summary>Its PID in nslp's own namespace; 0 for none.</summary>
    internal int InsideNumber { get; }

    /// <summary>Whether the namespaces end with a helper of nslp's.</summary>
    internal bool HasInits => _inits.Count > 0;

    /// <summary>Lets them live on without nslp, until the command ends.</summary>
    /// <param name="own">The command's PID in the innermost.</param>
    internal void OutliveOwner(int own)
    {
        foreach (RemoteTask init in _inits)
        {
            Namespaces.OutliveOwner(init, _launcher.MarkedIn(init, otherwise: own));
        }
    }

    // A child of nslp, in the namespace of the maker's children.
    private RemoteTask MakeSibling(RemoteTask maker)
    {
        RemoteTask task = _launcher.Zygote.NewTask();
        using Order order = maker.NewOrder();
        int clone = order.Clone(Kernel.CLONE_PARENT, Child.Becomes(task));
        maker.Run(order);
        RemoteException.ThrowIf(order[clone].Error, "cannot clone a process");
        task.Attach(null, _launcher.NumberOf(task));
        return task;
    }
}
