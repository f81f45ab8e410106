/// Which method is tried when, and what an errno means for what comes next: all there is.
module SetNsLastPid.Tests.Properties.ApproachProperties

open System
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// What decides about methods, as a value, so that tests can put a wrong one in its place.
type Chooser =
    {
        Methods: Method -> bool -> int -> Method list
        GoesOn: End -> bool
        AfterRefusal: Action -> Errno -> AfterTry
        NeedsLock: Errno -> bool
        WhyNoFlavour: Errno -> Errno
    }

let model: Chooser =
    {
        Methods = Approach.methods
        GoesOn = Approach.goesOn
        AfterRefusal = Approach.afterRefusal
        NeedsLock = Approach.needsLock
        WhyNoFlavour = Approach.whyNoFlavour
    }

// And two that have no name.
let private errnos = [ yield! Enum.GetValues<Errno>(); enum 0; enum 4000 ]

let private actions =
    [
        Action.ReadPidMax
        Action.ReadLastPid
        Action.LockLastPid
        Action.OpenLastPid
        Action.WriteLastPid
        Action.ConsumePids
        Action.ChoosePid
        Action.MakeProcess
    ]

let private law check : Law<Chooser> =
    Law.create (Arb.fromGen (Gen.constant ())) (fun chooser () -> check chooser)

let methodsAreThoseThatCan =
    law (fun chooser ->
        for pids in 1..3 do
            for makes in [ true; false ] do
                for method in [ Method.Clone3; Method.Write; Method.Cycle ] do
                    Law.same "asked for" [ method ] (chooser.Methods method makes pids)

                let methods = chooser.Methods Method.Auto makes pids
                Law.same "none twice, none of them Auto" (List.distinct methods) (List.except [ Method.Auto ] methods)
                Law.same "chooses several PIDs" (pids = 1) (List.contains Method.Write methods)
                Law.same "consumes last" (if pids = 1 then Method.Cycle else Method.Clone3) (List.last methods)

                if pids = 1 then
                    Law.same "clone3 first" makes (List.head methods = Method.Clone3)
                    Law.same "clone3" makes (List.contains Method.Clone3 methods))

let goesOnWhereAnotherMethodMay =
    law (fun chooser ->
        let others =
            [
                Action.ChoosePid, [ Errno.EPERM; Errno.ENOSYS; Errno.E2BIG ]
                Action.OpenLastPid, [ Errno.EPERM; Errno.EACCES; Errno.EROFS; Errno.ENOENT ]
                Action.WriteLastPid, [ Errno.EPERM; Errno.EACCES; Errno.EROFS; Errno.ENOENT ]
            ]

        for errno in errnos do
            for action in actions do
                Law.same
                    $"goes on after %A{action}, %A{errno}"
                    (others |> List.exists (fun (a, list) -> a = action && List.contains errno list))
                    (chooser.GoesOn(End.Failed(action, errno)))

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
            Law.same $"goes on after %A{ending}" false (chooser.GoesOn ending))

let onlyAHeldPidIsWaitedFor =
    law (fun chooser ->
        for errno in errnos do
            for action in actions do
                Law.same
                    $"after %A{action}, %A{errno}"
                    (if action = Action.ChoosePid && errno = Errno.EEXIST then
                         AfterTry.SeeIfHeld
                     else
                         AfterTry.Over(End.Failed(action, errno)))
                    (chooser.AfterRefusal action errno))

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

[<Fact>]
let ``each method is tried where it can help`` () =
    for _, law in Law.all<Chooser>() do
        Law.checkFor 1 model law

/// Choosers that are wrong on purpose.
let wrongChoosers: (string * Chooser) list =
    let methods change =
        { model with
            Methods = fun asked makes pids -> change asked makes pids (Approach.methods asked makes pids)
        }

    [
        "adds to what was asked for", methods (fun _ _ _ list -> List.distinct (list @ [ Method.Cycle ]))
        "chooses several PIDs by writing",
        methods (fun _ _ _ list -> if list.Length = 1 then list @ [ Method.Write ] else list)
        "clone3 for a process of others", methods (fun asked _ pids _ -> Approach.methods asked true pids)
        "tries the first again", methods (fun _ _ _ list -> if list.Length = 3 then list @ [ list.Head ] else list)
        "goes on always", { model with GoesOn = fun _ -> true }
        "goes on where the PID is held",
        { model with
            GoesOn = fun ending -> ending = End.Taken || Approach.goesOn ending
        }
        "gives up without set_tid",
        { model with
            GoesOn = fun ending -> ending <> End.Failed(Action.ChoosePid, Errno.E2BIG) && Approach.goesOn ending
        }
        "waits after each EEXIST",
        { model with
            AfterRefusal = fun _ errno -> Approach.afterRefusal Action.ChoosePid errno
        }
        "always needs the lock", { model with NeedsLock = fun _ -> true }
        "no reason", { model with WhyNoFlavour = id }
    ]
