/// The way to a last PID by consuming PIDs, while others make and end processes.
module SetNsLastPid.Tests.Properties.LandingProperties

open System
open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What steers a landing, as a value, so that tests can put a wrong one in its place.
type Lander =
    {
        Start: LandingRules -> Goal -> int -> Landing
        Scanned: PidSet -> PidSet -> Landing -> Landing
        Looked: int seq -> Landing -> Landing
        Consumed: int -> int64 -> Landing -> Landing
        Next: int -> Landing -> struct (LandingStep * Landing)
    }

let model: Lander =
    {
        Start = Landing.start
        Scanned = Landing.scanned
        Looked = Landing.looked
        Consumed = Landing.consumed
        Next = Landing.next
    }

/// A namespace below 64. Sets of numbers are masks.
type World =
    {
        Rules: LandingRules
        PidMax: int
        Goal: Goal
        Cursor: int
        Held: uint64
        /// Those held that /proc does not show.
        Hidden: uint64
        Own: uint64
    }

let rulesOf near far laps reserved : LandingRules =
    {
        Near = near
        Far = far
        Laps = laps
        Reserved = reserved
    }

let worldOf rules (pidMax, goal, cursor) (held, hidden, own) : World =
    {
        Rules = rules
        PidMax = pidMax
        Goal = goal
        Cursor = cursor
        Held = held
        Hidden = hidden
        Own = own
    }

/// What happens between two steps.
type Deed =
    | Fork of Keeps: bool * Hides: bool
    /// The process ends that holds the first foreign number from there on.
    | Exit of From: int
    /// Only half of what is ordered next is consumed.
    | Cut

let private mask numbers =
    numbers |> Seq.fold (fun set n -> set ||| (1UL <<< n)) 0UL

let private numbers (set: uint64) =
    [
        for n in 1..63 do
            if (set >>> n) &&& 1UL = 1UL then
                n
    ]

let private levelOf held (w: World) =
    {
        C = w.Cursor
        P = w.PidMax
        R = w.Rules.Reserved
        Used = HashSet(numbers held)
        State = Life.Alive
        May = true
    }

/// How many allocations lead to the goal where `seen` are in use, by trial, or why none do; and the number that is then
/// the next, or 0.
let away (w: World) (seen: uint64) : Reach * int =
    let level = levelOf seen w
    let later = HashSet(numbers (seen &&& ~~~w.Own))

    let nextLater cursor =
        Reference.next { level with C = cursor; Used = later }

    let allowed = Reference.allowed w.Goal { level with Used = later }

    let isThere cursor =
        List.contains (nextLater cursor) allowed

    if w.Goal.First < 1 || w.Goal.First >= w.PidMax + (if w.Goal.OrNext then 1 else 0) then
        Reach.Never Obstacle.OutOfRange, 0
    elif w.Goal.OrNext && w.Cursor = w.Goal.First then
        Reach.After 0, w.Cursor
    elif isThere w.Cursor then
        Reach.After 0, nextLater w.Cursor
    elif allowed.IsEmpty then
        Reach.Never(if w.Goal.OrNext then Obstacle.NoneFree else Obstacle.Held), 0
    elif Reference.next level < 0 then
        Reach.Never Obstacle.NoneFree, 0
    else
        match Reference.consumeUntil (fun level -> isThere level.C) level with
        | struct (count, true) -> Reach.After count, nextLater level.C
        | struct (_, false) ->
            let top = Seq.findBack (level.Used.Contains >> not) [ 1 .. w.PidMax - 1 ]
            let low = if top >= w.Rules.Reserved then w.Rules.Reserved else 1

            match allowed |> List.tryFind (fun n -> n >= low) with
            | None -> Reach.Never Obstacle.BelowReserved, 0
            | Some goal ->
                [ goal - 1 .. -1 .. low ] @ [ w.PidMax - 1 .. -1 .. low ]
                |> List.find (later.Contains >> not)
                |> Obstacle.Ours
                |> Reach.Never,
                0

