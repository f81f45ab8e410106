/// A range kept free of new processes, while others make and end them as fast as the rules have it.
module SetNsLastPid.Tests.Properties.ReserveProperties

open System
open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What keeps a range, as a value, so that tests can put a wrong one in its place.
type Keeper =
    {
        Start: ReserveRules -> int -> int -> Reservation
        Scanned: int64 -> int64 -> PidSet -> Reservation -> Reservation
        NotWritten: int -> Reservation -> Reservation
        Look: int64 -> int -> int -> int -> Reservation -> struct (ReserveStep * Reservation)
    }

let model: Keeper =
    {
        Start = Reserve.start
        Scanned = Reserve.scanned
        NotWritten = Reserve.notWritten
        Look = Reserve.look
    }

/// Something that takes a number, in a time in which no two can; or gives one back, which takes none.
type Deed =
    | Fork of Keeps: bool
    | Take of int
    | Exit of int

/// What others do until the next look, and how late that is.
type Turn =
    {
        Late: int64
        Deeds: Deed list
        /// The last allocation before a write undoes it.
        Undoes: bool
        /// The lock on ns_last_pid is held by another.
        IsLocked: bool
        /// How long it takes to read the numbers in use.
        Reading: int64
        /// A write of last_pid by another.
        Foreign: int voption
        /// How many numbers more are taken to be in use than are.
        Overrated: int
    }

/// A namespace with a range to keep.
type Scene =
    {
        Rules: ReserveRules
        First: int
        Last: int
        PidMax: int
        Cursor: int
        Held: int list
        Turns: Turn list
    }

/// One look: what it was decided on, and what was decided.
type Glance =
    {
        Scene: Scene
        Now: int64
        Before: Reservation
        Ns: PidNamespace
        Held: int
        Step: ReserveStep
        After: Reservation
        /// Numbers of the range that were given to others since the last glance.
        Given: int list
        /// What others wrote since the last glance.
        Foreign: int voption
        /// What is to be written now will not be.
        IsLocked: bool
    }

let private take n (ns: PidNamespace) : PidNamespace =
    { ns with
        InUse = PidSet.add n ns.InUse
    }

// The namespace after a deed, the number given to a new process or 0, and whether it took a number.
let private happen (ns: PidNamespace) deed : struct (PidNamespace * int * bool) =
    match deed with
    | Exit n when n > 1 ->
        struct ({ ns with
                    InUse = PidSet.remove n ns.InUse
                },
                0,
                false)
    | Take n when n > 0 && n < ns.PidMax && not (PidSet.contains n ns.InUse) -> struct (take n ns, 0, true)
    | Fork keeps ->
        match PidNamespace.tryNext ns with
        | ValueSome n ->
            let moved = PidNamespace.withLastPid n ns
            struct ((if keeps then take n moved else moved), n, true)
        | ValueNone -> struct (ns, 0, true)
    | _ -> struct (ns, 0, true)

// As many deeds as fit into so long.
let private during (time: int64) deeds (ns: PidNamespace) : struct (PidNamespace * int list) =
    let rec go left deeds (ns: PidNamespace) given : struct (PidNamespace * int list) =
        match deeds with
        | deed :: later ->
            let struct (next, n, takes) = happen ns deed

            if takes && left = 0L then
                struct (ns, given)
            else
                go (if takes then left - 1L else left) later next (n :: given)
        | [] -> struct (ns, given)

    go time deeds ns []

let private count (ns: PidNamespace) =
    PidSet.countFree 1 ns.PidMax PidSet.empty
    - PidSet.countFree 1 ns.PidMax ns.InUse

