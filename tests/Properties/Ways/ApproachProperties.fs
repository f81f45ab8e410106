/// Which method is tried when, and what an errno means for what comes next: all there is.
module SetNsLastPid.Tests.Properties.ApproachProperties

open System
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What decides about methods, as a value, so that tests can put a wrong one in its place.
type Chooser =
    {
        Methods: Method -> bool -> Goal list -> Method list
        GoesOn: End -> bool
        AfterRefusal: Stage -> Errno -> AfterTry
        NeedsLock: Errno -> bool
        AfterLanding: End -> AfterTry voption
        WhyNoFlavour: Errno -> Errno
        Refused: Nullable<bool>[] -> int[]
        GivesUp: Goal list -> bool -> bool
    }

let model: Chooser =
    {
        Methods = Approach.methods
        GoesOn = Approach.goesOn
        AfterRefusal = Approach.afterRefusal
        NeedsLock = Approach.needsLock
        AfterLanding = Approach.afterLanding
        WhyNoFlavour = Approach.whyNoFlavour
        Refused = Approach.refused
        GivesUp = Approach.givesUp
    }

// And two that have no name.
let private errnos = [ yield! Enum.GetValues<Errno>(); enum 0; enum 4000 ]

let private stages =
    [
        Stage.ReadPidMax
        Stage.ReadLastPid
        Stage.LockLastPid
        Stage.OpenLastPid
        Stage.WriteLastPid
        Stage.ConsumePids
        Stage.ChoosePid
        Stage.MakeProcess
    ]

let private law check : Law<Chooser> =
    Law.create (Arb.fromGen (Gen.constant ())) (fun chooser () -> check chooser)

let methodsAreThoseThatCan =
    law (fun chooser ->
        for pids, room in List.allPairs [ 1..3 ] [ 0; 1 ] do
            for makes in [ true; false ] do
                let goals = Goal.within 7 9 room :: List.replicate (pids - 1) (Goal.within 5 5 0)

                for method in [ Method.Clone3; Method.Write; Method.Cycle ] do
                    Law.same "asked for" [ method ] (chooser.Methods method makes goals)

                let methods = chooser.Methods Method.Auto makes goals
                Law.same "none twice, none of them Auto" (List.distinct methods) (List.except [ Method.Auto ] methods)
                Law.same "chooses several PIDs" (pids = 1) (List.contains Method.Write methods)
                Law.same "consumes last" (if pids = 1 then Method.Cycle else Method.Clone3) (List.last methods)

                if pids = 1 then
                    // It leaves the cursor where it was.
                    let may = makes && room = 0
                    Law.same "clone3 first" may (List.head methods = Method.Clone3)
                    Law.same "clone3" may (List.contains Method.Clone3 methods))

let goesOnWhereAnotherMethodMay =
    law (fun chooser ->
        let others =
            [
                Stage.ChoosePid, [ Errno.EPERM; Errno.ENOSYS; Errno.E2BIG ]
                Stage.OpenLastPid, [ Errno.EPERM; Errno.EACCES; Errno.EROFS; Errno.ENOENT ]
                Stage.WriteLastPid, [ Errno.EPERM; Errno.EACCES; Errno.EROFS; Errno.ENOENT ]
            ]

        for errno in errnos do
            for stage in stages do
                Law.same
                    $"goes on after %A{stage}, %A{errno}"
                    (others |> List.exists (fun (a, list) -> a = stage && List.contains errno list))
                    (chooser.GoesOn(End.Failed(stage, errno)))

            Law.same "goes on" false (chooser.GoesOn(End.NotExecuted errno))

        for ending in
            [
                End.Done
                End.Hopeless Obstacle.NoneFree
                End.TimedOut
                End.OutOfLaps
                End.Interrupted
                End.Taken
            ] do
            Law.same "goes on" false (chooser.GoesOn ending))

let onlyAHeldPidIsWaitedFor =
    law (fun chooser ->
        for errno in errnos do
            for stage in stages do
                Law.same
                    $"after %A{stage}, %A{errno}"
                    (match stage, errno with
                     | Stage.ChoosePid, Errno.EEXIST -> AfterTry.SeeIfHeld
                     | Stage.WriteLastPid, (Errno.EACCES | Errno.EROFS | Errno.ENOENT) ->
                         AfterTry.Over(End.Failed(Stage.OpenLastPid, errno))
                     | Stage.WriteLastPid, errno when errno <> Errno.EPERM ->
                         AfterTry.Over(End.Failed(Stage.MakeProcess, errno))
                     | _ -> AfterTry.Over(End.Failed(stage, errno)))
                    (chooser.AfterRefusal stage errno))

