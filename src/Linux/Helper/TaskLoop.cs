using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace SetNsLastPid.Linux;

/// <summary>The one method that runs in the zygote and in every process that it makes.</summary>
internal static unsafe class TaskLoop
{
    private const int SIG_SETMASK = 2;
    private const int SIGKILL = 9;
    private const int ETIMEDOUT = 110;
    private const short POLLIN = 1;

    /// <summary>Clones the zygote, which serves <paramref name="slot"/> for ever. Returns its PID, or -errno. The caller
    /// has filled the header and the slot; its signal mask is as before.</summary>
    /// <remarks>A managed method that comes back in a child hangs where it meets the runtime: at a poll for a suspension
    /// that was pending in the parent, in a stub that wants to bind, JIT or count calls, in a class constructor. Hence
    /// AggressiveOptimization (compiled once, no tiering), no static, no stackalloc (GS cookie), no switch (jump table),
    /// and libc's syscall(2) called as if it were managed code: for integers the two calling conventions are the same on
    /// x86-64 and arm64, and unlike a P/Invoke, also one with SuppressGCTransition, such a call is neither preceded nor
    /// followed by a poll. What comes out is code that calls nothing but that one address (ZygoteTests reads the machine
    /// code of both builds), so it does not matter what the other threads of the parent are doing when it is cloned. All
    /// signals are blocked, because the runtime's handlers would be run by a thread that the runtime does not
    /// know.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    internal static long Start(
        ArenaHeader* header,
        TaskSlot* slot,
        delegate*<long, long, long, long, long, long, long, long> syscall,
        int* errno
    )
    {
        // Locals, lest a getter that is not inlined becomes a call in the child.
        long rt_sigprocmask = Kernel.SYS_rt_sigprocmask;
        long gettid = Kernel.SYS_gettid;
        long set_robust_list = Kernel.SYS_set_robust_list;
        long prctl = Kernel.SYS_prctl;
        long getppid = Kernel.SYS_getppid;
        long exit_group = Kernel.SYS_exit_group;
        long futex = Kernel.SYS_futex;
        long ppoll = Kernel.SYS_ppoll;

        syscall(rt_sigprocmask, SIG_SETMASK, (long)&header->AllSignals, (long)&header->OwnerMask, 8, 0, 0);

        // clone rather than clone3: it does all that is needed here and default seccomp profiles of containers let it
        // pass. Exit signal 0: the child tells nobody of its end, so neither the runtime's SIGCHLD handler nor an
        // inherited SIG_IGN can reap it.
        long pid = syscall(Kernel.SYS_clone, 0, 0, 0, 0, 0, 0);
        if (pid != 0)
        {
            if (pid == -1)
            {
                pid = -*errno;
            }

            syscall(rt_sigprocmask, SIG_SETMASK, (long)&header->OwnerMask, 0, 8, 0, 0);
            return pid;
        }

        bool first = true;

    born:
        int tid = (int)syscall(gettid, 0, 0, 0, 0, 0, 0);
        syscall(set_robust_list, (long)slot, TaskSlot.HeadSize, 0, 0, 0, 0);
        Interlocked.Exchange(ref slot->Alive, tid);
        int busy = Volatile.Read(ref slot->Busy);
        while (busy != 0)
        {
            int seen = Interlocked.CompareExchange(ref slot->Busy, tid | (busy & Kernel.FUTEX_WAITERS), busy);
            if (seen == busy)
            {
                break;
            }

            busy = seen;
        }

        // Not inherited by fork. The parent may be dead already: then no signal comes, and getppid does not tell (it
        // is 0 for every child in a new PID namespace), but the owner's pidfd does.
        syscall(prctl, Kernel.PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
        if (first && header->OwnerPidfd < 0
            && syscall(getppid, 0, 0, 0, 0, 0, 0) != header->OwnerPid)
        {
            syscall(exit_group, 0, 0, 0, 0, 0, 0);
        }

        first = false;
        bool lookForOwner = true;

        while (true)
        {
            int spins = header->Spins;
            while (true)
            {
                if (lookForOwner)
                {
                    lookForOwner = false;
                    slot->PollFd = header->OwnerPidfd;
                    slot->PollEvents = POLLIN;
                    slot->PollRevents = 0;
                    syscall(ppoll, (long)&slot->PollFd, 1, (long)&header->ZeroSeconds, 0, 8, 0);
                    if ((slot->PollRevents & POLLIN) != 0)
                    {
                        syscall(exit_group, 0, 0, 0, 0, 0, 0);
                    }
                }

                if (Volatile.Read(ref slot->Order) == TaskSlot.NewOrder)
                {
                    break;
                }

                if (spins > 0)
                {
                    spins--;
                    if (X86Base.IsSupported)
                    {
                        X86Base.Pause();
                    }
                    else if (ArmBase.IsSupported)
                    {
                        ArmBase.Yield();
                    }
                }
                else if (Interlocked.CompareExchange(ref slot->Order, TaskSlot.Asleep, TaskSlot.NoOrder)
                    != TaskSlot.NewOrder)
                {
                    long woken = syscall(
                        futex, (long)&slot->Order, Kernel.FUTEX_WAIT, TaskSlot.Asleep,
                        (long)&header->TickSeconds, 0, 0);
                    lookForOwner = woken == -1 && *errno == ETIMEDOUT;
                }
            }

            Volatile.Write(ref slot->Order, TaskSlot.NoOrder);

            Instruction* next = (Instruction*)slot->Program;
            Instruction* end = next + slot->Count;
            while (next < end)
            {
                long a0 = next->A0, a1 = next->A1, a2 = next->A2, a3 = next->A3, a4 = next->A4, a5 = next->A5;
                int indirect = next->Indirect;
                if (indirect != 0)
                {
                    a0 = (indirect & 1) != 0 ? *(long*)a0 : a0;
                    a1 = (indirect & 2) != 0 ? *(long*)a1 : a1;
                    a2 = (indirect & 4) != 0 ? *(long*)a2 : a2;
                    a3 = (indirect & 8) != 0 ? *(long*)a3 : a3;
                    a4 = (indirect & 16) != 0 ? *(long*)a4 : a4;
                    a5 = (indirect & 32) != 0 ? *(long*)a5 : a5;
                }

                // Read before the call: a child that only exits then touches no page but its stack.
                int childKind = next->ChildKind;
                long child = next->Child;

                long result = syscall(next->Number, a0, a1, a2, a3, a4, a5);
                if (result == 0 && childKind != Instruction.NoChild)
                {
                    while (childKind == Instruction.ChildExits)
                    {
                        syscall(exit_group, 0, 0, 0, 0, 0, 0);
                    }

                    while (childKind == Instruction.ChildSleeps)
                    {
                        syscall(Kernel.SYS_ppoll, 0, 0, 0, 0, 0, 0);
                    }

                    slot = (TaskSlot*)child;
                    goto born;
                }

                if (result == -1)
                {
                    result = -*errno;
                }

                next->Result = result;
                if (next->IsChecked != 0 && (result < next->Least || result > next->Most))
                {
                    if (next->OnFailure >= 0)
                    {
                        syscall(exit_group, next->OnFailure, 0, 0, 0, 0, 0);
                    }

                    break;
                }

                next++;
            }

            if ((Interlocked.Exchange(ref slot->Busy, 0) & Kernel.FUTEX_WAITERS) != 0)
            {
                syscall(futex, (long)&slot->Busy, Kernel.FUTEX_WAKE, 1, 0, 0, 0);
            }
        }
    }
}