/// The glances of a scene, one for each look. A microsecond is as long as one number takes.
let play (keeper: Keeper) (scene: Scene) : Glance seq =
    let inRange n = n >= scene.First && n <= scene.Last

    let rec go
        looks
        now
        (due: int64)
        (ns: PidNamespace)
        (undone: int voption)
        wasUndone
        (r: Reservation)
        given
        foreign
        turns
        =
        seq {
            let turn, later =
                match turns with
                | turn :: later -> turn, later
                | [] ->
                    {
                        Late = 0L
                        Deeds = []
                        Undoes = false
                        IsLocked = false
                        Reading = 0L
                        Foreign = ValueNone
                        Overrated = 0
                    },
                    []

            let held = count ns + turn.Overrated
            let struct (step, after) = keeper.Look now (ns.Cursor - 1) ns.PidMax held r

            yield
                {
                    Scene = scene
                    Now = now
                    Before = r
                    Ns = ns
                    Held = held
                    Step = step
                    After = after
                    Given = List.filter inRange given
                    Foreign = foreign
                    IsLocked = turn.IsLocked
                }

            let read = ns.Cursor - 1

            if looks < 40 then
                match step with
                | ReserveStep.Write _ when turn.IsLocked ->
                    let struct (ns, given) = during 1L turn.Deeds ns

                    yield!
                        go
                            (looks + 1)
                            (now + 1L)
                            (now + 1L)
                            ns
                            undone
                            wasUndone
                            (keeper.NotWritten read after)
                            given
                            ValueNone
                            later
                | ReserveStep.Write lastPid ->
                    // What is left of the lateness.
                    let time = max 0L (due + scene.Rules.Lateness - now)
                    let written (ns: PidNamespace) = PidNamespace.withLastPid lastPid ns

                    match turn.Undoes && not wasUndone, List.rev turn.Deeds with
                    | true, (Fork _ as last) :: earlier when time > 0L ->
                        let struct (ns, given) = during (time - 1L) (List.rev earlier) ns
                        let struct (inFlight, n, _) = happen ns last

                        yield!
                            go
                                (looks + 1)
                                (now + time)
                                due
                                (written inFlight)
                                (ValueSome inFlight.Cursor)
                                true
                                after
                                (n :: given)
                                ValueNone
                                later
                    | _ ->
                        let struct (ns, given) = during time turn.Deeds ns
                        yield! go (looks + 1) (now + time) due (written ns) ValueNone false after given ValueNone later
                | ReserveStep.Scan ->
                    let seen = ns.InUse
                    let struct (ns, given) = during turn.Reading turn.Deeds ns
                    let ended = now + turn.Reading

                    yield!
                        go
                            (looks + 1)
                            ended
                            due
                            ns
                            undone
                            wasUndone
                            (keeper.Scanned now ended seen after)
                            given
                            ValueNone
                            later
                | ReserveStep.Sleep until ->
                    let ns =
                        match undone with
                        | ValueSome cursor -> PidNamespace.withLastPid (cursor - 1) ns
                        | ValueNone -> ns

                    let late = min turn.Late scene.Rules.Lateness
                    let struct (ns, given) = during (until + late - now) turn.Deeds ns

                    let ns =
                        match turn.Foreign with
                        | ValueSome lastPid -> PidNamespace.withLastPid (min lastPid ns.PidMax) ns
                        | ValueNone -> ns

                    if not later.IsEmpty then
                        yield! go (looks + 1) (until + late) until ns ValueNone wasUndone after given turn.Foreign later
        }

    let ns: PidNamespace =
        PidNamespace.observed (scene.Cursor - 1) scene.PidMax (PidSet.ofSeq (1 :: scene.Held))

    go
        0
        0L
        0L
        { ns with
            Reserved = scene.Rules.Reserved
        }
        ValueNone
        false
        (keeper.Start scene.Rules scene.First scene.Last)
        []
        ValueNone
        scene.Turns

let internal rulesOf lateness settling shortest longest reserved : ReserveRules =
    {
        Rate = 1_000_000L
        Lateness = lateness
        Settling = settling
        Shortest = shortest
        Longest = longest
        Reserved = reserved
    }