/// The world, and what a landing has done and seen in it.
type Watch =
    {
        World: World
        Seen: uint64
        /// The number that is aimed at; 0 for none.
        Aim: int
        IsScanned: bool
        /// The numbers were just read: none was consumed since.
        IsFresh: bool
        /// The last step was a scan other than the first.
        IsRescanned: bool
        Left: int
        Distance: int
        Reads: int
        Consumed: int64
        Overshoots: int
        /// How many overshoots there were when the whole way was asked for.
        Asked: int
        /// Single steps since those ahead were asked for.
        Singles: int
    }

/// One step: what it was decided on, and what was decided.
type Moment =
    {
        Watch: Watch
        Reach: Reach
        Step: LandingStep
        Landing: Landing
    }

let begun (w: World) : Watch =
    {
        World = w
        Seen = 0UL
        Aim = 0
        IsScanned = false
        IsFresh = false
        IsRescanned = false
        Left = Int32.MaxValue
        Distance = -1
        Reads = 0
        Consumed = 0L
        Overshoots = 0
        Asked = 0
        Singles = Int32.MaxValue
    }

// What last_pid is when the number that is aimed at comes next.
let private targetOf (watch: Watch) =
    if watch.World.Goal.OrNext || watch.Aim = 0 then
        watch.World.Goal.First - 1
    else
        watch.Aim - 1

let private isBlind (watch: Watch) =
    not watch.IsScanned
    || (watch.IsRescanned && watch.Asked > 0)
       && watch.World.Cursor - 1 <> targetOf watch

/// The next step of a landing.
let turn (away: World -> uint64 -> Reach * int) (lander: Lander) (watch: Watch) (landing: Landing) : Moment =
    let struct (step, landing) = lander.Next (watch.World.Cursor - 1) landing
    let reach, aim = away watch.World watch.Seen
    let watch = { watch with Aim = aim }

    {
        Watch =
            match reach with
            | _ when isBlind watch -> watch
            | Reach.Never _ -> { watch with Reads = watch.Reads + 1 }
            | Reach.After left ->
                { watch with
                    Reads = watch.Reads + 1
                    Distance = if watch.Distance < 0 then left else watch.Distance
                    Overshoots = watch.Overshoots + (if left > watch.Left then 1 else 0)
                    Left = left
                }
        Reach = reach
        Step = step
        Landing = landing
    }

let private inRanges ranges =
    [
        for struct (first, last) in ranges do
            yield! [ first..last ]
    ]

let private wayOf (watch: Watch) =
    let w, target = watch.World, targetOf watch

    if target >= w.Cursor then
        [ w.Cursor .. target ]
    else
        [ w.Cursor .. w.PidMax - 1 ] @ [ w.Rules.Reserved .. target ]

let private wayIsDue (watch: Watch) =
    watch.Asked < watch.Overshoots && (wayOf watch).Length <= watch.World.Rules.Far

let private draw (w: World) =
    match Reference.next (levelOf w.Held w) with
    | -1 -> None
    | n -> Some(n, { w with Cursor = n + 1 })

/// The world after it.
let happen (w: World) (deed: Deed) : World =
    match deed, draw w with
    | Fork(true, hides), Some(n, w) ->
        { w with
            Held = w.Held ||| mask [ n ]
            Hidden = w.Hidden ||| (if hides then mask [ n ] else 0UL)
        }
    | Fork(false, _), Some(_, w) -> w
    | Exit from, _ ->
        match numbers (w.Held &&& ~~~w.Own) |> List.tryFind (fun n -> n >= from) with
        | Some n ->
            { w with
                Held = w.Held &&& ~~~(mask [ n ])
                Hidden = w.Hidden &&& ~~~(mask [ n ])
            }
        | None -> w
    | _ -> w

