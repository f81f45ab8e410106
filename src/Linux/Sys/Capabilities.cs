namespace SetNsLastPid.Linux;

/// <summary>The capabilities of a task: struct __user_cap_data_struct twice, as capget(2) and capset(2) take them for
/// version 3.</summary>
internal struct Capabilities
{
    /// <summary>struct __user_cap_header_struct of the calling process itself: _LINUX_CAPABILITY_VERSION_3, pid 0.</summary>
    internal static ReadOnlySpan<byte> Header => [0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0];

    private const int CAP_SYS_ADMIN = 21;
    private const int CAP_SETFCAP = 31;
    private const int CAP_CHECKPOINT_RESTORE = 40;

    internal uint Effective0;
    internal uint Permitted0;
    internal uint Inheritable0;
    internal uint Effective1;
    internal uint Permitted1;
    internal uint Inheritable1;

    /// <summary>The number of the least capability that lets choose PIDs: CAP_CHECKPOINT_RESTORE since 5.9.</summary>
    internal static int ToChoosePids(Version kernel) =>
        kernel >= new Version(5, 9) ? CAP_CHECKPOINT_RESTORE : CAP_SYS_ADMIN;

    internal readonly bool HasSysAdmin => (Permitted0 & (1u << CAP_SYS_ADMIN)) != 0;

    internal readonly bool HasEffectiveSysAdmin => (Effective0 & (1u << CAP_SYS_ADMIN)) != 0;

    internal readonly bool HasEffectiveCheckpointRestore => (Effective1 & (1u << (CAP_CHECKPOINT_RESTORE - 32))) != 0;

    internal readonly bool HasSetFcap => (Permitted0 & (1u << CAP_SETFCAP)) != 0;

    /// <summary>The same with every permitted capability effective.</summary>
    internal readonly Capabilities Raised => this with { Effective0 = Permitted0, Effective1 = Permitted1 };

    /// <summary>The same with none effective but CAP_SETFCAP: without that a new user namespace could not have user 0
    /// of this one (verify_root_map, kernel/user_namespace.c; 5.12).</summary>
    internal readonly Capabilities Dropped => this with { Effective0 = Permitted0 & (1u << CAP_SETFCAP), Effective1 = 0 };
}