let private scenesWith foreign =
    let gen =
        gen {
            let! pidMax = Gen.oneof [ Gen.choose (6, 20); Gen.choose (20, 90) ]
            let! reserved = Gen.choose (2, min 8 (pidMax - 1))
            let! lateness = Gen.choose (1, 3)
            let! settling = Gen.choose (1, 2)
            let! shortest = Gen.choose (1, 6)
            let! longest = Gen.choose (3, 40)
            let! first = Gen.oneof [ Gen.choose (1, pidMax - 1); Gen.choose (1, reserved + 2) ]
            let! length = Gen.oneof [ Gen.choose (1, 3); Gen.choose (1, pidMax) ]
            let! cursor = Gen.oneof [ Gen.choose (1, pidMax + 1); Gen.choose (1, reserved + 2) ]
            let! held = Gen.subListOf [ 2 .. pidMax - 1 ]
            let! fewer = Gen.subListOf held
            let! held = Gen.elements [ []; List.truncate 3 held; fewer; held ]

            let deed =
                Gen.frequency
                    [
                        8, Gen.elements [ Fork true; Fork false ]
                        2, Gen.choose (1, pidMax) |> Gen.map Take
                        2, Gen.choose (2, pidMax) |> Gen.map Exit
                    ]

            let rush =
                Gen.oneof
                    [
                        Gen.constant (List.replicate 90 (Fork false))
                        Gen.constant (List.replicate 90 (Fork true))
                        Gen.choose (0, 20) |> Gen.bind (fun n -> Gen.listOfLength n deed)
                        Gen.listOfLength 60 deed
                    ]

            let turn =
                gen {
                    let! late = Gen.choose (0, lateness)
                    let! deeds = rush
                    let! undoes = Gen.elements [ true; false ]
                    let! isLocked = Gen.frequency [ 1, Gen.constant foreign; 6, Gen.constant false ]
                    let! reading = Gen.elements [ 0L; 0L; 1L ]
                    let! written = Gen.choose (0, pidMax) |> Gen.map ValueSome
                    let! written = Gen.frequency [ 1, Gen.constant written; 5, Gen.constant ValueNone ]
                    let! overrated = Gen.elements [ 0; 0; 1; 5 ]

                    return
                        {
                            Late = int64 late
                            Deeds = deeds
                            Undoes = undoes
                            IsLocked = isLocked
                            Reading = reading
                            Foreign = (if foreign then written else ValueNone)
                            Overrated = overrated
                        }
                }

            let! turns = Gen.choose (1, 25) |> Gen.bind (fun n -> Gen.listOfLength n turn)

            return
                {
                    Rules = rulesOf (int64 lateness) (int64 settling) (int64 shortest) (int64 longest) reserved
                    First = first
                    Last = min (first + length - 1) (pidMax + 2)
                    PidMax = pidMax
                    Cursor = cursor
                    Held = held
                    Turns = turns
                }
        }

    let shrink (scene: Scene) =
        seq {
            for n in scene.Turns.Length / 2 .. scene.Turns.Length - 1 do
                { scene with
                    Turns = List.truncate n scene.Turns
                }

            for i in 0 .. scene.Turns.Length - 1 do
                let turn = scene.Turns[i]

                for simpler in
                    [
                        { turn with Deeds = [] }
                        { turn with Late = 0L }
                        { turn with Undoes = false }
                        { turn with Overrated = 0 }
                        { turn with
                            Deeds = List.truncate (turn.Deeds.Length / 2) turn.Deeds
                        }
                    ] do
                    if simpler <> turn then
                        { scene with
                            Turns = List.updateAt i simpler scene.Turns
                        }
        }

    Arb.fromGenShrink (gen, shrink)

let private scenes = scenesWith false
let private troubled = scenesWith true

/// No number of the range is given between one sleep and the next, but where one of them says that the room is too small.
let nothingIsGiven (glances: Glance seq) : unit =
    let mutable given = []
    let mutable wasTight = false

    for glance in glances do
        // Before it is kept nothing was said of those that were given.
        given <- if glance.Before.IsKept then given @ glance.Given else []

        match glance.Step with
        | ReserveStep.Sleep _ ->
            if not (wasTight || glance.After.IsTight) then
                Law.same "given" [] given

            given <- []
            wasTight <- glance.After.IsTight
        | _ -> ()

