/// The set that numbers in use are kept in, against Set<int>.
module SetNsLastPid.Tests.Properties.PidSetProperties

open System.Runtime.CompilerServices
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What can be done with the set, as a value, so that tests can put a wrong one in its place.
type PidSetOperations =
    {
        Add: int -> PidSet -> PidSet
        Remove: int -> PidSet -> PidSet
        AddRange: int -> int -> PidSet -> PidSet
        Except: PidSet -> PidSet -> PidSet
        OfSeq: int seq -> PidSet
        Contains: int -> PidSet -> bool
        TryFirstFree: int -> int -> PidSet -> int voption
        TryLastFree: int -> int -> PidSet -> int voption
        CountFree: int -> int -> PidSet -> int
        Count: PidSet -> int
        ToSeq: PidSet -> int seq
    }

[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module PidSetOperations =
    let model: PidSetOperations =
        {
            Add = PidSet.add
            Remove = PidSet.remove
            AddRange = PidSet.addRange
            Except = PidSet.except
            OfSeq = PidSet.ofSeq
            Contains = PidSet.contains
            TryFirstFree = PidSet.tryFirstFree
            TryLastFree = PidSet.tryLastFree
            CountFree = PidSet.countFree
            Count = fun set -> set.Count
            ToSeq = PidSet.toSeq
        }

/// A change to a set.
type Change =
    | Add of int
    | Remove of int
    | AddRange of first: int * last: int

// At the edges of leaves and branches (64, 4096, 262144, the capacity), and some next to each other.
let private number =
    let edge =
        Gen.map2
            (+)
            (Gen.elements [ 0; 64; 128; 4096; 8192; 262144; 524288; 4194304; PidSet.Capacity ])
            (Gen.choose (-3, 3))

    Gen.frequency
        [
            4, Gen.choose (0, 200)
            4, edge
            1, Gen.choose (0, PidSet.Capacity - 1)
            1, Gen.elements [ -1; System.Int32.MinValue; System.Int32.MaxValue ]
        ]

let private range =
    let length =
        Gen.frequency
            [
                9, Gen.choose (0, 130)
                3, Gen.elements [ -1; 63; 64; 65 ]
                1, Gen.elements [ 4095; 4096; 5000 ]
            ]

    // A set of all numbers takes Set<int> a minute: see below for one.
    Gen.map2
        (fun first length ->
            first, int (System.Math.Clamp(int64 first + int64 length, -100L, int64 System.Int32.MaxValue)))
        number
        length

let private change =
    Gen.frequency
        [
            3, Gen.map Add number
            3, Gen.map Remove number
            3, Gen.map AddRange range
            // Remove from the middle of what is likely there.
            2, Gen.map Remove (Gen.choose (0, 200))
        ]

let private shrinkChange change =
    match change with
    | Add n -> Shrink.number n |> Seq.map Add
    | Remove n -> Shrink.number n |> Seq.map Remove
    | AddRange(first, last) ->
        seq {
            for last in Shrink.number last do
                AddRange(first, last)

            for first in Shrink.number first do
                AddRange(first, last)
        }

let private shrinkChanges (changes: Change list) =
    seq {
        for i in 0 .. changes.Length - 1 do
            List.removeAt i changes

        for i in 0 .. changes.Length - 1 do
            for smaller in shrinkChange changes[i] do
                List.updateAt i smaller changes
    }

let private changes =
    let lists = Gen.choose (0, 12) |> Gen.bind (fun n -> Gen.listOfLength n change)
    Arb.fromGenShrink (lists, shrinkChanges)

let private inside n = n >= 0 && n < PidSet.Capacity

let private build (s: PidSetOperations) changes =
    (PidSet.empty, changes)
    ||> List.fold (fun set change ->
        match change with
        | Add n -> s.Add n set
        | Remove n -> s.Remove n set
        | AddRange(first, last) -> s.AddRange first last set)

// It takes its time, and many laws and wrong sets ask for it.
let private built = ConditionalWeakTable<Change list, Set<int>>()

let private buildSet changes =
    built.GetValue(
        changes,
        fun changes ->
            (Set.empty, changes)
            ||> List.fold (fun set change ->
                match change with
                | Add n -> if inside n then Set.add n set else set
                | Remove n -> Set.remove n set
                | AddRange(first, last) ->
                    let first, last = max 0 first, min last (PidSet.Capacity - 1)
                    Set.union set (Set.ofSeq (seq { first..last })))
    )

let membersAgree: Law<PidSetOperations> =
    Law.create changes (fun s changes ->
        let expected = buildSet changes
        let set = build s changes
        Law.same "members" (Set.toList expected) (s.ToSeq set |> Seq.toList)
        Law.same "count" expected.Count (s.Count set))

[<Fact>]
let ``members and count agree with Set`` () =
    Law.check PidSetOperations.model membersAgree

let private twoSets =
    Inputs.pairs changes (fun _ -> Arb.toGen changes) shrinkChanges

let exceptIsRemovingEach: Law<PidSetOperations> =
    Law.create twoSets (fun s (changes, taken) ->
        let set, taken = build s changes, build s taken
        let expected = Seq.fold (fun set n -> PidSet.remove n set) set (PidSet.toSeq taken)
        let actual = s.Except taken set

        if expected <> actual then
            Law.same "members" (PidSet.toSeq expected |> Seq.toList) (PidSet.toSeq actual |> Seq.toList)
            Law.broken (fun () -> "not the same, node by node"))

[<Fact>]
let ``except is removing each`` () =
    Law.check PidSetOperations.model exceptIsRemovingEach

let private asked =
    Inputs.pairs changes (fun _ -> Gen.listOfLength 6 number) (fun ns ->
        seq { for i in 0 .. ns.Length - 1 -> List.removeAt i ns })

let containsAgrees: Law<PidSetOperations> =
    Law.create asked (fun s (changes, numbers) ->
        let expected = buildSet changes
        let set = build s changes

        for n in numbers @ Set.toList expected do
            if s.Contains n set <> Set.contains n expected then
                Law.broken (fun () -> $"contains %d{n} is %b{s.Contains n set}"))

[<Fact>]
let ``contains agrees with Set`` () =
    Law.check PidSetOperations.model containsAgrees

let private intervals =
    let limits =
        Gen.frequency
            [
                3, Gen.map (fun (from, below) -> from, below) range
                1, Gen.zip number number
            ]

    Inputs.pairs changes (fun _ -> limits) (fun (from, below) ->
        seq {
            for below in Shrink.number below do
                from, below

            for from in Shrink.number from do
                from, below
        })

let freeNumbersAgree: Law<PidSetOperations> =
    Law.create intervals (fun s (changes, (from, below)) ->
        let held = buildSet changes
        let set = build s changes
        let low, high = max 0 from, min below PidSet.Capacity

        let rec firstFree n =
            if n >= high then ValueNone
            elif held.Contains n then firstFree (n + 1)
            else ValueSome n

        let rec lastFree n =
            if n < low then ValueNone
            elif held.Contains n then lastFree (n - 1)
            else ValueSome n

        Law.same "first free" (firstFree low) (s.TryFirstFree from below set)
        Law.same "last free" (if low < high then lastFree (high - 1) else ValueNone) (s.TryLastFree from below set)

        let within = held |> Set.filter (fun n -> low <= n && n < high) |> Set.count
        Law.same "count free" ((if low < high then high - low else 0) - within) (s.CountFree from below set))

[<Fact>]
let ``free numbers agree with Set`` () =
    Law.check PidSetOperations.model freeNumbersAgree

let equalMeansSameMembers: Law<PidSetOperations> =
    let two = Inputs.pairs changes (fun _ -> Arb.toGen changes) shrinkChanges

    Law.create two (fun s (first, second) ->
        let a, b = build s first, build s second
        Law.same "equality" (buildSet first = buildSet second) (a = b)
        let again = s.OfSeq(List.rev (Set.toList (buildSet first)))
        Law.holds "built another way it is the same" (again = a)
        Law.same "hash" (hash again) (hash a))

[<Fact>]
let ``sets are equal when they have the same members`` () =
    Law.check PidSetOperations.model equalMeansSameMembers

let rangesAddUp: Law<PidSetOperations> =
    Law.create intervals (fun s (changes, (first, last)) ->
        // One number at a time is slow beyond this.
        let last = int (min (int64 last) (int64 first + 5000L))
        let set = build s changes
        let oneByOne = (set, seq { first..last }) ||> Seq.fold (fun set n -> s.Add n set)
        Law.holds "a range is its numbers" (Levels.sameNumbers oneByOne (s.AddRange first last set)))

[<Fact>]
let ``adding a range is adding its numbers`` () =
    Law.check PidSetOperations.model rangesAddUp

let removeUndoesAdd: Law<PidSetOperations> =
    Law.create asked (fun s (changes, numbers) ->
        let set = build s changes

        for n in numbers do
            if not (s.Contains n set) then
                let with' = s.Add n set
                Law.same "count with it" (s.Count set + (if inside n then 1 else 0)) (s.Count with')
                Law.holds "without it as before" (Levels.sameNumbers set (s.Remove n with')))

[<Fact>]
let ``remove undoes add`` () =
    Law.check PidSetOperations.model removeUndoesAdd

[<Fact>]
let ``every number there is can be held`` () =
    let full = PidSet.addRange 0 (PidSet.Capacity - 1) PidSet.empty
    Assert.Equal(PidSet.Capacity, full.Count)
    Assert.Equal(ValueNone, PidSet.tryFirstFree 0 PidSet.Capacity full)
    Assert.Equal(0, PidSet.countFree 0 PidSet.Capacity full)

    for n in [ 0; 63; 64; 4095; 4096; 262143; 262144; 4194303; PidSet.Capacity - 1 ] do
        let holed = PidSet.remove n full
        Assert.Equal(ValueSome n, PidSet.tryFirstFree 0 PidSet.Capacity holed)
        Assert.Equal(ValueSome n, PidSet.tryFirstFree n PidSet.Capacity holed)
        Assert.Equal(ValueNone, PidSet.tryFirstFree (n + 1) PidSet.Capacity holed)
        Assert.Equal(1, PidSet.countFree 0 PidSet.Capacity holed)

[<Fact>]
let ``what lies beyond the numbers a set can hold is neither found nor counted`` () =
    let full = PidSet.addRange 0 (PidSet.Capacity - 1) PidSet.empty

    // Where leaves and branches begin and end.
    let edges =
        [
            for at in [ 0; 64; 4096; 262144; PidSet.Capacity ] do
                for n in at - 1 .. at + 1 do
                    n
            System.Int32.MinValue
            System.Int32.MaxValue
        ]

    for from in edges do
        for below in edges do
            let low, high = max 0 from, min below PidSet.Capacity

            let first, last =
                if low < high then
                    ValueSome low, ValueSome(high - 1)
                else
                    ValueNone, ValueNone

            Assert.Equal(first, PidSet.tryFirstFree from below PidSet.empty)
            Assert.Equal(last, PidSet.tryLastFree from below PidSet.empty)
            Assert.Equal((if low < high then high - low else 0), PidSet.countFree from below PidSet.empty)
            Assert.Equal(ValueNone, PidSet.tryFirstFree from below full)
            Assert.Equal(ValueNone, PidSet.tryLastFree from below full)
            Assert.Equal(0, PidSet.countFree from below full)

    // One number is free, or one is not.
    for at in edges |> List.filter inside do
        let holed, one = PidSet.remove at full, PidSet.add at PidSet.empty

        for from in edges do
            for below in edges do
                let isIn = from <= at && at < below
                let found = if isIn then ValueSome at else ValueNone
                Assert.Equal(found, PidSet.tryFirstFree from below holed)
                Assert.Equal(found, PidSet.tryLastFree from below holed)
                Assert.Equal((if isIn then 1 else 0), PidSet.countFree from below holed)

                let all = PidSet.countFree from below PidSet.empty
                Assert.Equal(all - (if isIn then 1 else 0), PidSet.countFree from below one)

/// Sets that are wrong on purpose.
let wrongSets: (string * PidSetOperations) list =
    let s = PidSetOperations.model

    [
        "adds nothing", { s with Add = fun _ set -> set }
        "adds nothing at the end of a leaf",
        { s with
            Add = fun n set -> if n % 64 = 63 then set else PidSet.add n set
        }
        "folds numbers beyond its capacity in",
        { s with
            Add = fun n set -> PidSet.add (n &&& (PidSet.Capacity - 1)) set
        }
        "removes nothing", { s with Remove = fun _ set -> set }
        "removes the neighbour too",
        { s with
            Remove = fun n set -> PidSet.remove n set |> PidSet.remove (n + 1)
        }
        "ranges without their last number",
        { s with
            AddRange = fun first last set -> PidSet.addRange first (last - 1) set
        }
        "ranges without their first number",
        { s with
            AddRange = fun first last set -> PidSet.addRange (first + 1) last set
        }
        "ranges that replace",
        { s with
            AddRange = fun first last _ -> PidSet.addRange first last PidSet.empty
        }
        "ranges up to the end of the leaf",
        { s with
            AddRange =
                fun first last set ->
                    if first > last then
                        set
                    else
                        PidSet.addRange first (max last (last ||| 63)) set
        }
        "except nothing", { s with Except = fun _ set -> set }
        "except the wrong way round",
        { s with
            Except = fun taken set -> PidSet.except set taken
        }
        "except the first leaf only",
        { s with
            Except =
                fun taken set -> PidSet.except (Seq.filter (fun n -> n < 64) (PidSet.toSeq taken) |> PidSet.ofSeq) set
        }
        "does not hold 0",
        { s with
            Contains = fun n set -> n <> 0 && PidSet.contains n set
        }
        "holds negative numbers",
        { s with
            Contains = fun n set -> PidSet.contains (n &&& (PidSet.Capacity - 1)) set
        }
        "searches from the start",
        { s with
            TryFirstFree = fun _ below set -> PidSet.tryFirstFree 0 below set
        }
        "searches one too far",
        { s with
            TryFirstFree = fun from below set -> PidSet.tryFirstFree from (below + 1) set
        }
        "searches one too short",
        { s with
            TryFirstFree = fun from below set -> PidSet.tryFirstFree from (below - 1) set
        }
        "searches after the first",
        { s with
            TryFirstFree = fun from below set -> PidSet.tryFirstFree (from + 1) below set
        }
        "finds nothing beyond a full leaf",
        { s with
            TryFirstFree =
                fun from below set ->
                    match PidSet.tryFirstFree from below set with
                    | ValueSome n when n / 64 > max from 0 / 64 -> ValueNone
                    | other -> other
        }
        "searches back one too far",
        { s with
            TryLastFree = fun from below set -> PidSet.tryLastFree (from - 1) below set
        }
        "searches back from one too low",
        { s with
            TryLastFree = fun from below set -> PidSet.tryLastFree from (below - 1) set
        }
        "finds nothing before a full leaf",
        { s with
            TryLastFree =
                fun from below set ->
                    match PidSet.tryLastFree from below set with
                    | ValueSome n when n / 64 < (min below PidSet.Capacity - 1) / 64 -> ValueNone
                    | other -> other
        }
        "counts one too many",
        { s with
            CountFree = fun from below set -> PidSet.countFree from (below + 1) set
        }
        "counts the members",
        { s with
            CountFree = fun from below set -> max 0 (below - from) - PidSet.countFree from below set
        }
        "counts what is below as well",
        { s with
            CountFree = fun _ below set -> PidSet.countFree 0 below set
        }
        "count of leaves with one member",
        { s with
            Count = fun set -> PidSet.toSeq set |> Seq.distinctBy (fun n -> n / 64) |> Seq.length
        }
        "lists in descending order",
        { s with
            ToSeq = PidSet.toSeq >> Seq.rev
        }
        "lists the first leaf only",
        { s with
            ToSeq = PidSet.toSeq >> Seq.takeWhile (fun n -> n < 64)
        }
        "reads without the first",
        { s with
            OfSeq =
                fun numbers ->
                    if Seq.isEmpty numbers then
                        PidSet.empty
                    else
                        PidSet.ofSeq (Seq.tail numbers)
        }
    ]
