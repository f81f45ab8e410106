namespace SetNsLastPid.Verification

open System
open System.Collections.Generic
open System.Threading
open SetNsLastPid

/// One step of a run: what was done and what both sides saw of it.
type Row =
    {
        /// None before the first step.
        Step: Step voption
        Model: Observation
        Kernel: Observation
    }

/// A sequence of operations on which model and sandbox differ.
type Difference =
    {
        /// The run it was found in, from 0.
        Run: int
        /// The shortest sequence found that still differs.
        Operations: Operation list
        /// Its steps, up to the one that differs.
        Rows: Row list
        /// How many shorter sequences were tried.
        Tried: int
    }

/// What all the runs came to.
type Report =
    {
        /// How many runs were made, the one with a difference included.
        Runs: int
        /// How many operations were run, those of shrinking left out.
        Steps: int64
        /// How many of those made, or tried to make, a process.
        Clones: int64
        /// How often each class of `Coverage` was met.
        Coverage: IReadOnlyDictionary<string, int64>
        Difference: Difference voption
    }

/// Runs sequences of operations on the model and on sandboxes side by side.
[<RequireQualifiedAccess>]
module Runner =
    /// Runs a sequence until the first difference. `seen` is told of each step that both agreed on: the world before,
    /// the step, what was seen and the world after. The steps, the last of which differs; none when all agree.
    let compare
        (sandboxes: ISandboxes)
        (seen: World -> Step -> Observation -> World -> unit)
        (isInterrupted: Func<bool>)
        (operations: Operation list)
        : Row list voption =
        use sandbox = sandboxes.Open()
        let world = Perform.start Allocator.model sandboxes.Setting

        let rec go world rows operations =
            match operations with
            | [] -> ValueNone
            | operation :: rest ->
                if isInterrupted.Invoke() then
                    raise (OperationCanceledException())

                let step = Resolve.step world operation

                if step.IsNothing then
                    go world rows rest
                else
                    let struct (model, next) = Perform.step Allocator.model world step
                    let kernel = sandbox.Perform step

                    let row =
                        {
                            Step = ValueSome step
                            Model = model
                            Kernel = kernel
                        }

                    if model = kernel then
                        seen world step model next
                        go next (row :: rows) rest
                    else
                        ValueSome(List.rev (row :: rows))

        let first =
            {
                Step = ValueNone
                Model = World.observe [] world
                Kernel = sandbox.Start
            }

        if first.Model = first.Kernel then
            go world [ first ] operations
        else
            ValueSome [ first ]

    // Takes the first simpler sequence that still differs, again and again.
    let private minimize sandboxes isInterrupted operations rows =
        let mutable tried = 0

        let differs candidate =
            tried <- tried + 1

            match compare sandboxes (fun _ _ _ _ -> ()) isInterrupted candidate with
            | ValueSome rows -> Some(candidate, rows)
            | ValueNone -> None

        let rec go best rows =
            match Seq.tryPick differs (OperationShrink.sequence best) with
            | Some(simpler, rows) -> go simpler rows
            | None -> struct (best, rows, tried)

        go operations rows

    let private isClone step =
        match step with
        | Step.Clone _
        | Step.Forsake _ -> true
        | _ -> false

    /// Runs each of the sequences until one differs, and then, if `shrinks`, finds a minimal one. `progress` is told the number of
    /// runs made, after each. Throws OperationCanceledException when interrupted, with every sandbox disposed of.
    let runAll
        (sandboxes: ISandboxes)
        (shrinks: bool)
        (progress: Action<int>)
        (isInterrupted: Func<bool>)
        (sequences: Operation list seq)
        : Report =
        let counts = Dictionary<string, int64>()
        let mutable steps = 0L
        let mutable clones = 0L
        let mutable runs = 0
        let mutable difference = ValueNone

        for name in Coverage.classes sandboxes.Setting do
            counts[name] <- 0L

        let seen world step observation after =
            steps <- steps + 1L

            if isClone step then
                clones <- clones + 1L

            for name in Coverage.classify world step observation after do
                counts[name] <- counts.GetValueOrDefault(name, 0L) + 1L

        use sequence = sequences.GetEnumerator()

        while difference.IsNone && sequence.MoveNext() do
            let operations = sequence.Current

            match compare sandboxes seen isInterrupted operations with
            | ValueNone -> ()
            | ValueSome rows ->
                let struct (best, rows, tried) =
                    if shrinks then
                        minimize sandboxes isInterrupted operations rows
                    else
                        struct (operations, rows, 0)

                difference <-
                    ValueSome
                        {
                            Run = runs
                            Operations = best
                            Rows = rows
                            Tried = tried
                        }

            runs <- runs + 1
            progress.Invoke runs

        {
            Runs = runs
            Steps = steps
            Clones = clones
            Coverage = counts
            Difference = difference
        }

    /// The sequences of `runs` runs of `steps` operations each by this seed.
    let sequences (seed: uint64) (runs: int) (steps: int) : Operation list seq =
        Seq.init runs (OperationGen.run seed steps)

/// A sandbox that is a model too: it shows what the property makes of an allocator.
[<RequireQualifiedAccess>]
module ModelSandbox =
    /// Sandboxes in which this allocator is the kernel.
    let create (allocator: Allocator) (setting: Setting) : ISandboxes =
        { new ISandboxes with
            member _.Setting = setting

            member _.Open() =
                let mutable world = Perform.start allocator setting

                { new ISandbox with
                    member _.Start = World.observe [] world

                    member _.Perform step =
                        let struct (observation, next) = Perform.step allocator world step
                        world <- next
                        observation

                    member _.Dispose() = ()
                }
        }
