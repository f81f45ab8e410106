namespace SetNsLastPid.Verification

open System
open System.Collections.Generic
open System.Threading
open SetNsLastPid

/// A sandbox that is a model too: it shows what the property makes of an allocator.
[<RequireQualifiedAccess>]
module ModelSandbox =
    /// Sandboxes in which this allocator is the kernel; `choose` picks one of all that can come of a step.
    let choosing
        (choose: struct (Observation * World) list -> struct (Observation * World))
        (allocator: Allocator)
        (setting: Setting)
        : ISandboxes =
        { new ISandboxes with
            member _.Setting = setting

            member _.Open() =
                let mutable world = Perform.start allocator setting

                { new ISandbox with
                    member _.Before = ValueNone
                    member _.IsDisturbed() = false
                    member _.Settle() = ()
                    member _.Start = World.observe [] world

                    member _.Perform step =
                        let struct (observation, next) = choose (Perform.all allocator world step)
                        world <- next
                        observation

                    member _.Dispose() = ()
                }
        }

    /// The same, where the first thing that can be comes of each step.
    let create (allocator: Allocator) (setting: Setting) : ISandboxes = choosing List.head allocator setting

/// Runs sequences of operations on the model and on sandboxes side by side.
[<RequireQualifiedAccess>]
module Runner =
    // A run that says nothing: others make processes in the namespace.
    exception private Disturbed

    // Runs a sequence until the first difference between the kernel and what is expected: the model, or what another kernel
    // did, `recorded` for each operation from the start on.
    let private attempt
        (sandboxes: ISandboxes)
        (seen: World -> Step -> Observation -> World -> int -> unit)
        (recorder: Recorder | null)
        (isInterrupted: Func<bool>)
        (recorded: Observation list)
        (operations: Operation list)
        : struct (Row list voption * bool) =
        use sandbox = sandboxes.Open()

        let world =
            match sandbox.Before with
            | ValueSome ns -> Perform.startIn ns Allocator.model sandboxes.Setting
            | ValueNone -> Perform.start Allocator.model sandboxes.Setting

        let note operation kernel =
            match recorder with
            | null -> ()
            | recorder -> recorder.Add(operation, kernel)

        let expected model recorded =
            match recorded with
            | [] -> struct (model, [])
            | other :: rest -> struct (other, rest)

        let rec go world rows recorded operations =
            match operations with
            | [] -> ValueNone
            | operation :: rest ->
                if isInterrupted.Invoke() then
                    raise (OperationCanceledException())

                let step = Resolve.step world operation

                if step.IsNothing then
                    go world rows recorded rest
                else
                    let struct (model, next) = Perform.step Allocator.model world step
                    let isRecorded = not (List.isEmpty recorded)
                    let struct (model, recorded) = expected model recorded
                    let kernel = sandbox.Perform step
                    note (ValueSome operation) kernel

                    let row =
                        {
                            Step = ValueSome step
                            Model = model
                            Kernel = kernel
                        }

                    match Perform.follow world step kernel with
                    // Each kernel may have another order, after which its numbers are others.
                    | ValueSome _ when isRecorded && model <> kernel && step.IsRace -> ValueNone
                    | _ when isRecorded && model <> kernel -> ValueSome(List.rev (row :: rows))
                    | ValueNone when isRecorded ->
                        seen world step model next 0
                        go next (row :: rows) recorded rest
                    | ValueNone -> ValueSome(List.rev (row :: rows))
                    | ValueSome(struct (next, late)) ->
                        if late > 0 then
                            sandbox.Settle()

                        seen world step kernel next late
                        go next ({ row with Model = kernel } :: rows) recorded rest

        let isRecorded = not (List.isEmpty recorded)
        let struct (start, recorded) = expected (World.observe [] world) recorded
        note ValueNone sandbox.Start

        let first =
            {
                Step = ValueNone
                Model = start
                Kernel = sandbox.Start
            }

        let differing =
            if first.Model = first.Kernel then
                go world [ first ] recorded operations
            else
                ValueSome [ first ]

        // A namespace that is there already may be another one than was recorded, or have gone on.
        let isElsewhere = sandbox.Before.IsSome && isRecorded && start <> sandbox.Start

        if differing.IsSome && (isElsewhere || sandbox.IsDisturbed()) then
            raise Disturbed

        struct (differing, sandbox.Before.IsSome)

    let private follow sandboxes seen recorder isInterrupted recorded operations =
        match attempt sandboxes seen recorder isInterrupted recorded operations with
        | struct (ValueSome rows, true) ->
            // Where others can be it counts only if it comes again.
            match attempt sandboxes (fun _ _ _ _ _ -> ()) null isInterrupted recorded operations with
            | struct (ValueSome again, _) when again.Length = rows.Length -> ValueSome rows
            | _ -> raise Disturbed
        | struct (differing, _) -> differing

    /// Runs a sequence until the first difference. `seen` is told of each step that both agreed on: the world before,
    /// the step, what was seen and the world after. The steps, the last of which differs; none when all agree.
    let compare
        (sandboxes: ISandboxes)
        (seen: World -> Step -> Observation -> World -> unit)
        (isInterrupted: Func<bool>)
        (operations: Operation list)
        : Row list voption =
        let seen before step observation after _ = seen before step observation after
        follow sandboxes seen null isInterrupted [] operations

    // Takes the first simpler sequence that still differs, again and again.
    let private minimize sandboxes isInterrupted operations rows =
        let mutable tried = 0

        let differs candidate =
            tried <- tried + 1

            try
                match compare sandboxes (fun _ _ _ _ -> ()) isInterrupted candidate with
                | ValueSome rows -> Some(candidate, rows)
                | ValueNone -> None
            with Disturbed ->
                None

        let rec go best rows =
            match Seq.tryPick differs (OperationShrink.sequence best) with
            | Some(simpler, rows) -> go simpler rows
            | None -> struct (best, rows, tried)

        go operations rows

    // What is told of a difference: as small as it gets, if it is to be shrunk.
    let private differenceOf sandboxes isInterrupted isShrunk case run operations rows =
        let struct (best, rows, tried) =
            if isShrunk then
                minimize sandboxes isInterrupted operations rows
            else
                struct (operations, rows, 0)

        {
            Case = case
            Run = run
            Operations = best
            Rows = rows
            Tried = tried
        }

    let private isClone step =
        match step with
        | Step.Clone _
        | Step.Forsake _
        | Step.Race _
        | Step.Thread _ -> true
        | _ -> false

    // Why a case cannot be had in such sandboxes.
    let private lack (setting: Setting) (case: FixedCase) =
        let needed = case.Operations |> List.collect Facility.neededBy
        setting.Lacks |> List.tryFind (fun lack -> List.contains lack.Facility needed)

    // Runs each of the cases, and then each of the sequences, with what was recorded of it if anything was, until one differs.
    // Classes are counted where nothing was.
    let private runEach
        (sandboxes: ISandboxes)
        (recorder: Recorder | null)
        (isShrunk: Operation list -> Observation list -> bool)
        (progress: Action<int>)
        (isInterrupted: Func<bool>)
        (classes: string list)
        (cases: FixedCase list)
        (sequences: struct (Operation list * Observation list) seq)
        : Report =
        let counts = Dictionary<string, int64>()
        let mutable steps = 0L
        let mutable clones = 0L
        let mutable runs = 0
        let mutable disturbed = 0
        let mutable late = 0
        let mutable difference = ValueNone

        for name in classes do
            counts[name] <- 0L

        let seen world step observation after lateNow =
            steps <- steps + 1L
            late <- late + lateNow

            if isClone step then
                clones <- clones + 1L

            if not classes.IsEmpty then
                for name in Coverage.classify world step observation after do
                    counts[name] <- counts.GetValueOrDefault(name, 0L) + 1L

        let tryFollow recorded operations =
            try
                follow sandboxes seen recorder isInterrupted recorded operations
            with Disturbed ->
                disturbed <- disturbed + 1
                ValueNone

        let tryDiffer case run (struct (operations, recorded)) =
            tryFollow recorded operations
            |> ValueOption.map (fun rows ->
                let operations =
                    if List.isEmpty recorded then
                        operations
                    else
                        List.truncate (rows.Length - 1) operations

                differenceOf sandboxes isInterrupted (isShrunk operations recorded) case run operations rows)

        let verdict i (case: FixedCase) =
            match lack sandboxes.Setting case with
            | Some lack -> Verdict.Skipped lack.Why
            | None ->
                let before = disturbed

                match tryDiffer case.Name i (struct (case.Operations, [])) with
                | ValueSome difference -> Verdict.Failed difference
                | ValueNone when disturbed > before -> Verdict.Skipped "others made processes meanwhile"
                | ValueNone -> Verdict.Passed

        let cases =
            cases
            |> List.mapi (fun i case ->
                progress.Invoke 0

                {
                    CaseReport.Name = case.Name
                    Verdict = verdict i case
                })

        use sequence = sequences.GetEnumerator()

        while difference.IsNone && sequence.MoveNext() do
            difference <- tryDiffer "" runs sequence.Current
            runs <- runs + 1
            progress.Invoke runs

        {
            Cases = cases
            Runs = runs
            Disturbed = disturbed
            Late = late
            Steps = steps
            Clones = clones
            Coverage = counts
            Difference = difference
        }

    /// Runs each of the cases, and then each of the sequences until one differs, and, if `shrinks`, finds a minimal sequence
    /// for what differs. `progress` is told the number of runs made, before each case and after each run. Throws
    /// OperationCanceledException when interrupted, with every sandbox disposed of.
    let runAll
        (sandboxes: ISandboxes)
        (recorder: Recorder | null)
        (shrinks: bool)
        (progress: Action<int>)
        (isInterrupted: Func<bool>)
        (cases: FixedCase list)
        (sequences: Operation list seq)
        : Report =
        sequences
        |> Seq.map (fun operations -> struct (operations, []))
        |> runEach
            sandboxes
            recorder
            (fun _ _ -> shrinks)
            progress
            isInterrupted
            (Coverage.classes sandboxes.Setting)
            cases

    /// Runs what was recorded on another kernel until one run differs. Runs that need what is not there are left out. A
    /// difference is shrunk where the model speaks for the other kernel, which it does as far as it agreed.
    let replay
        (sandboxes: ISandboxes)
        (progress: Action<int>)
        (isInterrupted: Func<bool>)
        (trace: KernelTrace)
        : Report =
        // The numbers in operations mean what they meant there.
        let there =
            { new ISandboxes with
                member _.Setting = trace.Setting
                member _.Open() = sandboxes.Open()
            }

        let isPossible (traced: TracedRun) =
            traced.Rows
            |> List.collect (fst >> Facility.neededBy)
            |> List.forall (fun facility -> facility = Facility.Users || sandboxes.Setting.Has facility)

        let isModels (operations: Operation list) recorded =
            let model = ModelSandbox.create Allocator.model trace.Setting
            let recorded = List.truncate (operations.Length + 1) recorded
            (follow model (fun _ _ _ _ _ -> ()) null isInterrupted recorded operations).IsNone

        trace.Runs
        |> Seq.filter isPossible
        |> Seq.map (fun traced ->
            let operations, observations = List.unzip traced.Rows
            struct (operations, traced.Start :: observations))
        |> runEach there null isModels progress isInterrupted [] []

    /// The sequences of `runs` runs of `steps` operations each by this seed.
    let sequences (seed: uint64) (runs: int) (steps: int) : Operation list seq =
        Seq.init runs (OperationGen.run seed steps)
