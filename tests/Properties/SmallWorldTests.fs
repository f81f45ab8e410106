/// All laws in worlds so small that everything in them can be tried: RESERVED_PIDS 2 in place of 300, pid_max 3 to 6,
/// three levels, set_tid with two entries at most.
module SetNsLastPid.Tests.Properties.SmallWorldTests

open System
open System.Collections.Generic
open System.Text
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification
open SetNsLastPid.Tests.Properties.CycleProperties

[<Literal>]
let private Reserved = 2

[<Literal>]
let private PidMaxLimit = 6

[<Literal>]
let private Levels = 3

// One of each that allocates differently.
let private kernels =
    [
        for major, minor in [ 6, 12; 6, 18; 7, 0; 7, 3 ] do
            { KernelRules.ofVersion major minor with
                PidMaxLimit = PidMaxLimit
                Levels = Levels - 1
            }
    ]

// Every namespace there is, alone.
let private spaces =
    [|
        for pidMax in Reserved + 1 .. PidMaxLimit do
            for life in [ Life.Unborn; Life.Alive; Life.Dead; Life.Stillborn ] do
                for cursor in 0 .. PidMaxLimit + 1 do
                    for members in 0 .. (1 <<< (PidMaxLimit - 1)) - 1 do
                        for mayChoose in [ true; false ] do
                            let space =
                                {
                                    Cursor = cursor
                                    PidMax = pidMax
                                    Reserved = Reserved
                                    Held =
                                        seq { 1 .. PidMaxLimit - 1 }
                                        |> Seq.filter (fun n -> (members >>> (n - 1)) &&& 1 = 1)
                                        |> Seq.map (fun n -> n, n)
                                        |> Space.ranges
                                    Life = life
                                    MayChoose = mayChoose
                                }

                            if Space.isValid space then
                                space
    |]

// The laws by what they are about, for one subject.
type private AllocatorLaws(a: Allocator) =
    let ofRequests = Law.from Inputs.requests
    let ofPlainRequests = Law.from Inputs.plainRequests
    let ofNestings = Law.from NamespaceProperties.nestings
    let ofPidMaxWrites = Law.from NamespaceProperties.pidMaxWrites
    let ofValues = Law.from LastPidProperties.values
    let ofLastPidRequests = Law.from Inputs.lastPidRequests

    let check input laws =
        laws |> List.iter (fun law -> law a input)

    member _.Request(request: Request) =
        check request ofRequests

        if request.SetTid.IsEmpty then
            check request ofPlainRequests

    member _.Nest(request: Request, level: int, may: bool) =
        check (request, (level, may)) ofNestings

    member _.PidMax(request: Request, pidMax: int) = check (request, pidMax) ofPidMaxWrites
    member _.LastPid(request: Request, pid: int) = check (request, pid) ofValues
    member _.LastPid(request: LastPidRequest) = check request ofLastPidRequests

let private setTids depth =
    [
        []

        for first in -1 .. PidMaxLimit + 1 do
            [ first ]

        if depth > 1 then
            for first in [ 1; 2; 3; PidMaxLimit ] do
                for second in 0..PidMaxLimit do
                    [ first; second ]

        if depth = 1 then [ 1; 1 ] else [ 1; 2; 3 ]
    ]

