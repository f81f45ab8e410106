/// The choice of a number for those who get any that is free.
module SetNsLastPid.Tests.Properties.PickProperties

open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What chooses, as a value, so that tests can put a wrong one in its place.
type Picker =
    {
        Start: Goal -> int -> Pick
        Held: int list -> Pick -> Pick
        Scanned: PidSet -> Pick -> Pick
        Next: Pick -> struct (PickStep * Pick)
    }

let model: Picker =
    {
        Start = Pick.start
        Held = fun numbers -> Pick.held numbers
        Scanned = Pick.scanned
        Next = Pick.next
    }

/// A namespace in which nobody else makes or ends a process.
type Stock =
    {
        PidMax: int
        Goal: Goal
        Held: int list
        /// Those held that /proc does not show.
        Hidden: int list
    }

let private stocks =
    gen {
        let! pidMax = Gen.choose (3, 24)
        let! first = Gen.choose (1, pidMax)
        let! length = Gen.choose (0, pidMax)
        let! room = Gen.frequency [ 2, Gen.constant 0; 1, Gen.choose (1, 5) ]
        let! some = Gen.subListOf [ 1 .. pidMax - 1 ]
        let! more = Gen.subListOf [ first .. pidMax - 1 ]
        let! held = Gen.elements [ some; more; List.distinct (some @ more) ]
        let! hidden = Gen.subListOf held
        let! hidden = Gen.elements [ []; hidden ]

        return
            {
                PidMax = pidMax
                Goal = Goal.within first (first + length) room
                Held = held
                Hidden = hidden
            }
    }
    |> Arb.fromGen

let private allowed (stock: Stock) =
    Reference.allowed
        stock.Goal
        {
            C = 0
            P = stock.PidMax
            R = 2
            Used = HashSet stock.Held
            State = Life.Alive
            May = true
        }

// All steps, the last one an end or the try of a free number.
let private run (picker: Picker) (stock: Stock) =
    let rec go count pick =
        let struct (step, pick) = picker.Next pick
        let next = go (count + 1)
        let isHeld n = List.contains n stock.Held
        Law.holds "it ends" (count < 4 * stock.PidMax + 8)

        match step with
        | PickStep.Scan ->
            step
            :: next (picker.Scanned (PidSet.ofSeq (List.except stock.Hidden stock.Held)) pick)
        | PickStep.Look(first, last) -> step :: next (picker.Held (List.filter isHeld [ first..last ]) pick)
        | PickStep.Try pid when isHeld pid -> step :: next (picker.Held [ pid ] pick)
        | PickStep.Try _
        | PickStep.Held -> [ step ]

    go 0 (picker.Start stock.Goal stock.PidMax)

let private tries steps =
    steps
    |> List.choose (function
        | PickStep.Try pid -> Some pid
        | _ -> None)

let takesTheLowest: Law<Picker> =
    Law.create stocks (fun picker stock ->
        let expected =
            match allowed stock with
            | [] -> PickStep.Held
            | pid :: _ -> PickStep.Try pid

        Law.same "end" expected (List.last (run picker stock)))

let triesInTheGoalOnce: Law<Picker> =
    Law.create stocks (fun picker stock ->
        let tries = tries (run picker stock)
        Law.same "each once" (List.distinct tries) tries

        for pid in tries do
            Law.holds $"%d{pid} is in the goal" (stock.Goal.First <= pid && pid <= stock.Goal.Last)

        // The first may be tried before anything was read.
        Law.holds "few" (tries.Length <= 2 + stock.Hidden.Length))

let readsOnlyWhereItMust: Law<Picker> =
    Law.create stocks (fun picker stock ->
        let steps = run picker stock
        let scans = steps |> List.filter (fun step -> step = PickStep.Scan) |> List.length
        Law.holds "once at most" (scans <= 1)

        if stock.Goal.Room = 0 && not (List.contains stock.Goal.First stock.Held) then
            Law.same "scans" 0 scans)

[<Fact>]
let ``the lowest number that will do is chosen, with few tries`` () =
    for _, law in Law.all<Picker>() do
        Law.check model law

