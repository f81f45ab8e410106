namespace SetNsLastPid

open System

/// Where a PID namespace stands in its life.
[<RequireQualifiedAccess>]
type Life =
    /// No process was ever in it; the next one is its init.
    | Unborn
    /// Its init lives.
    | Alive
    /// Its init has died: no process can be made in it any more (ENOMEM).
    | Dead
    /// Its first clone failed late: no process can be made in it any more, and it never had an init.
    | Stillborn

/// One PID namespace as its allocator sees it (`struct pid_namespace`).
type PidNamespace =
    {
        /// Where the search for the next PID starts (`idr_next`); `last_pid` is one less. 0 until the first process,
        /// then 1 or more; it moves to pid_max + 1 at most, but stays where it is when pid_max is lowered.
        Cursor: int
        /// One more than the largest PID; 301 to 4194304.
        PidMax: int
        /// The first number tried after a wrap while the cursor is above it, and the last one that pid_max cannot be:
        /// `Limits.Reserved`, but in the small worlds of the tests.
        Reserved: int
        /// Every number that a process, thread, process group or session holds here.
        InUse: PidSet
        /// Whether processes can be made in it.
        Life: Life
        /// Whether the caller has CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the user namespace that owns this one
        /// (`checkpoint_restore_ns_capable`, 5.9), so that it may choose PIDs here and write ns_last_pid.
        MayChoose: bool
    }

/// What a write(2) to /proc/sys/kernel/ns_last_pid came to.
[<RequireQualifiedAccess; Struct>]
type LastPidWrite =
    /// write(2) returned `Returned` and the cursor now stands behind `LastPid`.
    | Stored of LastPid: int * Returned: int
    /// write(2) returned `Taken`, but nothing was parsed or changed: no bytes, or not at offset 0.
    | Ignored of Taken: int
    /// write(2) failed and nothing changed.
    | Refused of Errno: Errno

/// The text that /proc/sys/kernel/ns_last_pid takes (`proc_dointvec_minmax` and `proc_get_long`, kernel/sysctl.c).
[<RequireQualifiedAccess>]
module LastPidText =
    [<Literal>]
    let private TokenLimit = 21 // TMPBUFLEN - 1 in proc_get_long

    // KMALLOC_MAX_SIZE, a page shifted by MAX_PAGE_ORDER: as large as a huge page (ARCH_FORCE_MAX_ORDER, arch/arm64/Kconfig).
    let private allocationLimit pageSize =
        match pageSize with
        | 16384 -> pageSize <<< 11
        | 65536 -> pageSize <<< 13
        | _ -> pageSize <<< 10

    // The kernel's isspace, lib/ctype.c: 0xA0 counts.
    let private isSpace (b: byte) =
        b = 32uy || (b >= 9uy && b <= 13uy) || b = 0xA0uy

    let private isDigit (b: byte) = b >= 48uy && b <= 57uy

    let private digit (b: byte) =
        if isDigit b then int b - 48
        elif b >= 97uy && b <= 102uy then int b - 87
        elif b >= 65uy && b <= 70uy then int b - 55
        else 255

    // The number at the head of a token, and how many bytes it takes (strtoul_lenient with base 0); an overflow of
    // 64 bits is none.
    let private tryNumber (text: ReadOnlySpan<byte>) : struct (uint64 * int) voption =
        let isHex =
            text.Length > 2
            && text[0] = 48uy
            && (text[1] ||| 32uy) = 120uy
            && digit text[2] < 16

        let radix =
            if isHex then 16
            elif text[0] = 48uy then 8
            else 10

        let mutable at = if isHex then 2 else 0
        let mutable value = UInt128.Zero
        let most = UInt128.op_Implicit UInt64.MaxValue

        while at < text.Length && digit text[at] < radix do
            // Once past 64 bits it stays there, so that long runs of digits cannot come round again.
            if value <= most then
                value <-
                    value * UInt128.op_Implicit (uint32 radix)
                    + UInt128.op_Implicit (uint32 (digit text[at]))

            at <- at + 1

        if value > most then
            ValueNone
        else
            ValueSome(struct (uint64 value, at))

    let private countSpaces (text: ReadOnlySpan<byte>) =
        let mutable n = 0

        while n < text.Length && isSpace text[n] do
            n <- n + 1

        n

    /// What one write(2) or pwrite(2) of `text` at `offset` does in a namespace with this pid_max, for a writer that
    /// has the capability or not: ENOMEM from 4 MiB on (32 MiB with pages of 16 KiB, 512 MiB with 64), then EPERM, then
    /// EINVAL for anything but one number from 0 to pid_max in the first page less a byte, decimal, octal (`017`) or
    /// hexadecimal (`0x1f`), with white space around it; what follows after white space is left over, as a short write.
    /// At another offset than 0 it is ignored, where `kernel.WritesStrictly`.
    let write
        (kernel: KernelRules)
        (mayWrite: bool)
        (pidMax: int)
        (offset: int64)
        (text: ReadOnlySpan<byte>)
        : LastPidWrite =
        if text.Length >= allocationLimit kernel.PageSize then
            LastPidWrite.Refused Errno.ENOMEM
        elif not mayWrite then
            LastPidWrite.Refused Errno.EPERM
        elif text.Length = 0 || (offset <> 0L && kernel.WritesStrictly) then
            LastPidWrite.Ignored text.Length
        else
            // do_proc_dointvec looks at a page less the byte that ends the string.
            let seen = text.Slice(0, min text.Length (kernel.PageSize - 1))
            let rest = seen.Slice(countSpaces seen)
            let token = rest.Slice(0, min rest.Length TokenLimit)
            let negative = token.Length > 1 && token[0] = 45uy
            let digits = if negative then token.Slice 1 else token

            if digits.Length = 0 || not (isDigit digits[0]) then
                LastPidWrite.Refused Errno.EINVAL
            else
                match tryNumber digits with
                | ValueNone -> LastPidWrite.Refused Errno.EINVAL
                | ValueSome(struct (value, length)) ->
                    let length = if negative then length + 1 else length
                    let fillsToken = length = TokenLimit

                    let separated =
                        length = rest.Length
                        || rest[length] = 32uy
                        || rest[length] = 9uy
                        || rest[length] = 10uy

                    let inRange = value <= uint64 pidMax && (not negative || value = 0UL)

                    if fillsToken || not separated || not inRange then
                        LastPidWrite.Refused Errno.EINVAL
                    else
                        let after = rest.Slice length
                        let left = after.Length - countSpaces after
                        LastPidWrite.Stored(int value, text.Length - left)

