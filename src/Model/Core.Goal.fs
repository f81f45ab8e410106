namespace SetNsLastPid

/// Where the next PID shall lie: one number is an interval too.
type Goal =
    {
        /// The lowest number that will do.
        First: int
        /// The highest, not below the first.
        Last: int
        /// So many numbers after it shall be free as well; 0 or more.
        Room: int
        /// Where nothing in there will do, the first free number that follows does as well. Only for one number without
        /// room.
        OrNext: bool
    }

    /// Whether it leaves a choice, or wants more than the number itself.
    member goal.IsLoose: bool = goal.First < goal.Last || goal.Room > 0

/// Which numbers a goal allows.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Goal =
    /// A number from the first to the last, both included, after which so many are free.
    let within (first: int) (last: int) (room: int) : Goal =
        {
            First = first
            Last = last
            Room = room
            OrNext = false
        }

    /// The first free number after this one: what makes it, or an equivalent one, last_pid.
    let after (lastPid: int) : Goal =
        { within (lastPid + 1) (lastPid + 1) 0 with
            OrNext = true
        }

    // The highest number in use from `low` to `high`, where there is one.
    let rec private lastHeld low high inUse =
        if low = high then
            low
        else
            let middle = low + (high - low + 1) / 2

            if PidSet.countFree middle (high + 1) inUse = high - middle + 1 then
                lastHeld low (middle - 1) inUse
            else
                lastHeld middle high inUse

    /// The lowest number from `from` on that will do where these are in use: free below pid_max, and so is its room.
    let rec tryFirst (from: int) (pidMax: int) (inUse: PidSet) (goal: Goal) : int voption =
        let below = min (pidMax - goal.Room) (min goal.Last (pidMax - 1) + 1)

        match PidSet.tryFirstFree (max from goal.First) below inUse with
        | ValueSome pid when PidSet.countFree (pid + 1) (pid + goal.Room + 1) inUse < goal.Room ->
            tryFirst (lastHeld (pid + 1) (pid + goal.Room) inUse + 1) pidMax inUse goal
        | found -> found

    /// First and last of the PIDs with which a process has reached the goal, where `chosen` was chosen for it: with room
    /// there is that number alone, as nothing is known of the room of others.
    let accepts (chosen: int) (goal: Goal) : struct (int * int) =
        if goal.Room > 0 then
            struct (chosen, chosen)
        else
            struct (goal.First, goal.Last)
