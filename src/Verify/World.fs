namespace SetNsLastPid.Verification

open System
open SetNsLastPid

/// A PID namespace of a sandbox.
type WorldSpace =
    {
        /// The allocator's part.
        Ns: PidNamespace
        /// The namespace it is nested in, -1 for the outermost.
        Parent: int
        /// The user namespace that owns it, and those around that, innermost first, each by the namespace that was made
        /// with it. Empty for the one outside the sandbox.
        Owner: int list
        /// Its init, -1 before the first and after it has died.
        Init: int
        /// Whether it ever had an init that lived, so that there is a descriptor for it.
        Known: bool
        /// Where the children of its init are made (`pid_for_children`).
        ChildrenIn: int
    }

/// A number that is kept, at every level, as long as a process holds it: as its PID, process group or session.
type WorldNumber =
    {
        Space: int
        /// One a level, innermost first, levels outside the sandbox included.
        Pids: int list
        /// Whether a thread has it, and not a process.
        IsThread: bool
    }

/// A process of a sandbox, alive or a zombie.
type WorldProcess =
    {
        Space: int
        /// The namespace whose init is its parent, -1 for the init of the sandbox.
        Parent: int
        /// Whether it has exited and only waits to be reaped.
        IsZombie: bool
        /// The processes whose numbers it keeps: itself, and the leader of its group or session.
        Holds: int list
    }

/// A sandbox as the model sees it.
type World =
    {
        Setting: Setting
        /// The levels around it, innermost first. Never looked at: others use them too.
        Outer: PidStack
        Spaces: Map<int, WorldSpace>
        Processes: Map<int, WorldProcess>
        /// The numbers kept, by the process or thread that had them as its PID.
        Held: Map<int, WorldNumber>
        /// Those of threads that nobody keeps any more, and that may be in use a moment longer.
        Late: WorldNumber list
        /// What the next namespace is numbered.
        NextSpace: int
        /// What the next process is numbered.
        NextProcess: int
    }

