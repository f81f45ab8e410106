/// Clones that fail after their numbers were taken.
module SetNsLastPid.Tests.Properties.LateProperties

open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

let agreesWithTheReference: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        let levels = Reference.ofSpaces request.Levels

        let expected =
            Reference.clone request.Kernel (Some Errno.EMFILE) request.SetTid levels

        let struct (result, after) =
            a.FailLate request.Kernel Errno.EMFILE request.SetTid (Request.stack request)

        match expected, result with
        | Error errno, Allocation.Refused refused -> Law.same "errno" errno refused
        | _ -> Law.broken (fun () -> $"expected %A{expected}, got %A{result}")

        Reference.mustBe levels after)

[<Fact>]
let ``a late failure agrees with the reference`` () =
    Law.check Allocator.model agreesWithTheReference

let movesLikeAllocation: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        let stack = Request.stack request
        let struct (result, moved) = a.Allocate request.Kernel request.SetTid stack

        let struct (late, after) =
            a.FailLate request.Kernel Errno.EBADF request.SetTid stack

        match result with
        | Allocation.Refused errno ->
            Law.same "errno" (Allocation.Refused errno) late
            Levels.mustBe "left by the refusal" moved after
        | Allocation.Given _ ->
            Law.same "errno" (Allocation.Refused Errno.EBADF) late

            for i in 0 .. stack.Length - 1 do
                if i > 0 || stack.Head.Life <> Life.Unborn then
                    Levels.mustBe
                        "the numbers from before and the cursor from after"
                        [
                            { stack[i] with
                                Cursor = moved[i].Cursor
                            }
                        ]
                        [ after[i] ])

[<Fact>]
let ``a late failure moves cursors like a success and gives the numbers back`` () =
    Law.check Allocator.model movesLikeAllocation

let consumesOneAfterTheOther: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        if request.Levels.Head.Life <> Life.Unborn then
            let levels = Reference.ofSpaces request.Levels
            let mutable stack = Request.stack request

            for _ in 1..5 do
                Reference.clone request.Kernel (Some Errno.EBADF) [] levels |> ignore
                let struct (_, after) = a.FailLate request.Kernel Errno.EBADF [] stack
                stack <- after

            Reference.mustBe levels stack)

[<Fact>]
let ``late failures consume one number after the other`` () =
    Law.check Allocator.model consumesOneAfterTheOther

let firstCloneThatFailsLate: Law<Allocator> =
    Law.create Inputs.requests (fun a request ->
        match Request.stack request with
        | inner :: _ as stack when inner.Life = Life.Unborn ->
            match a.FailLate request.Kernel Errno.EBADF request.SetTid stack with
            | struct (Allocation.Refused Errno.EBADF, after) ->
                let struct (again, _) = a.Allocate request.Kernel [] after

                match again with
                | Allocation.Refused Errno.EAGAIN -> () // an outer level ran out
                | _ when request.Kernel.FailedFirstCloneKills ->
                    Law.same "the next clone" (Allocation.Refused Errno.ENOMEM) again
                | Allocation.Given pids -> Law.same "the next clone" 1 pids.Head
                | _ -> Law.broken (fun () -> $"the next clone gave %A{again}")
            | struct (Allocation.Refused _, after) -> Levels.mustBe "innermost level" [ inner ] [ after.Head ]
            | struct (given, _) -> Law.broken (fun () -> $"a late failure gave %A{given}")
        | _ -> ())

[<Fact>]
let ``the first clone failing late kills where the kernel says so`` () =
    Law.check Allocator.model firstCloneThatFailsLate

[<Fact>]
let ``after a first clone that failed late the namespace is as new or stillborn, and the outer cursor has moved`` () =
    let outer =
        PidNamespace.withChoice (PidNamespace.observed 41 32768 (PidSet.ofSeq [ 1 ]))

    for kernel, killed in [ KernelRules.ofVersion 7 0, true; KernelRules.ofVersion 7 1, false ] do
        let fresh = PidNamespace.create true 32768

        // A drawn number moves the cursor, a chosen one does not.
        for setTid, cursor in [ [], 2; [ 1 ], 0 ] do
            let expected =
                if killed then
                    { fresh with
                        Life = Life.Stillborn
                        Cursor = cursor
                    }
                else
                    fresh

            let struct (result, after) =
                PidStack.failLate kernel Errno.EBADF setTid [ fresh; outer ]

            Assert.Equal(Allocation.Refused Errno.EBADF, result)
            Assert.Equal<PidStack>([ expected; { outer with Cursor = 43 } ], after)
