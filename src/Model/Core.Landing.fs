namespace SetNsLastPid

/// The numbers that a landing is steered by.
type LandingRules =
    {
        /// So many allocations away, or fewer, PIDs are consumed one by one: as many as others may take during a burst.
        Near: int
        /// How many numbers are asked for one by one, once in each lap after the first, because /proc may hide who holds
        /// them (hidepid): where they lie before the target, half of what seems to be the way may be all of it.
        Far: int
        /// After so many laps it gives up.
        Laps: int
        /// `Limits.Reserved`, but in the small worlds of the tests.
        Reserved: int
    }

/// What is to be done next to land. last_pid is read anew after each.
[<RequireQualifiedAccess>]
type LandingStep =
    /// Read the numbers in use, and those of the one who consumes: see `Landing.scanned`.
    | Scan
    /// Ask for each number of these ranges, last ones included, whether it is held: see `Landing.looked`.
    | Look of Ranges: struct (int * int) list
    /// Consume so many PIDs, 1 or more: see `Landing.consumed`.
    | Consume of Count: int
    /// Nothing: the next PID lies in the goal.
    | Landed
    /// Give up: no number of allocations leads there.
    | Hopeless of Why: Obstacle
    /// Give up: others took PIDs whenever the goal was near, so many laps long.
    | OutOfLaps

/// How far an attempt is to have the next PID lie in a goal by consuming PIDs, while others make and end processes.
type Landing =
    {
        Rules: LandingRules
        Goal: Goal
        PidMax: int
        /// The numbers known to be in use.
        InUse: PidSet
        /// Those of them that are free when the next process is made.
        Own: PidSet
        /// last_pid as it was read last.
        LastPid: int
        /// The number of the goal, or that follows it, which is reached soonest; 0 while that is not known.
        Aim: int
        /// How many allocations away the goal was at first; -1 if that was never known.
        Distance: int
        /// How many are left; Int32.MaxValue while that is not known.
        Left: int
        /// How many PIDs were consumed.
        Consumed: int64
        /// How often the way was reckoned.
        Reads: int
        /// How often others took the cursor past the goal.
        Overshoots: int
        /// Bursts and steps since the numbers in use were read; -1 before the first time.
        StepsSinceScan: int
        /// Single steps since those ahead were asked for one by one; Int32.MaxValue when that must be done first.
        StepsSinceLook: int
        /// How many overshoots there were when the whole way was last asked for.
        LapsLooked: int
        /// Whether a scan has forgotten what was asked for one by one on the whole way.
        LooksAgain: bool
    }

    /// How many more were consumed than the way was long at its start.
    member landing.Wasted: int64 =
        max 0L (landing.Consumed - int64 (max landing.Distance 0))

