/// New namespaces, dead ones, and pid_max.
module SetNsLastPid.Tests.Properties.NamespaceProperties

open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

let internal nestings =
    Inputs.pairs
        Inputs.plainRequests
        (fun _ ->
            Gen.zip (Gen.frequency [ 2, Gen.choose (0, 34); 3, Gen.choose (30, 33) ]) (Gen.elements [ true; false ]))
        (fun (level, may) -> Shrink.number level |> Seq.map (fun l -> l, may))

let newNamespaceIsFresh: Law<Allocator> =
    Law.create nestings (fun a (request, (level, mayChoose)) ->
        let stack = Request.stack request

        match a.Nest request.Kernel level mayChoose stack with
        | Error errno ->
            Law.same "errno" Errno.ENOSPC errno
            Law.holds "the level has room inside" (level >= request.Kernel.Levels)
        | Ok [] -> Law.broken (fun () -> "no levels")
        | Ok(inner :: outer) ->
            Law.holds "nothing goes inside the last level" (level < request.Kernel.Levels)
            Levels.mustBe "outer levels" stack outer

            let expected =
                {
                    Cursor = 0
                    PidMax =
                        if request.Kernel.PidMaxPerNamespace then
                            request.Kernel.PidMaxLimit
                        else
                            stack.Head.PidMax
                    Reserved = stack.Head.Reserved
                    InUse = PidSet.empty
                    Life = Life.Unborn
                    MayChoose = mayChoose
                }

            Levels.mustBe "new level" [ expected ] [ inner ])

[<Fact>]
let ``a new namespace is empty and has the pid_max of its kernel`` () =
    Law.check Allocator.model newNamespaceIsFresh

[<Fact>]
let ``a new namespace reserves the numbers that the one around it does`` () =
    for reserved in [ 2; 300 ] do
        let outer =
            { PidNamespace.observed 1 32768 (PidSet.ofSeq [ 1 ]) with
                Reserved = reserved
            }

        match PidStack.nest KernelRules.newest 0 true [ outer ] with
        | Ok(inner :: _) -> Assert.Equal(reserved, inner.Reserved)
        | other -> Assert.Fail $"%A{other}"

    match PidStack.nest KernelRules.newest 0 true [] with
    | Ok [ first ] -> Assert.Equal(PidNamespace.create true Limits.PidMax, first)
    | other -> Assert.Fail $"%A{other}"

let firstCloneInside: Law<Allocator> =
    Law.create nestings (fun a (request, (_, mayChoose)) ->
        let stack = Request.stack request

        match a.Nest request.Kernel 1 mayChoose stack with
        | Ok nested ->
            let outer = a.Allocate request.Kernel [] stack
            let inner = a.Allocate request.Kernel [] nested

            match outer, inner with
            | struct (Allocation.Given pids, _), struct (Allocation.Given inside, after) ->
                Law.same "PIDs" (1 :: pids) inside
                Law.same "cursor inside" 2 after.Head.Cursor
                let struct (refused, _) = a.Allocate request.Kernel [ 1 ] after
                let expected = if mayChoose then Errno.EEXIST else Errno.EPERM
                Law.same "1 is taken" (Allocation.Refused expected) refused
            // Only the innermost namespace is asked whether it is dead.
            | struct (Allocation.Refused Errno.ENOMEM, _), _ -> ()
            | struct (Allocation.Refused errno, _), struct (refused, _) ->
                Law.same "errno" (Allocation.Refused errno) refused
            | _ -> Law.broken (fun () -> "refused inside, but not outside")
        | Error errno -> Law.broken (fun () -> $"%A{errno}"))

[<Fact>]
let ``the first clone into a new namespace gets 1 there and the next numbers outside`` () =
    Law.check Allocator.model firstCloneInside

let depthIsLimited: Law<Allocator> =
    Law.create (Arb.fromGen Generate.kernel) (fun a kernel ->
        let rec go level (stack: PidStack) =
            match a.Nest kernel level true stack with
            | Ok nested when level < 40 ->
                let struct (_, inhabited) = a.Allocate kernel [] nested
                go (level + 1) (List.truncate 2 inhabited)
            | Ok _ -> Law.broken (fun () -> "no end")
            | Error errno ->
                Law.same "errno" Errno.ENOSPC errno
                Law.same "deepest level" 32 level

        go 0 [])

[<Fact>]
let ``namespaces nest 32 deep below the first`` () =
    Law.check Allocator.model depthIsLimited

let initDiesOnly: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        let stack = Request.stack request
        let after = a.InitDies stack
        Levels.mustBe "only the innermost is dead" ({ stack.Head with Life = Life.Dead } :: stack.Tail) after
        let struct (result, _) = a.Allocate request.Kernel [] after

        match result with
        | Allocation.Refused(Errno.ENOMEM | Errno.EAGAIN) -> ()
        | other -> Law.broken (fun () -> $"a clone into a dead namespace gave %A{other}"))

[<Fact>]
let ``when init dies nothing changes but that no process can be made`` () = Law.check Allocator.model initDiesOnly

let internal pidMaxWrites =
    let values (request: Request) =
        let inner = request.Levels.Head

        Gen.frequency
            [
                4, Gen.elements [ 300; 301; 302; 4194303; 4194304; 4194305; 0; -1; System.Int32.MaxValue ]
                2, Gen.elements [ inner.Cursor; inner.Cursor - 1; inner.PidMax; inner.PidMax - 1 ]
                1, Gen.choose (301, 5000)
                if not inner.Held.IsEmpty then
                    2, Gen.elements (inner.Held |> List.map snd)
            ]

    Inputs.pairs Inputs.plainRequests values Shrink.number

let pidMaxAgrees: Law<Allocator> =
    Law.create pidMaxWrites (fun a (request, pidMax) ->
        let stack = Request.stack request
        let levels = Reference.ofSpaces request.Levels

        match Reference.writePidMax request.Kernel pidMax levels, a.WritePidMax request.Kernel pidMax stack with
        | Ok(), Ok after -> Reference.mustBe levels after
        | Error errno, Error refused -> Law.same "errno" errno refused
        | expected, actual ->
            Law.broken (fun () -> $"%d{pidMax}: expected %A{expected}, is refused: %b{actual.IsError}"))

[<Fact>]
let ``writing pid_max agrees with the reference`` () = Law.check Allocator.model pidMaxAgrees

let pidMaxLeavesTheRest: Law<Allocator> =
    Law.create pidMaxWrites (fun a (request, pidMax) ->
        let stack = Request.stack request
        let old = stack.Head.PidMax

        match a.WritePidMax request.Kernel pidMax stack with
        | Error _ ->
            Law.holds "pid_max is out of range" (pidMax <= stack.Head.Reserved || pidMax > request.Kernel.PidMaxLimit)
        | Ok lowered ->
            Law.same "pid_max" pidMax lowered.Head.PidMax

            match a.WritePidMax request.Kernel old lowered with
            | Ok back -> Levels.mustBe "back to what it was" stack back
            | Error errno -> Law.broken (fun () -> $"the old value: %A{errno}"))

[<Fact>]
let ``writing pid_max leaves cursor and numbers alone`` () =
    Law.check Allocator.model pidMaxLeavesTheRest
