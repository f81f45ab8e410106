/// What a clone takes, what it is refused for, and what either leaves behind.
module SetNsLastPid.Tests.Properties.AllocationProperties

open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

let private allocate (a: Allocator) (request: Request) =
    let stack = Request.stack request
    let struct (result, after) = a.Allocate request.Kernel request.SetTid stack
    stack, result, after

let private isPlain (request: Request) i = i >= request.SetTid.Length

// What must not change at a level whose numbers are the same as before.
let private sameLevel what (before: PidNamespace) (after: PidNamespace) = Levels.mustBe what [ before ] [ after ]

let agreesWithTheReference: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        let levels = Reference.ofSpaces request.Levels
        let expected = Reference.clone request.Kernel None request.SetTid levels
        let _, result, after = allocate a request

        match expected, result with
        | Ok pids, Allocation.Given given -> Law.same "PIDs" pids given
        | Error errno, Allocation.Refused refused -> Law.same "errno" errno refused
        | _ -> Law.broken (fun () -> $"expected %A{expected}, got %A{result}")

        Reference.mustBe levels after)

[<Fact>]
let ``allocation agrees with the reference`` () =
    Law.check Allocator.model agreesWithTheReference

let numbersWereFree: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | before, Allocation.Given pids, after ->
            Law.same "a PID a level" before.Length pids.Length
            Law.same "levels" before.Length after.Length

            for pid, (old, now) in List.zip pids (List.zip before after) do
                Law.holds "1 <= pid < pid_max" (pid >= 1 && pid < old.PidMax)
                Law.holds "it was free" (not (PidSet.contains pid old.InUse))
                Law.holds "it is in use" (PidSet.contains pid now.InUse)
                Law.same "numbers in use" (old.InUse.Count + 1) now.InUse.Count
        | _ -> ())

[<Fact>]
let ``a number handed out was free and lies from 1 to pid_max - 1`` () =
    Law.check Allocator.model numbersWereFree

let firstFreeFromTheCursor: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        match allocate a request with
        | _, Allocation.Given pids, _ ->
            for pid, space in List.zip pids request.Levels do
                let allHeld first last =
                    Law.holds
                        "all between are in use"
                        (seq { first..last } |> Seq.forall (fun n -> Space.isHeld n space))

                if pid >= space.Cursor then
                    allHeld (max 1 space.Cursor) (pid - 1)
                else
                    let low = if space.Cursor > space.Reserved then space.Reserved else 1
                    Law.holds "it is at least the lowest" (pid >= low)
                    allHeld space.Cursor (space.PidMax - 1)
                    allHeld low (pid - 1)
        | _ -> ())

[<Fact>]
let ``the number is the first free one from the cursor and after the wrap from 300`` () =
    Law.check Allocator.model firstFreeFromTheCursor

let cursorFollows: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | before, Allocation.Given pids, after ->
            for i in 0 .. pids.Length - 1 do
                let expected = if isPlain request i then pids[i] + 1 else before[i].Cursor
                Law.same "cursor" expected after[i].Cursor
        | _ -> ())

[<Fact>]
let ``the cursor follows a number drawn and not one chosen`` () = Law.check Allocator.model cursorFollows

let chosenNumbersAreGiven: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | _, Allocation.Given pids, _ ->
            Law.same "chosen PIDs" request.SetTid (List.truncate request.SetTid.Length pids)
        | _ -> ())

[<Fact>]
let ``set_tid gives the numbers asked for, innermost first`` () =
    Law.check Allocator.model chosenNumbersAreGiven

let setTidLeavesCursorsAlone: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        let check what (before: PidStack) (after: PidStack) =
            for i in 0 .. min request.SetTid.Length before.Length - 1 do
                Law.same what before[i].Cursor after[i].Cursor

        let before, _, after = allocate a request
        check "a covered cursor" before after
        let struct (_, late) = a.FailLate request.Kernel Errno.EBADF request.SetTid before
        check "a covered cursor, by a clone that fails late" before late)

[<Fact>]
let ``set_tid leaves every covered cursor alone`` () =
    Law.check Allocator.model setTidLeavesCursorsAlone

let refusedArrayChangesNothing: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | before, Allocation.Refused(Errno.EINVAL | Errno.EPERM | Errno.EEXIST), after ->
            Levels.mustBe "after the refusal" before after
        | _ -> ())