/// What happens to a world.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module World =
    /// A namespace and those around it in the sandbox, innermost first.
    let rec chain (world: World) (space: int) : int list =
        if space < 0 then
            []
        else
            space :: chain world world.Spaces[space].Parent

    // Whether a caller has the capability over what another user namespace owns: in its own one if it is effective; in
    // all below it as the owner of the one that leads there, effective or not (cap_capable, security/commoncap.c).
    let internal mayChoose (caller: int list) capable (owner: int list) =
        let deeper = owner.Length - caller.Length

        if deeper < 0 || List.skip deeper owner <> caller then false
        elif deeper = 0 then capable
        else true

    // The namespaces a child of `caller` in `target` has numbers in, as the caller may use them.
    let internal stackFor world caller capable target : PidStack =
        let user = world.Spaces[caller].Owner

        [
            for id in chain world target do
                let space = world.Spaces[id]

                { space.Ns with
                    MayChoose = mayChoose user capable space.Owner
                }

            for ns in world.Outer do
                { ns with
                    MayChoose = mayChoose user capable []
                }
        ]

    let internal withSpace id change world =
        { world with
            Spaces = Map.change id (Option.map change) world.Spaces
        }

    let internal withStack target (stack: PidStack) world =
        let ids = chain world target

        { List.fold2
              (fun world id ns -> withSpace id (fun s -> { s with Ns = ns }) world)
              world
              ids
              (List.truncate ids.Length stack) with
            Outer = List.skip ids.Length stack
        }

    /// How many levels of the sandbox a namespace is deep, 1 for the outermost.
    let depth (world: World) (space: int) : int = (chain world space).Length

    /// The allocator's part of a namespace and those around it in the sandbox, innermost first.
    let stackOf (world: World) (space: int) : PidNamespace list =
        chain world space |> List.map (fun id -> world.Spaces[id].Ns)

    /// The namespaces that have an init, in order.
    let agents (world: World) : int list =
        [
            for KeyValue(id, space) in world.Spaces do
                if space.Init >= 0 then
                    id
        ]

    /// The processes that are no init, in order.
    let children (world: World) : int list =
        let inits = world.Spaces |> Map.values |> Seq.map _.Init |> Set.ofSeq

        [
            for KeyValue(id, _) in world.Processes do
                if not (inits.Contains id) then
                    id
        ]

    /// Whether a number is a zombie's in a namespace.
    let isZombies (world: World) (space: int) (number: int) : bool =
        world.Processes
        |> Map.exists (fun id p -> p.IsZombie && p.Space = space && world.Held[id].Pids.Head = number)

    let private isOf world space number (held: WorldNumber) =
        List.exists2
            (fun s n -> s = space && n = number)
            (chain world held.Space)
            (List.truncate (depth world held.Space) held.Pids)

    /// Whether a number is kept in a namespace although no process has it as its PID: only a group or session does.
    let isForsaken (world: World) (space: int) (number: int) : bool =
        world.Held
        |> Map.exists (fun id held ->
            not (world.Processes.ContainsKey id)
            && not held.IsThread
            && isOf world space number held)

    /// Whether a number is a thread's in a namespace.
    let isThreads (world: World) (space: int) (number: int) : bool =
        world.Held
        |> Map.exists (fun _ held -> held.IsThread && isOf world space number held)

    /// The same world with a late number in use again or, if not, free again.
    let internal withLate isTaken (late: WorldNumber) world =
        List.fold2
            (fun world id pid ->
                let change = if isTaken then PidSet.add pid else PidSet.remove pid

                withSpace
                    id
                    (fun s ->
                        { s with
                            Ns = { s.Ns with InUse = change s.Ns.InUse }
                        })
                    world)
            world
            (chain world late.Space)
            (List.truncate (depth world late.Space) late.Pids)

    let internal readings world =
        [
            for KeyValue(id, space) in world.Spaces do
                if space.Init >= 0 then
                    {
                        Reading.Space = id
                        LastPid = PidNamespace.lastPid space.Ns
                        PidMax = space.Ns.PidMax
                    }
        ]

    /// What is seen of a world.
    let observe (outcomes: Outcome list) (world: World) : Observation =
        {
            Outcomes = outcomes
            Readings = readings world
        }

    let internal isWithin world outer space = List.contains outer (chain world space)

    let internal spacesWithin (world: World) space =
        world.Spaces |> Map.keys |> Seq.filter (isWithin world space) |> List.ofSeq

    let internal processesIn (world: World) spaces =
        [
            for KeyValue(id, p) in world.Processes do
                if List.contains p.Space spaces then
                    id
        ]

    let internal isUnborn (world: World) space =
        world.Spaces[space].Ns.Life = Life.Unborn

    // The process that these numbers were given to; `leader` is one whose numbers it keeps as well.
    let internal addProcess parent space pids leader (world: World) =
        let id = world.NextProcess

        let held =
            {
                WorldNumber.Space = space
                Pids = pids
                IsThread = false
            }

        id,
        { world with
            Processes =
                Map.add
                    id
                    {
                        WorldProcess.Space = space
                        Parent = parent
                        IsZombie = false
                        Holds = id :: leader
                    }
                    world.Processes
            Held = Map.add id held world.Held
            NextProcess = id + 1
        }

    let internal letGo (allocator: Allocator) id world =
        if Map.exists (fun _ p -> List.contains id p.Holds) world.Processes then
            world
        else
            let held = world.Held[id]
            let stack = (stackOf world held.Space) @ world.Outer

            { withStack held.Space (allocator.Release held.Pids stack) world with
                Held = Map.remove id world.Held
            }

    let internal reap allocator id world =
        let dead = world.Processes[id]

        List.fold
            (fun world id -> letGo allocator id world)
            { world with
                Processes = Map.remove id world.Processes
            }
            dead.Holds

    let internal initDies (allocator: Allocator) space world =
        let stack = stackOf world space @ world.Outer

        withStack space (allocator.InitDies stack) world
        |> withSpace space (fun s -> { s with Init = -1 })

    // The init of a namespace has exited, so all that were in it have, and are reaped.
    let internal collapse allocator space world =
        let within = spacesWithin world space
        let gone = processesIn world within
        let world = List.fold (fun world id -> initDies allocator id world) world within
        List.fold (fun world id -> reap allocator id world) world gone

    let internal addSpace owner parent ns (world: World) =
        let id = world.NextSpace

        id,
        { world with
            Spaces =
                Map.add
                    id
                    {
                        Ns = ns
                        Parent = parent
                        Owner = owner
                        Init = -1
                        Known = false
                        ChildrenIn = id
                    }
                    world.Spaces
            NextSpace = id + 1
        }

    let internal shown (world: World) space pids =
        Outcome.Given(List.truncate (depth world space) pids)

    // A child with these numbers exists in `space`; `isInit` when it is the first one there.
    let internal born allocator caller space isInit pids ending world =
        let id, world = addProcess caller space pids [] world

        match ending with
        | Ending.Lives when isInit ->
            withSpace
                space
                (fun s ->
                    { s with
                        Init = id
                        Known = true
                        ChildrenIn = space
                    })
                world
        | Ending.Lives -> world
        | Ending.Lingers ->
            let zombie =
                { world with
                    Processes = Map.change id (Option.map (fun p -> { p with IsZombie = true })) world.Processes
                }

            if isInit then initDies allocator space zombie else zombie
        | Ending.Exits
        | Ending.Fails _ ->
            let world = if isInit then initDies allocator space world else world
            reap allocator id world
