/// Predicting numbers, and the way to a last PID by consuming them.
module SetNsLastPid.Tests.Properties.CycleProperties

open System.Collections.Generic
open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

/// What decides about numbers to come, as a value, so that tests can put a wrong one in its place.
type Plan =
    {
        TryNext: PidNamespace -> int voption
        Predict: int -> PidNamespace -> int list
        Reach: Goal -> PidNamespace -> Reach
        Next: int -> Goal -> PidNamespace -> CycleStep
    }

[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Plan =
    let model: Plan =
        {
            TryNext = PidNamespace.tryNext
            Predict = fun count ns -> List.ofSeq (PidNamespace.predict count ns)
            Reach = Cycle.reach PidSet.empty
            Next =
                fun near goal ns ->
                    let struct (reach, aim) = Cycle.aim PidSet.empty goal ns
                    Cycle.step near (Cycle.beyond aim goal ns) reach
        }

let nextAgrees: Law<Plan> =
    Law.create Inputs.spaces (fun plan space ->
        let expected =
            match Reference.next (Reference.ofSpace space) with
            | -1 -> ValueNone
            | n -> ValueSome n

        Law.same "next" expected (plan.TryNext(Space.toModel space)))

[<Fact>]
let ``the next number agrees with the reference`` () = Law.check Plan.model nextAgrees

let internal predictions =
    Inputs.pairs Inputs.spaces (fun _ -> Gen.frequency [ 3, Gen.choose (0, 12); 1, Gen.choose (0, 400) ]) Shrink.number

let predictIsIteratedAllocation: Law<Plan> =
    Law.create predictions (fun plan (space, count) ->
        // A namespace without an init gets one by the first allocation, and the dead refuse.
        let ns =
            { Space.toModel space with
                Life = Life.Alive
            }

        let rec allocate count stack =
            match
                (if count > 0 then
                     PidStack.allocate KernelRules.newest [] stack
                 else
                     struct (Allocation.Given [], stack))
            with
            | struct (Allocation.Given [ pid ], after) -> pid :: allocate (count - 1) after
            | _ -> []

        Law.same "numbers" (allocate count [ ns ]) (plan.Predict count ns))

[<Fact>]
let ``a prediction is what allocating gives`` () =
    Law.check Plan.model predictIsIteratedAllocation

// Targets where the answers change, with a space whose numbers the reference can walk through.
let internal targets =
    let small = Arb.filter (fun (space: Space) -> space.PidMax <= 2000) Inputs.spaces

    let target (space: Space) =
        Gen.frequency
            [
                4, Gen.elements [ 0; 1; 298; 299; 300; 301; space.PidMax - 2; space.PidMax - 1 ]
                1,
                Gen.elements
                    [
                        -1
                        space.PidMax
                        space.PidMax + 1
                        System.Int32.MaxValue
                        System.Int32.MinValue
                    ]
                4, Gen.choose (0, space.PidMax - 1)
                3, Gen.choose (300, space.PidMax - 1)
                3, Gen.choose (-3, 3) |> Gen.map (fun n -> space.Cursor + n)
                if not space.Held.IsEmpty then
                    3,
                    Gen.elements (
                        space.Held
                        |> List.collect (fun (first, last) -> [ first - 1; first; last; last + 1 ])
                    )
            ]

    let goal (space: Space) =
        target space
        |> Gen.bind (fun number ->
            Reference.goals number (fun least -> Gen.oneof [ Gen.choose (least, 5); Gen.choose (least, space.PidMax) ]))

    let shrink (goal: Goal) =
        seq {
            if goal.IsLoose then
                { goal with Room = goal.Room / 2 }

                { goal with
                    Last = goal.First + (goal.Last - goal.First) / 2
                }

                { goal with
                    First = goal.Last - (goal.Last - goal.First) / 2
                }
        }

    Inputs.pairs small goal shrink

// The way by trial: numbers are consumed until the next process would get one that the goal allows. And that number, 0 for
// none.
let private walkTo (goal: Goal) (space: Space) =
    let level = Reference.ofSpace space
    let allowed = HashSet(Reference.allowed goal level)
    let next = Reference.next level

    if goal.First < 1 || goal.First >= space.PidMax + (if goal.OrNext then 1 else 0) then
        struct (Reach.Never Obstacle.OutOfRange, 0)
    elif goal.OrNext && space.Cursor = goal.First then
        struct (Reach.After 0, goal.First)
    elif allowed.Count = 0 then
        struct (Reach.Never(if goal.OrNext then Obstacle.NoneFree else Obstacle.Held), 0)
    elif next < 0 then
        struct (Reach.Never Obstacle.NoneFree, 0)
    else
        match Reference.consumeUntil (fun level -> allowed.Contains(Reference.next level)) level with
        | struct (count, true) -> struct (Reach.After count, Reference.next level)
        | struct (_, false) -> struct (Reach.Never Obstacle.BelowReserved, 0)

let private walk goal space =
    let struct (reach, _) = walkTo goal space
    reach

let reachIsTheExactNumber: Law<Plan> =
    Law.create targets (fun plan (space, goal) ->
        Law.same "reach" (walk goal space) (plan.Reach goal (Space.toModel space)))

[<Fact>]
let ``reach is the exact number of allocations or the reason why there is none`` () =
    Law.check Plan.model reachIsTheExactNumber

[<Fact>]
let ``the number that is aimed at is the one that comes next then`` () =
    Law.check
        Plan.model
        (Law.create targets (fun _ (space, goal) ->
            Law.same "aim" (walkTo goal space) (Cycle.aim PidSet.empty goal (Space.toModel space))))

[<Fact>]
let ``there is no aim behind a number of one's own, and none beyond one that wants room`` () =
    let ns = PidNamespace.observed 9999 32768 (PidSet.ofSeq [ 10000 ])

    Assert.Equal(struct (Reach.Never(Obstacle.Ours 10000), 0), Cycle.aim (PidSet.ofSeq [ 10000 ]) (Goal.after 10000) ns)

    Assert.Equal(0, Cycle.beyond 500 (Goal.within 500 600 5) ns)

let private consume count (space: Space) =
    let level = Reference.ofSpace space

    for _ in 1..count do
        match Reference.next level with
        | -1 -> Law.broken (fun () -> "consuming where nothing is free")
        | n -> level.C <- n + 1

    { space with Cursor = level.C }

// Where single steps begin, often just where the target is.
let internal landings =
    let near (space, target) =
        match walk target space with
        | Reach.After left ->
            Gen.frequency
                [
                    2, Gen.elements [ 0; 1; 2; 8; 64 ]
                    3, Gen.elements [ max 0 (left - 1); left; left + 1 ]
                ]
        | Reach.Never _ -> Gen.elements [ 0; 8 ]

    Inputs.pairs targets near (fun near -> Shrink.number near)

let planLandsExactly: Law<Plan> =
    Law.create landings (fun plan ((space, target), near) ->
        let rec go steps (space: Space) =
            let left = walk target space

            // Free numbers of the goal behind the one that comes next in the end.
            let beyond count =
                let at = Reference.next (Reference.ofSpace (consume count space))

                if target.Room > 0 then
                    0
                else
                    Reference.allowed { target with OrNext = false } (Reference.ofSpace space)
                    |> List.filter (fun n -> n > at)
                    |> List.length

            match plan.Next near target (Space.toModel space), left with
            | CycleStep.Landed, Reach.After 0 -> steps
            | CycleStep.Hopeless why, Reach.Never obstacle ->
                Law.same "why" obstacle why
                steps
            | CycleStep.Consume count, Reach.After left ->
                Law.holds "1 <= count <= left" (count >= 1 && count <= left)

                let beyond = beyond left

                Law.same
                    "one near the target, else half of what is left and all beyond"
                    (if left + beyond <= near then
                         1
                     else
                         max 1 (min left ((left + beyond) / 2)))
                    count

                Law.holds "in few steps" (steps < near + 40)
                go (steps + 1) (consume count space)
            | step, left ->
                Law.broken (fun () -> $"%A{step} with %A{left} to go")
                steps

        go 0 space |> ignore)

[<Fact>]
let ``the plan lands exactly and never passes the target`` () = Law.check Plan.model planLandsExactly

// What others do between two looks: so many numbers, which they keep or give back.
let private crowds =
    let foreign =
        Gen.zip (Gen.frequency [ 2, Gen.choose (0, 3); 1, Gen.choose (0, 60) ]) (Gen.elements [ true; false ])

    Inputs.pairs landings (fun _ -> Gen.choose (0, 12) |> Gen.bind (fun n -> Gen.listOfLength n foreign)) (fun turns ->
        seq { for i in 0 .. turns.Length - 1 -> List.removeAt i turns })

let landsAmongOthers: Law<Plan> =
    Law.create crowds (fun plan (((space, target), near), turns) ->
        let disturb (count, keeps) (level: Level) =
            for _ in 1..count do
                match Reference.next level with
                | -1 -> ()
                | n ->
                    level.C <- n + 1

                    if keeps then
                        level.Used.Add n |> ignore

        let rec go steps turns (space: Space) =
            match plan.Next near target (Space.toModel space) with
            | CycleStep.Landed ->
                let level = Reference.ofSpace space

                if space.Cursor <> target.First || target.IsLoose then
                    Law.holds
                        "the goal allows the next"
                        (List.contains (Reference.next level) (Reference.allowed target level))
            | CycleStep.Hopeless why -> Law.same "why" (walk target space) (Reach.Never why)
            | CycleStep.Consume count ->
                Law.holds "in few steps" (steps < (near + 40) * (turns |> List.length |> (+) 14))
                let after = Reference.ofSpace (consume count space)

                match turns with
                | turn :: later ->
                    disturb turn after
                    go (steps + 1) later (Reference.toSpace after)
                | [] -> go (steps + 1) [] (Reference.toSpace after)

        go 0 turns space)

[<Fact>]
let ``among others the plan lands after a lap or says why not`` () = Law.check Plan.model landsAmongOthers

/// Plans that are wrong on purpose.
let wrongPlans: (string * Plan) list =
    let plan = Plan.model

    let reaching change =
        let reach target ns =
            match Cycle.reach PidSet.empty target ns with
            | Reach.After n when n > 0 -> Reach.After(change (target.First - 1) n ns)
            | other -> other

        let next near target ns =
            match reach target ns with
            | Reach.Never obstacle -> CycleStep.Hopeless obstacle
            | Reach.After 0 -> CycleStep.Landed
            | Reach.After n when n <= near -> CycleStep.Consume 1
            | Reach.After n -> CycleStep.Consume(max 1 (n / 2))

        { plan with Reach = reach; Next = next }

    let stepping change =
        { plan with
            Next =
                fun near target ns ->
                    match Cycle.reach PidSet.empty target ns, plan.Next near target ns with
                    | Reach.After n, CycleStep.Consume count -> CycleStep.Consume(change near n count)
                    | _, step -> step
        }

    // As if the numbers in use, the lap or the reserve were not there.
    let blind see =
        { plan with
            Reach = fun target ns -> Cycle.reach PidSet.empty target (see target ns)
            Next = fun near target ns -> plan.Next near target (see target ns)
        }

    // As if another goal had been given.
    let instead (change: Goal -> Goal) =
        { plan with
            Reach = fun goal ns -> Cycle.reach PidSet.empty (change goal) ns
            Next = fun near goal ns -> plan.Next near (change goal) ns
        }

    [
        "one allocation too many", reaching (fun _ n _ -> n + 1)
        "one allocation too few", reaching (fun _ n _ -> n - 1)
        "numbers in use count as steps", blind (fun _ ns -> { ns with InUse = PidSet.empty })
        "the difference of the numbers",
        reaching (fun target n ns -> if target >= ns.Cursor then target - ns.Cursor + 1 else n)
        "a lap without the numbers in use",
        reaching (fun target n ns ->
            if target >= ns.Cursor then
                n
            else
                ns.PidMax - ns.Cursor + target - 300 + 1)
        "all at once", stepping (fun _ n _ -> n)
        "past the target", stepping (fun near n count -> if n > near then n + 1 else count)
        "past the target from near", stepping (fun near n count -> if n <= near then 2 else count)
        "nothing at a distance of one", stepping (fun _ n count -> if n = 1 then 0 else count)
        "bursts close to the target", stepping (fun _ n _ -> max 1 (n / 2))
        "single steps only", stepping (fun _ _ _ -> 1)
        "gives up behind the target",
        { plan with
            Reach =
                fun target ns ->
                    if target.First < ns.Cursor then
                        Reach.Never Obstacle.BelowReserved
                    else
                        Cycle.reach PidSet.empty target ns
        }
        "hopes for numbers below 300",
        { plan with
            Reach =
                fun target ns ->
                    match Cycle.reach PidSet.empty target ns with
                    | Reach.Never Obstacle.BelowReserved -> Reach.After(ns.PidMax - ns.Cursor + target.First - 1)
                    | other -> other
        }
        "never below 300",
        { plan with
            Reach =
                fun target ns ->
                    if target.First < 300 then
                        Reach.Never Obstacle.BelowReserved
                    else
                        Cycle.reach PidSet.empty target ns
        }
        "takes pid_max for reachable",
        { plan with
            Reach =
                fun target ns ->
                    if target.OrNext && target.First - 1 = ns.PidMax then
                        Cycle.reach PidSet.empty (Goal.after (ns.PidMax - 1)) ns
                    else
                        Cycle.reach PidSet.empty target ns
        }
        "lands on the very number only",
        { plan with
            Next =
                fun near target ns ->
                    match plan.Next near target ns with
                    | CycleStep.Landed when PidNamespace.lastPid ns <> target.First - 1 -> CycleStep.Consume 1
                    | other -> other
        }
        "lands one early",
        { plan with
            Next =
                fun near target ns ->
                    match Cycle.reach PidSet.empty target ns with
                    | Reach.After 1 -> CycleStep.Landed
                    | _ -> plan.Next near target ns
        }
        "sees the first number of a range only", instead (fun goal -> { goal with Last = goal.First })
        "aims at the last number of a range",
        instead (fun goal ->
            { goal with
                First = max goal.First goal.Last
            })
        "one number too many",
        instead (fun goal ->
            if goal.OrNext then
                goal
            else
                { goal with Last = goal.Last + 1 })
        "forgets the room", instead (fun goal -> { goal with Room = 0 })
        "too little room",
        instead (fun goal ->
            { goal with
                Room = max 0 (goal.Room - 1)
            })
        "takes what follows a range", instead (fun goal -> { goal with OrNext = true })
        "does not take what follows a number", instead (fun goal -> { goal with OrNext = false })
        "half of the way to a range, however long",
        { plan with
            Next = fun near goal ns -> Cycle.step near 0 (Cycle.reach PidSet.empty goal ns)
        }
        "next ignores the reserve",
        { plan with
            TryNext =
                fun ns ->
                    match PidNamespace.tryNext ns with
                    | ValueSome n when n < ns.Cursor -> PidSet.tryFirstFree 1 ns.PidMax ns.InUse
                    | other -> other
        }
        "next does not wrap",
        { plan with
            TryNext = fun ns -> PidSet.tryFirstFree (max 1 ns.Cursor) ns.PidMax ns.InUse
        }
        "predicts one too few",
        { plan with
            Predict = fun count ns -> List.ofSeq (PidNamespace.predict (count - 1) ns)
        }
        "predicts the same again",
        { plan with
            Predict =
                fun count ns ->
                    match PidNamespace.tryNext ns with
                    | ValueSome n -> List.replicate count n
                    | ValueNone -> []
        }
        "predicts without holding what it gave",
        { plan with
            Predict =
                fun count ns ->
                    let rec go count ns =
                        match if count > 0 then PidNamespace.tryNext ns else ValueNone with
                        | ValueSome n -> n :: go (count - 1) (PidNamespace.withLastPid n ns)
                        | ValueNone -> []

                    go count ns
        }
    ]