let noneIsGiven: Law<Keeper> =
    Law.create scenes (fun keeper scene -> play keeper scene |> nothingIsGiven)

/// Numbers that come before one of the range, if all of it is free, tried one by one with all that is made ending at once. From
/// low cursors there is more than one way.
let private toGo (ns: PidNamespace) first last =
    let ns =
        { ns with
            InUse = PidSet.except (PidSet.addRange first last PidSet.empty) ns.InUse
        }

    let rec go count (ns: PidNamespace) : int =
        if count > 2 * ns.PidMax then
            Int32.MaxValue
        else
            match PidNamespace.tryNext ns with
            | ValueSome n when n >= first && n <= last -> count
            | ValueSome n -> go (count + 1) (PidNamespace.withLastPid n ns)
            // Whoever ends next makes one free, perhaps of the range.
            | ValueNone -> count

    go 0 ns

/// It leaves last_pid alone as long as it may: where so many numbers come first, in use or not, that there is time for a
/// look, a write and another.
let writesNoEarlier: Law<Keeper> =
    Law.create scenes (fun keeper scene ->
        let rules = scene.Rules

        let enough =
            2L * rules.Lateness + rules.Settling + max rules.Settling rules.Shortest

        for glance in play keeper scene do
            match glance.Step with
            | ReserveStep.Sleep _ -> ()
            | _ when glance.Ns.Cursor <= rules.Reserved -> ()
            | _ ->
                let left = toGo glance.Ns scene.First scene.Last
                Law.holds "enough to go" (int64 left - int64 glance.Held < enough))

/// It sleeps as long as it may, but no longer than it is told to, and not at all beyond what is certain.
let sleepsLong: Law<Keeper> =
    Law.create scenes (fun keeper scene ->
        let rules = scene.Rules

        for glance in play keeper scene do
            match glance.Step with
            | ReserveStep.Sleep until ->
                let time = until - glance.Now

                let most =
                    if glance.Before.HasWritten then
                        rules.Settling
                    else
                        rules.Longest

                let left = int64 (toGo glance.Ns scene.First scene.Last)

                if glance.After.IsTight && not glance.Before.IsTight then
                    Law.holds "a nap" (time >= 0L && time <= rules.Settling)
                elif glance.Ns.Cursor > rules.Reserved && not glance.After.IsTight then
                    let certain = left - int64 glance.Held - 2L * rules.Lateness - rules.Settling

                    Law.holds "as long as is safe" (time >= min most certain && time <= most)
            | _ -> ())

/// What is written is past the range and in reach.
let writesPast: Law<Keeper> =
    Law.create troubled (fun keeper scene ->
        for glance in play keeper scene do
            match glance.Step with
            | ReserveStep.Write lastPid ->
                Law.same "written" (min scene.Last (scene.PidMax - 1)) lastPid
                Law.same "last_pid, written" (lastPid, true) (glance.After.LastPid, glance.After.HasWritten)
            | _ -> Law.same "written" (glance.Step = ReserveStep.Scan) glance.After.HasWritten)

/// What another's lock kept from being written is not taken for last_pid.
let knowsWhatIsNotWritten: Law<Keeper> =
    Law.create troubled (fun keeper scene ->
        for glance, later in Seq.pairwise (play keeper scene) do
            if glance.Step.IsWrite && glance.IsLocked then
                Law.same
                    "last_pid, written"
                    (glance.Ns.Cursor - 1, false)
                    (later.Before.LastPid, later.Before.HasWritten))

/// Alone it comes to rest: never more than a write, a scan and a write between two sleeps.
let comesToRest: Law<Keeper> =
    Law.create scenes (fun keeper scene ->
        let quiet =
            { scene with
                Turns = [ for turn in scene.Turns -> { turn with Deeds = [] } ]
            }

        let mutable awake = 0

        for glance in play keeper quiet do
            awake <- if glance.Step.IsSleep then 0 else awake + 1
            Law.holds "at rest" (awake <= 3))