/// The way to a goal by consuming PIDs: what was seen goes in, what to do next comes out, until it has landed or cannot.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Landing =
    /// The rules that nslp goes by.
    let rules: LandingRules =
        {
            Near = 16
            Far = 8192
            Laps = 10
            Reserved = Limits.Reserved
        }

    /// A landing that knows nothing yet.
    let start (rules: LandingRules) (goal: Goal) (pidMax: int) : Landing =
        {
            Rules = rules
            Goal = goal
            PidMax = pidMax
            InUse = PidSet.empty
            Own = PidSet.empty
            LastPid = -1
            Aim = 0
            Distance = -1
            Left = System.Int32.MaxValue
            Consumed = 0L
            Reads = 0
            Overshoots = 0
            StepsSinceScan = -1
            StepsSinceLook = System.Int32.MaxValue
            LapsLooked = 0
            LooksAgain = false
        }

    /// The numbers in use were read, and those among them that are free when the next process is made.
    let scanned (inUse: PidSet) (own: PidSet) (landing: Landing) : Landing =
        { landing with
            InUse = inUse
            Own = own
            StepsSinceScan = 0
        }

    /// These of the numbers asked for are held. That makes the way longer without anybody having passed the goal.
    let looked (held: int seq) (landing: Landing) : Landing =
        { landing with
            InUse = held |> Seq.fold (fun inUse n -> PidSet.add n inUse) landing.InUse
            Left = System.Int32.MaxValue
        }

    /// Of `ordered` PIDs `count` were consumed.
    let consumed (ordered: int) (count: int64) (landing: Landing) : Landing =
        { landing with
            Consumed = landing.Consumed + count
            StepsSinceScan = landing.StepsSinceScan + 1
            StepsSinceLook =
                if ordered = 1 then
                    landing.StepsSinceLook + 1
                else
                    System.Int32.MaxValue
        }

    // What last_pid is when the number that is aimed at comes next, if all is free.
    let private target (landing: Landing) =
        if landing.Goal.OrNext || landing.Aim = 0 then
            landing.Goal.First - 1
        else
            landing.Aim - 1

    // All numbers, in use or not, from last_pid to there.
    let private way (landing: Landing) =
        let target = target landing

        if target > landing.LastPid then
            [ struct (landing.LastPid + 1, target) ]
        else
            [
                struct (landing.LastPid + 1, landing.PidMax - 1)
                struct (landing.Rules.Reserved, target)
            ]

    // The last steps, and around the target, with its room: these may have been taken since the scan, and a second one would
    // take so long that others may well fork meanwhile.
    let private ahead (landing: Landing) =
        let within first last =
            struct (max first 1, min last (landing.PidMax - 1))

        let near, target = landing.Rules.Near, target landing

        [
            within (landing.LastPid + 1) (landing.LastPid + near)
            within (target - near) (target + max near (1 + min landing.Goal.Room landing.Rules.Far))
        ]

    let private length ranges =
        ranges |> List.sumBy (fun struct (first, last) -> max 0 (last - first + 1))

    let private reckoned reach (landing: Landing) =
        let landing =
            { landing with
                Reads = landing.Reads + 1
            }

        match reach with
        | Reach.After left ->
            { landing with
                Distance = if landing.Distance < 0 then left else landing.Distance
                Overshoots = landing.Overshoots + (if left > landing.Left then 1 else 0)
                Left = left
            }
        | Reach.Never _ -> landing

    // Whether the first free number will do, whoever holds those before it. That all of a goal's are held is found out when
    // the process is made.
    let private isIn (landing: Landing) =
        landing.Goal.Room = 0
        && landing.Goal.First - 1 <= landing.LastPid
        && landing.LastPid < landing.Goal.Last

    /// What to do next, with last_pid just read. Anything but being there is believed only on numbers just read, and what
    /// is ordered here never passes the goal on its own.
    let next (lastPid: int) (landing: Landing) : struct (LandingStep * Landing) =
        let landing = { landing with LastPid = lastPid }
        let rules = landing.Rules

        if landing.StepsSinceScan < 0 then
            struct (LandingStep.Scan, landing)
        else
            let ns =
                { PidNamespace.observed lastPid landing.PidMax landing.InUse with
                    Reserved = rules.Reserved
                }

            let struct (reach, aim) = Cycle.aim landing.Own landing.Goal ns
            let landing = { landing with Aim = aim }

            if landing.LooksAgain && lastPid <> target landing then
                struct (LandingStep.Look(way landing),
                        { landing with
                            LapsLooked = landing.Overshoots
                            LooksAgain = false
                        })
            else
                let landing = reckoned reach landing
                let isStale = landing.StepsSinceScan > 0
                let looks = landing.StepsSinceLook > rules.Near

                let looksAtAll () =
                    landing.LapsLooked < landing.Overshoots && length (way landing) <= rules.Far

                let lookAhead () =
                    struct (LandingStep.Look(ahead landing),
                            { landing with
                                StepsSinceLook = 0
                                LooksAgain = false
                            })

                let scan =
                    struct (LandingStep.Scan,
                            { landing with
                                Left = System.Int32.MaxValue
                                StepsSinceLook = System.Int32.MaxValue
                                LooksAgain = landing.LapsLooked > 0
                            })

                match Cycle.step rules.Near (Cycle.beyond aim landing.Goal ns) reach with
                | CycleStep.Landed when isStale && not (isIn landing) -> scan
                | CycleStep.Hopeless _ when isStale -> scan
                | CycleStep.Landed when landing.Goal.IsLoose && looks -> lookAhead ()
                | CycleStep.Landed -> struct (LandingStep.Landed, landing)
                | CycleStep.Hopeless why -> struct (LandingStep.Hopeless why, landing)
                | CycleStep.Consume _ when looksAtAll () ->
                    struct (LandingStep.Look(way landing),
                            { landing with
                                LapsLooked = landing.Overshoots
                            })
                | CycleStep.Consume 1 when looks -> lookAhead ()
                | CycleStep.Consume _ when
                    landing.Overshoots >= rules.Laps
                    || landing.Consumed >= int64 rules.Laps * int64 landing.PidMax
                    ->
                    struct (LandingStep.OutOfLaps, landing)
                | CycleStep.Consume count -> struct (LandingStep.Consume count, landing)