let onlyALandingMakesAProcess =
    law (fun chooser ->
        for ending in
            [
                End.Done
                End.Hopeless Obstacle.Held
                End.Hopeless Obstacle.NoneFree
                End.TimedOut
                End.OutOfLaps
                End.Interrupted
                End.Failed(Stage.ConsumePids, Errno.EAGAIN)
            ] do
            Law.same
                $"after %A{ending}"
                (match ending with
                 | End.Done -> ValueNone
                 | End.OutOfLaps -> ValueSome AfterTry.TryAgain
                 | End.Hopeless Obstacle.Held -> ValueSome AfterTry.SeeIfHeld
                 | ending -> ValueSome(AfterTry.Over ending))
                (chooser.AfterLanding ending))

let onlyAHeldLockIsNeeded =
    law (fun chooser -> Law.same "needs the lock" [ Errno.ETIMEDOUT ] (List.filter chooser.NeedsLock errnos))

let thereIsAlwaysAReason =
    law (fun chooser ->
        for errno in errnos do
            Law.same
                $"why, after %A{errno}"
                (if errno = enum 0 || errno = Errno.EPROTO then
                     Errno.EAGAIN
                 else
                     errno)
                (chooser.WhyNoFlavour errno))

let rec private combinations levels =
    if levels = 0 then
        [ [] ]
    else
        [
            for rest in combinations (levels - 1) do
                for seen in [ Nullable true; Nullable false; Nullable() ] -> seen :: rest
        ]

let anotherIsChosenWhereOneIsHeld =
    law (fun chooser ->
        for held in List.collect combinations [ 1..4 ] do
            let refused = List.ofArray (chooser.Refused(Array.ofList held))
            let blamed = [ for place in refused -> held[place] ]

            if held.Length = 1 then
                Law.same "there is but one" [ 0 ] refused
            elif List.contains (Nullable true) held then
                Law.same "all that are seen to be held" (List.filter ((=) (Nullable true)) held) blamed
            else
                Law.same "else all that cannot be seen" (List.filter ((=) (Nullable())) held) blamed

            Law.same "each once, from the innermost on" (List.sort (List.distinct refused)) refused)

let onlyOneNumberThatNobodyHoldsIsTriedOn =
    law (fun chooser ->
        let one, several = Goal.within 7 7 0, Goal.within 7 9 0

        for goals, triesOn in [ [ one ], true; [ several ], false; [ one; one ], false ] do
            Law.same "gives up what is seen to be held" true (chooser.GivesUp goals true)
            Law.same "gives up" (not triesOn) (chooser.GivesUp goals false))

[<Fact>]
let ``each method is tried where it can help`` () =
    for _, law in Law.all<Chooser>() do
        Law.checkFor 1 model law

/// Choosers that are wrong on purpose.
let wrongChoosers: (string * Chooser) list =
    let methods change =
        { model with
            Methods = fun asked makes goals -> change asked makes goals (Approach.methods asked makes goals)
        }

    [
        "adds to what was asked for", methods (fun _ _ _ list -> List.distinct (list @ [ Method.Cycle ]))
        "chooses several PIDs by writing",
        methods (fun _ _ _ list -> if list.Length = 1 then list @ [ Method.Write ] else list)
        "clone3 for a process of others", methods (fun asked _ goals _ -> Approach.methods asked true goals)
        "tries the first again", methods (fun _ _ _ list -> if list.Length = 3 then list @ [ list.Head ] else list)
        "goes on always", { model with GoesOn = fun _ -> true }
        "goes on where the PID is held",
        { model with
            GoesOn = fun ending -> ending = End.Taken || Approach.goesOn ending
        }
        "gives up without set_tid",
        { model with
            GoesOn = fun ending -> ending <> End.Failed(Stage.ChoosePid, Errno.E2BIG) && Approach.goesOn ending
        }
        "waits after each EEXIST",
        { model with
            AfterRefusal = fun _ errno -> Approach.afterRefusal Stage.ChoosePid errno
        }
        "clone3 for room",
        methods (fun asked makes goals _ ->
            Approach.methods asked makes [ for goal in goals -> { goal with Room = 0 } ])
        "gives up where the range is held",
        { model with
            AfterLanding =
                fun ending ->
                    match Approach.afterLanding ending with
                    | ValueSome AfterTry.SeeIfHeld -> ValueSome(AfterTry.Over ending)
                    | after -> after
        }
        "makes a process without having landed",
        { model with
            AfterLanding = fun _ -> ValueNone
        }
        "always needs the lock", { model with NeedsLock = fun _ -> true }
        "no reason", { model with WhyNoFlavour = id }
        "blames a level that it sees to be free",
        { model with
            Refused = fun held -> [| 0 .. held.Length - 1 |]
        }
        "blames only the levels that it sees",
        { model with
            Refused = fun held -> Array.filter (fun place -> held[place] = Nullable true) [| 0 .. held.Length - 1 |]
        }
        "gives up at once", { model with GivesUp = fun _ _ -> true }
        "tries what somebody holds until the time is over",
        { model with
            GivesUp = fun goals _ -> goals.Length > 1
        }
        "tries ranges on",
        { model with
            GivesUp = fun goals isSeen -> isSeen || goals.Length > 1
        }
    ]
