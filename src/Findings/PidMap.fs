namespace SetNsLastPid

/// Consecutive numbers that are drawn as one cell.
type MapBlock =
    {
        /// The first of them; 0, which no process gets, in the first block.
        First: int
        /// The last of them, below pid_max.
        Last: int
        /// How many of them are in use.
        Held: int
        /// How dark the cell is: 0 for none in use, 1 up to a tenth, 2 up to a third, 3 up to two thirds, 4 for more.
        Shade: int
        /// Whether the numbers consumed on the way to the target are among them.
        IsOnWay: bool
    }

/// A PID namespace as a picture of rows of cells.
type MapPicture =
    {
        /// How many numbers a cell stands for, but for the last one; a power of two.
        BlockSize: int
        /// How many cells a row has, but for the last one.
        Columns: int
        /// The cells, row by row.
        Blocks: MapBlock[]
        /// How many numbers below pid_max are in use.
        Held: int
        /// The PID that the next process gets; none when there is none.
        Next: int voption
        /// The PID that comes after the highest one to come; none when there is none.
        Wrap: int voption
        /// A number to show the place of; none when there is none below pid_max.
        Target: int voption
        /// How far the target is for one who consumes PIDs until it is the last one.
        Reach: Reach
    }

/// The layout of pictures of PID namespaces.
[<RequireQualifiedAccess>]
module PidMap =
    /// How many levels of shade there are.
    [<Literal>]
    let Shades = 5

    let private shade inUse size =
        if inUse = 0 then 0
        elif inUse * 10 <= size then 1
        elif inUse * 3 <= size then 2
        elif inUse * 3 <= size * 2 then 3
        else 4

    // The smallest one with which the cells suffice.
    let private sizeFor cells pidMax =
        let rec grow size =
            if (pidMax + size - 1) / size <= cells then
                size
            else
                grow (size * 2)

        grow 1

    // First and last numbers, both included, that the cursor passes on the way.
    let private way (next: int voption) (wrap: int voption) target pidMax reach =
        match reach, next, wrap with
        | Reach.After allocations, ValueSome next, _ when allocations > 0 && next <= target -> [ next, target ]
        | Reach.After allocations, ValueSome next, ValueSome wrap when allocations > 0 ->
            [ next, pidMax - 1; wrap, target ]
        | _ -> []

    /// The picture with at most so many rows of so many cells.
    let draw (columns: int) (rows: int) (target: int voption) (ns: PidNamespace) : MapPicture =
        let size = sizeFor (columns * rows) ns.PidMax
        let next = PidNamespace.tryNext ns

        let wrap =
            match PidSet.tryLastFree ns.Cursor ns.PidMax ns.InUse with
            | ValueSome last -> PidNamespace.tryNext (PidNamespace.withLastPid last ns)
            | ValueNone -> next

        let target = ValueOption.filter (fun pid -> pid >= 0 && pid < ns.PidMax) target

        let reach =
            match target with
            | ValueSome pid -> Cycle.reach PidSet.empty (Goal.after pid) ns
            | ValueNone -> Reach.Never Obstacle.OutOfRange

        let way =
            match target with
            | ValueSome pid -> way next wrap pid ns.PidMax reach
            | ValueNone -> []

        let block i =
            let first = i * size
            let last = min (first + size) ns.PidMax - 1
            let inUse = last - first + 1 - PidSet.countFree first (last + 1) ns.InUse

            {
                First = first
                Last = last
                Held = inUse
                Shade = shade inUse (last - first + 1)
                IsOnWay = List.exists (fun (from, until) -> from <= last && first <= until) way
            }

        {
            BlockSize = size
            Columns = columns
            Blocks = Array.init ((ns.PidMax + size - 1) / size) block
            Held = ns.PidMax - PidSet.countFree 0 ns.PidMax ns.InUse
            Next = next
            Wrap = wrap
            Target = target
            Reach = reach
        }

    /// In which cell a number below pid_max is.
    let cellOf (pid: int) (picture: MapPicture) : int = pid / picture.BlockSize

    /// How many PIDs were handed out from when the namespace was seen until last_pid was this, if it came there by
    /// handing out PIDs, by one wrap at most, and none of its numbers came free meanwhile.
    let consumed (lastPid: int) (before: PidNamespace) : int =
        if lastPid >= PidNamespace.lastPid before then
            PidSet.countFree before.Cursor (lastPid + 1) before.InUse
        else
            PidSet.countFree before.Cursor before.PidMax before.InUse
            + PidSet.countFree before.Reserved (lastPid + 1) before.InUse

    /// How many PIDs are handed out before the cursor starts over.
    let untilWrap (ns: PidNamespace) : int =
        PidSet.countFree ns.Cursor ns.PidMax ns.InUse
