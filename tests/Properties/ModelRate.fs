/// How fast the model is; run only when asked for.
module SetNsLastPid.Tests.Properties.ModelRate

open System
open System.Diagnostics
open Xunit
open SetNsLastPid

[<Fact(Explicit = true)>]
let ``allocations with four million PIDs of which a million are in use`` () =
    let random = Random 1

    let inUse =
        (PidSet.empty, Seq.init 1_150_000 (fun _ -> random.Next(1, Limits.PidMax)))
        ||> Seq.fold (fun pids pid -> PidSet.add pid pids)

    let count = 1_000_000
    let mutable stack = [ PidNamespace.observed 0 Limits.PidMax inUse ]
    let watch = Stopwatch.StartNew()

    for _ in 1..count do
        match PidStack.allocate KernelRules.newest [] stack with
        | struct (Allocation.Given _, after) -> stack <- after
        | struct (Allocation.Refused errno, _) -> failwith $"%A{errno}"

    let rate = float count / watch.Elapsed.TotalSeconds
    let said = $"%d{inUse.Count} in use at the start: %.0f{rate} allocations/s"

    match TestContext.Current.TestOutputHelper with
    | null -> ()
    | output -> output.WriteLine said
