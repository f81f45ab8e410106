/// That the laws can be broken: each wrong subject breaks one, and each law is broken by one.
module SetNsLastPid.Tests.Properties.WrongModelTests

open FsCheck
open Xunit
open SetNsLastPid.Verification
open SetNsLastPid.Tests.Properties.CycleProperties
open SetNsLastPid.Tests.Properties.PidSetProperties

// Always the same inputs: whether a law can see a fault must not depend on the day.
let private seed = Rnd(20240229UL, 7919UL)

let private write (text: string) =
    match TestContext.Current.TestOutputHelper with
    | null -> ()
    | output -> output.WriteLine text

// Which laws each wrong subject breaks. The right one breaks none.
let private confront inputs right (wrong: (string * 'subject) list) =
    let laws = Law.all<'subject>()
    Assert.NotEmpty laws

    for name, law in laws do
        match law.TryBreak seed inputs right with
        | Some why -> Assert.Fail $"the right one breaks %s{name}: %s{why.Message}"
        | None -> ()

    let broken =
        wrong
        |> List.toArray
        |> Array.Parallel.map (fun (fault, subject) ->
            fault,
            laws
            |> List.filter (fun (_, law) -> (law.TryBreak seed inputs subject).IsSome)
            |> List.map fst)

    for fault, laws in broken do
        let list = String.concat ", " laws
        write $"%s{fault}: caught by %d{laws.Length}: %s{list}"

    let uncaught = broken |> Array.filter (snd >> List.isEmpty) |> Array.map fst
    Assert.True(uncaught.Length = 0, "not caught: " + String.concat "; " uncaught)

    let idle =
        laws
        |> List.map fst
        |> List.filter (fun law -> broken |> Array.forall (fun (_, caught) -> not (List.contains law caught)))

    Assert.True(idle.IsEmpty, "laws that catch nothing: " + String.concat "; " idle)

[<Fact>]
let ``every wrong allocator is caught and every law of allocators catches one`` () =
    confront 300 Allocator.model WrongModels.all

[<Fact>]
let ``every wrong plan is caught and every law of plans catches one`` () = confront 200 Plan.model wrongPlans

[<Fact>]
let ``every wrong set is caught and every law of sets catches one`` () =
    confront 100 PidSetOperations.model wrongSets

[<Fact>]
let ``every wrong lander is caught and every law of landings catches one`` () =
    confront 300 LandingProperties.model LandingProperties.wrongLanders

[<Fact>]
let ``every wrong keeper is caught and every law of reserving catches one`` () =
    confront 600 ReserveProperties.model ReserveProperties.wrongKeepers

[<Fact>]
let ``every wrong picker is caught and every law of choices catches one`` () =
    confront 300 PickProperties.model PickProperties.wrongPickers

[<Fact>]
let ``every wrong chooser is caught and every law of methods catches one`` () =
    confront 1 ApproachProperties.model ApproachProperties.wrongChoosers

[<Fact>]
let ``the wrong allocators are made of one that breaks no law`` () =
    for name, law in Law.all<Allocator>() do
        match law.TryBreak seed 300 WrongModels.faultless with
        | Some why -> Assert.Fail $"%s{name}: %s{why.Message}"
        | None -> ()

[<Fact>]
let ``no two wrong ones have the same name`` () =
    for names in
        [
            List.map fst WrongModels.all
            List.map fst wrongPlans
            List.map fst wrongSets
            List.map fst LandingProperties.wrongLanders
            List.map fst ReserveProperties.wrongKeepers
            List.map fst PickProperties.wrongPickers
            List.map fst ApproachProperties.wrongChoosers
        ] do
        Assert.Equal<string list>(List.distinct names, names)
