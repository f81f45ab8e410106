/// Runs the tests of the model under one mutant after the other, in one process: `run` adds this file to the mutated tree.
module SetNsLastPid.Tests.Properties.Worker

open System
open System.Diagnostics
open System.IO
open System.Reflection
open System.Runtime.CompilerServices
open System.Threading
open Xunit
open SetNsLastPid

// The modules whose tests are about src/Model/*.fs alone, and fast.
let private modules =
    Set.ofList
        [
            "AllocationProperties"
            "ApproachProperties"
            "CycleProperties"
            "KernelCases"
            "LandingProperties"
            "LastPidProperties"
            "LateProperties"
            "NamespaceProperties"
            "OwnNumbersProperties"
            "PickProperties"
            "PidSetProperties"
            "RaceProperties"
            "ReserveProperties"
            "ReserveWorlds"
            "SetTidProperties"
            "VersionProperties"
        ]

let private tests =
    [
        for t in Assembly.GetExecutingAssembly().GetTypes() do
            if modules.Contains t.Name then
                for m in t.GetMethods() do
                    if not (isNull (m.GetCustomAttribute<TheoryAttribute>())) then
                        for data in m.GetCustomAttributes<InlineDataAttribute>() do
                            fun () -> m.Invoke((null: obj | null), data.Data) |> ignore
                    elif not (isNull (m.GetCustomAttribute<FactAttribute>())) then
                        fun () -> m.Invoke((null: obj | null), (null: obj array | null)) |> ignore
    ]

let private variable name =
    match Environment.GetEnvironmentVariable name with
    | null -> failwith $"no {name}"
    | value -> value

// Three times the processor time that a test takes without a mutant, or this, is an endless loop.
let private least = TimeSpan.FromSeconds 10.0

/// Judges the mutants of NSLP_MUTANTS, a number a line, that NSLP_VERDICTS does not know yet. One that ends the process, or
/// is ended for its time, was begun there and has no verdict. One that lives
/// but decided something at the start is `early`: only as NSLP_MUTANT of another process is it judged whole.
[<Fact>]
let ``mutants are noticed`` () =
    let verdicts = variable "NSLP_VERDICTS"

    let used () =
        Process.GetCurrentProcess().TotalProcessorTime

    let core = typeof<PidSet>.Assembly

    // A property of the switch that the mutated sources have.
    let switch name =
        match core.GetType "SetNsLastPid.Mutant" with
        | null -> failwith "there are no mutants here"
        | mutant ->
            match mutant.GetProperty(name, BindingFlags.Static ||| BindingFlags.NonPublic ||| BindingFlags.Public) with
            | null -> failwith $"no {name}"
            | property -> property

    let set name (value: obj) =
        (switch name).SetValue((null: obj | null), value)

    for t in core.GetTypes() do
        if not t.ContainsGenericParameters then
            RuntimeHelpers.RunClassConstructor t.TypeHandle

    set "isStarted" true

    let early =
        match (switch "early").GetValue(null: obj | null) with
        | :? Collections.Generic.HashSet<int> as early -> early
        | _ -> failwith "not the numbers asked early"

    let mutable until = used () + TimeSpan.FromMinutes 10.0

    let watch =
        Thread(
            (fun () ->
                while used () < until do
                    Thread.Sleep 200

                Environment.Exit 3),
            IsBackground = true
        )

    watch.Start()

    // The fastest first; without a mutant all must pass.
    let own = int (variable "NSLP_MUTANT")

    let timed =
        if own <> 0 then
            tests |> List.map (fun test -> TimeSpan.FromSeconds 5.0, test)
        else
            tests
            |> List.map (fun test ->
                let before = used ()
                test ()
                used () - before, test)

    let byTime = timed |> List.sortBy fst

    let known =
        File.ReadAllLines verdicts
        |> Array.map (fun line -> int (line.Split(' ')[1]))
        |> Set.ofArray

    for number in File.ReadAllLines(variable "NSLP_MUTANTS") |> Array.map int do
        if not (known.Contains number) then
            File.AppendAllText(verdicts, $"begun {number}\n")
            set "active" number

            let killed =
                byTime
                |> List.exists (fun (time, test) ->
                    until <- used () + max least (3.0 * time)

                    try
                        test ()
                        false
                    with _ ->
                        true)

            set "active" own

            let verdict =
                if killed then "killed"
                elif own = 0 && early.Contains number then "early"
                else "survived"

            File.AppendAllText(verdicts, $"{verdict} {number}\n")
