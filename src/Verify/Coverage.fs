namespace SetNsLastPid.Verification

open System
open System.Text
open SetNsLastPid

/// How often what can happen did happen.
[<RequireQualifiedAccess>]
module Coverage =
    [<Literal>]
    let private newUser = "clone3 with a new PID and user namespace"

    // The classes that a run of the default size has to reach, with what is needed for them.
    let private operations =
        [
            "fork: child stays", []
            "fork: child exits and is reaped", []
            "fork: child exits and stays a zombie", []
            "fork into another namespace", [ Facility.Setns ]
            "clone3 with set_tid", [ Facility.SetTid ]
            "clone3 with set_tid without the capability", [ Facility.SetTid ]
            "clone3 with set_tid, more entries than levels", [ Facility.SetTid ]
            "clone3 with a new PID namespace", [ Facility.Namespaces ]
            newUser, [ Facility.Namespaces; Facility.Users ]
            "clone3 with a new PID namespace and set_tid", [ Facility.Namespaces; Facility.SetTid ]
            "clone3 with a new PID namespace without the capability", [ Facility.Namespaces ]
            "clone3 with something wrong", [ Facility.Clone3 ]
            "process clone that fails late: EAGAIN", [ Facility.PidsCgroup ]
            "process clone that fails late: EBADF", [ Facility.IntoCgroup ]
            "process clone that fails late: EMFILE", [ Facility.Pidfd ]
            "process clone that fails late: EFAULT", [ Facility.Pidfd ]
            "thread clone that fails late: EAGAIN", [ Facility.PidsCgroup ]
            "thread clone that fails late: EBADF", [ Facility.IntoCgroup ]
            "thread clone that fails late: EMFILE", [ Facility.Pidfd ]
            "thread clone that fails late: EFAULT", [ Facility.Pidfd ]
            "late failure with set_tid", [ Facility.SetTid ]
            "child killed and reaped", []
            "init killed", [ Facility.Namespaces ]
            "leader of a group dies", []
            "leader of a session dies", []
            "clone with CLONE_PARENT", []
            "two forks at once", []
            "thread", [ Facility.Threads ]
            "thread with set_tid", [ Facility.Threads ]
            "exec by a thread", [ Facility.Threads ]
            "unshare", [ Facility.Namespaces ]
            "setns", [ Facility.Setns ]
            "write ns_last_pid", [ Facility.LastPid ]
            "write ns_last_pid without the capability", [ Facility.LastPid ]
            "write ns_last_pid not at offset 0", [ Facility.LastPid ]
            "write ns_last_pid opened in another namespace", [ Facility.LastPid; Facility.Namespaces ]
            "splice to ns_last_pid", [ Facility.LastPid; Facility.Splice ]
            "sendfile to ns_last_pid", [ Facility.LastPid; Facility.Splice ]
            "write pid_max", [ Facility.PidMax ]
        ]

    let private errnos =
        [
            Errno.EPERM, [ Facility.Namespaces ]
            Errno.E2BIG, [ Facility.IntoCgroup ]
            Errno.EBADF, [ Facility.IntoCgroup ]
            Errno.EAGAIN, [ Facility.PidMax ]
            Errno.ENOMEM, [ Facility.Namespaces; Facility.Setns ]
            Errno.EFAULT, [ Facility.Pidfd ]
            Errno.EEXIST, [ Facility.SetTid ]
            Errno.EINVAL, [ Facility.Clone3 ]
            Errno.EMFILE, [ Facility.Pidfd ]
            Errno.ENOSPC, [ Facility.Namespaces ]
        ]
        |> List.map (fun (errno, needs) -> string errno, needs)

    [<Literal>]
    let private firstCloneKilled = "first clone failed late, namespace dead"

    [<Literal>]
    let private parsed = "write parsed that is not at offset 0"

    let private states =
        [
            "wrap to 300 or above", [ Facility.LastPid ]
            "wrap from 300 or below", [ Facility.PidMax; Facility.LastPid ]
            "number in use skipped", [ Facility.LastPid ]
            "number of a dead leader skipped", [ Facility.LastPid ]
            "number of a dead leader refused", [ Facility.SetTid; Facility.LastPid ]
            "number of a zombie refused", [ Facility.SetTid ]
            "number of a thread skipped", [ Facility.Threads; Facility.LastPid ]
            "number of a thread refused", [ Facility.Threads ]
            "full above 300, free below", [ Facility.PidMax; Facility.LastPid ]
            "refused at an outer level, inner number given back", [ Facility.Namespaces; Facility.SetTid ]
            "cursor ahead of pid_max", [ Facility.PidMax; Facility.LastPid ]
            "number in use at or above pid_max", [ Facility.PidMax; Facility.LastPid ]
            "last_pid 0", [ Facility.LastPid ]
            "write of nothing", [ Facility.LastPid ]
            "write not parsed", [ Facility.LastPid ]
            parsed, [ Facility.LastPid ]
            "write cut short", [ Facility.LastPid ]
            "write hexadecimal", [ Facility.LastPid ]
            "write octal", [ Facility.LastPid ]
            "write out of range", [ Facility.LastPid ]
            "write of something that is not a number", [ Facility.LastPid ]
            "write of -0", [ Facility.LastPid ]
            "write of 0x without a digit", [ Facility.LastPid ]
            "write of 20 bytes, one below the limit", [ Facility.LastPid ]
            "write that fills the token of 21 bytes", [ Facility.LastPid ]
            "write beyond the token", [ Facility.LastPid ]
            "write of more than the first page", [ Facility.LastPid ]
            "first clone refused, namespace as new", [ Facility.Namespaces; Facility.SetTid ]
            firstCloneKilled, [ Facility.Namespaces; Facility.Pidfd ]
            "first clone succeeds after unshare", [ Facility.Namespaces ]
            "fork into a dead namespace", [ Facility.Namespaces; Facility.Setns ]
            "init died with processes inside", [ Facility.Namespaces ]
            "five levels deep", [ Facility.Namespaces ]
            "process made next to a sibling namespace", [ Facility.Namespaces ]
        ]

    // What only some kernels can do.
    let private isKnown (kernel: KernelRules) name =
        match name with
        | _ when name = firstCloneKilled -> kernel.FailedFirstCloneKills
        | "write not parsed" -> kernel.WritesStrictly
        | _ when name = parsed -> not kernel.WritesStrictly
        | "E2BIG" -> not kernel.ClonesIntoCgroup
        | "EBADF" -> kernel.ClonesIntoCgroup
        | _ -> true

    /// Every class there is: operations, errnos, states. With each why it cannot be met in such sandboxes, none if it can.
    let all (setting: Setting) : (string * string voption) list =
        [
            for name, needs in operations @ errnos @ states do
                let lack =
                    setting.Lacks |> List.tryFind (fun lack -> List.contains lack.Facility needs)

                match lack with
                | Some lack -> name, ValueSome lack.Why
                | None when isKnown setting.Kernel name -> name, ValueNone
                | None -> name, ValueSome "not on this kernel"
        ]

    /// Every class that can be met in such sandboxes.
    let classes (setting: Setting) : string list =
        all setting |> List.filter (snd >> _.IsNone) |> List.map fst

    let private refusals (observation: Observation) =
        observation.Outcomes
        |> List.choose (fun outcome ->
            match outcome with
            | Outcome.Refused errno -> Some errno
            | _ -> None)

    let private isGiven (observation: Observation) =
        observation.Outcomes |> List.exists _.IsGiven

    let private operationNames (before: World) step =
        match step with
        | Step.Clone(from, nesting, setTid, capable, ending) ->
            let into = before.Spaces[from].ChildrenIn
            let isPlain = nesting = Nesting.Same && setTid.IsEmpty

            [
                match ending with
                | Ending.Lives when isPlain -> "fork: child stays"
                | Ending.Exits when isPlain -> "fork: child exits and is reaped"
                | Ending.Lingers when isPlain -> "fork: child exits and stays a zombie"
                | Ending.Fails(late, asThread) ->
                    let flavour = if asThread then "thread" else "process"
                    $"{flavour} clone that fails late: {string (Perform.errnoOf late)}"

                    if not setTid.IsEmpty then
                        "late failure with set_tid"
                | _ -> ()

                if isPlain && into <> from then
                    "fork into another namespace"

                if nesting = Nesting.Same && not setTid.IsEmpty then
                    if not capable then
                        "clone3 with set_tid without the capability"
                    elif setTid.Length > World.depth before into + before.Setting.OuterLevels then
                        "clone3 with set_tid, more entries than levels"
                    else
                        "clone3 with set_tid"

                match nesting with
                | Nesting.Same -> ()
                | Nesting.NewPid when not capable -> "clone3 with a new PID namespace without the capability"
                | _ when not setTid.IsEmpty -> "clone3 with a new PID namespace and set_tid"
                | Nesting.NewPid -> "clone3 with a new PID namespace"
                | Nesting.NewUserAndPid -> newUser
            ]
        | Step.End _ -> [ "child killed and reaped" ]
        | Step.EndInit _ -> [ "init killed" ]
        | Step.Forsake(_, Bond.Group) -> [ "leader of a group dies" ]
        | Step.Forsake(_, Bond.Sibling) -> [ "clone with CLONE_PARENT" ]
        | Step.Forsake _ -> [ "leader of a session dies" ]
        | Step.Thread(_, setTid, fate) ->
            [
                if setTid.IsEmpty then "thread" else "thread with set_tid"

                if fate = Fate.Execs then
                    "exec by a thread"
            ]
        | Step.Race _ -> [ "two forks at once" ]
        | Step.Unshare _ -> [ "unshare" ]
        | Step.Enter _ -> [ "setns" ]
        | Step.WriteLastPid(_, _, offset, capable) ->
            [
                if not capable then
                    "write ns_last_pid without the capability"
                elif offset > 0 then
                    "write ns_last_pid not at offset 0"
                else
                    "write ns_last_pid"
            ]
        | Step.Pass(space, route, _, _, _) ->
            match route with
            | Route.OpenedBy by when by <> space -> [ "write ns_last_pid opened in another namespace" ]
            | Route.OpenedBy _ -> []
            | Route.Splice -> [ "splice to ns_last_pid" ]
            | Route.SendFile -> [ "sendfile to ns_last_pid" ]
        | Step.WritePidMax _ -> [ "write pid_max" ]
        | Step.Malformed _ -> [ "clone3 with something wrong" ]
        | Step.Nothing -> []

    // One namespace in which a plain number was taken, before and after.
    let private pickNames world space (before: PidNamespace) (after: PidNamespace) =
        let low =
            if before.Cursor > before.Reserved then
                before.Reserved
            else
                1

        let start = max before.Cursor low
        let isWrap = after.Cursor <= before.Cursor && before.Cursor > 1

        let skipped =
            if isWrap then
                Seq.append (seq { start .. before.PidMax - 1 }) (seq { low .. after.Cursor - 2 })
            else
                seq { start .. after.Cursor - 2 }
            |> Seq.filter (fun n -> PidSet.contains n before.InUse)
            |> Seq.truncate 8
            |> List.ofSeq

        [
            if isWrap && low = before.Reserved then
                "wrap to 300 or above"

            if isWrap && low = 1 then
                "wrap from 300 or below"

            if not skipped.IsEmpty then
                "number in use skipped"

            if List.exists (World.isForsaken world space) skipped then
                "number of a dead leader skipped"

            if List.exists (World.isThreads world space) skipped then
                "number of a thread skipped"
        ]

    let private cloneStates (before: World) from nesting (setTid: int list) ending observation (after: World) =
        let into = before.Spaces[from].ChildrenIn
        let chain = World.chain before into
        let innermost = before.Spaces[into].Ns

        // That of a full cgroup says nothing of numbers.
        let refused =
            match ending with
            | Ending.Fails(Late.PidsCgroup, _) -> refusals observation |> List.except [ Errno.EAGAIN ]
            | _ -> refusals observation

        let covered =
            if nesting = Nesting.Same then
                setTid.Length
            else
                setTid.Length - 1

        let plain =
            if covered < chain.Length then
                List.skip (max 0 covered) chain
            else
                []

        let isFirst = nesting = Nesting.Same && innermost.Life = Life.Unborn

        let asked =
            if nesting = Nesting.Same && refused = [ Errno.EEXIST ] then
                List.zip (List.truncate setTid.Length chain) (List.truncate chain.Length setTid)
            else
                []

        [
            for space in plain do
                let was, is = before.Spaces[space].Ns, after.Spaces[space].Ns

                if was.Cursor <> is.Cursor && was.Life <> Life.Unborn then
                    yield! pickNames before space was is

            if List.exists (fun (space, n) -> World.isForsaken before space n) asked then
                "number of a dead leader refused"

            if List.exists (fun (space, n) -> World.isZombies before space n) asked then
                "number of a zombie refused"

            if List.exists (fun (space, n) -> World.isThreads before space n) asked then
                "number of a thread refused"

            if refused = [ Errno.EAGAIN ] then
                "full above 300, free below"

            let moved =
                plain
                |> List.exists (fun space -> before.Spaces[space].Ns.Cursor <> after.Spaces[space].Ns.Cursor)

            if
                refused = [ Errno.EAGAIN ] && (moved || covered > 0)
                || (refused = [ Errno.EEXIST ] && asked.Length > 1)
            then
                "refused at an outer level, inner number given back"

            if refused = [ Errno.ENOMEM ] then
                "fork into a dead namespace"

            if isFirst then
                match refusals observation, ending with
                | [], _ -> "first clone succeeds after unshare"
                | _ when after.Spaces[into].Ns.Life = Life.Stillborn -> firstCloneKilled
                | _ -> "first clone refused, namespace as new"

            if isGiven observation && World.depth before into >= 5 then
                "five levels deep"

            let isSibling (id: int) (space: WorldSpace) =
                id <> into && space.Init >= 0 && space.Parent = before.Spaces[into].Parent

            if isGiven observation && Map.exists isSibling before.Spaces then
                "process made next to a sibling namespace"
        ]

    // What the text is, whatever comes of it: the first word of it, as the kernel sees words.
    let private wordNames (kernel: KernelRules) (text: string) =
        let word =
            text.TrimStart([| ' '; '\t'; '\n'; '\v'; '\f'; '\r'; '\u00a0' |]).Split([| ' '; '\t'; '\n' |], 2)[0]

        let isDecimal = word <> "" && Seq.forall Char.IsAsciiDigit (word.TrimStart '-')

        [
            if text.Length >= kernel.PageSize then
                "write of more than the first page"

            match word with
            | "-0" -> "write of -0"
            | "0x"
            | "0X" -> "write of 0x without a digit"
            | word when isDecimal && word.Length = 20 -> "write of 20 bytes, one below the limit"
            | word when isDecimal && word.Length = 21 -> "write that fills the token of 21 bytes"
            | word when isDecimal && word.Length > 21 -> "write beyond the token"
            | _ -> ()
        ]

    let private writeNames (kernel: KernelRules) (text: string) offset outcome =
        let number = text.TrimStart([| ' '; '\t'; '\n'; '\v'; '\f'; '\r'; '\u00a0'; '-' |])

        let taken n =
            [
                if offset > 0 then
                    parsed

                if n < text.Length then
                    "write cut short"

                if number.StartsWith("0x", StringComparison.OrdinalIgnoreCase) then
                    "write hexadecimal"
                elif number.Length > 1 && number[0] = '0' && Char.IsAsciiDigit number[1] then
                    "write octal"
            ]

        match outcome with
        | Outcome.Wrote 0 -> [ "write of nothing" ]
        | Outcome.Wrote _ when offset > 0 && kernel.WritesStrictly -> [ "write not parsed" ]
        | Outcome.Wrote n -> taken n @ wordNames kernel text
        | Outcome.Refused Errno.EINVAL ->
            let why =
                match LastPidText.write kernel true Int32.MaxValue 0L (ReadOnlySpan(Encoding.Latin1.GetBytes text)) with
                | LastPidWrite.Stored _ -> "write out of range"
                | _ -> "write of something that is not a number"

            why :: wordNames kernel text
        | _ -> []

    let private stateNames (before: World) step (observation: Observation) (after: World) =
        [
            match step with
            | Step.Clone(from, nesting, setTid, _, ending) ->
                yield! cloneStates before from nesting setTid ending observation after
            | Step.EndInit(space, _) ->
                let inside =
                    before.Processes
                    |> Map.exists (fun id p ->
                        List.contains space (World.chain before p.Space)
                        && id <> before.Spaces[space].Init)

                if inside then
                    "init died with processes inside"
            | Step.WriteLastPid(space, text, offset, _) ->
                yield!
                    observation.Outcomes
                    |> List.collect (writeNames before.Setting.Kernel text offset)

                if PidNamespace.lastPid after.Spaces[space].Ns = 0 then
                    "last_pid 0"
            | Step.WritePidMax(space, _) ->
                let ns = after.Spaces[space].Ns

                if ns.Cursor > ns.PidMax then
                    "cursor ahead of pid_max"

                if PidSet.countFree ns.PidMax PidSet.Capacity ns.InUse < PidSet.Capacity - ns.PidMax then
                    "number in use at or above pid_max"
            | _ -> ()
        ]

    /// The classes that a step belongs to, by what the model says it did.
    let classify (before: World) (step: Step) (observation: Observation) (after: World) : string list =
        operationNames before step
        @ List.map string (refusals observation)
        @ stateNames before step observation after
        |> List.distinct
