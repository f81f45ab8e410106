namespace SetNsLastPid.Verification

open SetNsLastPid

/// Simpler operations, to find the smallest sequence that still differs.
[<RequireQualifiedAccess>]
module OperationShrink =
    // Simpler values of each kind; every list ends because each step goes down in some order.
    let private sizeOf n = abs (int64 n)

    let private smallerIndex i =
        List.filter (fun simpler -> sizeOf simpler < sizeOf i) [ 0; sign i ]

    let private smallerNumber n =
        match n with
        | Number.Exactly value ->
            [ 1; 2; 300; value / 2 ]
            |> List.filter (fun v -> sizeOf v < sizeOf value)
            |> List.distinct
            |> List.map Number.Exactly
        | Number.InUse 0 -> [ Number.Exactly 2 ]
        | Number.InUse _ -> [ Number.InUse 0; Number.Exactly 2 ]
        | Number.FromCursor 0
        | Number.FromPidMax 0 -> []
        | Number.FromCursor _ -> [ Number.FromCursor 0 ]
        | Number.FromPidMax _ -> [ Number.FromPidMax 0 ]

    let private oneSmaller smaller items =
        items
        |> List.mapi (fun i item -> smaller item |> List.map (fun item -> List.updateAt i item items))
        |> List.concat

    let private smallerList smaller items =
        [
            if List.length items > 1 then
                []

                List.truncate (items.Length / 2) items

            for i in 0 .. items.Length - 1 do
                List.removeAt i items
        ]
        @ oneSmaller smaller items
        |> List.distinct

    let private smallerEnding ending =
        match ending with
        | Ending.Exits -> []
        | Ending.Lives -> [ Ending.Exits ]
        | Ending.Lingers -> [ Ending.Exits; Ending.Lives ]
        | Ending.Fails(Late.Cgroup, false) -> [ Ending.Exits; Ending.Lives ]
        | Ending.Fails(Late.Cgroup, true) -> [ Ending.Exits; Ending.Lives; Ending.Fails(Late.Cgroup, false) ]
        | Ending.Fails(_, asThread) -> [ Ending.Exits; Ending.Lives; Ending.Fails(Late.Cgroup, asThread) ]

    let private smallerText text =
        match text with
        | Text.Spelled(n, spelling) ->
            [
                if spelling <> Spelling.Decimal then
                    Text.Spelled(n, Spelling.Decimal)

                for n in smallerNumber n do
                    Text.Spelled(n, spelling)
            ]
        | Text.Raw raw -> List.init raw.Length (fun i -> Text.Raw(raw.Remove(i, 1)))

    let private smallerFlag flag = if flag then [] else [ true ]

    let private smallerNesting nesting =
        match nesting with
        | Nesting.Same -> []
        | Nesting.NewPid -> [ Nesting.Same ]
        | Nesting.NewUserAndPid -> [ Nesting.Same; Nesting.NewPid ]

    let private smallerBond bond =
        if bond = Bond.Group then [] else [ Bond.Group ]

    let private smallerOffset offset = if offset > 0 then [ 0 ] else []

    /// Simpler operations of the same kind.
    let one (operation: Operation) : Operation list =
        match operation with
        | Operation.Clone(from, nesting, setTid, capable, ending) ->
            List.map (fun e -> Operation.Clone(from, nesting, setTid, capable, e)) (smallerEnding ending)
            @ List.map (fun n -> Operation.Clone(from, n, setTid, capable, ending)) (smallerNesting nesting)
            @ List.map (fun s -> Operation.Clone(from, nesting, s, capable, ending)) (smallerList smallerNumber setTid)
            @ List.map (fun c -> Operation.Clone(from, nesting, setTid, c, ending)) (smallerFlag capable)
            @ List.map (fun i -> Operation.Clone(i, nesting, setTid, capable, ending)) (smallerIndex from)
        | Operation.End child -> List.map Operation.End (smallerIndex child)
        | Operation.EndInit index -> List.map Operation.EndInit (smallerIndex index)
        | Operation.Forsake(from, bond) ->
            [ Operation.Clone(from, Nesting.Same, [], true, Ending.Exits) ]
            @ List.map (fun b -> Operation.Forsake(from, b)) (smallerBond bond)
            @ List.map (fun i -> Operation.Forsake(i, bond)) (smallerIndex from)
        | Operation.Thread(from, setTid, fate) ->
            [ Operation.Clone(from, Nesting.Same, [], true, Ending.Lives) ]
            @ (if fate = Fate.Execs then
                   [ Operation.Thread(from, setTid, Fate.Stays) ]
               else
                   [])
            @ List.map (fun s -> Operation.Thread(from, s, fate)) (smallerList smallerNumber setTid)
            @ List.map (fun i -> Operation.Thread(i, setTid, fate)) (smallerIndex from)
        | Operation.Race from ->
            [ Operation.Clone(from, Nesting.Same, [], true, Ending.Lives) ]
            @ List.map Operation.Race (smallerIndex from)
        | Operation.Unshare(from, capable) ->
            List.map (fun i -> Operation.Unshare(i, capable)) (smallerIndex from)
            @ List.map (fun c -> Operation.Unshare(from, c)) (smallerFlag capable)
        | Operation.Enter(from, into, capable) ->
            List.map (fun i -> Operation.Enter(i, into, capable)) (smallerIndex from)
            @ List.map (fun i -> Operation.Enter(from, i, capable)) (smallerIndex into)
            @ List.map (fun c -> Operation.Enter(from, into, c)) (smallerFlag capable)
        | Operation.Leave from -> List.map Operation.Leave (smallerIndex from)
        | Operation.WriteLastPid(index, text, offset, capable) ->
            List.map (fun t -> Operation.WriteLastPid(index, t, offset, capable)) (smallerText text)
            @ List.map (fun o -> Operation.WriteLastPid(index, text, o, capable)) (smallerOffset offset)
            @ List.map (fun c -> Operation.WriteLastPid(index, text, offset, c)) (smallerFlag capable)
            @ List.map (fun i -> Operation.WriteLastPid(i, text, offset, capable)) (smallerIndex index)
        | Operation.Pass(index, route, text, offset, capable) ->
            [ Operation.WriteLastPid(index, text, offset, capable) ]
            @ List.map (fun t -> Operation.Pass(index, route, t, offset, capable)) (smallerText text)
            @ List.map (fun o -> Operation.Pass(index, route, text, o, capable)) (smallerOffset offset)
            @ List.map (fun c -> Operation.Pass(index, route, text, offset, c)) (smallerFlag capable)
            @ List.map (fun i -> Operation.Pass(i, route, text, offset, capable)) (smallerIndex index)
            @ (match route with
               | Route.OpenedBy by ->
                   List.map (fun i -> Operation.Pass(index, Route.OpenedBy i, text, offset, capable)) (smallerIndex by)
               | Route.SendFile -> [ Operation.Pass(index, Route.Splice, text, offset, capable) ]
               | Route.Splice -> [])
        | Operation.WritePidMax(index, n) ->
            List.map (fun n -> Operation.WritePidMax(index, n)) (smallerNumber n)
            @ List.map (fun i -> Operation.WritePidMax(i, n)) (smallerIndex index)
        | Operation.Malformed(from, flaw) -> List.map (fun i -> Operation.Malformed(i, flaw)) (smallerIndex from)

    /// Shorter sequences, then sequences with one simpler operation, the boldest first.
    let sequence (operations: Operation list) : Operation list seq =
        let count = operations.Length

        seq {
            let mutable size = count

            while size >= 1 do
                // From the end: what comes last leans on what came before.
                for start in count - size .. -size .. 0 do
                    yield List.removeManyAt start size operations

                size <- size / 2

            yield! oneSmaller one operations
        }