[<Fact>]
let ``a refused set_tid array changes nothing`` () =
    Law.check Allocator.model refusedArrayChangesNothing

let refusalKeepsNumbers: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | before, Allocation.Refused _, after ->
            Law.same "levels" before.Length after.Length

            for old, now in List.zip before after do
                sameLevel "all but the cursor" old { now with Cursor = old.Cursor }
        | _ -> ())

[<Fact>]
let ``a refusal leaves the numbers as they were`` () =
    Law.check Allocator.model refusalKeepsNumbers

// Everything wrong with the chosen numbers, each with its rank in the kernel's order of looking.
let private problems (request: Request) =
    [
        for i, (tid, level) in
            List.indexed (List.zip request.SetTid (List.truncate request.SetTid.Length request.Levels)) do
            let all = request.Kernel.ChecksBeforePicks

            if tid < 1 || tid >= level.PidMax then
                (if all then -1 else i), i, 0, Errno.EINVAL

            if not level.MayChoose then
                (if all then -1 else i), i, 2, Errno.EPERM

            if Space.isHeld tid level then
                i, i, 3, Errno.EEXIST

            if tid <> 1 && (level.Life = Life.Unborn || level.Life = Life.Stillborn) then
                let late = request.Kernel.ChecksInitAfterPick
                (if all && not late then -1 else i), i, (if late then 4 else 1), Errno.EINVAL
    ]
    |> List.sort

let private errorInOrder (a: Allocator) (request: Request) =
    let _, result, _ = allocate a request

    if request.SetTid.Length > min request.Levels.Length request.Kernel.Levels then
        Law.same "too many entries" (Allocation.Refused Errno.EINVAL) result
    else
        match problems request, result with
        | (_, _, _, errno) :: _, _ -> Law.same "first error" (Allocation.Refused errno) result
        | [], Allocation.Refused(Errno.EAGAIN | Errno.ENOMEM)
        | [], Allocation.Given _ -> ()
        | [], Allocation.Refused errno -> Law.broken (fun () -> $"%A{errno} with nothing wrong in the array")

let errorsComeInOrder: Law<Allocator> = Law.create Inputs.requests errorInOrder

[<Fact>]
let ``errors of set_tid come in the kernel's order`` () =
    Law.check Allocator.model errorsComeInOrder

let errorsOfFirstClones: Law<Allocator> =
    Law.create (Arb.fromGenShrink (Generate.firstClone, Shrink.request)) errorInOrder

[<Fact>]
let ``errors of set_tid come in the same order in a namespace without an init`` () =
    Law.check Allocator.model errorsOfFirstClones

let entriesAreLimited: Law<Allocator> =
    Law.create (Arb.fromGenShrink (Generate.deepClone, Shrink.request)) errorInOrder

[<Fact>]
let ``set_tid takes as many entries as there are levels but 32 at most`` () =
    Law.check Allocator.model entriesAreLimited

let private hasNumber (space: Space) =
    let low = if space.Cursor > space.Reserved then space.Reserved else 1

    seq { low .. space.PidMax - 1 }
    |> Seq.exists (fun n -> not (Space.isHeld n space))

let runsOutWhenFull: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        let before, result, after = allocate a request

        let arrayIsFine =
            request.SetTid.Length <= min request.Levels.Length request.Kernel.Levels
            && List.isEmpty (problems request)

        let full =
            List.indexed request.Levels
            |> List.tryFind (fun (i, level) -> isPlain request i && not (hasNumber level))
            |> Option.map fst

        match full with
        | Some i when arrayIsFine ->
            Law.same "result" (Allocation.Refused Errno.EAGAIN) result

            for k in i .. before.Length - 1 do
                Law.same "cursor from the full level outwards" before[k].Cursor after[k].Cursor

            for k in request.SetTid.Length .. i - 1 do
                if request.Levels[k].Life = Life.Unborn then
                    Law.same "cursor of a namespace without an init" 0 after[k].Cursor
                else
                    Law.same
                        "cursor inside the full level"
                        (Reference.next (Reference.ofSpace request.Levels[k]) + 1)
                        after[k].Cursor
        | _ -> Law.holds "no EAGAIN while there are numbers" (result <> Allocation.Refused Errno.EAGAIN))

