namespace SetNsLastPid.Verification

open System
open SetNsLastPid

/// What operations mean in a world.
[<RequireQualifiedAccess>]
module Resolve =
    // Round and round through what exists.
    let private pick index items =
        match items with
        | [] -> ValueNone
        | items ->
            let count = List.length items
            ValueSome items[((index % count) + count) % count]

    let private numberIn (ns: PidNamespace) number =
        // Sums wrap round rather than fail: what comes out is only a number to try.
        match number with
        | Number.Exactly n -> n
        | Number.FromCursor distance -> ns.Cursor + distance
        | Number.FromPidMax distance -> ns.PidMax + distance
        | Number.InUse index ->
            match pick index (List.ofSeq (PidSet.toSeq ns.InUse)) with
            | ValueSome n -> n
            | ValueNone -> 1

    // What is asked of a level around the sandbox, where others come and go: numbers whose fate is known.
    let private outside number =
        match number with
        | Number.Exactly(0 | -1 | Int32.MinValue | Int32.MaxValue as n) -> n
        | _ -> 1

    let private numbersFor (stack: PidNamespace list) setTid =
        setTid
        |> List.mapi (fun i number ->
            match List.tryItem i stack with
            | Some ns -> numberIn ns number
            | None -> outside number)

    let private spelled (kernel: KernelRules) n spelling =
        let sign = if n < 0 then "-" else ""
        let size = abs (int64 n)
        let octal = "0" + Convert.ToString(size, 8)

        match spelling with
        | Spelling.Decimal -> string n
        | Spelling.Hexadecimal -> sign + "0x" + Convert.ToString(size, 16)
        | Spelling.Octal -> sign + octal
        | Spelling.Spaced -> $" \t{string n} \n"
        | Spelling.Trailed -> $"{string n} 7\n"
        | Spelling.Cut -> String(' ', kernel.PageSize - 2) + string n
        | Spelling.Filled length -> sign + octal.PadLeft(length - sign.Length, '0')

    let private textFor kernel ns text =
        match text with
        | Text.Raw text -> text
        | Text.Spelled(number, spelling) -> spelled kernel (numberIn ns number) spelling

    /// How many inits a sandbox has at most: the next one exits at once.
    [<Literal>]
    let MostAgents = 48

    /// How many other processes a sandbox has at most, within RLIMIT_NPROC: the next one exits at once.
    [<Literal>]
    let MostChildren = 256

    /// The most levels of a sandbox at which two processes are made at once: each level doubles what can come of it.
    [<Literal>]
    let MostRaced = 4

    /// The most bytes of a text: as many as a pipe holds.
    [<Literal>]
    let MostBytes = 65536

    /// The most entries of set_tid; the kernel takes 32.
    [<Literal>]
    let MostEntries = 64

    let private clampedEnding world nesting into ending =
        let isInit = nesting <> Nesting.Same || World.isUnborn world into

        match ending with
        | Ending.Lives when isInit && (World.agents world).Length >= MostAgents -> Ending.Exits
        | Ending.Lives
        | Ending.Lingers when (World.children world).Length >= MostChildren -> Ending.Exits
        | ending -> ending

    let private clampedUser world from nesting =
        // User namespaces go 32 deep as well; the model leaves that limit out, so nothing comes near it.
        match nesting with
        | Nesting.NewUserAndPid when not (world.Setting.Has Facility.Users) || world.Spaces[from].Owner.Length >= 8 ->
            Nesting.NewPid
        | nesting -> nesting

    /// What an operation is in this world.
    let step (world: World) (operation: Operation) : Step =
        let agent index =
            match pick index (World.agents world) with
            | ValueSome id -> id
            | ValueNone -> 0

        let isPossible =
            Facility.neededBy operation
            |> List.forall (fun facility -> facility = Facility.Users || world.Setting.Has facility)

        match operation with
        | _ when not isPossible || (World.agents world).IsEmpty -> Step.Nothing
        | Operation.Clone(from, nesting, setTid, capable, ending) ->
            let from = agent from
            let nesting = clampedUser world from nesting
            let ending = clampedEnding world nesting world.Spaces[from].ChildrenIn ending
            let stack = World.stackOf world world.Spaces[from].ChildrenIn

            let stack =
                match nesting with
                | Nesting.Same -> stack
                | _ -> PidNamespace.create true Limits.PidMax :: stack

            Step.Clone(from, nesting, numbersFor stack setTid, capable, ending)
        | Operation.End child ->
            match pick child (World.children world) with
            | ValueSome id -> Step.End id
            | ValueNone -> Step.Nothing
        | Operation.EndInit index ->
            match pick index (List.filter (fun id -> id <> 0) (World.agents world)) with
            | ValueNone -> Step.Nothing
            | ValueSome space ->
                let within = World.spacesWithin world space

                let reaped =
                    World.processesIn world within
                    |> List.filter (fun id ->
                        id <> world.Spaces[space].Init
                        && not (List.contains world.Processes[id].Parent within))

                Step.EndInit(space, reaped)
        | Operation.Forsake _ when (World.children world).Length >= MostChildren -> Step.Nothing
        | Operation.Forsake(from, bond) -> Step.Forsake(agent from, bond)
        | Operation.Thread _ when (World.children world).Length >= MostChildren -> Step.Nothing
        | Operation.Thread(from, setTid, fate) ->
            let from = agent from
            let into = world.Spaces[from].ChildrenIn

            if World.isUnborn world into then
                Step.Clone(from, Nesting.Same, [], true, Ending.Exits)
            else
                Step.Thread(from, numbersFor (World.stackOf world into) setTid |> List.truncate MostEntries, fate)
        | Operation.Race _ when (World.children world).Length > MostChildren - 2 -> Step.Nothing
        | Operation.Race from ->
            let from = agent from
            let into = world.Spaces[from].ChildrenIn

            if world.Spaces[into].Ns.Life = Life.Alive && World.depth world into <= MostRaced then
                Step.Race from
            else
                Step.Clone(from, Nesting.Same, [], true, Ending.Exits)
        | Operation.Unshare(from, capable) -> Step.Unshare(agent from, capable)
        | Operation.Enter(from, into, capable) ->
            let known =
                [
                    for KeyValue(id, space) in world.Spaces do
                        if space.Known then
                            id
                ]

            match pick into known with
            | ValueSome into -> Step.Enter(agent from, into, capable)
            | ValueNone -> Step.Nothing
        | Operation.Leave from ->
            let from = agent from
            Step.Enter(from, from, true)
        | Operation.WriteLastPid(index, text, offset, capable) ->
            let space = agent index
            Step.WriteLastPid(space, textFor world.Setting.Kernel world.Spaces[space].Ns text, max 0 offset, capable)
        | Operation.Pass(index, route, text, offset, capable) ->
            let space = agent index

            let route =
                match route with
                | Route.OpenedBy index -> Route.OpenedBy(agent index)
                | route -> route

            Step.Pass(space, route, textFor world.Setting.Kernel world.Spaces[space].Ns text, max 0 offset, capable)
        | Operation.WritePidMax(index, number) ->
            let space = agent index
            Step.WritePidMax(space, numberIn world.Spaces[space].Ns number)
        | Operation.Malformed(from, flaw) -> Step.Malformed(agent from, flaw)
