namespace SetNsLastPid.Tests.Properties

open SetNsLastPid

/// Stacks compared number by number, which tells more than `=` when they differ.
[<RequireQualifiedAccess>]
module Levels =
    let sameNumbers (a: PidSet) (b: PidSet) : bool =
        a.Count = b.Count && PidSet.toSeq a |> Seq.forall (fun n -> PidSet.contains n b)

    let private same (a: PidNamespace) (b: PidNamespace) =
        a.Cursor = b.Cursor
        && a.PidMax = b.PidMax
        && a.Reserved = b.Reserved
        && a.Life = b.Life
        && a.MayChoose = b.MayChoose
        && (a.InUse = b.InUse || sameNumbers a.InUse b.InUse)

    /// Breaks the law in hand when they differ.
    let mustBe (what: string) (expected: PidStack) (actual: PidStack) : unit =
        if expected.Length <> actual.Length || not (List.forall2 same expected actual) then
            Law.same what (List.map Space.ofModel expected) (List.map Space.ofModel actual)