/// Does what was decided; None when that was the end.
let carryOut (lander: Lander) (isCut: bool) (moment: Moment) : (Watch * Landing) option =
    let watch = moment.Watch
    let w = watch.World

    match moment.Step with
    | LandingStep.Scan ->
        let seen = w.Held &&& ~~~w.Hidden
        let set mask = PidSet.ofSeq (numbers mask)

        Some(
            { watch with
                Seen = seen
                IsScanned = true
                IsFresh = true
                IsRescanned = watch.IsScanned
                Left = Int32.MaxValue
                Singles = Int32.MaxValue
            },
            lander.Scanned (set seen) (set w.Own) moment.Landing
        )
    | LandingStep.Look ranges ->
        let found =
            w.Held &&& mask (inRanges ranges |> List.filter (fun n -> n > 0 && n < 64))

        let isWay = isBlind watch || (wayIsDue watch && moment.Reach <> Reach.After 0)

        Some(
            { watch with
                Seen = watch.Seen ||| found
                IsRescanned = false
                Left = Int32.MaxValue
                Asked = if isWay then watch.Overshoots else watch.Asked
                Singles = if isWay then watch.Singles else 0
            },
            lander.Looked (numbers found) moment.Landing
        )
    | LandingStep.Consume ordered ->
        let rec consume count w =
            match
                if count < (if isCut then ordered / 2 else ordered) then
                    draw w
                else
                    None
            with
            | Some(_, w) -> consume (count + 1) w
            | None -> count, w

        let count, after = consume 0 w

        if count < ordered && not isCut then
            None
        else
            Some(
                { watch with
                    World = after
                    IsFresh = false
                    IsRescanned = false
                    Consumed = watch.Consumed + int64 count
                    Singles = if ordered = 1 then watch.Singles + 1 else Int32.MaxValue
                },
                lander.Consumed ordered (int64 count) moment.Landing
            )
    | _ -> None

// How many are to be consumed with so many to go: one at a time where the goal's end is near, else half of the way there,
// but never beyond its first number.
let private orderOf (m: Moment) left =
    let w = m.Watch.World

    let beyond =
        if w.Goal.OrNext || w.Goal.Room > 0 then
            0
        else
            [ m.Watch.Aim + 1 .. min w.Goal.Last (w.PidMax - 1) ]
            |> List.filter (fun n -> m.Watch.Seen &&& mask [ n ] = 0UL)
            |> List.length

    if left + beyond <= w.Rules.Near then
        1
    else
        max 1 (min left ((left + beyond) / 2))

/// What never passes the goal by itself.
let ordersAreSafe (m: Moment) : unit =
    match m.Step, m.Reach with
    | LandingStep.Consume count, Reach.After left when left > 0 -> Law.same "ordered" (orderOf m left) count
    | LandingStep.Consume _, reach -> Law.broken (fun () -> $"consumes where the goal is %A{reach}")
    | _ -> ()

// The numbers were just read, or the first free one will do.
let private isBelieved (m: Moment) =
    let w = m.Watch.World

    m.Watch.IsFresh
    || (w.Goal.Room = 0 && w.Goal.First <= w.Cursor && w.Cursor <= w.Goal.Last)

/// The next PID is one that the goal allows, or the reason why it cannot be is the true one.
let endsAreTrue (m: Moment) : unit =
    match m.Step with
    | LandingStep.Landed ->
        Law.same "landed" (Reach.After 0, true) (m.Reach, isBelieved m)
        Law.same "aim" m.Watch.Aim m.Landing.Aim
    | LandingStep.Hopeless why -> Law.same "hopeless" (Reach.Never why, true) (m.Reach, m.Watch.IsFresh)
    | _ -> ()

/// It gives up for others only after so many laps, and then it does.
let lapsAreCounted (m: Moment) : unit =
    let w = m.Watch.World

    let isOver =
        m.Watch.Overshoots >= w.Rules.Laps
        || m.Watch.Consumed >= int64 (w.Rules.Laps * w.PidMax)

    match m.Step with
    | LandingStep.OutOfLaps -> Law.holds "out of laps" isOver
    | LandingStep.Consume _ -> Law.holds "laps left" (not isOver)
    | _ -> ()

let countsAreTrue (m: Moment) : unit =
    let watch, landing = m.Watch, m.Landing

    Law.same
        "reads, distance, consumed, overshoots, wasted, last_pid"
        (watch.Reads,
         watch.Distance,
         watch.Consumed,
         watch.Overshoots,
         max 0L (watch.Consumed - int64 (max 0 watch.Distance)),
         watch.World.Cursor - 1)
        (landing.Reads, landing.Distance, landing.Consumed, landing.Overshoots, landing.Wasted, landing.LastPid)

