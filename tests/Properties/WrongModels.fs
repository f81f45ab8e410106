namespace SetNsLastPid.Tests.Properties

open System
open System.Numerics
open System.Text
open SetNsLastPid
open SetNsLastPid.Verification

/// What is looked at before a chosen PID is taken.
[<RequireQualifiedAccess>]
type Subject =
    | Range
    | Reaper
    | Permission
    | Free

/// One check of a chosen PID.
type ChosenCheck =
    {
        Subject: Subject
        /// Whether it refuses, by level (0 the innermost), number and namespace.
        Fails: int -> int -> PidNamespace -> bool
        Errno: Errno
    }

/// An allocator with its rules laid open, so that each can be got wrong by itself.
type Rules =
    {
        /// The lowest number of the search after a wrap, by RESERVED_PIDS and cursor.
        Low: int -> int -> int
        /// The first number that is not handed out any more, by pid_max.
        Top: int -> int
        /// The cursor after handing out a number.
        Follow: int -> int
        /// The namespace after a search that found nothing.
        NoneFree: PidNamespace -> PidNamespace
        /// Whether set_tid has too many entries, by how many clone3 takes, entries and levels.
        TooMany: int -> int -> int -> bool
        /// The entries in the order they are read in, innermost level first.
        Arrange: int list -> int list
        /// In the order of the kernels up to 6.18.
        Checks: ChosenCheck list
        /// The cursor after taking a chosen number.
        FollowChosen: int -> PidNamespace -> int
        /// The stack a refused request leaves, from the one before it and the one when it was refused.
        GiveBack: PidStack -> PidStack -> PidStack
    }

