/// Two tasks that ask for PIDs at once.
module SetNsLastPid.Tests.Properties.RaceProperties

open System
open System.Runtime.CompilerServices
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

// What came of it, without the numbers in use, which follow.
let private keys outcomes =
    outcomes
    |> List.map (fun (struct (one, other, after: PidStack)) -> one, other, List.map _.Cursor after)
    |> Set.ofList

// The two of them as they would run: a schedule says who makes each of their moves.
let private run (stack: PidStack) (schedule: int) =
    let levels = Array.ofList stack
    let got = [| []; [] |]
    let results: Allocation option[] = [| None; None |]
    let isFull = [| false; false |]

    let move who =
        let level = got[who].Length

        if isFull[who] then
            for i, pid in List.indexed got[who] do
                levels[i] <-
                    { levels[i] with
                        InUse = PidSet.remove pid levels[i].InUse
                    }

            results[who] <- Some(Allocation.Refused Errno.EAGAIN)
        else
            match PidNamespace.tryNext levels[level] with
            | ValueNone -> isFull[who] <- true
            | ValueSome pid ->
                levels[level] <-
                    { PidNamespace.withLastPid pid levels[level] with
                        InUse = PidSet.add pid levels[level].InUse
                    }

                got[who] <- got[who] @ [ pid ]

                if level + 1 = levels.Length then
                    results[who] <- Some(Allocation.Given got[who])

    let mutable left = schedule

    while Array.contains None results do
        let who = left &&& 1
        left <- left >>> 1
        move (if results[who].IsSome then 1 - who else who)

    struct (results[0].Value, results[1].Value, List.ofArray levels)

// Of what is alive; with more levels it is only more of the same, and takes its time.
let private stackOf (request: Request) =
    match List.truncate 2 (Request.stack request) with
    | inner :: _ as stack when inner.Life = Life.Alive -> Some stack
    | _ -> None

// It does not depend on the allocator in hand, and takes its time.
let private expected =
    ConditionalWeakTable<Request, Set<Allocation * Allocation * int list>>()

let isAllThatCanCome: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        match stackOf request with
        | None -> ()
        | Some stack ->
            let orders = 1 <<< (2 * (stack.Length + 1))

            let all =
                expected.GetValue(request, (fun _ -> List.init orders (run stack) |> keys))

            Law.same "what can come of it" all (keys (a.Race stack)))

let leavesWhatItDoesNotGive: Law<Allocator> =
    Law.create Inputs.plainRequests (fun a request ->
        match stackOf request with
        | None -> ()
        | Some stack ->
            for struct (one, other, after) in a.Race stack do
                let given =
                    [ one; other ]
                    |> List.choose (fun allocation ->
                        match allocation with
                        | Allocation.Given pids -> Some pids
                        | Allocation.Refused _ -> None)

                for i in 0 .. stack.Length - 1 do
                    let numbers = given |> List.map (List.item i)
                    Law.holds "no number is given twice" (List.distinct numbers = numbers)
                    let inUse = List.fold (fun set pid -> PidSet.add pid set) stack[i].InUse numbers
                    Levels.mustBe "level" [ { after[i] with InUse = inUse } ] [ after[i] ])

[<Fact>]
let ``two requests at once come to what some order of their moves comes to, and to nothing else`` () =
    Law.check Allocator.model isAllThatCanCome

[<Fact>]
let ``two requests at once take what they are given and nothing else`` () =
    Law.check Allocator.model leavesWhatItDoesNotGive

[<Fact>]
let ``one after the other is what is told first`` () =
    Law.check
        Allocator.model
        (Law.create Inputs.plainRequests (fun (a: Allocator) request ->
            match stackOf request with
            | None -> ()
            | Some stack ->
                let struct (first, moved) = a.Allocate request.Kernel [] stack
                let struct (second, last) = a.Allocate request.Kernel [] moved
                let struct (one, other, after) = List.head (a.Race stack)
                Law.same "both" (first, second) (one, other)
                Levels.mustBe "after it" last after))

[<Fact>]
let ``who is first inside may be second outside`` () =
    let ns last =
        PidNamespace.withChoice (PidNamespace.observed last 32768 (PidSet.ofSeq [ 1 ]))

    let outcomes = PidRace.both [ ns 10; ns 20 ]

    let given =
        outcomes
        |> List.map (fun (struct (one, other, after)) ->
            Assert.Equal<int list>([ 13; 23 ], List.map _.Cursor after)
            one, other)

    let pair one other =
        Allocation.Given one, Allocation.Given other

    Assert.Equal<(Allocation * Allocation) list>(
        List.sort
            [
                pair [ 11; 21 ] [ 12; 22 ]
                pair [ 12; 22 ] [ 11; 21 ]
                pair [ 11; 22 ] [ 12; 21 ]
                pair [ 12; 21 ] [ 11; 22 ]
            ],
        List.sort given
    )

// A kernel whose forks at once come out as one of the things that can be.
let private kernelOf choose =
    ModelSandbox.choosing choose Allocator.model

let private setting =
    {
        Kernel = KernelRules.ofVersion 6 18
        OuterLevels = 1
        OwnUser = false
        PidMax = Limits.PidMax
        Lacks = []
        Surprises = []
    }

let private never = Func<bool>(fun () -> false)

let private runAll sandboxes recorder =
    Runner.runAll sandboxes recorder true (Action<int> ignore) never FixedCases.all (Runner.sequences 1UL 100 50)

[<Fact>]
let ``whichever comes first, verify goes on from there`` () =
    let report = runAll (kernelOf List.last setting) null
    Assert.True(report.First.IsNone, $"{report.First}")
    Assert.True(report.Coverage["two forks at once"] > 20L)

[<Fact>]
let ``another order is no difference between two kernels`` () =
    let recorder = Recorder("6.18.0", setting)
    runAll (kernelOf List.head setting) recorder |> ignore

    match TraceText.parse recorder.Text with
    | Error message -> Assert.Fail message
    | Ok trace ->
        let replay sandboxes =
            Runner.replay sandboxes (Action<int> ignore) never trace

        Assert.True((replay (kernelOf List.last setting)).First.IsNone)

        let wrong =
            kernelOf
                (fun possible ->
                    match possible with
                    | [ one ] -> one
                    | _ ->
                        let struct (seen, world) = List.head possible

                        struct ({ seen with
                                    Outcomes = List.rev seen.Outcomes
                                },
                                world))
                setting

        Assert.True((replay wrong).First.IsSome)