/// It says that the room is small only where it is, as far as it can know.
let isTightOnlyWhereItIs: Law<Keeper> =
    Law.create scenes (fun keeper scene ->
        for glance in play keeper scene do
            let past = min scene.Last (scene.PidMax - 1)
            let room = toGo (PidNamespace.withLastPid past glance.Ns) scene.First scene.Last

            if
                glance.Step.IsSleep
                && glance.After.IsTight
                && not glance.Before.IsTight
                && past >= scene.Rules.Reserved
            then
                Law.holds
                    "tight"
                    (int64 room - int64 glance.Held < 2L * scene.Rules.Lateness + 2L * scene.Rules.Settling))

/// What others write into the range or over it is told, and nothing else is taken for that.
let tellsOfOthers: Law<Keeper> =
    Law.create troubled (fun keeper scene ->
        let inRange n = n >= scene.First && n <= scene.Last

        for glance in play keeper scene do
            let cursor = glance.Ns.Cursor
            let before = glance.Before.LastPid + 1

            let low =
                if before > scene.Rules.Reserved then
                    scene.Rules.Reserved
                else
                    1

            let passed =
                if before <= cursor then
                    [ before .. cursor - 1 ]
                else
                    [ before .. scene.PidMax - 1 ] @ [ low .. cursor - 1 ]

            match glance.After.News with
            | ReserveNews.Crossed(from, until, late) ->
                Law.same "from, to" (before - 1, cursor - 1) (from, until)
                Law.same "late" (glance.Now - glance.Before.Safe) late
                Law.holds "crossed" (glance.Before.IsKept && List.exists inRange passed)
            | ReserveNews.Nothing ->
                Law.holds "not crossed" (not glance.Before.IsKept || not (List.exists inRange passed))
            | ReserveNews.Late late ->
                Law.same "late" (glance.Now - glance.Before.Safe) late
                Law.holds "late" (late > 0L && glance.Before.IsKept && not glance.Before.IsTight))

/// Who was not let run is told so, once others may have come into the range unseen.
let tellsOfDelays: Law<Keeper> =
    let delays =
        Gen.choose (0, 200)
        |> Gen.map int64
        |> Gen.zip (Arb.toGen scenes)
        |> Arb.fromGen

    Law.create delays (fun keeper (scene, delay) ->
        for glance in play keeper scene do
            match glance.Step with
            | ReserveStep.Sleep until when glance.After.IsKept && not glance.After.IsTight ->
                let now = until + delay

                let struct (_, later) =
                    keeper.Look now (glance.Ns.Cursor - 1) scene.PidMax glance.Held glance.After

                let lap = int64 (max 0 (scene.PidMax - scene.Rules.Reserved - glance.Held))
                let mayBeRound = now > glance.After.Safe && now - glance.Now >= lap

                Law.same
                    "news"
                    (if mayBeRound then
                         ReserveNews.Late(now - glance.After.Safe)
                     else
                         ReserveNews.Nothing)
                    later.News
            | ReserveStep.Write lastPid when glance.After.IsKept && not glance.After.IsTight ->
                let now = glance.Now + delay

                let struct (_, later) =
                    keeper.Look now lastPid scene.PidMax glance.Held glance.After

                Law.same
                    "news of a write"
                    (if now > glance.After.Safe then
                         ReserveNews.Late(now - glance.After.Safe)
                     else
                         ReserveNews.Nothing)
                    later.News
            | _ -> ())

/// One look in a state that need not have come about.
type Moment =
    {
        Now: int64
        LastPid: int
        PidMax: int
        InUse: int
        State: Reservation
    }