// What the first check that throws says, and of what.
let private tryBreak (show: 'item -> Space list) (items: 'item[]) (check: 'item -> unit) =
    items
    |> Array.Parallel.tryPick (fun item ->
        try
            check item
            None
        with e ->
            Some $"%s{e.Message}: %A{show item}")

let private breaksAlone (a: Allocator) =
    let laws = AllocatorLaws a

    tryBreak List.singleton spaces (fun space ->
        for offset, isStrict in List.allPairs [ 0L; 1L ] [ true; false ] do
            laws.LastPid
                {
                    Kernel = KernelRules.withStrictWrites isStrict KernelRules.newest
                    Space = space
                    Offset = offset
                    Text = Text(Encoding.ASCII.GetBytes(string space.Cursor))
                }

        for kernel in kernels do
            for setTid in setTids 1 do
                laws.Request
                    {
                        Kernel = kernel
                        SetTid = setTid
                        Levels = [ space ]
                    })

// What follows each number, and each range with each room.
let private goals pidMax rooms =
    [
        for target in -1 .. pidMax + 1 do
            Goal.after target

        for first in 1..pidMax do
            for last in first..pidMax do
                for room in 0..rooms do
                    Goal.within first last room
    ]

let private breaksPlan (plan: Plan) =
    let ofSpaces = Law.from Inputs.spaces
    let ofPredictions = Law.from predictions
    let ofTargets = Law.from targets
    let ofLandings = Law.from landings

    tryBreak List.singleton spaces (fun space ->
        for law in ofSpaces do
            law plan space

        for count in 0 .. PidMaxLimit + 1 do
            for law in ofPredictions do
                law plan (space, count)

        for goal in goals PidMaxLimit 1 do
            for law in ofTargets do
                law plan (space, goal)

            for near in
                (if goal.IsLoose then
                     [ 0; 1; PidMaxLimit ]
                 else
                     [ 0..PidMaxLimit ]) do
                for law in ofLandings do
                    law plan ((space, goal), near))

/// Namespaces, the innermost first, and the numbers of each process in them, one a level.
type private State =
    {
        Stack: PidStack
        Processes: int list list
    }

// The same number for the same levels.
let private keyOfStack (stack: PidStack) =
    let bits (ns: PidNamespace) =
        let life =
            match ns.Life with
            | Life.Unborn -> 0
            | Life.Alive -> 1
            | Life.Dead -> 2
            | Life.Stillborn -> 3

        (0, [ 1 .. PidMaxLimit - 1 ])
        ||> List.fold (fun set n -> 2 * set + (if PidSet.contains n ns.InUse then 1 else 0))
        |> fun set -> ((set * 16 + ns.Cursor) * 8 + ns.PidMax) * 4 + life

    (1L, stack) ||> List.fold (fun key ns -> (key <<< 16) + int64 (bits ns))

// The same numbers for the same state.
let private keyOf (state: State) =
    let processes =
        (1L, state.Processes)
        ||> List.fold (fun key pids -> (key, 7 :: pids) ||> List.fold (fun key pid -> key * 8L + int64 pid))

    struct (keyOfStack state.Stack, processes)

let private start =
    {
        Stack =
            [
                { PidNamespace.create true PidMaxLimit with
                    Cursor = 2
                    Reserved = Reserved
                    InUse = PidSet.ofSeq [ 1 ]
                    Life = Life.Alive
                }
            ]
        Processes = [ [ 1 ] ]
    }

// All that can be asked of the innermost of these levels, under each law.
let private ask (laws: AllocatorLaws) kernel (stack: PidStack) =
    let levels = stack |> List.map Space.ofModel

    let plain =
        {
            Kernel = kernel
            SetTid = []
            Levels = levels
        }

    for setTid in setTids levels.Length do
        laws.Request { plain with SetTid = setTid }

        // Without the capability outermost.
        if not setTid.IsEmpty then
            laws.Request
                { plain with
                    SetTid = setTid
                    Levels =
                        levels
                        |> List.mapi (fun i level ->
                            { level with
                                MayChoose = i < levels.Length - 1
                            })
                }

    for n in 0 .. PidMaxLimit + 1 do
        laws.LastPid(plain, n)
        laws.PidMax(plain, n)

    for may in [ true; false ] do
        laws.Nest(plain, levels.Length - 1, may)

// All states that one operation leads to.
let private follow (a: Allocator) kernel (state: State) =
    [
        for skip in 0 .. state.Stack.Length - 1 do
            let inner, sub = List.splitAt skip state.Stack
            let within stack = { state with Stack = inner @ stack }

            for setTid in setTids sub.Length do
                match a.Allocate kernel setTid sub with
                | struct (Allocation.Given pids, after) ->
                    { within after with
                        Processes = List.sort (pids :: state.Processes)
                    }
                | struct (Allocation.Refused _, after) -> within after

                let struct (_, late) = a.FailLate kernel Errno.EBADF setTid sub
                within late

            if sub.Head.Life = Life.Alive then
                for n in 0 .. PidMaxLimit + 1 do
                    let struct (_, after) =
                        a.WriteLastPid kernel 0L (Encoding.ASCII.GetBytes(string n)) sub.Head

                    within (after :: sub.Tail)

                    match a.WritePidMax kernel n sub with
                    | Ok after when kernel.PidMaxPerNamespace -> within after
                    | Ok after ->
                        { state with
                            Stack = List.map (fun ns -> { ns with PidMax = n }) inner @ after
                        }
                    | Error _ -> ()

                match a.Nest kernel (sub.Length - 1) true sub with
                | Error _ -> ()
                | Ok stack ->
                    // Those who lived further in are lost to sight, and keep their numbers.
                    {
                        Stack = stack
                        Processes = state.Processes |> List.filter (fun pids -> pids.Length <= sub.Length)
                    }

                if skip = 0 then
                    within (a.InitDies sub)

        for pids in List.distinct state.Processes do
            let inner, sub = List.splitAt (state.Stack.Length - pids.Length) state.Stack

            // An init is reaped when all else in its namespace is dead.
            if pids.Head <> 1 || sub.Head.Life = Life.Dead then
                let after = a.Release pids sub
                let levels = sub |> List.map Space.ofModel |> Reference.ofSpaces
                Reference.release pids levels
                Reference.mustBe levels after

                {
                    Stack = inner @ after
                    Processes = List.removeAt (List.findIndex ((=) pids) state.Processes) state.Processes
                }
    ]

// Every sequence of so many operations: how many different steps, states and stacks were met, and what broke. Nothing
// comes twice from the same state, and a law says nothing new of the same levels.
let private explore (a: Allocator) kernel length =
    let laws = AllocatorLaws a
    let known = HashSet [ keyOf start ]
    let asked = HashSet<int64>()
    let mutable edge = [| start |]
    let steps = ref 0
    let mutable broken = None

    for depth in 1..length do
        if broken.IsNone then
            let found = Dictionary<struct (int64 * int64), State>()

            let stacks =
                [|
                    for state in edge do
                        for skip in 0 .. state.Stack.Length - 1 do
                            let stack = List.skip skip state.Stack

                            if asked.Add(keyOfStack stack) then
                                stack
                |]

            broken <-
                tryBreak (List.map Space.ofModel) stacks (ask laws kernel)
                |> Option.orElseWith (fun () ->
                    tryBreak (fun state -> List.map Space.ofModel state.Stack) edge (fun state ->
                        let next = follow a kernel state |> List.map (fun state -> keyOf state, state)

                        lock found (fun () ->
                            steps.Value <- steps.Value + next.Length

                            for key, state in next do
                                if not (known.Contains key) then
                                    found[key] <- state)))

            if depth < length then
                known.UnionWith found.Keys
                edge <- Seq.toArray found.Values

    struct (steps.Value, known.Count, asked.Count, broken)

let private say (text: string) =
    match TestContext.Current.TestOutputHelper with
    | null -> ()
    | output -> output.WriteLine text

[<Fact>]
let ``every law holds in every small namespace`` () =
    say $"{spaces.Length} namespaces"
    Assert.Equal(None, breaksAlone Allocator.model)
    Assert.Equal(None, breaksPlan Plan.model)

[<Fact>]
let ``every law holds after every sequence of operations in a small world`` () =
    // Five operations on the newest kernel, four on the others.
    for kernel, length in List.zip kernels [ 4; 4; 4; 5 ] do
        let struct (steps, states, stacks, broken) = explore Allocator.model kernel length
        say $"{length} operations: {states} states, {steps} steps from them, {stacks} stacks of levels asked"
        Assert.Equal(None, broken)

// What a small world does not have: texts other than a number, and the number 32.
let private beyondSmallWorlds =
    set
        [
            "allows 33 levels"
            "reads octal as decimal"
            "takes what follows a number"
            "takes a carriage return after a number"
            "takes a NUL after a number"
            "knows no 0xA0"
            "knows no upper case X"
            "takes +"
            "drops the sign"
            "wraps at 64 bits"
            "refuses the empty text"
            "always takes the whole text"
            "knows no pages but of 4096 bytes"
            "looks at a whole page"
            "looks at more than 4095 bytes"
            "takes numbers of 21 characters"
        ]

[<Fact>]
let ``every wrong allocator whose fault a small world can show is caught there`` () =
    // The cheapest look first.
    let isCaught wrong =
        let breaks length =
            kernels
            |> List.exists (fun kernel ->
                let struct (_, _, _, broken) = explore wrong kernel length
                broken.IsSome)

        breaks 2 || breaks 3 || (breaksAlone wrong).IsSome || breaks 4

    Assert.Empty(
        WrongModels.all
        |> List.filter (fun (name, wrong) -> not (beyondSmallWorlds.Contains name) && not (isCaught wrong))
        |> List.map fst
    )

[<Fact>]
let ``every wrong plan is caught in a small world`` () =
    Assert.Empty(
        wrongPlans
        |> List.filter (fun (_, wrong) -> (breaksPlan wrong).IsNone)
        |> List.map fst
    )

// Every way of a landing in such a world when others make so many processes, each before any step, each ended at once or
// not: how many states it has, or what broke. Own numbers and hidden ones stay as they are.
let private breaksLanding rules (lander: LandingProperties.Lander) pidMax goal own forks =
    let known = HashSet<struct (int64 * int64)>()
    let path = HashSet<struct (int64 * int64)>()
    let ways = Dictionary<struct (uint64 * int), Reach * int>()

    let away (w: LandingProperties.World) seen =
        match ways.TryGetValue(struct (seen, w.Cursor)) with
        | true, reach -> reach
        | _ ->
            let reach = LandingProperties.away w seen
            ways[struct (seen, w.Cursor)] <- reach
            reach

    let key (watch: LandingProperties.Watch) (landing: Landing) forks =
        let pack parts =
            parts |> List.fold (fun key part -> key * 64L + int64 part) 0L

        let w = watch.World
        let seen = Seq.fold (fun key n -> key + (1 <<< n)) 0 (PidSet.toSeq landing.InUse)

        struct (pack
                    [
                        w.Cursor
                        int w.Held / 2
                        int w.Hidden / 2
                        seen / 2
                        int watch.Seen / 2
                        min landing.Left 63
                        forks
                    ],
                pack
                    [
                        int (min landing.Consumed 63L)
                        min landing.Overshoots 63
                        sign landing.StepsSinceScan + 1
                        min landing.StepsSinceLook 9
                        landing.LapsLooked
                        (if landing.LooksAgain then 1 else 0) + (if watch.IsRescanned then 2 else 0)
                        min (watch.Consumed - landing.Consumed |> int) 63
                    ])

    let rec visit (watch: LandingProperties.Watch) landing forks =
        let key = key watch landing forks
        Law.holds "it ends" (path.Add key)

        if known.Add key then
            let moment = LandingProperties.turn away lander watch landing

            for check in LandingProperties.always do
                check moment

            match LandingProperties.carryOut lander false moment with
            | Some(watch, landing) -> visit watch landing forks
            | None -> ()

            if forks > 0 then
                for keeps in [ true; false ] do
                    let fork = LandingProperties.Fork(keeps, watch.World.Hidden <> 0UL)

                    visit
                        { watch with
                            World = LandingProperties.happen watch.World fork
                        }
                        landing
                        (forks - 1)

        path.Remove key |> ignore

    try
        for held in 0UL .. 2UL .. (1UL <<< pidMax) - 2UL do
            if held &&& own = own then
                for hidden in List.distinct [ 0UL; held &&& ~~~own ] do
                    for cursor in 1 .. pidMax + 1 do
                        let world =
                            LandingProperties.worldOf rules (pidMax, goal, cursor) (held, hidden, own)

                        visit (LandingProperties.begun world) (lander.Start rules goal pidMax) forks

        Ok known.Count
    with e ->
        Error e.Message

// All of them with so many forks where one number is the goal, and with one where there is a choice.
let private landings forks lander =
    let rules = LandingProperties.rulesOf 1 3 2 Reserved

    [|
        for pidMax in Reserved + 1 .. PidMaxLimit do
            for goal in goals pidMax 1 do
                for own in 0UL .. 2UL .. (1UL <<< pidMax) - 2UL do
                    fun () -> breaksLanding rules lander pidMax goal own (if goal.IsLoose then min forks 1 else forks)
    |]

[<Fact>]
let ``every landing in a small world ends where it should, whenever others make processes`` () =
    let ends =
        landings 3 LandingProperties.model |> Array.Parallel.map (fun run -> run ())

    say $"{ends |> Array.sumBy (Result.defaultValue 0)} states"
    Assert.Equal(None, ends |> Array.tryFind Result.isError)

[<Fact>]
let ``every wrong lander whose fault a small world can show is caught there`` () =
    // Nothing is cut short there.
    Assert.Equal<string list>(
        [ "counts what was ordered" ],
        LandingProperties.wrongLanders
        |> List.filter (fun (_, wrong) -> not (landings 1 wrong |> Array.Parallel.exists (fun run -> (run ()).IsError)))
        |> List.map fst
    )
