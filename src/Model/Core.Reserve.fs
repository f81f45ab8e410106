namespace SetNsLastPid

/// The numbers that a range is kept free by. Times are in microseconds.
type ReserveRules =
    {
        /// So many PIDs a second are taken at most.
        Rate: int64
        /// So much later than it was to be a look may be, until what it wrote has taken effect.
        Lateness: int64
        /// For so long after a write it may be undone, by an allocation that read the cursor before and stores it after
        /// (`idr_alloc_cyclic`, lib/idr.c).
        Settling: int64
        /// It is not worth while to sleep for less, or for less than half as long as after a write.
        Shortest: int64
        /// The longest sleep: others may write last_pid.
        Longest: int64
        /// `Limits.Reserved`, but in the small worlds of the tests.
        Reserved: int
    }

/// What is to be done next to keep a range free. last_pid is read anew after each.
[<RequireQualifiedAccess>]
type ReserveStep =
    /// Read the numbers in use: see `Reserve.scanned`.
    | Scan
    /// Make that the last PID, past the range, at once.
    | Write of LastPid: int
    /// Nothing until then.
    | Sleep of Until: int64

/// What a look finds that nslp was to prevent, or cannot rule out.
[<RequireQualifiedAccess>]
type ReserveNews =
    | Nothing
    /// last_pid came into the range, or over it, and not by nslp. `Late` is by how much the look came after PIDs of it could have
    /// been given; 0 or less when it did not: then last_pid was written, or PIDs are taken faster than the rate.
    | Crossed of From: int * To: int * Late: int64
    /// A look or a write was so late, by that much, that last_pid may have come into the range before, or all the way round.
    | Late of Late: int64

/// What a range of numbers is to the numbers that the kernel gives by itself.
[<RequireQualifiedAccess>]
type ReserveRange =
    /// Some of them, which it gives again and again.
    | Ordinary
    /// Below those that it comes back to after a wrap: it gives them only before, to the first processes.
    | Reserved
    /// All that it comes back to after a wrap: it has no others to give.
    | All
    /// One of them is 0, or not below pid_max.
    | OutOfRange

/// A range of numbers that no new process is to get, but by set_tid.
type Reservation =
    {
        Rules: ReserveRules
        First: int
        Last: int
        /// last_pid as it was read or written last.
        LastPid: int
        /// When that was.
        Looked: int64
        /// Until then nobody can have got a number of the range.
        Safe: int64
        /// The last step was a write.
        HasWritten: bool
        /// The numbers in use when they were read last.
        InUse: PidSet
        /// When that began; Int64.MinValue when they never were.
        Scanned: int64
        /// Before then they are not read again: that takes a tenth of the time at most.
        NextScan: int64
        /// How many others can take after a write before one gets a number of the range, as far as is known.
        Room: int
        /// Those are too few: nslp may be late for the next write.
        IsTight: bool
        /// It is kept from now on; before, last_pid may have been about to enter the range.
        IsKept: bool
        News: ReserveNews
    }