let private moments =
    gen {
        let! rate = Gen.elements [ 1_000_000L; 400_000L; 7L ]
        let! times = Gen.arrayOfLength 8 (Gen.choose (0, 60) |> Gen.map int64)
        let! reserved = Gen.choose (1, 5)
        let! pidMax = Gen.choose (reserved + 1, 24)
        let! first = Gen.oneof [ Gen.choose (1, reserved); Gen.choose (1, pidMax) ]
        let! last = Gen.oneof [ Gen.constant first; Gen.choose (first, pidMax + 2) ]
        let! seen = Gen.oneof [ Gen.choose (-1, reserved); Gen.choose (-1, pidMax) ]

        let! lastPid =
            Gen.oneof [ Gen.choose (0, pidMax); Gen.choose (max 0 (seen - 1), min pidMax (seen + 2)) ]

        let! numbers = Gen.subListOf [ 1 .. pidMax - 1 ]
        let! inUse = Gen.oneof [ Gen.constant 0; Gen.choose (0, pidMax) ]
        let! flags = Gen.arrayOfLength 3 (Gen.elements [ true; false ])
        let! isScanned = Gen.elements [ true; false ]
        let! wait = Gen.elements [ -1L; 0L; 1L; 1L; 1L ]
        let now = 60L

        return
            {
                Now = now
                LastPid = lastPid
                PidMax = pidMax
                InUse = inUse
                State =
                    { Reserve.start
                          { rulesOf (times[0] / 10L) times[1] (times[2] / 2L) times[3] reserved with
                              Rate = rate
                          }
                          first
                          last with
                        LastPid = seen
                        Looked = now - times[4]
                        Safe = now + times[5] - times[6]
                        HasWritten = flags[0]
                        InUse = PidSet.ofSeq numbers
                        Scanned = if isScanned then now - times[7] else Int64.MinValue
                        NextScan = now + wait
                        IsTight = flags[1]
                        IsKept = flags[2]
                    }
            }
    }
    |> Arb.fromGen

// What comes of a look, number by number.
let private told (m: Moment) : struct (ReserveStep * Reservation) =
    let r, rules = m.State, m.State.Rules
    let inRange n = n >= r.First && n <= r.Last
    let past = min r.Last (m.PidMax - 1)

    // What comes before the range where the wrap leads there, and whether it is reached.
    let way cursor low =
        let all = [ cursor .. m.PidMax - 1 ] @ [ low .. m.PidMax - 1 ]
        List.takeWhile (inRange >> not) all, List.exists inRange all

    let least (count: int list -> int) cursor =
        [
            for low in
                (if cursor > rules.Reserved then
                     [ rules.Reserved ]
                 else
                     [ 1; rules.Reserved ]) do
                match way cursor low with
                | numbers, true -> count numbers
                | _, false -> Int32.MaxValue
        ]
        |> List.min

    let certain = least (fun numbers -> max 0 (numbers.Length - m.InUse))

    let known =
        least (fun numbers -> numbers |> List.filter (fun n -> not (PidSet.contains n r.InUse)) |> List.length)

    let take allocations =
        int64 allocations * 1_000_000L / rules.Rate

    let isScanned = r.Scanned > Int64.MinValue

    let safe cursor =
        if isScanned then
            max (m.Now + take (certain cursor)) (r.Scanned + take (known cursor))
        else
            m.Now + take (certain cursor)

    let left cursor =
        safe cursor - m.Now - rules.Lateness - rules.Lateness - rules.Settling

    let room = if isScanned then known (past + 1) else certain (past + 1)
    let isSmall = left (past + 1) < rules.Settling

    let isNear =
        left (m.LastPid + 1) < rules.Settling
        || (left (m.LastPid + 1) < rules.Shortest
            && left (m.LastPid + 1) < left (past + 1) / 2L)

    let crossed =
        if m.LastPid >= r.LastPid then
            [ r.LastPid + 1 .. m.LastPid ]
        else
            [ r.LastPid + 1 .. m.PidMax - 1 ]
            @ [ (if r.LastPid >= rules.Reserved then rules.Reserved else 1) .. m.LastPid ]

    let round = take (max 0 (m.PidMax - rules.Reserved - m.InUse))

    let news =
        if not r.IsKept then
            ReserveNews.Nothing
        elif List.exists inRange crossed then
            ReserveNews.Crossed(r.LastPid, m.LastPid, m.Now - r.Safe)
        elif m.Now > r.Safe && not r.IsTight && (r.HasWritten || m.Now - r.Looked >= round) then
            ReserveNews.Late(m.Now - r.Safe)
        else
            ReserveNews.Nothing

    let after =
        { r with
            LastPid = m.LastPid
            Looked = m.Now
            Safe = safe (m.LastPid + 1)
            HasWritten = false
            Room = room
            News = news
        }

    match isNear, r.HasWritten with
    | false, hasWritten ->
        let longest = if hasWritten then rules.Settling else rules.Longest

        struct (ReserveStep.Sleep(m.Now + min (left (m.LastPid + 1)) longest),
                { after with
                    IsTight = r.IsTight && hasWritten
                    IsKept = r.IsKept || not hasWritten
                })
    | true, true when isSmall && m.Now < r.NextScan ->
        struct (ReserveStep.Sleep(m.Now + max (rules.Settling / 16L) (min rules.Settling (take room / 2L))),
                { after with
                    IsTight = true
                    IsKept = true
                })
    | true, true when isSmall -> struct (ReserveStep.Scan, { after with HasWritten = true })
    | true, _ ->
        struct (ReserveStep.Write past,
                { after with
                    LastPid = past
                    HasWritten = true
                })

