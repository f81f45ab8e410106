namespace SetNsLastPid

open System

/// How a PID is chosen.
[<RequireQualifiedAccess>]
type Method =
    /// The first of the others that works.
    | Auto
    /// clone3(2) with set_tid: for the process that is to have the PID alone.
    | Clone3
    /// By a write to ns_last_pid.
    | Write
    /// By consuming PIDs until the next one is the PID.
    | Cycle

/// What was tried when a system call failed.
[<RequireQualifiedAccess>]
type Stage =
    | ReadPidMax
    | ReadLastPid
    /// flock on ns_last_pid, CRIU's protocol.
    | LockLastPid
    | OpenLastPid
    | WriteLastPid
    | ConsumePids
    /// clone3 with set_tid.
    | ChoosePid
    /// clone without.
    | MakeProcess

/// How an attempt to choose a PID ended: for set, spawn and serve alike.
[<RequireQualifiedAccess>]
type End =
    /// last_pid is where it was to be; COMMAND runs with its PID.
    | Done
    /// No number of allocations leads there.
    | Hopeless of Why: Obstacle
    /// The time given was over.
    | TimedOut
    /// Others took PIDs too fast, `LandingRules.Laps` laps long.
    | OutOfLaps
    /// It was told to stop.
    | Interrupted
    /// Another holds the PID.
    | Taken
    /// The process had the PID and could not execute COMMAND.
    | NotExecuted of Errno: Errno
    /// A system call failed.
    | Failed of Stage: Stage * Errno: Errno

/// What comes after an attempt to make a process with a PID.
[<RequireQualifiedAccess>]
type AfterTry =
    /// It is over.
    | Over of End
    /// The PID is held by somebody, who may be about to end: see whether it stays so, then try again.
    | SeeIfHeld
    /// It got another PID: others were faster. Try again.
    | TryAgain

/// Which method is tried when, and what an errno means for what comes next.
[<RequireQualifiedAccess>]
module Approach =
    /// The methods to try one after the other to these goals, one a level, of one process; none of them twice.
    /// `makesProcess` is false where the process that is to have the PID is not made here, as for set and serve. Room behind
    /// a PID is for processes to come: clone3 would leave the cursor elsewhere.
    let methods (asked: Method) (makesProcess: bool) (goals: Goal list) : Method list =
        match asked with
        | Method.Auto when goals.Length > 1 -> [ Method.Clone3 ]
        | Method.Auto when makesProcess && goals |> List.forall (fun goal -> goal.Room = 0) ->
            [ Method.Clone3; Method.Write; Method.Cycle ]
        | Method.Auto -> [ Method.Write; Method.Cycle ]
        | method -> [ method ]

    /// Whether the next method may do what this one could not: the capability is missing (EPERM), ns_last_pid cannot be
    /// opened for writing (EACCES, EROFS, ENOENT), or clone3 has no set_tid: ENOSYS before 5.3 and by seccomp profiles,
    /// E2BIG before 5.5.
    let goesOn (ending: End) : bool =
        match ending with
        | End.Failed(Stage.ChoosePid, (Errno.EPERM | Errno.ENOSYS | Errno.E2BIG))
        | End.Failed((Stage.OpenLastPid | Stage.WriteLastPid), (Errno.EPERM | Errno.EACCES | Errno.EROFS | Errno.ENOENT)) ->
            true
        | _ -> false

    /// What the attempt to make the process comes to that failed with that errno.
    let afterRefusal (stage: Stage) (errno: Errno) : AfterTry =
        match stage, errno with
        | Stage.ChoosePid, Errno.EEXIST -> AfterTry.SeeIfHeld
        // The file is opened, written, and the process made, in one go: each of them fails in its own way.
        | Stage.WriteLastPid, (Errno.EACCES | Errno.EROFS | Errno.ENOENT) ->
            AfterTry.Over(End.Failed(Stage.OpenLastPid, errno))
        | Stage.WriteLastPid, errno when errno <> Errno.EPERM -> AfterTry.Over(End.Failed(Stage.MakeProcess, errno))
        | _ -> AfterTry.Over(End.Failed(stage, errno))

    /// The levels, counted from the innermost, at which to choose another number after clone3 failed with EEXIST, which does not
    /// say at which level a number is held. `held` says of each level whether somebody is seen to hold its number; null where
    /// nobody can look. Empty where all numbers are seen to be free by now.
    let refused (held: Nullable<bool>[]) : int[] =
        let places seen =
            [|
                for place, held in Array.indexed held do
                    if held = seen then
                        place
            |]

        match places (Nullable true) with
        | [||] when held.Length = 1 -> [| 0 |]
        | [||] -> places (Nullable())
        | places -> places

    /// Whether to give up numbers that clone3 has refused for longer than a process takes to end; if not, they are tried until the
    /// time is over. `isSeen`: somebody is seen to hold the first one. A thread that has ended keeps its number for a moment, in which nobody is seen to hold it
    /// (`release_task`, kernel/exit.c, since 6.15).
    let givesUp (goals: Goal list) (isSeen: bool) : bool =
        match goals with
        | [ goal ] -> goal.IsLoose || isSeen
        | _ -> true

    /// What comes after an end of a landing for a process to be made; none where it is to be made now.
    let afterLanding (ending: End) : AfterTry voption =
        match ending with
        | End.Done -> ValueNone
        | End.OutOfLaps -> ValueSome AfterTry.TryAgain
        | End.Hopeless Obstacle.Held -> ValueSome AfterTry.SeeIfHeld
        | ending -> ValueSome(AfterTry.Over ending)

    /// Whether there is no way but to give up when ns_last_pid cannot be locked. Where it cannot be opened there is nobody
    /// to share it with.
    let needsLock (errno: Errno) : bool = errno = Errno.ETIMEDOUT

    /// The errno that tells why PIDs cannot be consumed, from that of the last flavour tried; 0 for none. One that took
    /// and freed the only free number did not move the cursor (EPROTO).
    let whyNoFlavour (last: Errno) : Errno =
        match last with
        | Errno.EPROTO -> Errno.EAGAIN
        | errno when int errno = 0 -> Errno.EAGAIN
        | errno -> errno
