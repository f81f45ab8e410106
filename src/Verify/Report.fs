namespace SetNsLastPid.Verification

open System.Collections.Generic

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
        /// The fixed case it was found in; "" for a run.
        Case: string
        /// The run it was found in, from 0, or the case.
        Run: int
        /// The shortest sequence found that still differs.
        Operations: Operation list
        /// Its steps, up to the one that differs.
        Rows: Row list
        /// How many shorter sequences were tried.
        Tried: int
    }

/// What became of one thing that was looked at.
[<RequireQualifiedAccess>]
type Verdict =
    /// Model and kernel agree.
    | Passed
    | Failed of Difference
    | Skipped of Why: string

/// What became of a fixed case.
type CaseReport = { Name: string; Verdict: Verdict }

/// What all the runs came to.
type Report =
    {
        Cases: CaseReport list
        /// How many runs were made, the one with a difference included.
        Runs: int
        /// How many runs and cases say nothing, since somebody else made processes in the namespace.
        Disturbed: int
        /// How many numbers of threads were in use a moment longer than their process: see `KernelRules.FreesThreadsLate`.
        Late: int
        /// How many operations were run, those of shrinking left out.
        Steps: int64
        /// How many of those made, or tried to make, a process.
        Clones: int64
        /// How often each class of `Coverage` was met.
        Coverage: IReadOnlyDictionary<string, int64>
        /// That of the runs; those of the fixed cases are with them.
        Difference: Difference voption
    }

    /// How many of the cases were run.
    member report.Tried: int =
        report.Cases
        |> List.filter (fun case -> not case.Verdict.IsSkipped)
        |> List.length

    /// The first difference of all.
    member report.First: Difference voption =
        report.Cases
        |> List.tryPick (fun case ->
            match case.Verdict with
            | Verdict.Failed difference -> Some difference
            | Verdict.Passed
            | Verdict.Skipped _ -> None)
        |> ValueOption.ofOption
        |> ValueOption.orElse report.Difference

    /// Why it cannot be told that all agrees, although nothing differs; null where it can, or where something does.
    member report.Doubt: string | null =
        if report.First.IsSome then
            null
        elif report.Disturbed > (report.Runs + report.Cases.Length) / 10 then
            if report.Coverage.Count = 0 then
                "this PID namespace is not as it was recorded, or others make processes in it"
            else
                "others make processes in this PID namespace"
        elif report.Steps = 0L then
            "there is nothing to compare"
        else
            null