/// A scan comes first and before an end on old numbers; the whole way is asked for once a lap and after such a scan, what
/// is ahead before single steps; nothing is asked for in vain.
let looksWhereItMust (m: Moment) : unit =
    let watch = m.Watch
    let w = watch.World
    let near, target = w.Rules.Near, targetOf watch

    let ahead =
        [ w.Cursor .. w.Cursor + near - 1 ]
        @ [ target - near .. target + max near (1 + min w.Goal.Room w.Rules.Far) ]
        |> List.filter (fun n -> n > 0 && n < w.PidMax)

    let expected =
        match m.Reach with
        | _ when not watch.IsScanned -> "scan", []
        | _ when isBlind watch -> "look", wayOf watch
        | Reach.Never _ -> (if watch.IsFresh then "end" else "scan"), []
        | Reach.After 0 when not (isBelieved m) -> "scan", []
        | Reach.After 0 when w.Goal.IsLoose && watch.Singles > near -> "look", ahead
        | Reach.After 0 -> "end", []
        | Reach.After _ when wayIsDue watch -> "look", wayOf watch
        | Reach.After left when orderOf m left = 1 && watch.Singles > near -> "look", ahead
        | Reach.After _ -> "order", []

    Law.same
        "step"
        expected
        (match m.Step with
         | LandingStep.Scan -> "scan", []
         | LandingStep.Look ranges -> "look", inRanges ranges
         | LandingStep.Landed
         | LandingStep.Hopeless _ -> "end", []
         | LandingStep.Consume _
         | LandingStep.OutOfLaps -> "order", [])

/// What must hold at each step.
let always: (Moment -> unit) list =
    [ ordersAreSafe; endsAreTrue; lapsAreCounted; countsAreTrue; looksWhereItMust ]

// At most so many steps.
let private run most (lander: Lander) (w: World, deeds: Deed list list) =
    let rec go count watch landing deeds =
        seq {
            let now, later =
                match deeds with
                | now :: later -> now, later
                | [] -> [], []

            let watch =
                { watch with
                    World = List.fold happen watch.World now
                }

            let moment = turn away lander watch landing
            yield moment

            if count < most then
                match carryOut lander (List.contains Cut now) moment with
                | Some(watch, landing) -> yield! go (count + 1) watch landing later
                | None -> ()
        }

    go 1 (begun w) (lander.Start w.Rules w.Goal w.PidMax) deeds

let private scenarios =
    let gen =
        gen {
            let! pidMax = Gen.oneof [ Gen.choose (4, 10); Gen.choose (4, 40) ]
            let! reserved = Gen.choose (2, min 10 (pidMax - 1))
            let! near = Gen.choose (0, 4)
            let! far = Gen.oneof [ Gen.choose (0, 12); Gen.choose (0, 60) ]
            let! laps = Gen.choose (1, 4)
            let! cursor = Gen.choose (1, pidMax + 1)

            let! target =
                Gen.frequency
                    [
                        6, Gen.choose (0, pidMax - 1)
                        3, Gen.choose (cursor - 6, cursor + 6)
                        1, Gen.elements [ -1; pidMax ]
                    ]

            let! goal =
                Reference.goals target (fun least -> Gen.oneof [ Gen.choose (least, 3); Gen.choose (least, pidMax) ])

            let! some = Gen.subListOf [ 1 .. pidMax - 1 ]
            let! others = Gen.subListOf [ 1 .. pidMax - 1 ]

            let! held =
                Gen.elements [ mask some; mask some ||| mask others; mask some &&& mask others ]

            let! own = Gen.subListOf (numbers held)
            let! own = Gen.elements [ 0UL; mask (List.truncate 2 own); mask own ]
            let! hidden = Gen.subListOf (numbers (held &&& ~~~own))
            let! hidden = Gen.elements [ 0UL; mask hidden ]

            let deed =
                Gen.frequency
                    [
                        8, Gen.elements [ for keeps in [ true; false ] -> Fork(keeps, false) ]
                        8, Gen.elements [ for hides in [ true; false ] -> Fork(true, hides) ]
                        6, Gen.choose (1, pidMax) |> Gen.map Exit
                        4, Gen.constant Cut
                    ]

            let! steps = Gen.frequency [ 1, Gen.constant 0; 3, Gen.choose (1, 60) ]

            let! deeds =
                Gen.frequency [ 3, Gen.constant 0; 2, Gen.choose (1, 4) ]
                |> Gen.bind (fun n -> Gen.listOfLength n deed)
                |> Gen.listOfLength steps

            let world =
                worldOf (rulesOf near far laps reserved) (pidMax, goal, cursor) (held, hidden, own)

            return world, deeds
        }

    let shrink (w, deeds: Deed list list) =
        seq {
            for n in deeds.Length / 2 .. deeds.Length - 1 do
                w, List.truncate n deeds

            for i in 0 .. deeds.Length - 1 do
                if not deeds[i].IsEmpty then
                    w, List.updateAt i [] deeds

            for n in numbers (w.Held &&& ~~~w.Own) do
                happen w (Exit n), deeds
        }

    Arb.fromGenShrink (gen, shrink)