/// Keeping a range of numbers free of new processes, by moving last_pid past it in time: the time is now and what was seen
/// goes in, what to do comes out.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Reserve =
    /// The rules that nslp goes by. The fastest that was seen is 216,000 PIDs a second, on two cores (doc/cycling.md).
    let rules: ReserveRules =
        {
            Rate = 1_000_000L
            Lateness = 5_000L
            Settling = 1_000L
            Shortest = 10_000L
            Longest = 1_000_000L
            Reserved = Limits.Reserved
        }

    /// What the numbers from `first` to `last`, both included, are where pid_max is that.
    let range (reserved: int) (pidMax: int) (first: int) (last: int) : ReserveRange =
        if first < 1 || last >= pidMax then
            ReserveRange.OutOfRange
        elif last < reserved then
            ReserveRange.Reserved
        elif first <= reserved && last = pidMax - 1 then
            ReserveRange.All
        else
            ReserveRange.Ordinary

    /// Nothing is known yet. 1 <= first <= last.
    let start (rules: ReserveRules) (first: int) (last: int) : Reservation =
        {
            Rules = rules
            First = first
            Last = last
            LastPid = -1
            Looked = 0L
            Safe = 0L
            HasWritten = false
            InUse = PidSet.empty
            Scanned = System.Int64.MinValue
            NextScan = System.Int64.MinValue
            Room = 0
            IsTight = false
            IsKept = false
            News = ReserveNews.Nothing
        }

    /// The numbers in use were read from `began` to `ended`; those not in the set may be in use only if they were taken since
    /// it began.
    let scanned (began: int64) (ended: int64) (inUse: PidSet) (r: Reservation) : Reservation =
        { r with
            InUse = inUse
            Scanned = began
            NextScan = ended + 9L * (ended - began) + r.Rules.Settling
        }

    /// What was to be written could not be, with last_pid as it was read before.
    let notWritten (lastPid: int) (r: Reservation) : Reservation =
        { r with
            LastPid = lastPid
            HasWritten = false
        }

    let private length pieces =
        pieces |> List.sumBy (fun struct (from, below) -> max 0 (below - from))

    let private free inUse pieces =
        pieces
        |> List.sumBy (fun struct (from, below) -> PidSet.countFree from below inUse)

    // The least number of allocations after which one can give a number of the range. Each takes a free number on the way
    // there, be it chosen or the next one; `count` says how many of those there are for certain.
    let private way count cursor pidMax (r: Reservation) =
        let last = min r.Last (pidMax - 1)

        let from low =
            if r.First > last then
                System.Int32.MaxValue
            elif cursor <= last then
                count [ struct (cursor, r.First) ]
            elif last < low then
                System.Int32.MaxValue
            else
                count [ struct (cursor, pidMax); struct (low, r.First) ]

        // From a cursor as low as this the wrap may lead to 1, or, once it is higher, no more.
        if cursor <= r.Rules.Reserved then
            min (from 1) (from r.Rules.Reserved)
        else
            from r.Rules.Reserved

    let private since (time: int64) allocations (r: Reservation) =
        time + int64 allocations * 1_000_000L / r.Rules.Rate

    // Whether the numbers from one cursor to another, the way the kernel goes, are some of the range.
    let private crosses before after pidMax (r: Reservation) =
        let has from below =
            max from r.First < min below (r.Last + 1)

        if before <= after then
            has before after
        else
            has before pidMax
            || has (if before > r.Rules.Reserved then r.Rules.Reserved else 1) after

    let private news now cursor pidMax held (r: Reservation) =
        if not r.IsKept then
            ReserveNews.Nothing
        elif crosses (r.LastPid + 1) cursor pidMax r then
            ReserveNews.Crossed(r.LastPid, cursor - 1, now - r.Safe)
        elif
            not r.IsTight
            && now > r.Safe
            && (r.HasWritten
                || now >= since r.Looked (max 0 (pidMax - r.Rules.Reserved - held)) r)
        then
            ReserveNews.Late(now - r.Safe)
        else
            ReserveNews.Nothing

    /// What to do next, with last_pid and pid_max read since `now`, and at most `held` numbers in use at that time.
    let look
        (now: int64)
        (lastPid: int)
        (pidMax: int)
        (held: int)
        (r: Reservation)
        : struct (ReserveStep * Reservation) =
        let rules = r.Rules
        let past = min r.Last (pidMax - 1)

        let certain cursor =
            way (fun pieces -> max 0 (length pieces - held)) cursor pidMax r

        let known cursor = way (free r.InUse) cursor pidMax r

        let safe cursor =
            let certainly = since now (certain cursor) r

            if r.Scanned = System.Int64.MinValue then
                certainly
            else
                max certainly (since r.Scanned (known cursor) r)

        // The write may come late, be undone, and so may the next one.
        let due cursor =
            safe cursor - 2L * rules.Lateness - rules.Settling

        let most = due (past + 1) - now
        let isTight = most < rules.Settling

        let isNear =
            due (lastPid + 1) - now < max rules.Settling (min rules.Shortest (most / 2L))

        let looked =
            { r with
                LastPid = lastPid
                Looked = now
                Safe = safe (lastPid + 1)
                HasWritten = false
                Room =
                    if r.Scanned = System.Int64.MinValue then
                        certain (past + 1)
                    else
                        known (past + 1)
                News = news now (lastPid + 1) pidMax held r
            }

        if not isNear then
            let longest = if r.HasWritten then rules.Settling else rules.Longest

            struct (ReserveStep.Sleep(min (due (lastPid + 1)) (now + longest)),
                    { looked with
                        IsTight = r.IsTight && r.HasWritten
                        IsKept = r.IsKept || not r.HasWritten
                    })
        elif not r.HasWritten || not isTight then
            struct (ReserveStep.Write past,
                    { looked with
                        LastPid = past
                        HasWritten = true
                    })
        elif now >= r.NextScan then
            struct (ReserveStep.Scan, { looked with HasWritten = true })
        else
            let nap = since 0L looked.Room r / 2L

            struct (ReserveStep.Sleep(now + max (rules.Settling / 16L) (min nap rules.Settling)),
                    { looked with
                        IsTight = true
                        IsKept = true
                    })
