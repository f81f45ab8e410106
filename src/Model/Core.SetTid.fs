namespace SetNsLastPid

/// What is wrong with a set_tid array, and with which of its entries; entries count from 0, the innermost.
[<RequireQualifiedAccess>]
type SetTidFault =
    /// More entries than the process would be seen in namespaces, or than clone3 takes.
    | TooMany of Entries: int * Levels: int
    /// The entry is not from 1 to `PidMax` - 1.
    | OutOfRange of Entry: int * Pid: int * PidMax: int
    /// The first process of a namespace gets PID 1 and no other.
    | NotFirst of Entry: int * Pid: int
    /// The caller may not choose PIDs in that namespace.
    | NotAllowed of Entry: int * Pid: int
    /// The number is in use there.
    | Taken of Entry: int * Pid: int

/// Checking a set_tid array before a system call.
[<RequireQualifiedAccess>]
module SetTid =
    /// What is wrong with the array for a process that gets its PIDs in `stack`: the entry that is refused first, with
    /// the reason that the kernel has for its errno. None if `PidStack.allocate` gives the PIDs, or lacks one further
    /// out, or finds the innermost namespace dead.
    let fault (kernel: KernelRules) (setTid: int list) (stack: PidStack) : SetTidFault voption =
        let range tid (ns: PidNamespace) =
            if tid < 1 || tid >= ns.PidMax then
                Some(fun i -> SetTidFault.OutOfRange(i, tid, ns.PidMax))
            else
                None

        let first tid ns =
            if PidStack.hasReaper tid ns then
                None
            else
                Some(fun i -> SetTidFault.NotFirst(i, tid))

        let allowed tid ns =
            if ns.MayChoose then
                None
            else
                Some(fun i -> SetTidFault.NotAllowed(i, tid))

        let free tid ns =
            if PidSet.contains tid ns.InUse then
                Some(fun i -> SetTidFault.Taken(i, tid))
            else
                None

        let check rules =
            List.zip setTid (List.truncate setTid.Length stack)
            |> List.indexed
            |> List.tryPick (fun (i, (tid, ns)) ->
                rules
                |> List.tryPick (fun rule -> rule tid ns)
                |> Option.map (fun make -> make i))

        if setTid.Length > min stack.Length kernel.Levels then
            ValueSome(SetTidFault.TooMany(setTid.Length, min stack.Length kernel.Levels))
        else
            let before, after =
                if kernel.ChecksInitAfterPick then
                    [ range; allowed ], [ free; first ]
                else
                    [ range; first; allowed ], [ free ]

            if kernel.ChecksBeforePicks then
                check before |> Option.orElse (check after) |> ValueOption.ofOption
            else
                check (before @ after) |> ValueOption.ofOption

    let private ordinal n =
        let suffix =
            match n % 10, n with
            | _, (11 | 12 | 13) -> "th"
            | 1, _ -> "st"
            | 2, _ -> "nd"
            | 3, _ -> "rd"
            | _ -> "th"

        $"{string n}{suffix}"

    /// The fault of an array of so many PIDs in words, such as `2nd PID 70000: this namespace allows 1 to 32767`. Of one PID
    /// nobody counts.
    let describe (entries: int) (fault: SetTidFault) : string =
        let at entry pid (words: string) =
            let which = if entries = 1 then "" else $"{ordinal (entry + 1)} "
            which + $"PID {string pid}: {words}"

        match fault with
        | SetTidFault.TooMany(entries, levels) ->
            $"{string entries} PIDs: the process would have {string levels}, one in each of its PID namespaces"
        | SetTidFault.OutOfRange(entry, pid, pidMax) -> at entry pid $"this namespace allows 1 to {string (pidMax - 1)}"
        | SetTidFault.NotFirst(entry, pid) -> at entry pid "the first process of a namespace gets PID 1"
        | SetTidFault.NotAllowed(entry, pid) -> at entry pid "needs CAP_CHECKPOINT_RESTORE over this namespace"
        | SetTidFault.Taken(entry, pid) -> at entry pid "it is in use"