let everyLookIsAsTold: Law<Keeper> =
    Law.create moments (fun keeper m -> Law.same "look" (told m) (keeper.Look m.Now m.LastPid m.PidMax m.InUse m.State))

[<Fact>]
let ``a range is kept free, whatever others do as fast as they can`` () =
    for _, law in Law.all<Keeper>() do
        Law.checkFor 500 model law

[<Fact>]
let ``the rules of nslp`` () =
    Law.same "rules" (rulesOf 5_000L 1_000L 10_000L 1_000_000L 300) Reserve.rules

[<Fact>]
let ``what a range is to the numbers that are given`` () =
    for first, last, expected in
        [
            0, 5, ReserveRange.OutOfRange
            1, 5, ReserveRange.Reserved
            6, 6, ReserveRange.Reserved
            7, 7, ReserveRange.Ordinary
            1, 7, ReserveRange.Ordinary
            7, 18, ReserveRange.Ordinary
            8, 19, ReserveRange.Ordinary
            7, 19, ReserveRange.All
            1, 19, ReserveRange.All
            19, 20, ReserveRange.OutOfRange
        ] do
        Law.same $"%d{first}-%d{last}" expected (Reserve.range 7 20 first last)

[<Fact>]
let ``at first nothing is written, kept or told`` () =
    let r = Reserve.start Reserve.rules 5 6

    Law.same
        "written, tight, kept, news"
        (false, false, false, ReserveNews.Nothing)
        (r.HasWritten, r.IsTight, r.IsKept, r.News)

    Law.same "scanned" (Int64.MinValue, Int64.MinValue) (r.Scanned, r.NextScan)

// Seldom met by chance.
[<Fact>]
let ``numbers are read again after nine times as long as it took, and the time of that is its start`` () =
    let r =
        Reserve.start (rulesOf 1L 2L 3L 9L 2) 5 6
        |> Reserve.scanned 100L 107L PidSet.empty

    Law.same "began, next" (100L, 107L + 63L + 2L) (r.Scanned, r.NextScan)

[<Fact>]
let ``half the way to the range is not near it`` () =
    // A number a microsecond: 17 of them lead from 13 round to 11.
    let r = Reserve.start (rulesOf 0L 0L 100L 1_000L 1) 11 12

    let isNear lastPid =
        match Reserve.look 0L lastPid 20 0 r with
        | struct (ReserveStep.Sleep _, _) -> false
        | _ -> true

    Law.same "near with 8 to go, with 7" (false, true) (isNear 2, isNear 3)