[<Fact>]
let ``what a goal leaves to choose`` () =
    for first, last, room, isLoose in [ 5, 5, 0, false; 5, 6, 0, true; 5, 5, 1, true; 5, 6, 1, true ] do
        Law.same $"%d{first}-%d{last}, %d{room} more" isLoose (Goal.within first last room).IsLoose

    Law.same
        "after 7"
        {
            First = 8
            Last = 8
            Room = 0
            OrNext = true
        }
        (Goal.after 7)

    for room, expected in [ 0, struct (5, 9); 1, struct (6, 6); 2, struct (6, 6) ] do
        Law.same $"%d{room} more" expected (Goal.accepts 6 (Goal.within 5 9 room))

[<Fact>]
let ``the first number that will do, in every small world`` () =
    let pidMax = 7

    for mask in 0 .. (1 <<< (pidMax - 1)) - 1 do
        let held =
            [ 1 .. pidMax - 1 ] |> List.filter (fun n -> (mask >>> (n - 1)) &&& 1 = 1)

        let inUse = PidSet.ofSeq held

        let isFree n =
            n < pidMax && not (List.contains n held)

        for first in 1..pidMax do
            for last in first .. pidMax + 1 do
                for room in 0..4 do
                    for from in 1..pidMax do
                        let expected =
                            [ max from first .. last ]
                            |> List.tryFind (fun n -> List.forall isFree [ n .. n + room ])
                            |> Option.defaultValue 0

                        Goal.within first last room
                        |> Goal.tryFirst from pidMax inUse
                        |> ValueOption.defaultValue 0
                        |> Law.same "first" expected

[<Fact>]
let ``what comes first depends on the room, and on what was read`` () =
    for room, isScanned, expected in
        [
            0, false, PickStep.Try 1
            1, false, PickStep.Scan
            2, false, PickStep.Scan
            0, true, PickStep.Try 1
            1, true, PickStep.Look(1, 2)
        ] do
        let pick =
            { Pick.start (Goal.within 1 1 room) 8 with
                IsScanned = isScanned
            }

        let struct (step, _) = Pick.next pick
        Law.same $"%d{room} more" expected step

/// Pickers that are wrong on purpose.
let wrongPickers: (string * Picker) list =
    let starting change =
        { model with
            Start = fun goal pidMax -> Pick.start (change goal) pidMax
        }

    let next change =
        { model with
            Next = fun pick -> change pick (Pick.next pick)
        }

    [
        "forgets the room", starting (fun goal -> { goal with Room = 0 })
        "too little room",
        starting (fun goal ->
            { goal with
                Room = max 0 (goal.Room - 1)
            })
        "sees the first number only", starting (fun goal -> { goal with Last = goal.First })
        "one number too many", starting (fun goal -> { goal with Last = goal.Last + 1 })
        "takes the last",
        starting (fun goal ->
            { goal with
                First = max goal.First goal.Last
            })
        "always reads first",
        next (fun pick step ->
            if pick.IsScanned then
                step
            else
                struct (PickStep.Scan, pick))
        "never reads",
        { model with
            Start =
                fun goal pidMax ->
                    { Pick.start goal pidMax with
                        IsScanned = true
                    }
        }
        "never asks for the room",
        { model with
            Next =
                fun pick ->
                    match Pick.next pick with
                    | struct (PickStep.Look(pid, _), pick) -> struct (PickStep.Try pid, pick)
                    | step -> step
        }
        "asks for too little",
        next (fun _ (struct (step, pick)) ->
            match step with
            | PickStep.Look(first, last) -> struct (PickStep.Look(first, last - 1), pick)
            | step -> struct (step, pick))
        "forgets what was refused",
        { model with
            Scanned = fun inUse pick -> Pick.scanned inUse { pick with InUse = PidSet.empty }
        }
        "gives up at the first that is held",
        { model with
            Held =
                fun numbers pick ->
                    { Pick.held numbers pick with
                        PidMax = 0
                    }
        }
    ]
