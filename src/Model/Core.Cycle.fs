namespace SetNsLastPid

/// Why consuming PIDs can never make a number the last PID.
[<RequireQualifiedAccess>]
type Obstacle =
    /// The number is not one that last_pid can have here: it is not from 0 to pid_max - 1.
    | OutOfRange
    /// The next PID would have to be below 300, and the cursor comes back to 300 at the lowest.
    | BelowReserved
    /// There is no free number that could be the next PID after it.
    | NoneFree
    /// This number would have to be consumed, but the one who consumes holds it, as one of its own.
    | Ours of Pid: int

/// How far away a last PID is.
[<RequireQualifiedAccess>]
type Reach =
    /// So many allocations, 0 when the next PID is already the wanted one.
    | After of Allocations: int
    /// No number of allocations leads there.
    | Never of Obstacle: Obstacle

/// What to do next on the way to a last PID.
[<RequireQualifiedAccess>]
type CycleStep =
    /// Nothing: the next PID is the one that follows the target.
    | Landed
    /// Consume so many PIDs, 1 or more, then look again.
    | Consume of Count: int
    /// Give up: no number of allocations leads there.
    | Hopeless of Why: Obstacle

/// Getting to a last PID by consuming PIDs that are free again at once, so that the numbers in use stay as they are.
[<RequireQualifiedAccess>]
module Cycle =
    // Where the search starts again when the numbers run out at the top: the cursor then stands behind the last one
    // consumed.
    let private wrapsTo next (ns: PidNamespace) =
        match PidSet.tryFirstFree (max next ns.Reserved) ns.PidMax ns.InUse with
        | ValueSome _ -> ns.Reserved
        | ValueNone -> 1

    /// How many allocations lead from here to a last_pid equivalent to `target`: one after which the next process gets
    /// the first free PID that follows the target. That can be earlier than the target itself, when all numbers in
    /// between are in use; then the target cannot be reached by allocating, and need not be.
    ///
    /// `ours` are those of the numbers in use that the one who consumes holds: never consumed, but free for the next
    /// process, since whoever consumes ends before.
    let reach (ours: PidSet) (target: int) (ns: PidNamespace) : Reach =
        let later =
            { ns with
                InUse = PidSet.except ours ns.InUse
            }

        // Consuming `last` makes the goal the next one; on the way to it the free numbers from `next` on are consumed.
        let through last count =
            if PidSet.contains last ns.InUse then
                Reach.Never(Obstacle.Ours last)
            else
                Reach.After count

        if target < 0 || target >= ns.PidMax then
            Reach.Never Obstacle.OutOfRange
        elif target = PidNamespace.lastPid ns then
            Reach.After 0
        else
            // By way of the top: the goal is then the first number that is free later from where the search starts
            // again, or follows one that is.
            let afterWrap next goal =
                let start = wrapsTo next ns
                let beforeWrap = PidSet.countFree next ns.PidMax ns.InUse

                if goal < start then
                    Reach.Never Obstacle.BelowReserved
                else
                    match PidSet.tryLastFree start goal later.InUse with
                    | ValueSome last -> through last (beforeWrap + PidSet.countFree start (last + 1) ns.InUse)
                    | ValueNone ->
                        let last = PidSet.tryLastFree next ns.PidMax later.InUse
                        through (ValueOption.defaultValue next last) beforeWrap

            let goal = PidNamespace.tryNext (PidNamespace.withLastPid target later)

            match goal, PidNamespace.tryNext later, PidNamespace.tryNext ns with
            | ValueSome goal, ValueSome already, _ when goal = already -> Reach.After 0
            | ValueNone, _, _
            | _, _, ValueNone -> Reach.Never Obstacle.NoneFree
            | ValueSome goal, _, ValueSome next when next <= goal ->
                match PidSet.tryLastFree next goal later.InUse with
                | ValueSome last when not (PidSet.contains last ns.InUse) ->
                    Reach.After(PidSet.countFree next (last + 1) ns.InUse)
                | _ -> afterWrap next goal
            | ValueSome goal, _, ValueSome next -> afterWrap next goal

    /// What to do at that distance. Far away it is half the way, which leaves room for PIDs that others consume meanwhile;
    /// within `near` allocations it is one at a time. The target is never passed by what is ordered here.
    let step (near: int) (reach: Reach) : CycleStep =
        match reach with
        | Reach.Never obstacle -> CycleStep.Hopeless obstacle
        | Reach.After 0 -> CycleStep.Landed
        | Reach.After n when n <= near -> CycleStep.Consume 1
        | Reach.After n -> CycleStep.Consume(max 1 (n / 2))