let private each (check: Moment -> unit) : Law<Lander> =
    Law.create scenarios (fun lander scenario -> run 1000 lander scenario |> Seq.iter check)

let neverPassesTheTarget: Law<Lander> = each ordersAreSafe
let landsOrSaysWhyNot: Law<Lander> = each endsAreTrue
let givesUpAfterItsLaps: Law<Lander> = each lapsAreCounted
let countsWhatHappened: Law<Lander> = each countsAreTrue
let looksInTime: Law<Lander> = each looksWhereItMust

let alwaysEnds: Law<Lander> =
    Law.create scenarios (fun lander (w, deeds) ->
        // No more than a scan and two looks for each step that consumes.
        let most = 4 * (w.Rules.Laps * w.PidMax + deeds.Length + 2)
        let steps = run (most + 1) lander (w, deeds) |> Seq.length
        Law.holds "at most so many steps" (steps <= most))

let goesStraightAlone: Law<Lander> =
    Law.create scenarios (fun lander (w, _) ->
        let moments = run 1000 lander ({ w with Hidden = 0UL }, []) |> Seq.toList
        Law.holds "in few steps" (moments.Length <= 2 * w.Rules.Near + (if w.Goal.IsLoose then 16 else 12))

        match (fst (away w w.Held), List.last moments) with
        | Reach.After left, last ->
            Law.same
                "step, consumed, wasted"
                (LandingStep.Landed, int64 left, 0L)
                (last.Step, last.Landing.Consumed, last.Landing.Wasted)
        | Reach.Never why, last -> Law.same "step" (LandingStep.Hopeless why) last.Step)

let hiddenNumbersCostOneLap: Law<Lander> =
    Law.create scenarios (fun lander (w, _) ->
        let w =
            { w with
                Rules = { w.Rules with Far = 100; Laps = 4 }
            }

        // Where nothing from the reserve on is free, the way may lead through numbers that are not asked for.
        let isUsual =
            [ w.Rules.Reserved .. w.PidMax - 1 ]
            |> List.exists (fun n -> w.Held &&& mask [ n ] = 0UL)

        if isUsual then
            let overshoots =
                run 1000 lander (w, [])
                |> Seq.map (fun moment -> moment.Watch.Overshoots)
                |> Seq.max

            Law.holds "one overshoot at most, nobody else there" (overshoots <= 1))

[<Fact>]
let ``a landing ends where it should, whatever others do meanwhile`` () =
    for _, law in Law.all<Lander>() do
        Law.check model law

// Seldom met by chance.
[<Fact>]
let ``the whole way is asked for anew once a lap, and not where last_pid is the target`` () =
    let blind =
        { Landing.start (rulesOf 4 50 4 2) (Goal.after 20) 40 with
            StepsSinceScan = 0
            LapsLooked = 1
            Overshoots = 2
            LooksAgain = true
        }

    let struct (step, landing) = Landing.next 10 blind
    Law.same "step" (LandingStep.Look [ struct (11, 20) ]) step
    Law.same "laps looked" 2 landing.LapsLooked
    let struct (step, _) = Landing.next 20 blind
    Law.same "step" LandingStep.Landed step