/// One PID namespace: its allocator without set_tid, and its sysctls.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module PidNamespace =
    /// A namespace that was just made, with the pid_max a new namespace gets: 4194304 from 6.14 on, else the one of the
    /// system.
    let create (mayChoose: bool) (pidMax: int) : PidNamespace =
        {
            Cursor = 0
            PidMax = pidMax
            Reserved = Limits.Reserved
            InUse = PidSet.empty
            Life = Life.Unborn
            MayChoose = mayChoose
        }

    /// A living namespace as it was seen from within, to decide from.
    let observed (lastPid: int) (pidMax: int) (inUse: PidSet) : PidNamespace =
        { create false pidMax with
            Cursor = lastPid + 1
            InUse = inUse
            Life = Life.Alive
        }

    /// The same namespace for a caller who may choose PIDs in it.
    let withChoice (ns: PidNamespace) : PidNamespace = { ns with MayChoose = true }

    /// What reading ns_last_pid gives: the PID handed out last, or the number written last, if that came later.
    let lastPid (ns: PidNamespace) : int = ns.Cursor - 1

    /// The namespace with last_pid at that value, whatever the range: what is seen of a real one.
    let withLastPid (lastPid: int) (ns: PidNamespace) : PidNamespace = { ns with Cursor = lastPid + 1 }

    /// The PID that the next process gets here without set_tid: the first free one from the cursor up to pid_max - 1,
    /// else from 300 (from 1 while the cursor is 300 or less). None when there is no such number (EAGAIN), which with
    /// a cursor above 300 does not mean that the numbers below 300 are in use. `alloc_pid`, kernel/pid.c;
    /// `idr_alloc_cyclic`, lib/idr.c.
    let tryNext (ns: PidNamespace) : int voption =
        let low = if ns.Cursor > ns.Reserved then ns.Reserved else 1
        let start = max ns.Cursor low

        match PidSet.tryFirstFree start ns.PidMax ns.InUse with
        | ValueNone when start > low -> PidSet.tryFirstFree low ns.PidMax ns.InUse
        | found -> found

    /// The PIDs that the next `count` processes get if nobody else makes or ends one; fewer when the numbers run out.
    let predict (count: int) (ns: PidNamespace) : int seq =
        let rec from first pid =
            seq {
                yield pid

                match tryNext (withLastPid pid ns) with
                // What was given is in use from then on: after the wrap it ends where it began.
                | ValueSome next when next < first || (first <= pid && pid < next) -> yield! from first next
                | _ -> ()
            }

        match tryNext ns with
        | ValueSome first -> Seq.truncate count (from first first)
        | ValueNone -> Seq.empty

    /// One write(2) of `text` at `offset` to ns_last_pid by a process of this namespace: see `LastPidText.write`.
    let writeLastPid
        (kernel: KernelRules)
        (offset: int64)
        (text: ReadOnlySpan<byte>)
        (ns: PidNamespace)
        : struct (LastPidWrite * PidNamespace) =
        match LastPidText.write kernel ns.MayChoose ns.PidMax offset text with
        | LastPidWrite.Stored(lastPid, _) as stored -> struct (stored, withLastPid lastPid ns)
        | other -> struct (other, ns)

