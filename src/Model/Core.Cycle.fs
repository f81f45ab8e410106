namespace SetNsLastPid

/// Why consuming PIDs can never lead to a goal.
[<RequireQualifiedAccess>]
type Obstacle =
    /// The goal is not below pid_max, or last_pid would have to be below 0.
    | OutOfRange
    /// The next PID would have to be below 300, and the cursor comes back to 300 at the lowest.
    | BelowReserved
    /// There is no free number that could be the next PID.
    | NoneFree
    /// Others hold the numbers of the goal, or leave no room behind any of them.
    | Held
    /// This number would have to be consumed, but the one who consumes holds it, as one of its own.
    | Ours of Pid: int

/// How far away a goal is.
[<RequireQualifiedAccess>]
type Reach =
    /// So many allocations, 0 when the next PID already lies in it.
    | After of Allocations: int
    /// No number of allocations leads there.
    | Never of Obstacle: Obstacle

/// What to do next on the way to a goal.
[<RequireQualifiedAccess>]
type CycleStep =
    /// Nothing: the next PID lies in the goal.
    | Landed
    /// Consume so many PIDs, 1 or more, then look again.
    | Consume of Count: int
    /// Give up: no number of allocations leads there.
    | Hopeless of Why: Obstacle

/// Getting to a goal by consuming PIDs that are free again at once, so that the numbers in use stay as they are.
[<RequireQualifiedAccess>]
module Cycle =
    // Where the search starts again when the numbers run out at the top: the cursor then stands behind the last one
    // consumed.
    let private wrapsTo next (ns: PidNamespace) =
        match PidSet.tryFirstFree (max next ns.Reserved) ns.PidMax ns.InUse with
        | ValueSome _ -> ns.Reserved
        | ValueNone -> 1

    /// How many allocations lead from here to where the next process gets the first number that the goal allows, of all
    /// those the soonest reached; and that number, 0 where none is. Where a goal wants no more than what follows one number
    /// (`Goal.after`), that can be earlier than the number itself, when all in between are in use; then it cannot be made
    /// last_pid by allocating, and need not be.
    ///
    /// `ours` are those of the numbers in use that the one who consumes holds: never consumed, but free for the next
    /// process, since whoever consumes ends before.
    let aim (ours: PidSet) (goal: Goal) (ns: PidNamespace) : struct (Reach * int) =
        let later =
            { ns with
                InUse = PidSet.except ours ns.InUse
            }

        let wanted from =
            Goal.tryFirst from ns.PidMax later.InUse goal

        // The goal's own number, or the first one that will do in its place.
        let follower =
            if goal.OrNext then
                PidNamespace.tryNext (PidNamespace.withLastPid (goal.First - 1) later)
            else
                ValueNone

        let tryGoal from =
            match follower with
            | ValueSome pid when pid < from -> ValueNone
            | ValueSome _ -> follower
            | ValueNone -> wanted from

        // The first goal from `pid` on before which `tryLast` finds the number to be consumed last, free to be consumed;
        // else the last number before the first of them, which is ours.
        let rec soonest tryLast blocked pid =
            match tryGoal pid with
            | ValueNone -> Error blocked
            | ValueSome pid ->
                match tryLast pid with
                | ValueSome last when not (PidSet.contains last ns.InUse) -> Ok(struct (pid, last))
                | last -> soonest tryLast (ValueOption.orElse last blocked) (pid + 1)

        // By way of the top: a goal is then the first number that is free later from where the search starts again, or
        // follows one that is.
        let afterWrap next =
            let start = wrapsTo next ns
            let beforeWrap = PidSet.countFree next ns.PidMax ns.InUse

            let tryLast pid =
                match PidSet.tryLastFree start pid later.InUse with
                | ValueSome last -> ValueSome last
                | ValueNone ->
                    PidSet.tryLastFree next ns.PidMax later.InUse
                    |> ValueOption.defaultValue next
                    |> ValueSome

            match soonest tryLast ValueNone start with
            | Ok(struct (pid, last)) when last < pid && start <= last ->
                struct (Reach.After(beforeWrap + PidSet.countFree start (last + 1) ns.InUse), pid)
            | Ok(struct (pid, _)) -> struct (Reach.After beforeWrap, pid)
            | Error(ValueSome ours) -> struct (Reach.Never(Obstacle.Ours ours), 0)
            | Error ValueNone -> struct (Reach.Never Obstacle.BelowReserved, 0)

        if goal.First < 1 || goal.First - (if goal.OrNext then 1 else 0) >= ns.PidMax then
            struct (Reach.Never Obstacle.OutOfRange, 0)
        elif goal.OrNext && goal.First - 1 = PidNamespace.lastPid ns then
            struct (Reach.After 0, goal.First)
        else
            match PidNamespace.tryNext later, PidNamespace.tryNext ns with
            | ValueSome already, _ when tryGoal already = ValueSome already -> struct (Reach.After 0, already)
            | _ when (tryGoal 1).IsNone ->
                struct (Reach.Never(if goal.OrNext then Obstacle.NoneFree else Obstacle.Held), 0)
            | _, ValueNone -> struct (Reach.Never Obstacle.NoneFree, 0)
            | _, ValueSome next ->
                match soonest (fun pid -> PidSet.tryLastFree next pid later.InUse) ValueNone next with
                | Ok(struct (pid, last)) -> struct (Reach.After(PidSet.countFree next (last + 1) ns.InUse), pid)
                | Error _ -> afterWrap next

    /// The first of what `aim` gives.
    let reach (ours: PidSet) (goal: Goal) (ns: PidNamespace) : Reach =
        let struct (reach, _) = aim ours goal ns
        reach

    /// How many free numbers the goal has beyond that one, as far as they can be counted on.
    let beyond (pid: int) (goal: Goal) (ns: PidNamespace) : int =
        if goal.OrNext || goal.Room > 0 then
            0
        else
            PidSet.countFree (pid + 1) (min goal.Last (ns.PidMax - 1) + 1) ns.InUse

    /// What to do at that distance, with so many numbers of the goal beyond the one that is aimed at. Far away it is half the
    /// way to the goal's end, which leaves room for PIDs that others consume meanwhile; where that end is within `near`
    /// allocations it is one at a time. The goal is never passed by what is ordered here.
    let step (near: int) (beyond: int) (reach: Reach) : CycleStep =
        match reach with
        | Reach.Never obstacle -> CycleStep.Hopeless obstacle
        | Reach.After 0 -> CycleStep.Landed
        | Reach.After n when n + beyond <= near -> CycleStep.Consume 1
        | Reach.After n -> CycleStep.Consume(max 1 (min n ((n + beyond) / 2)))
