/// A range kept free in small worlds, where everything that others can do is tried.
module SetNsLastPid.Tests.Properties.ReserveWorlds

open System
open System.Collections.Generic
open Xunit
open SetNsLastPid

// Numbers in use are a mask.
type private Small = { C: int; Held: int }

let private smallRules = ReserveProperties.rulesOf 1L 1L 1L 4L 2

let private spaceOf pidMax (s: Small) =
    { PidNamespace.observed
          (s.C - 1)
          pidMax
          (PidSet.ofSeq
              [
                  for n in 1 .. pidMax - 1 do
                      if (s.Held >>> n) &&& 1 = 1 then
                          n
              ]) with
        Reserved = smallRules.Reserved
    }

// All that one allocation, and any number of ends before it, can make of it; the second of each is whether it gave a number of
// the range.
let private movesOf pidMax first last =
    let memo = Dictionary<Small, (Small * bool) list>()

    fun s ->
        match memo.TryGetValue s with
        | true, found -> found
        | _ ->
            let held =
                [
                    for n in 2 .. pidMax - 1 do
                        if (s.Held >>> n) &&& 1 = 1 then
                            n
                ]

            let ends =
                [
                    for n in held ->
                        { s with
                            Held = s.Held &&& ~~~(1 <<< n)
                        },
                        false
                ]

            let takes =
                [
                    for n in 2 .. pidMax - 1 do
                        if (s.Held >>> n) &&& 1 = 0 then
                            { s with Held = s.Held ||| (1 <<< n) }, false
                ]

            let forks =
                match PidNamespace.tryNext (spaceOf pidMax s) with
                | ValueSome n ->
                    let given = n >= first && n <= last

                    [
                        { s with C = n + 1 }, given
                        {
                            C = n + 1
                            Held = s.Held ||| (1 <<< n)
                        },
                        given
                    ]
                | ValueNone -> []

            let all = ends @ takes @ forks
            memo[s] <- all
            all

/// Whether others can be given a number of the range in some world so small, from any state from which it is kept.
let private tryBreakSmall (keeper: ReserveProperties.Keeper) pidMax first last : string option =
    let moves = movesOf pidMax first last
    let seen = HashSet<struct (Small * bool * bool * int64 * int64 * int)>()
    let mutable broken = None

    // An end costs an allocation here, which is less than others may do; the turns that FsCheck draws have them for nothing.
    let after (time: int64) isUndone (s: Small) given =
        let mutable states = HashSet [ struct (s, isUndone, given) ]

        for _ in 1L .. time do
            let next = HashSet states

            for struct (s, isUndone, given) in states do
                for s, now in moves s do
                    next.Add(struct (s, isUndone, given || now)) |> ignore

            states <- next

        states

    let held (s: Small) =
        Numerics.BitOperations.PopCount(uint32 s.Held)

    // Times from now on.
    let relative (now: int64) (r: Reservation) =
        { r with
            Looked = r.Looked - now
            Safe = r.Safe - now
        }

    // `real` is what counts from the next time on, where a write was just undone; no two in a row are.
    let rec look (s: Small) (real: Small voption) isUndone late given (r: Reservation) =
        let struct (step, next) = keeper.Look 0L (s.C - 1) pidMax (held s) r

        match step with
        | ReserveStep.Write lastPid when real.IsNone ->
            for struct (s, _, given) in after (smallRules.Lateness - late) isUndone s (given && r.IsKept) do
                let written = { s with C = lastPid + 1 }
                look written (ValueSome written) false 0L given next

                if not isUndone then
                    look written (ValueSome s) true 0L given next
        | ReserveStep.Sleep _ when next.IsTight -> ()
        | ReserveStep.Sleep until ->
            if given && r.IsKept && broken.IsNone then
                broken <- Some $"given before %A{s}, %d{pidMax}, %d{first}-%d{last}"

            sleep (ValueOption.defaultValue s real) isUndone until next
        // The room is too small, as far as is known.
        | _ -> ()

    and sleep s isUndone until r =
        if
            broken.IsNone
            && seen.Add(struct (s, isUndone, r.IsKept, until, r.Safe, r.LastPid))
        then
            for late in 0L .. smallRules.Lateness do
                for struct (s, isUndone, given) in after (until + late) isUndone s false do
                    look s ValueNone isUndone late (given && r.IsKept) (relative (until + late) r)

    for cursor in 1 .. pidMax + 1 do
        for mask in 0 .. (1 <<< (pidMax - 2)) - 1 do
            let s =
                {
                    C = cursor
                    Held = (mask <<< 2) ||| 2
                }

            look s ValueNone false 0L false (keeper.Start smallRules first last)

    broken

let private smallWorlds =
    [
        for pidMax in 7..8 do
            for first in 1 .. pidMax - 1 do
                for last in first .. min (first + 1) (pidMax - 1) do
                    pidMax, first, last
    ]

let private breakSmall keeper =
    smallWorlds
    |> List.tryPick (fun (pidMax, first, last) -> tryBreakSmall keeper pidMax first last)

[<Fact>]
let ``in a small world no number of the range is given, whatever others do`` () =
    match breakSmall ReserveProperties.model with
    | Some why -> Law.broken (fun () -> why)
    | None -> ()

[<Fact>]
let ``the small world shows who is late, undone or blind`` () =
    let keepers = Map ReserveProperties.wrongKeepers

    for name in
        [
            "is never late"
            "takes others to be half as fast"
            "knows of no numbers in use"
            "never writes"
            "does not see whether it is undone"
        ] do
        Law.holds name (breakSmall keepers[name]).IsSome
