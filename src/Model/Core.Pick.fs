namespace SetNsLastPid

/// What is to be done next to choose a number.
[<RequireQualifiedAccess>]
type PickStep =
    /// Read the numbers in use: see `Pick.scanned`.
    | Scan
    /// Ask for each number from the first to the last whether it is held: see `Pick.held`.
    | Look of First: int * Last: int
    /// Use it. It may turn out to be held: see `Pick.held`.
    | Try of Pid: int
    /// Give up: none will do.
    | Held

/// The choice of the lowest free number of a goal, for those who get any number that is free: by clone3 or a write.
type Pick =
    {
        Goal: Goal
        PidMax: int
        /// The numbers known to be in use.
        InUse: PidSet
        /// Whether the numbers in use were read.
        IsScanned: bool
        /// The number whose room was asked for, one by one; 0 for none.
        Looked: int
    }

/// Choosing, as `Pick` says. Each number is tried once at most.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Pick =
    /// A choice that knows nothing yet.
    let start (goal: Goal) (pidMax: int) : Pick =
        {
            Goal = goal
            PidMax = pidMax
            InUse = PidSet.empty
            IsScanned = false
            Looked = 0
        }

    /// These numbers are held.
    let held (numbers: int seq) (pick: Pick) : Pick =
        { pick with
            InUse = numbers |> Seq.fold (fun inUse n -> PidSet.add n inUse) pick.InUse
        }

    /// The numbers in use were read.
    let scanned (inUse: PidSet) (pick: Pick) : Pick =
        held
            (PidSet.toSeq pick.InUse)
            { pick with
                InUse = inUse
                IsScanned = true
            }

    /// What to do next. The numbers in use are read only where the first number will not do, as that takes milliseconds,
    /// and its room is asked for, as /proc may hide who holds it (hidepid).
    let next (pick: Pick) : struct (PickStep * Pick) =
        match Goal.tryFirst 1 pick.PidMax pick.InUse pick.Goal with
        | ValueNone -> struct (PickStep.Held, pick)
        | ValueSome pid when not pick.IsScanned && (pick.Goal.Room > 0 || pid > pick.Goal.First) ->
            struct (PickStep.Scan, pick)
        | ValueSome pid when pick.Goal.Room > 0 && pick.Looked <> pid ->
            struct (PickStep.Look(pid, pid + pick.Goal.Room), { pick with Looked = pid })
        | ValueSome pid -> struct (PickStep.Try pid, pick)
