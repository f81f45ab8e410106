/// The way to a last PID for one who holds some of the numbers himself.
module SetNsLastPid.Tests.Properties.OwnNumbersProperties

open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// Numbers in use of a small namespace, those of them that are our own, and where to go.
type Way =
    {
        PidMax: int
        Cursor: int
        Goal: Goal
        InUse: int list
        Ours: int list
    }

/// How a way is found, as a value, so that tests can put a wrong one in its place.
type Finder = PidSet -> Goal -> PidNamespace -> Reach

// Below 290 nearly all is taken, so that the searches end soon and around 300 all cases meet.
let private way =
    gen {
        let! pidMax = Gen.choose (301, 307)
        let! cursor = Gen.oneof [ Gen.choose (295, pidMax + 1); Gen.choose (1, pidMax + 1) ]
        let! target = Gen.oneof [ Gen.choose (290, pidMax - 1); Gen.choose (1, pidMax - 1) ]
        let! goal = Reference.goals target (fun least -> Gen.choose (least, 5))
        let! low = Gen.subListOf [ 2..289 ] |> Gen.map (List.truncate 8)
        let! high = Gen.subListOf [ 290 .. pidMax - 1 ]
        let inUse = [ 1..289 ] |> List.except low |> (fun taken -> taken @ high)
        let! ours = Gen.subListOf (List.filter (fun n -> n > 280) inUse)

        return
            {
                PidMax = pidMax
                Cursor = cursor
                Goal = goal
                InUse = inUse
                Ours = ours
            }
    }

let private shrinkWay (w: Way) =
    seq {
        for own in w.Ours do
            { w with
                Ours = List.except [ own ] w.Ours
            }

        for pid in List.except w.Ours w.InUse do
            { w with
                InUse = List.except [ pid ] w.InUse
            }
    }

let private ways = Arb.fromGenShrink (way, shrinkWay)

let private observe (w: Way) =
    PidNamespace.observed (w.Cursor - 1) w.PidMax (PidSet.ofSeq w.InUse)

// Consumes one number after the other until the next process would get the wanted PID once ours are free.
let private tryAll (w: Way) =
    let ns = observe w

    let free =
        { ns with
            InUse = PidSet.ofSeq (List.except w.Ours w.InUse)
        }

    let nextLater cursor =
        PidNamespace.tryNext { free with Cursor = cursor }

    let allowed =
        Reference.allowed
            w.Goal
            {
                C = w.Cursor
                P = w.PidMax
                R = 300
                Used = System.Collections.Generic.HashSet(List.except w.Ours w.InUse)
                State = Life.Alive
                May = true
            }

    let rec go count cursor =
        let next = nextLater cursor

        if
            (w.Goal.OrNext && cursor = w.Goal.First)
            || (next.IsSome && List.contains next.Value allowed)
        then
            Some count
        elif count > 2 * w.PidMax then
            None
        else
            match PidNamespace.tryNext { ns with Cursor = cursor } with
            | ValueSome pid -> go (count + 1) (pid + 1)
            | ValueNone -> None

    go 0 w.Cursor

let landsBesideOurs: Law<Finder> =
    Law.create ways (fun reach w ->
        match reach (PidSet.ofSeq w.Ours) w.Goal (observe w) with
        | Reach.After count -> Law.same "allocations" (tryAll w) (Some count)
        | Reach.Never(Obstacle.Ours pid) ->
            Law.same "allocations" (tryAll w) None
            Law.holds $"%d{pid} is ours" (List.contains pid w.Ours)
        | Reach.Never _ -> Law.same "allocations" (tryAll w) None)

[<Fact>]
let ``numbers of our own are free for the next process but never consumed`` () =
    Law.checkFor 3000 Cycle.reach landsBesideOurs

/// Finders that are wrong on purpose.
let wrongFinders: (string * Finder) list =
    let without ours (ns: PidNamespace) =
        { ns with
            InUse =
                PidSet.toSeq ours
                |> Seq.fold (fun inUse pid -> PidSet.remove pid inUse) ns.InUse
        }

    [
        "ours count as others'", (fun _ target ns -> Cycle.reach PidSet.empty target ns)
        "ours count as free", (fun ours target ns -> Cycle.reach PidSet.empty target (without ours ns))
        "ours in the way are jumped",
        (fun ours target ns ->
            match Cycle.reach ours target ns with
            | Reach.Never(Obstacle.Ours _) -> Cycle.reach PidSet.empty target ns
            | other -> other)
        "a lap is never worth it",
        (fun ours target ns ->
            match Cycle.reach ours target ns with
            | Reach.After n when target.First <= ns.Cursor && n > 2 -> Reach.Never(Obstacle.Ours target.First)
            | other -> other)
    ]

[<Fact>]
let ``each wrong finder is found out`` () =
    for name, finder in wrongFinders do
        Law.holds $"somebody notices: %s{name}" ((landsBesideOurs.TryBreak (Rnd 1UL) 3000 finder).IsSome)