[<Fact>]
let ``EAGAIN comes when a level has no number in its range and only inner cursors move`` () =
    Law.check Allocator.model runsOutWhenFull

let deadRefusesAtLast: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match request.Levels with
        | inner :: outer when inner.Life = Life.Dead ->
            // What a live one would do is known from the laws above.
            let living =
                { request with
                    Levels = { inner with Life = Life.Alive } :: outer
                }

            let _, alive, moved = allocate a living
            let before, result, after = allocate a request

            match alive with
            | Allocation.Refused errno -> Law.same "errno" (Allocation.Refused errno) result
            | Allocation.Given _ ->
                Law.same "result" (Allocation.Refused Errno.ENOMEM) result

                for old, (would, now) in List.zip before (List.zip moved after) do
                    sameLevel "moved like a live one, without the number" { old with Cursor = would.Cursor } now
        | inner :: _ when inner.Life = Life.Stillborn ->
            match allocate a request with
            | _, Allocation.Given pids, _ -> Law.broken (fun () -> $"a stillborn namespace gave %A{pids}")
            | _ -> ()
        | _ ->
            let _, result, _ = allocate a request
            Law.holds "no ENOMEM in a namespace that is not dead" (result <> Allocation.Refused Errno.ENOMEM))

[<Fact>]
let ``a dead namespace refuses at last and moves the cursors`` () =
    Law.check Allocator.model deadRefusesAtLast

let firstProcessIsOne: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        if request.Levels.Head.Life = Life.Unborn then
            let before, result, after = allocate a request

            match result with
            | Allocation.Given pids ->
                Law.same "first PID" 1 pids.Head
                Law.same "life" Life.Alive after.Head.Life
            | Allocation.Refused _ ->
                sameLevel "as new" before.Head after.Head
                let struct (again, _) = a.Allocate request.Kernel [] after

                match again with
                | Allocation.Given pids -> Law.same "first PID after a refusal" 1 pids.Head
                | Allocation.Refused errno -> Law.same "only a full level refuses" Errno.EAGAIN errno
        elif request.Levels.Head.Life = Life.Alive then
            let _, _, after = allocate a request
            Law.same "life" Life.Alive after.Head.Life)

[<Fact>]
let ``the first process of a namespace is 1 also after refusals`` () =
    Law.check Allocator.model firstProcessIsOne

let releaseRestores: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match allocate a request with
        | before, Allocation.Given pids, after ->
            let released = a.Release pids after

            for old, (took, now) in List.zip before (List.zip after released) do
                sameLevel
                    "as before but for cursor and life"
                    { old with
                        Cursor = took.Cursor
                        Life = took.Life
                    }
                    now
        | _ -> ())

[<Fact>]
let ``allocate then release restores the numbers and moves no cursor`` () =
    Law.check Allocator.model releaseRestores

let freedNumberWaits: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        match allocate a request with
        | _, Allocation.Given first, after ->
            let struct (again, _) = a.Allocate request.Kernel [] (a.Release first after)

            match again with
            | Allocation.Given second ->
                for i in 0 .. first.Length - 1 do
                    let level =
                        { request.Levels[i] with
                            Cursor = first[i] + 1
                        }

                    let low = if level.Cursor > level.Reserved then level.Reserved else 1

                    let others =
                        seq { low .. level.PidMax - 1 }
                        |> Seq.exists (fun n -> n <> first[i] && not (Space.isHeld n level))

                    if others then
                        Law.holds "it is not handed out twice in a row" (second[i] <> first[i])
            | Allocation.Refused errno -> Law.broken (fun () -> $"%A{errno} where a number was just freed")
        | _ -> ())

[<Fact>]
let ``a freed number is not the next one while there are others`` () =
    Law.check Allocator.model freedNumberWaits

let releaseAgrees: Law<Allocator> =
    let pids (request: Request) =
        request.Levels
        |> List.map (fun level -> level.Held |> List.tryHead |> Option.map fst |> Option.defaultValue 5)

    Law.create Inputs.plainRequests (fun a request ->
        for pids in [ pids request; List.truncate 1 (pids request) ] do
            let levels = Reference.ofSpaces request.Levels
            Reference.release pids levels
            Reference.mustBe levels (a.Release pids (Request.stack request)))

[<Fact>]
let ``release agrees with the reference`` () = Law.check Allocator.model releaseAgrees