/// What a request for PIDs came to.
[<RequireQualifiedAccess>]
type Allocation =
    /// One PID a level, innermost first.
    | Given of Pids: int list
    /// None was taken. Cursors of levels without a chosen PID may have moved all the same.
    | Refused of Errno: Errno

/// A PID namespace and its ancestors, innermost first: what one process has PIDs in.
type PidStack = PidNamespace list

/// The allocator over all the levels a process is seen in (`alloc_pid` and `free_pid`, kernel/pid.c).
[<RequireQualifiedAccess>]
module PidStack =
    let private take ns pid =
        { ns with
            InUse = PidSet.add pid ns.InUse
        }

    let private drop ns pid =
        { ns with
            InUse = PidSet.remove pid ns.InUse
        }

    /// Frees a process's numbers, one a level, innermost first. No cursor moves.
    let release (pids: int list) (stack: PidStack) : PidStack =
        let depth = min pids.Length stack.Length

        List.map2 drop (List.truncate depth stack) (List.truncate depth pids)
        @ List.skip depth stack

    let private inRange tid ns = tid >= 1 && tid < ns.PidMax
    // `child_reaper` is set at the end of copy_process, kernel/fork.c, and outlives the init.
    let internal hasReaper (tid: int) (ns: PidNamespace) : bool =
        tid = 1 || ns.Life = Life.Alive || ns.Life = Life.Dead

    // What is checked of a chosen PID before it is tried, in the kernel's order.
    let private objection (kernel: KernelRules) (tid, ns) =
        if not (inRange tid ns) then
            Some Errno.EINVAL
        elif not kernel.ChecksInitAfterPick && not (hasReaper tid ns) then
            Some Errno.EINVAL
        elif not ns.MayChoose then
            Some Errno.EPERM
        else
            None

    // The checks of one level.
    let private refusal (kernel: KernelRules) tid ns =
        let early =
            if kernel.ChecksBeforePicks then
                None
            else
                objection kernel (tid, ns)

        match early with
        | Some errno -> Some errno
        | None when PidSet.contains tid ns.InUse -> Some Errno.EEXIST
        | None when not (hasReaper tid ns) -> Some Errno.EINVAL
        | None -> None

    // A refused request leaves the numbers as they were and the cursors where they went, except that a namespace
    // without a first process starts over.
    let private giveBack (original: PidStack) (moved: PidStack) =
        List.map2 (fun (before: PidNamespace) after -> { after with InUse = before.InUse }) original moved
        |> function
            | inner :: outer when inner.Life = Life.Unborn -> { inner with Cursor = 0 } :: outer
            | stack -> stack

    /// Takes one number a level, from the innermost outwards: the one of `setTid` for as many levels as it has entries
    /// (the innermost first, as in clone3's set_tid), without moving a cursor; for the levels beyond it the next one.
    /// Refusals, the first that applies: EINVAL for more entries than levels or than 32; then level by level, innermost
    /// first, EINVAL for an entry outside 1 to pid_max - 1 or one other than 1 in a namespace that never had an init,
    /// EPERM without the capability over that level, EEXIST for a number in use, EAGAIN for a level that has no number
    /// left; at last ENOMEM for an innermost namespace that is dead or stillborn.
    let allocate (kernel: KernelRules) (setTid: int list) (stack: PidStack) : struct (Allocation * PidStack) =
        let rec walk tids (rest: PidStack) pids moved =
            match rest, tids with
            | [], _ -> Ok(List.rev pids), List.rev moved
            | ns :: outer, tid :: tids ->
                match refusal kernel tid ns with
                | Some errno -> Error errno, List.rev moved @ rest
                | None -> walk tids outer (tid :: pids) (take ns tid :: moved)
            | ns :: outer, [] ->
                match PidNamespace.tryNext ns with
                | ValueNone -> Error Errno.EAGAIN, List.rev moved @ rest
                | ValueSome pid -> walk [] outer (pid :: pids) ({ take ns pid with Cursor = pid + 1 } :: moved)

        let early =
            if setTid.Length > stack.Length || setTid.Length > kernel.Levels then
                Some Errno.EINVAL
            elif kernel.ChecksBeforePicks then
                List.zip setTid (List.truncate setTid.Length stack)
                |> List.tryPick (objection kernel)
            else
                None

        match early with
        | Some errno -> struct (Allocation.Refused errno, stack)
        | None ->
            match walk setTid stack [] [] with
            | Error errno, moved -> struct (Allocation.Refused errno, giveBack stack moved)
            | Ok pids, moved ->
                match moved with
                | inner :: _ when inner.Life = Life.Dead || inner.Life = Life.Stillborn ->
                    struct (Allocation.Refused Errno.ENOMEM, giveBack stack moved)
                | inner :: outer -> struct (Allocation.Given pids, { inner with Life = Life.Alive } :: outer)
                | [] -> struct (Allocation.Given pids, [])

    /// A clone that fails with `errno` after its PIDs were taken: they are free again, but every cursor that moved stays
    /// where it went. Into a namespace without a first process it is deadly where the kernel says so. A refusal of the
    /// request itself comes first.
    let failLate
        (kernel: KernelRules)
        (errno: Errno)
        (setTid: int list)
        (stack: PidStack)
        : struct (Allocation * PidStack) =
        match allocate kernel setTid stack with
        | struct (Allocation.Refused _, _) as refused -> refused
        | struct (Allocation.Given _, moved) ->
            let stack =
                match stack, giveBack stack moved with
                | before :: _, inner :: outer when before.Life = Life.Unborn ->
                    if kernel.FailedFirstCloneKills then
                        { inner with Life = Life.Stillborn } :: outer
                    else
                        before :: outer
                | _, given -> given

            struct (Allocation.Refused errno, stack)

    /// The stack that a process made with CLONE_NEWPID is in: a fresh namespace inside. ENOSPC when it would be more than
    /// 32 levels below the initial one (`create_pid_namespace`, kernel/pid_namespace.c). `level` is that of the
    /// innermost namespace of the stack (0 for the initial one), which may be deeper than the stack shows. `mayChoose`
    /// is the caller's capability over the new one. What fails to allocate in the new stack leaves no namespace behind:
    /// use the tail.
    let nest (kernel: KernelRules) (level: int) (mayChoose: bool) (stack: PidStack) : Result<PidStack, Errno> =
        if level >= kernel.Levels then
            Error Errno.ENOSPC
        else
            match stack with
            | [] -> Ok [ PidNamespace.create mayChoose kernel.PidMaxLimit ]
            | outer :: _ ->
                let pidMax =
                    if kernel.PidMaxPerNamespace then
                        kernel.PidMaxLimit
                    else
                        outer.PidMax

                Ok(
                    { PidNamespace.create mayChoose pidMax with
                        Reserved = outer.Reserved
                    }
                    :: stack
                )

    /// The innermost namespace's init has died: nothing can be made in it any more. Its processes, which die with it, are
    /// released one by one.
    let initDies (stack: PidStack) : PidStack =
        match stack with
        | inner :: outer -> { inner with Life = Life.Dead } :: outer
        | [] -> []

    /// Writes pid_max from within the innermost namespace: for that one (6.14), or for all before. EINVAL outside 301 to
    /// 4194304. Nothing else changes: not the cursor, and not the numbers in use, even those that are now out of range.
    let writePidMax (kernel: KernelRules) (pidMax: int) (stack: PidStack) : Result<PidStack, Errno> =
        let write ns = { ns with PidMax = pidMax }

        match stack with
        | [] -> Ok []
        | inner :: _ when pidMax <= inner.Reserved || pidMax > kernel.PidMaxLimit -> Error Errno.EINVAL
        | inner :: outer when kernel.PidMaxPerNamespace -> Ok(write inner :: outer)
        | stack -> Ok(List.map write stack)