/// Keepers that are wrong on purpose.
let wrongKeepers: (string * Keeper) list =
    let rules change =
        { model with
            Start = fun rules -> Reserve.start (change rules)
        }

    let after change =
        { model with
            Look =
                fun now lastPid pidMax held r ->
                    let struct (step, later) = Reserve.look now lastPid pidMax held r
                    change now pidMax struct (step, later)
        }

    let seeing change =
        { model with
            Look =
                fun now lastPid pidMax held r ->
                    let struct (now, lastPid, pidMax, held) = change struct (now, lastPid, pidMax, held)
                    Reserve.look now lastPid pidMax held r
        }

    [
        "is never late", rules (fun rules -> { rules with Lateness = 0L })
        "takes others to be half as fast", rules (fun rules -> { rules with Rate = rules.Rate / 2L })
        "takes others to be twice as fast", rules (fun rules -> { rules with Rate = rules.Rate * 2L })
        "naps",
        rules (fun rules ->
            { rules with
                Shortest = 0L
                Settling = 0L
            })
        "sleeps longer than it is told to", rules (fun rules -> { rules with Longest = 1000L })
        "thinks that the wrap leads to 300 always",
        { model with
            Look = fun now lastPid pidMax held r -> Reserve.look now (max lastPid r.Rules.Reserved) pidMax held r
        }
        "thinks that the wrap leads to 1", rules (fun rules -> { rules with Reserved = 1 })
        "knows of no numbers in use", seeing (fun struct (now, lastPid, pidMax, _) -> struct (now, lastPid, pidMax, 0))
        "knows of one too few",
        seeing (fun struct (now, lastPid, pidMax, held) -> struct (now, lastPid, pidMax, held - 1))
        "takes the time after it looked",
        seeing (fun struct (now, lastPid, pidMax, held) -> struct (now + 1L, lastPid, pidMax, held))
        "believes in a greater pid_max",
        seeing (fun struct (now, lastPid, pidMax, held) -> struct (now, lastPid, pidMax + 3, held))
        "takes the end of a scan for its start",
        { model with
            Scanned = fun _ ended -> Reserve.scanned (ended + 1L) ended
        }
        "believes an old scan for ever",
        { model with
            Scanned = fun _ ended -> Reserve.scanned (ended + 1_000_000L) ended
        }
        "scans again and again",
        { model with
            Scanned =
                fun began ended inUse r ->
                    { Reserve.scanned began ended inUse r with
                        NextScan = Int64.MinValue
                    }
        }
        "does not see whether it is undone",
        { model with
            Look = fun now lastPid pidMax held r -> Reserve.look now lastPid pidMax held { r with HasWritten = false }
        }
        "writes the last number but one",
        after (fun _ _ struct (step, r) ->
            match step with
            | ReserveStep.Write lastPid -> struct (ReserveStep.Write(lastPid - 1), r)
            | _ -> struct (step, r))
        "never writes",
        after (fun now _ struct (step, r) ->
            match step with
            | ReserveStep.Write _ -> struct (ReserveStep.Sleep(now + 1L), r)
            | _ -> struct (step, r))
        "writes always",
        after (fun _ pidMax struct (_, r) ->
            let past = min r.Last (pidMax - 1)

            struct (ReserveStep.Write past,
                    { r with
                        LastPid = past
                        HasWritten = true
                    }))
        "sleeps a little longer",
        after (fun _ _ struct (step, r) ->
            match step with
            | ReserveStep.Sleep until -> struct (ReserveStep.Sleep(until + 1L), r)
            | _ -> struct (step, r))
        "never says that the room is small",
        after (fun _ _ struct (step, r) -> struct (step, { r with IsTight = false }))
        "always says that the room is small",
        after (fun _ _ struct (step, r) -> struct (step, { r with IsTight = true }))
        "has no news", after (fun _ _ struct (step, r) -> struct (step, { r with News = ReserveNews.Nothing }))
        "takes its own write for another's",
        { model with
            Look =
                fun now lastPid pidMax held r -> Reserve.look now lastPid pidMax held { r with LastPid = r.First - 1 }
        }
        "forgets that it could not write", { model with NotWritten = fun _ r -> r }
    ]