[<Fact>]
let ``the rules of nslp`` () =
    Law.same "rules" (rulesOf 16 8192 10 300) Landing.rules

/// Landers that are wrong on purpose.
let wrongLanders: (string * Lander) list =
    let before change =
        { model with
            Next = fun last landing -> Landing.next last (change landing)
        }

    let after change =
        { model with
            Next =
                fun last old ->
                    let struct (step, landing) = Landing.next last old
                    change old step landing
        }

    let instead change =
        after (fun _ step landing -> struct (change step, landing))

    let consuming change =
        instead (function
            | LandingStep.Consume count -> change count
            | step -> step)

    let starting change =
        { model with
            Start = fun rules goal pidMax -> Landing.start rules (change goal) pidMax
        }

    [
        "sees the first number of a range only", starting (fun goal -> { goal with Last = goal.First })
        "forgets the room", starting (fun goal -> { goal with Room = 0 })
        "takes what follows a range", starting (fun goal -> { goal with OrNext = true })
        "lands in a range without a look",
        { model with
            Next =
                fun last old ->
                    let struct (step, landing) = Landing.next last old

                    match step, Cycle.reach old.Own old.Goal (PidNamespace.observed last old.PidMax old.InUse) with
                    | LandingStep.Look _, Reach.After 0 when old.Goal.IsLoose && old.StepsSinceScan = 0 ->
                        struct (LandingStep.Landed, landing)
                    | _ -> struct (step, landing)
        }
        "believes old numbers",
        before (fun l ->
            { l with
                StepsSinceScan = min l.StepsSinceScan 0
            })
        "does not scan first",
        before (fun l ->
            { l with
                StepsSinceScan = max 0 l.StepsSinceScan
            })
        "does not look ahead", before (fun l -> { l with StepsSinceLook = 0 })
        "forgets the way with a scan", before (fun l -> { l with LooksAgain = false })
        "one too many", consuming (fun count -> LandingStep.Consume(count + 1))
        "scans for ever", consuming (fun _ -> LandingStep.Scan)
        "lands where it is not", consuming (fun _ -> LandingStep.Landed)
        "always the same reason",
        instead (function
            | LandingStep.Hopeless _ -> LandingStep.Hopeless Obstacle.NoneFree
            | step -> step)
        "looks one too far",
        instead (function
            | LandingStep.Look ranges -> LandingStep.Look [ for struct (a, b) in ranges -> struct (a, b + 1) ]
            | step -> step)
        "takes a farther target after a scan for an overshoot",
        after (fun old step l ->
            struct (step,
                    { l with
                        Left = if step = LandingStep.Scan then old.Left else l.Left
                    }))
        "counts what was ordered",
        { model with
            Consumed = fun ordered _ -> Landing.consumed ordered (int64 ordered)
        }
        "counts no overshoots", after (fun _ step l -> struct (step, { l with Overshoots = 0 }))
        "forgets what it looked at", { model with Looked = fun _ -> id }
        "takes own numbers for others'",
        { model with
            Scanned = fun inUse _ -> Landing.scanned inUse PidSet.empty
        }
    ]

[<Fact>]
let ``it gives up after ten laps, not before, and looks at a whole way of so many numbers`` () =
    let from lastPid goal change =
        Landing.start Landing.rules (Goal.after goal) 32768
        |> Landing.scanned PidSet.empty PidSet.empty
        |> change
        |> Landing.next lastPid
        |> fun (struct (step, _)) -> step

    let consumed count (landing: Landing) = { landing with Consumed = count }

    let isOver count =
        from 5000 1000 (consumed count) = LandingStep.OutOfLaps

    Assert.Equal((false, true), (isOver (10L * 32768L - 1L), isOver (10L * 32768L)))

    let looks target =
        match from 32767 target (fun (landing: Landing) -> { landing with Overshoots = 1 }) with
        | LandingStep.Look _ -> true
        | _ -> false

    let last = Limits.Reserved + Landing.rules.Far - 1
    Assert.Equal((true, false), (looks last, looks (last + 1)))
