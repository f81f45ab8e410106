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

/// A number that is kept, at every level, by as many processes as hold it: as their PID, process group or session.
type WorldNumber =
    {
        Space: int
        /// One a level, innermost first, levels outside the sandbox included.
        Pids: int list
        Holders: int
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
        /// The numbers kept, by the process that had them as its PID.
        Held: Map<int, WorldNumber>
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
    let private mayChoose (caller: int list) capable (owner: int list) =
        let deeper = owner.Length - caller.Length

        if deeper < 0 || List.skip deeper owner <> caller then false
        elif deeper = 0 then capable
        else true

    // The namespaces a child of `caller` in `target` has numbers in, as the caller may use them.
    let private stackFor world caller capable target : PidStack =
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

    let private withSpace id change world =
        { world with
            Spaces = Map.change id (Option.map change) world.Spaces
        }

    let private withStack target (stack: PidStack) world =
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

    /// Whether a number is kept in a namespace although no process has it as its PID: only a group or session does.
    let isForsaken (world: World) (space: int) (number: int) : bool =
        world.Held
        |> Map.exists (fun id held ->
            not (world.Processes.ContainsKey id)
            && List.exists2
                (fun s n -> s = space && n = number)
                (chain world held.Space)
                (List.truncate (depth world held.Space) held.Pids))

    let private readings world =
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

    // The process that these numbers were given to; `leader` is one whose numbers it keeps as well.
    let private addProcess parent space pids leader (world: World) =
        let id = world.NextProcess

        let held =
            {
                WorldNumber.Space = space
                Pids = pids
                Holders = 1
            }

        let keepToo held leader =
            Map.change leader (Option.map (fun h -> { h with Holders = h.Holders + 1 })) held

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
            Held = List.fold keepToo (Map.add id held world.Held) leader
            NextProcess = id + 1
        }

    let private letGo (allocator: Allocator) id world =
        let held = world.Held[id]

        if held.Holders > 1 then
            { world with
                Held = Map.add id { held with Holders = held.Holders - 1 } world.Held
            }
        else
            let stack = (stackOf world held.Space) @ world.Outer

            { withStack held.Space (allocator.Release held.Pids stack) world with
                Held = Map.remove id world.Held
            }

    let private reap allocator id world =
        let dead = world.Processes[id]

        List.fold
            (fun world id -> letGo allocator id world)
            { world with
                Processes = Map.remove id world.Processes
            }
            dead.Holds

    let private isWithin world outer space = List.contains outer (chain world space)

    let internal spacesWithin world space =
        world.Spaces |> Map.keys |> Seq.filter (isWithin world space) |> List.ofSeq

    let internal processesIn world spaces =
        [
            for KeyValue(id, p) in world.Processes do
                if List.contains p.Space spaces then
                    id
        ]

    let private initDies (allocator: Allocator) space world =
        let stack = stackOf world space @ world.Outer

        withStack space (allocator.InitDies stack) world
        |> withSpace space (fun s -> { s with Init = -1 })

    // The init of a namespace has exited, so all that were in it have, and are reaped.
    let private collapse allocator space world =
        let within = spacesWithin world space
        let gone = processesIn world within
        let world = List.fold (fun world id -> initDies allocator id world) world within
        List.fold (fun world id -> reap allocator id world) world gone

    let internal isUnborn world space =
        world.Spaces[space].Ns.Life = Life.Unborn

    let private addSpace owner parent ns (world: World) =
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

    let private shown (world: World) space pids =
        Outcome.Given(List.truncate (depth world space) pids)

    // A child with these numbers exists in `space`; `isInit` when it is the first one there.
    let private born allocator caller space isInit pids ending world =
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

    let private errnoOf late =
        match late with
        | Late.Cgroup -> Errno.EBADF
        | Late.DescriptorLimit -> Errno.EMFILE
        | Late.PidfdPointer -> Errno.EFAULT

    let private ask (allocator: Allocator) kernel ending setTid stack =
        match ending with
        | Ending.Fails(late, _) -> allocator.FailLate kernel (errnoOf late) setTid stack
        | _ -> allocator.Allocate kernel setTid stack

    let private levelOf world space =
        world.Setting.OuterLevels - 1 + depth world space

    // Too many entries are seen first of all (copy_clone_args_from_user, kernel/fork.c).
    let private tooMany (setTid: int list) errno =
        if setTid.Length > Limits.Levels then
            Errno.EINVAL
        else
            errno

    // What clone3 refuses before it asks for numbers (copy_process, kernel/fork.c; copy_namespaces, kernel/nsproxy.c).
    let private refusal world from nesting capable ending =
        let elsewhere = world.Spaces[from].ChildrenIn <> from
        let isNested = nesting <> Nesting.Same

        match ending with
        | Ending.Fails(_, true) when isNested || elsewhere -> Some Errno.EINVAL
        | Ending.Fails((Late.DescriptorLimit | Late.PidfdPointer), true) when not world.Setting.Kernel.PidfdOfThread ->
            Some Errno.EINVAL
        | _ when nesting = Nesting.NewPid && not capable -> Some Errno.EPERM
        | _ when isNested && elsewhere -> Some Errno.EINVAL
        | _ -> None

    let private cloneInto allocator world from nesting setTid capable ending =
        let kernel = world.Setting.Kernel
        let into = world.Spaces[from].ChildrenIn
        let stack = stackFor world from capable into

        match nesting with
        | Nesting.Same ->
            let struct (result, moved) = ask allocator kernel ending setTid stack
            let isInit = isUnborn world into
            let world = withStack into moved world

            match result with
            | Allocation.Refused errno -> [ Outcome.Refused errno ], world
            | Allocation.Given pids -> [ shown world into pids ], born allocator from into isInit pids ending world
        | Nesting.NewPid
        | Nesting.NewUserAndPid ->
            let owner = world.Spaces[from].Owner
            let isUser = nesting = Nesting.NewUserAndPid

            match allocator.Nest kernel (levelOf world into) (isUser || capable) stack with
            | Error errno -> [ Outcome.Refused(tooMany setTid errno) ], world
            | Ok nested ->
                match ask allocator kernel ending setTid nested with
                | struct (Allocation.Refused errno, moved) -> [ Outcome.Refused errno ], withStack into moved.Tail world
                | struct (Allocation.Given pids, moved) ->
                    let world = withStack into moved.Tail world
                    let owner = if isUser then world.NextSpace :: owner else owner
                    let space, world = addSpace owner into moved.Head world
                    [ shown world space pids ], born allocator from space true pids ending world

    let private clone allocator world from nesting setTid capable ending =
        match refusal world from nesting capable ending with
        | Some errno -> [ Outcome.Refused(tooMany setTid errno) ], world
        | None -> cloneInto allocator world from nesting setTid capable ending

    let private forsake (allocator: Allocator) world from =
        let kernel = world.Setting.Kernel
        let space = world.Spaces[from].ChildrenIn
        let isInit = isUnborn world space

        let struct (first, moved) =
            allocator.Allocate kernel [] (stackFor world from true space)

        let world = withStack space moved world

        match first with
        | Allocation.Refused errno -> [ Outcome.Refused errno ], world
        | Allocation.Given leader ->
            let id, world = addProcess from space leader [] world

            let struct (second, moved) =
                allocator.Allocate kernel [] (stackOf world space @ world.Outer)

            let world = withStack space moved world

            let outcome, world =
                match second with
                | Allocation.Refused errno -> Outcome.Refused errno, world
                | Allocation.Given pids -> shown world space pids, snd (addProcess space space pids [ id ] world)

            let world =
                if isInit then
                    collapse allocator space world
                else
                    reap allocator id world

            [ shown world space leader; outcome ], world

    let private unshare (allocator: Allocator) world from capable =
        let space = world.Spaces[from]

        if not capable then
            Outcome.Refused Errno.EPERM, world
        elif space.ChildrenIn <> from then
            Outcome.Refused Errno.EINVAL, world
        else
            match allocator.Nest world.Setting.Kernel (levelOf world from) true (stackFor world from true from) with
            | Error errno -> Outcome.Refused errno, world
            | Ok nested ->
                let id, world = addSpace space.Owner from nested.Head world
                Outcome.Done, withSpace from (fun s -> { s with ChildrenIn = id }) world

    let private enter world from into capable =
        // pidns_install, kernel/pid_namespace.c
        if
            not capable
            || not (mayChoose world.Spaces[from].Owner capable world.Spaces[into].Owner)
        then
            Outcome.Refused Errno.EPERM, world
        elif not (isWithin world from into) then
            Outcome.Refused Errno.EINVAL, world
        else
            Outcome.Done, withSpace from (fun s -> { s with ChildrenIn = into }) world

    let private writeLastPid (allocator: Allocator) world id (text: string) offset capable =
        let bytes = Text.Encoding.Latin1.GetBytes text

        let struct (write, ns) =
            allocator.WriteLastPid
                (int64 offset)
                bytes
                { world.Spaces[id].Ns with
                    MayChoose = capable
                }

        let outcome =
            match write with
            | LastPidWrite.Stored(_, n)
            | LastPidWrite.Ignored n -> Outcome.Wrote n
            | LastPidWrite.Refused errno -> Outcome.Refused errno

        outcome, withSpace id (fun s -> { s with Ns = ns }) world

    let private writePidMax (allocator: Allocator) world id value =
        match allocator.WritePidMax world.Setting.Kernel value (stackFor world id true id) with
        | Error errno -> Outcome.Refused errno, world
        | Ok stack ->
            let world = withStack id stack world

            if world.Setting.Kernel.PidMaxPerNamespace then
                Outcome.Done, world
            else
                // One for the whole system: what holds outside holds everywhere.
                let everywhere = (List.last stack).PidMax
                let chain = chain world id

                Outcome.Done,
                { world with
                    Spaces =
                        world.Spaces
                        |> Map.map (fun other space ->
                            if List.contains other chain then
                                space
                            else
                                { space with
                                    Ns = { space.Ns with PidMax = everywhere }
                                })
                }

    /// What an action does to a world by this allocator, and what is seen of it.
    let perform (allocator: Allocator) (world: World) (step: Step) : struct (Observation * World) =
        let one (outcome, world) = [ outcome ], world

        let outcomes, world =
            match step with
            | Step.Clone(from, nesting, setTid, capable, ending) ->
                clone allocator world from nesting setTid capable ending
            | Step.End id -> [ Outcome.Done ], reap allocator id world
            | Step.EndInit(space, _) -> [ Outcome.Done ], collapse allocator space world
            | Step.Forsake(from, _) -> forsake allocator world from
            | Step.Unshare(from, capable) -> one (unshare allocator world from capable)
            | Step.Enter(from, into, capable) -> one (enter world from into capable)
            | Step.WriteLastPid(space, text, offset, capable) ->
                one (writeLastPid allocator world space text offset capable)
            | Step.WritePidMax(space, value) -> one (writePidMax allocator world space value)
            | Step.Nothing -> [], world

        struct (observe outcomes world, world)

    /// A sandbox whose outermost namespace is this one: what is seen of it before its first process is made.
    let startIn (ns: PidNamespace) (allocator: Allocator) (setting: Setting) : World =
        let pidMax =
            if setting.Kernel.PidMaxPerNamespace then
                Limits.PidMax
            else
                setting.PidMax

        let outer =
            List.replicate
                setting.OuterLevels
                { PidNamespace.create true pidMax with
                    Cursor = 2
                    InUse = PidSet.ofSeq [ 1 ]
                    Life = Life.Alive
                }

        let owner = if setting.OwnUser then [ 0 ] else []

        let _, world =
            addSpace
                owner
                -1
                ns
                {
                    Setting = setting
                    Outer = outer
                    Spaces = Map.empty
                    Processes = Map.empty
                    Held = Map.empty
                    NextSpace = 0
                    NextProcess = 0
                }

        match allocator.Allocate setting.Kernel [] (stackOf world 0 @ outer) with
        | struct (Allocation.Refused _, _) -> world
        | struct (Allocation.Given pids, moved) -> withStack 0 moved world |> born allocator -1 0 true pids Ending.Lives

    /// A fresh sandbox: one namespace with its init.
    let start (allocator: Allocator) (setting: Setting) : World =
        startIn (PidNamespace.create true setting.PidMax) allocator setting
