namespace SetNsLastPid.Tests.Properties

open System.Collections.Generic
open SetNsLastPid

/// A PID namespace of the reference: changed in place, every number in use by itself.
type Level =
    {
        mutable C: int
        mutable P: int
        R: int
        Used: HashSet<int>
        mutable State: Life
        May: bool
    }

/// The allocator once more, built differently on purpose: step by step as the kernel does it, in place, by trying one
/// number after the other. Slow, and to be read beside the kernel's `alloc_pid`.
[<RequireQualifiedAccess>]
module Reference =
    let ofSpace (space: Space) : Level =
        {
            C = space.Cursor
            P = space.PidMax
            R = space.Reserved
            Used = HashSet(Space.numbers space)
            State = space.Life
            May = space.MayChoose
        }

    let ofSpaces (spaces: Space list) : Level[] =
        spaces |> List.map ofSpace |> List.toArray

    let toSpace (level: Level) : Space =
        {
            Cursor = level.C
            PidMax = level.P
            Reserved = level.R
            Held = Space.ranges (level.Used |> Seq.map (fun n -> n, n))
            Life = level.State
            MayChoose = level.May
        }

    /// Whether the model has the same.
    let isLevel (level: Level) (ns: PidNamespace) : bool =
        level.C = ns.Cursor
        && level.P = ns.PidMax
        && level.R = ns.Reserved
        && level.State = ns.Life
        && level.May = ns.MayChoose
        && level.Used.Count = ns.InUse.Count
        && level.Used |> Seq.forall (fun n -> PidSet.contains n ns.InUse)

    /// Breaks the law in hand when the model has something else.
    let mustBe (levels: Level[]) (stack: PidStack) : unit =
        if levels.Length <> stack.Length || not (Seq.forall2 isLevel levels stack) then
            Law.same "levels" (levels |> Array.map toSpace |> Array.toList) (stack |> List.map Space.ofModel)

    let private firstFree from below (used: HashSet<int>) =
        let mutable n = from

        while n < below && used.Contains n do
            n <- n + 1

        if n < below then n else -1

    /// The next number without set_tid, or -1.
    let next (level: Level) : int =
        let low = if level.C > level.R then level.R else 1
        let start = max level.C low
        let found = firstFree start level.P level.Used

        if found < 0 && start > low then
            firstFree low level.P level.Used
        else
            found

    /// The numbers that a goal allows, tried one after the other.
    let allowed (goal: Goal) (level: Level) : int list =
        let isFree n =
            0 < n && n < level.P && not (level.Used.Contains n)

        let own =
            [
                for n in max goal.First 1 .. min goal.Last (level.P - 1) do
                    if Seq.forall isFree (seq { n .. n + goal.Room }) then
                        n
            ]

        match own with
        | [] when goal.OrNext ->
            match next { level with C = goal.First } with
            | -1 -> []
            | n -> [ n ]
        | own -> own

    /// Goals near a number, those of one number more often.
    let goals (number: int) (gen: int -> FsCheck.Gen<int>) : FsCheck.Gen<Goal> =
        FsCheck.FSharp.Gen.frequency
            [
                3, FsCheck.FSharp.Gen.constant (Goal.after number)
                1, FsCheck.FSharp.Gen.constant (Goal.within number number 0)
                3,
                FsCheck.FSharp.Gen.map2
                    (fun length room -> Goal.within number (number + length) room)
                    (gen 1)
                    (FsCheck.FSharp.Gen.frequency
                        [ 2, FsCheck.FSharp.Gen.constant 0; 1, FsCheck.FSharp.Gen.choose (1, 3) ])
            ]

    let private choose (kernel: KernelRules) (level: Level) tid =
        let outside = tid < 1 || tid >= level.P
        let early = tid <> 1 && (level.State = Life.Unborn || level.State = Life.Stillborn)
        let held = level.Used.Contains tid

        let errno =
            if kernel.ChecksBeforePicks then
                if held then
                    Some Errno.EEXIST
                elif early && kernel.ChecksInitAfterPick then
                    Some Errno.EINVAL
                else
                    None
            elif outside then
                Some Errno.EINVAL
            elif early then
                Some Errno.EINVAL
            elif not level.May then
                Some Errno.EPERM
            elif held then
                Some Errno.EEXIST
            else
                None

        match errno with
        | None ->
            level.Used.Add tid |> ignore
            Ok tid
        | Some errno -> Error errno

    let private draw (level: Level) =
        match next level with
        | -1 -> Error Errno.EAGAIN
        | n ->
            level.C <- n + 1
            level.Used.Add n |> ignore
            Ok n

    /// A clone; `late` is what it fails with after its numbers were taken, if it does.
    let clone (kernel: KernelRules) (late: Errno option) (set: int list) (levels: Level[]) : Result<int list, Errno> =
        let set = List.toArray set
        let got = List<int>()

        let fail errno =
            for i in 0 .. got.Count - 1 do
                levels[i].Used.Remove got[i] |> ignore

            if levels.Length > 0 && levels[0].State = Life.Unborn then
                levels[0].C <- 0

            Error errno

        let mutable refused =
            if set.Length > levels.Length || set.Length > kernel.Levels then
                Some Errno.EINVAL
            else
                None

        if kernel.ChecksBeforePicks then
            for i in 0 .. set.Length - 1 do
                if refused = None then
                    if set[i] < 1 || set[i] >= levels[i].P then
                        refused <- Some Errno.EINVAL
                    elif
                        not kernel.ChecksInitAfterPick
                        && set[i] <> 1
                        && (levels[i].State = Life.Unborn || levels[i].State = Life.Stillborn)
                    then
                        refused <- Some Errno.EINVAL
                    elif not levels[i].May then
                        refused <- Some Errno.EPERM

        let mutable i = 0

        while refused = None && i < levels.Length do
            let taken =
                if i < set.Length then
                    choose kernel levels[i] set[i]
                else
                    draw levels[i]

            match taken with
            | Ok n -> got.Add n
            | Error errno -> refused <- Some errno

            i <- i + 1

        match refused with
        | Some errno -> fail errno
        | None when
            levels.Length > 0
            && (levels[0].State = Life.Dead || levels[0].State = Life.Stillborn)
            ->
            fail Errno.ENOMEM
        | None ->
            match late with
            | Some errno ->
                let result = fail errno

                if
                    levels.Length > 0
                    && levels[0].State = Life.Unborn
                    && kernel.FailedFirstCloneKills
                then
                    levels[0].State <- Life.Stillborn
                    // Its number was 1, chosen or drawn; only a drawn one moved the cursor.
                    levels[0].C <- if set.Length > 0 then 0 else 2

                result
            | None ->
                if levels.Length > 0 && levels[0].State = Life.Unborn then
                    levels[0].State <- Life.Alive

                Ok(List.ofSeq got)

    let release (pids: int list) (levels: Level[]) : unit =
        for level, pid in Seq.zip levels pids do
            level.Used.Remove pid |> ignore

    let writePidMax (kernel: KernelRules) (pidMax: int) (levels: Level[]) : Result<unit, Errno> =
        if pidMax < levels[0].R + 1 || pidMax > kernel.PidMaxLimit then
            Error Errno.EINVAL
        else
            for i in 0 .. levels.Length - 1 do
                if i = 0 || not kernel.PidMaxPerNamespace then
                    levels[i].P <- pidMax

            Ok()

    /// Numbers that are taken and given back at once, one after the other, until `until` of the cursor says stop; how
    /// many, and whether it came to that. Ends without when nothing is free or a cursor comes round again.
    let consumeUntil (until: Level -> bool) (level: Level) : struct (int * bool) =
        let seen = HashSet<int>()
        let mutable count = 0
        let mutable stuck = false

        while not stuck && not (until level) do
            match next level with
            | -1 -> stuck <- true
            | n ->
                level.C <- n + 1
                count <- count + 1
                stuck <- not (seen.Add n)

        struct (count, not stuck)
