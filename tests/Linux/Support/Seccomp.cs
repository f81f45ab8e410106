using System.Runtime.InteropServices;
using System.Text;

namespace SetNsLastPid.Tests.Support;

#pragma warning disable CS8981 // C's names are lower case.

/// <summary>
/// Runs a command under what Docker's and containerd's default seccomp profile does to a container without
/// CAP_SYS_ADMIN, on x86-64: the calls it leaves out that the runtime, nslp or a container of nslp's own could make.
/// </summary>
internal static unsafe class Seccomp
{
    private const int PR_SET_NO_NEW_PRIVS = 38, PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2;
    private const uint SECCOMP_RET_ERRNO = 0x00050000, SECCOMP_RET_ALLOW = 0x7fff0000;
    private const uint AUDIT_ARCH_X86_64 = 0xc000003e;
    private const int EPERM = 1, ENOSYS = 38;

    // linux/bpf_common.h: what a classic BPF instruction does.
    private const ushort BPF_LD_W_ABS = 0x20, BPF_JEQ_K = 0x15, BPF_JSET_K = 0x45, BPF_RET_K = 0x06;

    // struct seccomp_data: where the number of the call, the machine and the low half of the first argument stand.
    private const uint Number = 0, Machine = 4, FirstArgument = 16;

    private const uint Clone = 56, Clone3 = 435;

    // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
    private const uint NewNamespaces = 0x7e020000;

    private static readonly uint[] s_refused =
    [
        272, 308, // unshare, setns
        155, 165, 166, 428, 429, 430, 431, 432, 433, 442, // pivot_root, mount, umount2 and their successors
        237, 238, 239, 279, // mbind, set_mempolicy, get_mempolicy, move_pages
        312, 438, 440, // kcmp, pidfd_getfd, process_madvise
        425, 426, 427, // io_uring
        103, 248, 249, 250, 298, 304, 321, 323, // syslog, keys, perf_event_open, open_by_handle_at, bpf, userfaultfd
    ];

    private const uint CloseRange = 436;

    /// <param name="command">What to run.</param>
    /// <param name="isOld">Whether as the profile was before it knew close_range.</param>
    internal static int Run(string[] command, bool isOld = false)
    {
        List<sock_filter> filter =
        [
            new(BPF_LD_W_ABS, Machine),
            new(BPF_JEQ_K, AUDIT_ARCH_X86_64, otherwise: 6),
            new(BPF_LD_W_ABS, Number),
            new(BPF_JEQ_K, Clone3, otherwise: 1),
            new(BPF_RET_K, SECCOMP_RET_ERRNO | ENOSYS),
            new(BPF_JEQ_K, Clone, otherwise: 3),
            new(BPF_LD_W_ABS, FirstArgument),
            new(BPF_JSET_K, NewNamespaces, otherwise: 1),
            new(BPF_RET_K, SECCOMP_RET_ERRNO | EPERM),
            new(BPF_LD_W_ABS, Number),
        ];
        foreach (uint call in (uint[])[.. s_refused, .. isOld ? [CloseRange] : Array.Empty<uint>()])
        {
            filter.Add(new(BPF_JEQ_K, call, otherwise: 1));
            filter.Add(new(BPF_RET_K, SECCOMP_RET_ERRNO | EPERM));
        }

        return Run(command, filter);
    }

    /// <summary>Runs a command for which one system call always comes to an errno, or to nothing if that is 0.</summary>
    internal static int Fail(uint call, uint errno, string[] command) => Run(
        command,
        [
            new(BPF_LD_W_ABS, Number),
            new(BPF_JEQ_K, call, otherwise: 1),
            new(BPF_RET_K, SECCOMP_RET_ERRNO | errno),
        ]);

    private static int Run(string[] command, List<sock_filter> filter)
    {
        filter.Add(new(BPF_RET_K, SECCOMP_RET_ALLOW));
        fixed (sock_filter* first = CollectionsMarshal.AsSpan(filter))
        {
            sock_fprog program = new() { len = (ushort)filter.Count, filter = first };
            // Other threads of this process go without, and end at execve.
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (nint)(&program), 0, 0) != 0)
            {
                Console.Error.WriteLine($"prctl: {Marshal.GetLastPInvokeErrorMessage()}");
                return 125;
            }
        }

        nint[] arguments = [.. command.Select(Marshal.StringToCoTaskMemUTF8), 0];
        fixed (nint* argv = arguments)
        {
            _ = execvp(arguments[0], argv);
        }

        Console.Error.WriteLine($"{command[0]}: {Marshal.GetLastPInvokeErrorMessage()}");
        return 126;
    }

    [DllImport("libc.so.6", SetLastError = true)]
    private static extern int prctl(int option, nint a, nint b, nint c, nint d);

    [DllImport("libc.so.6", SetLastError = true)]
    private static extern int execvp(nint file, nint* argv);

    private readonly struct sock_filter(ushort code, uint k, byte otherwise = 0)
    {
        internal readonly ushort code = code;
        internal readonly byte jt = 0;
        internal readonly byte jf = otherwise;
        internal readonly uint k = k;
    }

    private struct sock_fprog
    {
        internal ushort len;
        internal sock_filter* filter;
    }
}