/// Allocators that are wrong on purpose, each in one way: what a property is worth is which of them it catches.
[<RequireQualifiedAccess>]
module WrongModels =
    let private inRange tid (ns: PidNamespace) = tid >= 1 && tid < ns.PidMax

    let private range =
        {
            Subject = Subject.Range
            Fails = fun _ tid ns -> not (inRange tid ns)
            Errno = Errno.EINVAL
        }

    let private reaper =
        {
            Subject = Subject.Reaper
            Fails = fun _ tid ns -> tid <> 1 && (ns.Life = Life.Unborn || ns.Life = Life.Stillborn)
            Errno = Errno.EINVAL
        }

    let private permission =
        {
            Subject = Subject.Permission
            Fails = fun _ _ ns -> not ns.MayChoose
            Errno = Errno.EPERM
        }

    let private free =
        {
            Subject = Subject.Free
            Fails = fun _ tid ns -> PidSet.contains tid ns.InUse
            Errno = Errno.EEXIST
        }

    let private resetUnborn (stack: PidStack) =
        match stack with
        | inner :: outer when inner.Life = Life.Unborn -> { inner with Cursor = 0 } :: outer
        | _ -> stack

    let private giveBack (before: PidStack) (after: PidStack) =
        List.map2 (fun (b: PidNamespace) (a: PidNamespace) -> { a with InUse = b.InUse }) before after
        |> resetUnborn

    let private right: Rules =
        {
            Low = fun reserved cursor -> if cursor > reserved then reserved else 1
            Top = id
            Follow = fun pid -> pid + 1
            NoneFree = id
            TooMany = fun most entries levels -> entries > min levels most
            Arrange = id
            Checks = [ range; reaper; permission; free ]
            FollowChosen = fun _ ns -> ns.Cursor
            GiveBack = giveBack
        }

    let private tryNext rules (ns: PidNamespace) =
        let low, top = rules.Low ns.Reserved ns.Cursor, rules.Top ns.PidMax
        let start = max ns.Cursor low

        match PidSet.tryFirstFree start top ns.InUse with
        | ValueNone when start > low -> PidSet.tryFirstFree low top ns.InUse
        | found -> found

    let private take pid cursor (ns: PidNamespace) =
        { ns with
            InUse = PidSet.add pid ns.InUse
            Cursor = cursor
        }

    let private refusal checks level tid ns =
        checks
        |> List.tryPick (fun c -> if c.Fails level tid ns then Some c.Errno else None)

    let private allocate rules (kernel: KernelRules) (setTid: int list) (stack: PidStack) =
        let tids = rules.Arrange setTid |> List.truncate stack.Length

        let first, each =
            if kernel.ChecksBeforePicks then
                let of' subjects =
                    rules.Checks |> List.filter (fun c -> List.contains c.Subject subjects)

                if kernel.ChecksInitAfterPick then
                    of' [ Subject.Range; Subject.Permission ], of' [ Subject.Free ] @ of' [ Subject.Reaper ]
                else
                    of' [ Subject.Range; Subject.Reaper; Subject.Permission ], of' [ Subject.Free ]
            else
                [], rules.Checks

        let early =
            if rules.TooMany kernel.Levels setTid.Length stack.Length then
                Some Errno.EINVAL
            else
                List.zip tids (List.truncate tids.Length stack)
                |> List.indexed
                |> List.tryPick (fun (level, (tid, ns)) -> refusal first level tid ns)

        let rec walk level tids (rest: PidStack) pids done' =
            match rest, tids with
            | [], _ -> Ok(List.rev pids), List.rev done'
            | ns :: outer, tid :: tids ->
                match refusal each level tid ns with
                | Some errno -> Error errno, List.rev done' @ rest
                | None -> walk (level + 1) tids outer (tid :: pids) (take tid (rules.FollowChosen tid ns) ns :: done')
            | ns :: outer, [] ->
                match tryNext rules ns with
                | ValueNone -> Error Errno.EAGAIN, List.rev done' @ (rules.NoneFree ns :: outer)
                | ValueSome pid -> walk (level + 1) [] outer (pid :: pids) (take pid (rules.Follow pid) ns :: done')

        match early with
        | Some errno -> struct (Allocation.Refused errno, stack)
        | None ->
            match walk 0 tids stack [] [] with
            | Error errno, moved -> struct (Allocation.Refused errno, rules.GiveBack stack moved)
            | Ok pids, moved ->
                match moved with
                | inner :: _ when inner.Life = Life.Dead || inner.Life = Life.Stillborn ->
                    struct (Allocation.Refused Errno.ENOMEM, rules.GiveBack stack moved)
                | inner :: outer -> struct (Allocation.Given pids, { inner with Life = Life.Alive } :: outer)
                | [] -> struct (Allocation.Given pids, [])

    // The namespace that a first clone which failed late leaves.
    let private stillborn (kernel: KernelRules) (inner: PidNamespace) =
        if kernel.FailedFirstCloneKills then
            { inner with Life = Life.Stillborn }
        else
            { inner with
                Life = Life.Unborn
                Cursor = 0
            }

    let private failLateWith stillborn allocate (kernel: KernelRules) (errno: Errno) setTid (stack: PidStack) =
        match allocate kernel setTid stack with
        | struct (Allocation.Refused _, _) as refused -> refused
        | struct (Allocation.Given _, moved) ->
            let freed =
                List.map2 (fun (b: PidNamespace) (a: PidNamespace) -> { a with InUse = b.InUse }) stack moved

            match stack, freed with
            | before :: _, inner :: outer when before.Life = Life.Unborn ->
                struct (Allocation.Refused errno, stillborn kernel inner :: outer)
            | _ -> struct (Allocation.Refused errno, freed)

    let private model = Allocator.model

    let private allocating allocate =
        { model with
            Allocate = allocate
            FailLate = failLateWith stillborn allocate
        }

    let private ruled rules = allocating (allocate rules)

    let private failing failLate = { model with FailLate = failLate }
    let private writing write = { model with WriteLastPid = write }

    // Another text of the same length in place of the one written.
    let private rewriting (edit: byte[] -> byte[]) =
        writing (fun kernel offset text ns -> model.WriteLastPid kernel offset (edit text) ns)

    let private onInner change (stack: PidStack) : PidStack =
        match stack with
        | inner :: outer -> change inner :: outer
        | [] -> []

    let private mapBytes from into =
        rewriting (Array.map (fun b -> if b = from then into else b))

    let private isDigit b = b >= '0'B && b <= '9'B

    // The first run of digits with its leading zeros, except a last one, turned into blanks.
    let private blankZeros (text: byte[]) =
        let copy = Array.copy text

        match Array.tryFindIndex isDigit copy with
        | None -> copy
        | Some start ->
            let mutable i = start

            while i + 1 < copy.Length && copy[i] = '0'B && isDigit copy[i + 1] do
                copy[i] <- ' 'B
                i <- i + 1

            copy

    // Everything after the first number turned into blanks.
    let private blankTail (text: byte[]) =
        match Array.tryFindIndex isDigit text with
        | None -> text
        | Some start ->
            match Array.tryFindIndex (isDigit >> not) text[start..] with
            | None -> text
            | Some length -> Array.append text[.. start + length - 1] (Array.create (text.Length - start - length) ' 'B)

    let private writeWrapped kernel (offset: int64) (text: byte[]) (ns: PidNamespace) =
        let plain = Encoding.Latin1.GetString text

        match
            BigInteger.TryParse(plain, Globalization.NumberStyles.None, Globalization.CultureInfo.InvariantCulture)
        with
        | true, number when plain.Length <= 20 && number > BigInteger UInt64.MaxValue ->
            let wrapped = (number % (BigInteger.One <<< 64)).ToString()
            model.WriteLastPid kernel offset (Encoding.Latin1.GetBytes(wrapped.PadLeft plain.Length)) ns
        | _ -> model.WriteLastPid kernel offset text ns

    let private levelsOf (stack: PidStack) change = List.map change stack

    /// Each with what it does wrong.
    let all: (string * Allocator) list =
        [
            // alloc_pid without set_tid
            "wraps to 301",
            ruled
                { right with
                    Low = fun r c -> if c > r then r + 1 else 1
                }
            "wraps to 299",
            ruled
                { right with
                    Low = fun r c -> if c > r then r - 1 else 1
                }
            "wraps to 1 always", ruled { right with Low = fun _ _ -> 1 }
            "wraps to 300 always", ruled { right with Low = fun r _ -> r }
            "wraps to 2 below 300",
            ruled
                { right with
                    Low = fun r c -> if c > r then r else 2
                }
            "wraps to 300 from cursor 300",
            ruled
                { right with
                    Low = fun r c -> if c >= r then r else 1
                }
            "wraps to 1 from cursor 301",
            ruled
                { right with
                    Low = fun r c -> if c > r + 1 then r else 1
                }
            "hands out pid_max", ruled { right with Top = fun p -> p + 1 }
            "does not hand out pid_max - 1", ruled { right with Top = fun p -> p - 1 }
            "never wraps", ruled { right with Low = fun _ c -> max c 1 }
            "hands a freed number out again at once", ruled { right with Follow = id }
            "leaves a gap after each number",
            ruled
                { right with
                    Follow = fun pid -> pid + 2
                }
            "moves the cursor on EAGAIN",
            ruled
                { right with
                    NoneFree = fun ns -> { ns with Cursor = ns.Cursor + 1 }
                }
            "wraps the cursor on EAGAIN",
            ruled
                { right with
                    NoneFree =
                        fun ns ->
                            { ns with
                                Cursor = right.Low ns.Reserved ns.Cursor
                            }
                }
            "hands out numbers in use",
            allocating (fun kernel setTid stack ->
                let bare =
                    levelsOf stack (fun ns ->
                        if setTid.IsEmpty then
                            { ns with InUse = PidSet.empty }
                        else
                            ns)

                match model.Allocate kernel setTid bare with
                | struct (Allocation.Given pids, moved) when setTid.IsEmpty ->
                    let held =
                        List.map3
                            (fun (b: PidNamespace) pid (a: PidNamespace) ->
                                { a with
                                    InUse = PidSet.add pid b.InUse
                                })
                            stack
                            pids
                            moved

                    struct (Allocation.Given pids, held)
                | _ -> model.Allocate kernel setTid stack)
            "draws from the innermost level only",
            allocating (fun kernel setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Given pids, inner :: _) when setTid.IsEmpty ->
                    struct (Allocation.Given pids, inner :: stack.Tail)
                | other -> other)
            "lists the outermost PID first",
            allocating (fun kernel setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Given pids, moved) -> struct (Allocation.Given(List.rev pids), moved)
                | other -> other)

            // set_tid: range
            "set_tid accepts pid_max",
            ruled
                { right with
                    Checks =
                        [
                            { range with
                                Fails = fun _ tid ns -> tid < 1 || tid > ns.PidMax
                            }
                            reaper
                            permission
                            free
                        ]
                }
            "set_tid refuses pid_max - 1",
            ruled
                { right with
                    Checks =
                        [
                            { range with
                                Fails = fun _ tid ns -> tid < 1 || tid >= ns.PidMax - 1
                            }
                            reaper
                            permission
                            free
                        ]
                }
            "set_tid accepts 0",
            ruled
                { right with
                    Checks =
                        [
                            { range with
                                Fails = fun _ tid ns -> tid < 0 || tid >= ns.PidMax
                            }
                            reaper
                            permission
                            free
                        ]
                }
            "set_tid refuses numbers below 300",
            ruled
                { right with
                    Checks =
                        [
                            { range with
                                Fails = fun _ tid ns -> tid < 300 && tid <> 1 || not (inRange tid ns)
                            }
                            reaper
                            permission
                            free
                        ]
                }
            "set_tid takes 0 as no choice",
            allocating (fun kernel setTid stack ->
                model.Allocate kernel (List.takeWhile (fun tid -> tid <> 0) setTid) stack)
            "set_tid judges every level by the innermost pid_max",
            ruled
                { right with
                    Checks =
                        [
                            { range with
                                Fails = fun level tid ns -> level = 0 && not (inRange tid ns) || tid < 1
                            }
                            reaper
                            permission
                            free
                        ]
                }

            // set_tid: the other checks and their order
            "set_tid moves the cursor",
            ruled
                { right with
                    FollowChosen = fun tid _ -> tid + 1
                }
            "set_tid moves the cursor when ahead",
            ruled
                { right with
                    FollowChosen = fun tid ns -> max ns.Cursor (tid + 1)
                }
            "set_tid steps over the number at the cursor",
            ruled
                { right with
                    FollowChosen = fun tid ns -> if tid = ns.Cursor then tid + 1 else ns.Cursor
                }
            "EEXIST and EINVAL swapped",
            ruled
                { right with
                    Checks =
                        [
                            { range with Errno = Errno.EEXIST }
                            { reaper with Errno = Errno.EEXIST }
                            permission
                            { free with Errno = Errno.EINVAL }
                        ]
                }
            "EPERM before EINVAL",
            ruled
                { right with
                    Checks = [ permission; range; reaper; free ]
                }
            "EEXIST before EPERM",
            ruled
                { right with
                    Checks = [ range; reaper; free; permission ]
                }
            "EPERM before the check for an init",
            ruled
                { right with
                    Checks = [ range; permission; reaper; free ]
                }
            "EEXIST before EINVAL",
            ruled
                { right with
                    Checks = [ free; range; reaper; permission ]
                }
            "set_tid takes numbers in use",
            ruled
                { right with
                    Checks = [ range; reaper; permission ]
                }
            "checks the capability for the innermost level only",
            ruled
                { right with
                    Checks =
                        [
                            range
                            reaper
                            { permission with
                                Fails = fun level _ ns -> level = 0 && not ns.MayChoose
                            }
                            free
                        ]
                }
            "never checks the capability",
            ruled
                { right with
                    Checks = [ range; reaper; free ]
                }
            "wants the capability for levels without a choice too",
            allocating (fun kernel setTid stack ->
                if not setTid.IsEmpty && stack |> List.exists (fun ns -> not ns.MayChoose) then
                    struct (Allocation.Refused Errno.EPERM, stack)
                else
                    model.Allocate kernel setTid stack)
            "a namespace without an init takes 2",
            ruled
                { right with
                    Checks = [ range; permission; free ]
                }
            "a dead namespace counts as one without an init",
            ruled
                { right with
                    Checks =
                        [
                            range
                            { reaper with
                                Fails = fun _ tid ns -> tid <> 1 && ns.Life <> Life.Alive
                            }
                            permission
                            free
                        ]
                }
            "reads set_tid outermost level first", ruled { right with Arrange = List.rev }
            "takes one set_tid entry too many",
            ruled
                { right with
                    TooMany = fun _ entries levels -> entries > levels + 1
                }
            "takes one set_tid entry too few",
            ruled
                { right with
                    TooMany = fun _ entries levels -> entries >= levels
                }
            "cuts set_tid to the levels there are",
            ruled
                { right with
                    TooMany = fun _ _ _ -> false
                }
            "takes 33 set_tid entries",
            ruled
                { right with
                    TooMany = fun _ entries levels -> entries > levels
                }
            "checks the whole array first on every kernel",
            allocating (fun kernel setTid stack -> model.Allocate { kernel with ChecksBeforePicks = true } setTid stack)
            "checks level by level on every kernel",
            allocating (fun kernel setTid stack ->
                model.Allocate
                    { kernel with
                        ChecksBeforePicks = false
                    }
                    setTid
                    stack)
            "checks for an init before the pick on every kernel",
            allocating (fun kernel setTid stack ->
                model.Allocate
                    { kernel with
                        ChecksInitAfterPick = false
                    }
                    setTid
                    stack)
            "checks for an init after the pick on every kernel that checks all first",
            allocating (fun kernel setTid stack ->
                model.Allocate
                    { kernel with
                        ChecksInitAfterPick = kernel.ChecksBeforePicks
                    }
                    setTid
                    stack)

            // What a refusal leaves behind
            "keeps the inner number when an outer level refuses",
            ruled
                { right with
                    GiveBack = fun _ after -> resetUnborn after
                }
            "rolls cursors back when an outer level refuses",
            ruled
                { right with
                    GiveBack = fun before _ -> before
                }
            "a refused first clone leaves the cursor behind",
            ruled
                { right with
                    GiveBack = List.map2 (fun b a -> { a with InUse = b.InUse })
                }
            "a refused first clone leaves a live namespace",
            ruled
                { right with
                    GiveBack =
                        fun before after ->
                            giveBack before after
                            |> onInner (fun ns ->
                                if ns.Life = Life.Unborn then
                                    { ns with Life = Life.Alive }
                                else
                                    ns)
                }
            "a namespace stays unborn",
            allocating (fun kernel setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Given pids, moved) ->
                    let life = if stack.IsEmpty then Life.Alive else stack.Head.Life
                    struct (Allocation.Given pids, onInner (fun ns -> { ns with Life = life }) moved)
                | other -> other)

            // Dead namespaces
            "a dead namespace still allocates",
            allocating (fun kernel setTid stack ->
                match stack with
                | inner :: outer when inner.Life = Life.Dead ->
                    let struct (result, moved) =
                        model.Allocate kernel setTid ({ inner with Life = Life.Alive } :: outer)

                    struct (result, onInner (fun ns -> { ns with Life = Life.Dead }) moved)
                | _ -> model.Allocate kernel setTid stack)
            "a dead namespace moves no cursor",
            allocating (fun kernel setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Refused Errno.ENOMEM, _) -> struct (Allocation.Refused Errno.ENOMEM, stack)
                | other -> other)
            "ENOMEM of a dead namespace before everything else",
            allocating (fun kernel setTid stack ->
                match stack with
                | inner :: _ when inner.Life = Life.Dead -> struct (Allocation.Refused Errno.ENOMEM, stack)
                | _ -> model.Allocate kernel setTid stack)
            "a dead namespace gives EAGAIN",
            allocating (fun kernel setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Refused Errno.ENOMEM, moved) -> struct (Allocation.Refused Errno.EAGAIN, moved)
                | other -> other)
            "a dead init changes nothing", { model with InitDies = id }
            "a dead init frees all numbers",
            { model with
                InitDies = model.InitDies >> onInner (fun ns -> { ns with InUse = PidSet.empty })
            }
            "a dead init kills the outer levels too",
            { model with
                InitDies = fun stack -> levelsOf stack (fun ns -> { ns with Life = Life.Dead })
            }

            // Two at once
            "two at once get the same number",
            { model with
                Race =
                    fun stack ->
                        model.Race stack
                        |> List.map (fun (struct (one, _, after)) -> struct (one, one, after))
            }
            "two at once move the cursor by one",
            { model with
                Race =
                    fun stack ->
                        [
                            for struct (one, other, after) in model.Race stack do
                                struct (one,
                                        other,
                                        after
                                        |> onInner (fun ns ->
                                            { ns with
                                                Cursor = max 1 (ns.Cursor - 1)
                                            }))
                        ]
            }
            "one of two at once gets none",
            { model with
                Race =
                    fun stack ->
                        let struct (given, moved) = model.Allocate KernelRules.newest [] stack

                        [ struct (given, Allocation.Refused Errno.EAGAIN, moved) ]
            }

            // Clones that fail late
            "a late failure rolls the cursors back",
            failing (fun kernel errno setTid stack ->
                match model.Allocate kernel setTid stack with
                | struct (Allocation.Refused _, _) as refused -> refused
                | _ -> struct (Allocation.Refused errno, stack))
            "a late failure keeps the numbers",
            failing (fun kernel errno setTid stack ->
                let struct (result, failed) = model.FailLate kernel errno setTid stack

                match model.Allocate kernel setTid stack with
                | struct (Allocation.Given _, moved) ->
                    struct (result, List.map2 (fun (a: PidNamespace) f -> { f with InUse = a.InUse }) moved failed)
                | _ -> struct (result, failed))
            "a late failure moves the innermost cursor only",
            failing (fun kernel errno setTid stack ->
                match model.FailLate kernel errno setTid stack with
                | struct (result, inner :: _) when setTid.IsEmpty -> struct (result, inner :: stack.Tail)
                | other -> other)
            "a late failure comes before refusals",
            failing (fun kernel errno setTid stack ->
                let struct (_, moved) = model.FailLate kernel errno setTid stack
                struct (Allocation.Refused errno, moved))
            "a late failure moves the cursors of chosen numbers",
            failing (
                failLateWith
                    stillborn
                    (allocate
                        { right with
                            FollowChosen = fun tid _ -> tid + 1
                        })
            )
            "a late failure of the first clone leaves a live namespace",
            failing (failLateWith (fun _ ns -> { ns with Life = Life.Alive }) model.Allocate)
            "a late failure of the first clone always kills",
            failing (failLateWith (fun _ ns -> { ns with Life = Life.Stillborn }) model.Allocate)
            "a stillborn namespace counts as one whose init has died",
            failing (
                failLateWith
                    (fun kernel ns ->
                        match stillborn kernel ns with
                        | dead when dead.Life = Life.Stillborn -> { dead with Life = Life.Dead }
                        | other -> other)
                    model.Allocate
            )
            "a late failure of the first clone never kills",
            failing (
                failLateWith
                    (fun _ ns ->
                        { ns with
                            Life = Life.Unborn
                            Cursor = 0
                        })
                    model.Allocate
            )

            // Release
            "release moves the cursor back",
            { model with
                Release =
                    fun pids stack ->
                        model.Release pids stack
                        |> List.mapi (fun i ns ->
                            if i < pids.Length then
                                { ns with
                                    Cursor = min ns.Cursor pids[i]
                                }
                            else
                                ns)
            }
            "release frees the innermost number only",
            { model with
                Release = fun pids stack -> model.Release (List.truncate 1 pids) stack
            }
            "release frees nothing",
            { model with
                Release = fun _ stack -> stack
            }
            "release reads the numbers outermost first",
            { model with
                Release = fun pids stack -> model.Release (List.rev pids) stack
            }

            // New namespaces
            "a new namespace inherits pid_max on every kernel",
            { model with
                Nest =
                    fun kernel level may stack ->
                        model.Nest
                            { kernel with
                                PidMaxPerNamespace = false
                            }
                            level
                            may
                            stack
            }
            "a new namespace gets the largest pid_max on every kernel",
            { model with
                Nest =
                    fun kernel level may stack ->
                        model.Nest
                            { kernel with
                                PidMaxPerNamespace = true
                            }
                            level
                            may
                            stack
            }
            "allows 33 levels",
            { model with
                Nest = fun kernel level may stack -> model.Nest kernel (min level 31 + max 0 (level - 32)) may stack
            }
            "allows 31 levels",
            { model with
                Nest = fun kernel level may stack -> model.Nest kernel (level + 1) may stack
            }
            "a new namespace has an init",
            { model with
                Nest =
                    fun kernel level may stack ->
                        model.Nest kernel level may stack
                        |> Result.map (onInner (fun ns -> { ns with Life = Life.Alive }))
            }
            "a new namespace takes over the numbers in use",
            { model with
                Nest =
                    fun kernel level may stack ->
                        model.Nest kernel level may stack
                        |> Result.map (
                            onInner (fun ns ->
                                match stack with
                                | outer :: _ -> { ns with InUse = outer.InUse }
                                | [] -> ns)
                        )
            }
            "a new namespace takes over the capability",
            { model with
                Nest =
                    fun kernel level may stack ->
                        let may = if stack.IsEmpty then may else stack.Head.MayChoose
                        model.Nest kernel level may stack
            }

            // pid_max
            "writing pid_max resets the cursor",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        model.WritePidMax kernel pidMax stack
                        |> Result.map (onInner (fun ns -> { ns with Cursor = 1 }))
            }
            "writing pid_max cuts the cursor",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        model.WritePidMax kernel pidMax stack
                        |> Result.map (
                            onInner (fun ns ->
                                { ns with
                                    Cursor = min ns.Cursor ns.PidMax
                                })
                        )
            }
            "writing pid_max frees numbers out of range",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        model.WritePidMax kernel pidMax stack
                        |> Result.map (
                            onInner (fun ns ->
                                { ns with
                                    InUse =
                                        PidSet.toSeq ns.InUse |> Seq.filter (fun n -> n < ns.PidMax) |> PidSet.ofSeq
                                })
                        )
            }
            "pid_max is one for the system on every kernel",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        model.WritePidMax
                            { kernel with
                                PidMaxPerNamespace = false
                            }
                            pidMax
                            stack
            }
            "pid_max is one a namespace on every kernel",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        model.WritePidMax
                            { kernel with
                                PidMaxPerNamespace = true
                            }
                            pidMax
                            stack
            }
            "pid_max may be 300",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        if pidMax = stack.Head.Reserved then
                            Ok(onInner (fun ns -> { ns with PidMax = pidMax }) stack)
                        else
                            model.WritePidMax kernel pidMax stack
            }
            "pid_max may be 4194305",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        if pidMax = kernel.PidMaxLimit + 1 then
                            Ok(onInner (fun ns -> { ns with PidMax = pidMax }) stack)
                        else
                            model.WritePidMax kernel pidMax stack
            }
            "pid_max must be above the numbers in use",
            { model with
                WritePidMax =
                    fun kernel pidMax stack ->
                        if stack |> List.exists (fun ns -> PidSet.contains pidMax ns.InUse) then
                            Error Errno.EINVAL
                        else
                            model.WritePidMax kernel pidMax stack
            }

            // ns_last_pid
            "ns_last_pid takes pid_max + 1",
            writing (fun kernel offset text ns ->
                let struct (result, moved) =
                    model.WriteLastPid kernel offset text { ns with PidMax = ns.PidMax + 1 }

                struct (result, { moved with PidMax = ns.PidMax }))
            "ns_last_pid refuses pid_max",
            writing (fun kernel offset text ns ->
                let struct (result, moved) =
                    model.WriteLastPid kernel offset text { ns with PidMax = ns.PidMax - 1 }

                struct (result, { moved with PidMax = ns.PidMax }))
            "ns_last_pid refuses 0",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored(0, _), _) -> struct (LastPidWrite.Refused Errno.EINVAL, ns)
                | other -> other)
            "writing n makes n the next number",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored(n, _) as stored, moved) -> struct (stored, { moved with Cursor = n })
                | other -> other)
            "writing n stores what is next instead",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored _ as stored, moved) ->
                    match PidNamespace.tryNext moved with
                    | ValueSome next -> struct (stored, { moved with Cursor = next })
                    | ValueNone -> struct (stored, moved)
                | other -> other)
            "ns_last_pid refuses a number in use",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored(n, _), _) when PidSet.contains n ns.InUse ->
                    struct (LastPidWrite.Refused Errno.EINVAL, ns)
                | other -> other)
            "ns_last_pid never moves backwards",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored _ as stored, moved) ->
                    struct (stored,
                            { moved with
                                Cursor = max ns.Cursor moved.Cursor
                            })
                | other -> other)
            "reads octal as decimal", rewriting blankZeros
            "takes what follows a number", rewriting blankTail
            "takes a carriage return after a number", mapBytes '\r'B ' 'B
            "takes a NUL after a number", mapBytes 0uy ' 'B
            "knows no 0xA0", mapBytes 0xA0uy 'x'B
            "knows no upper case X", mapBytes 'X'B 'g'B
            "takes +", mapBytes '+'B ' 'B
            "drops the sign", mapBytes '-'B ' 'B
            "wraps at 64 bits", writing writeWrapped
            "EPERM after the parse",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text { ns with MayChoose = true } with
                | struct (LastPidWrite.Stored _, _) when not ns.MayChoose ->
                    struct (LastPidWrite.Refused Errno.EPERM, ns)
                | struct (result, _) when not ns.MayChoose -> struct (result, ns)
                | other -> other)
            "anybody writes ns_last_pid",
            writing (fun kernel offset text ns ->
                let struct (result, moved) =
                    model.WriteLastPid kernel offset text { ns with MayChoose = true }

                struct (result, { moved with MayChoose = ns.MayChoose }))
            "parses at every offset", writing (fun kernel _ text ns -> model.WriteLastPid kernel 0L text ns)
            "never parses at other offsets",
            writing (fun kernel offset text ns ->
                model.WriteLastPid (KernelRules.withStrictWrites true kernel) offset text ns)
            "refuses other offsets",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Ignored _, _) when offset <> 0L ->
                    struct (LastPidWrite.Refused Errno.EINVAL, ns)
                | other -> other)
            "refuses the empty text",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Ignored 0, _) -> struct (LastPidWrite.Refused Errno.EINVAL, ns)
                | other -> other)
            "always takes the whole text",
            writing (fun kernel offset text ns ->
                match model.WriteLastPid kernel offset text ns with
                | struct (LastPidWrite.Stored(n, _), moved) -> struct (LastPidWrite.Stored(n, text.Length), moved)
                | other -> other)
            "knows no pages but of 4096 bytes",
            writing (fun kernel offset text ns -> model.WriteLastPid { kernel with PageSize = 4096 } offset text ns)
            "looks at a whole page",
            writing (fun kernel offset text ns ->
                model.WriteLastPid
                    { kernel with
                        PageSize = kernel.PageSize + 1
                    }
                    offset
                    text
                    ns)
            "looks at more than 4095 bytes",
            writing (fun kernel offset text ns ->
                let rest = text |> Array.skipWhile (fun b -> b = ' 'B)
                let skipped = text.Length - rest.Length

                match model.WriteLastPid kernel offset (if skipped > 3000 then rest else text) ns with
                | struct (LastPidWrite.Stored(n, taken), moved) when skipped > 3000 ->
                    struct (LastPidWrite.Stored(n, taken + skipped), moved)
                | other -> other)
            "takes numbers of 21 characters",
            writing (fun kernel offset text ns ->
                let start =
                    text
                    |> Array.tryFindIndex (fun b -> b <> ' 'B)
                    |> Option.defaultValue text.Length

                match
                    text[start..]
                    |> Array.tryFindIndex (isDigit >> not)
                    |> Option.defaultValue (text.Length - start)
                with
                | 21 when text[start] = '0'B && text[start + 1] = '0'B ->
                    let copy = Array.copy text
                    copy[start] <- ' 'B
                    model.WriteLastPid kernel offset copy ns
                | _ -> model.WriteLastPid kernel offset text ns)
        ]

    /// The allocator that the wrong ones are made of, without a fault.
    let faultless: Allocator = ruled right
