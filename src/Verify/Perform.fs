namespace SetNsLastPid.Verification

open System
open SetNsLastPid

/// What the operations of verify make of a world, by the model.
[<RequireQualifiedAccess>]
module Perform =
    let internal errnoOf (late: Late) : Errno =
        match late with
        | Late.Cgroup -> Errno.EBADF
        | Late.DescriptorLimit -> Errno.EMFILE
        | Late.PidfdPointer -> Errno.EFAULT
        | Late.PidsCgroup -> Errno.EAGAIN

    let private ask (allocator: Allocator) kernel ending setTid stack =
        match ending with
        | Ending.Fails(late, _) -> allocator.FailLate kernel (errnoOf late) setTid stack
        | _ -> allocator.Allocate kernel setTid stack

    let private levelOf world space =
        world.Setting.OuterLevels - 1 + World.depth world space

    // Too many entries are seen first of all but a structure that is too long (copy_clone_args_from_user, kernel/fork.c).
    let private tooMany (setTid: int list) errno =
        if errno <> Errno.E2BIG && setTid.Length > Limits.Levels then
            Errno.EINVAL
        else
            errno

    // What clone3 refuses before it asks for numbers (copy_process, kernel/fork.c; copy_namespaces, kernel/nsproxy.c).
    let private refusal world from nesting capable ending =
        let elsewhere = world.Spaces[from].ChildrenIn <> from
        let isNested = nesting <> Nesting.Same

        match ending with
        | Ending.Fails(Late.Cgroup, _) when not world.Setting.Kernel.ClonesIntoCgroup -> Some Errno.E2BIG
        | Ending.Fails(_, true) when isNested || elsewhere -> Some Errno.EINVAL
        | Ending.Fails((Late.DescriptorLimit | Late.PidfdPointer), true) when not world.Setting.Kernel.PidfdOfThread ->
            Some Errno.EINVAL
        | _ when nesting = Nesting.NewPid && not capable -> Some Errno.EPERM
        | _ when isNested && elsewhere -> Some Errno.EINVAL
        | _ -> None

    let private cloneInto allocator world from nesting setTid capable ending =
        let kernel = world.Setting.Kernel
        let into = world.Spaces[from].ChildrenIn
        let stack = World.stackFor world from capable into

        match nesting with
        | Nesting.Same ->
            let struct (result, moved) = ask allocator kernel ending setTid stack
            let isInit = World.isUnborn world into
            let world = World.withStack into moved world

            match result with
            | Allocation.Refused errno -> [ Outcome.Refused errno ], world
            | Allocation.Given pids ->
                [ World.shown world into pids ], World.born allocator from into isInit pids ending world
        | Nesting.NewPid
        | Nesting.NewUserAndPid ->
            let owner = world.Spaces[from].Owner
            let isUser = nesting = Nesting.NewUserAndPid

            match allocator.Nest kernel (levelOf world into) (isUser || capable) stack with
            | Error errno -> [ Outcome.Refused(tooMany setTid errno) ], world
            | Ok nested ->
                match ask allocator kernel ending setTid nested with
                | struct (Allocation.Refused errno, moved) ->
                    [ Outcome.Refused errno ], World.withStack into moved.Tail world
                | struct (Allocation.Given pids, moved) ->
                    let world = World.withStack into moved.Tail world
                    let owner = if isUser then world.NextSpace :: owner else owner
                    let space, world = World.addSpace owner into moved.Head world
                    [ World.shown world space pids ], World.born allocator from space true pids ending world

    let private clone allocator world from nesting setTid capable ending =
        match refusal world from nesting capable ending with
        | Some errno -> [ Outcome.Refused(tooMany setTid errno) ], world
        | None -> cloneInto allocator world from nesting setTid capable ending

    // A child that goes on to `make` something itself: all that can come of it.
    let private withLeader (allocator: Allocator) world from make =
        let space = world.Spaces[from].ChildrenIn

        let struct (first, moved) =
            allocator.Allocate world.Setting.Kernel [] (World.stackFor world from true space)

        let world = World.withStack space moved world

        match first with
        | Allocation.Refused errno -> [ [ Outcome.Refused errno ], world ]
        | Allocation.Given leader ->
            let id, moved = World.addProcess from space leader [] world

            [
                for outcomes, world in make space id moved do
                    World.shown world space leader :: outcomes, world
            ]

    let private forsake (allocator: Allocator) world from bond =
        let kernel = world.Setting.Kernel
        let isInit = World.isUnborn world world.Spaces[from].ChildrenIn

        withLeader allocator world from (fun space id world ->
            let struct (second, moved) =
                let stack = World.stackOf world space @ world.Outer

                // An init has no siblings (copy_process, kernel/fork.c).
                if isInit && bond = Bond.Sibling then
                    struct (Allocation.Refused Errno.EINVAL, stack)
                else
                    allocator.Allocate kernel [] stack

            let world = World.withStack space moved world

            let parent, kept = if bond = Bond.Sibling then from, [] else space, [ id ]

            let outcome, world =
                match second with
                | Allocation.Refused errno -> Outcome.Refused errno, world
                | Allocation.Given pids ->
                    World.shown world space pids, snd (World.addProcess parent space pids kept world)

            [
                [ outcome ],
                (if isInit then
                     World.collapse allocator space world
                 else
                     World.reap allocator id world)
            ])

    let private thread (allocator: Allocator) world from setTid fate =
        withLeader allocator world from (fun space id world ->
            let stack = World.stackFor world from true space
            let struct (second, moved) = allocator.Allocate world.Setting.Kernel setTid stack
            let world = World.withStack space moved world

            match second with
            | Allocation.Refused errno -> [ [ Outcome.Refused(tooMany setTid errno) ], world ]
            | Allocation.Given pids ->
                let held =
                    {
                        WorldNumber.Space = space
                        Pids = pids
                        IsThread = true
                    }

                let change p =
                    match fate with
                    | Fate.Stays -> { p with Holds = id + 1 :: p.Holds }
                    | Fate.Execs -> { p with IsZombie = true }

                let world =
                    { world with
                        Held = Map.add (id + 1) held world.Held
                        Processes = Map.change id (Option.map change) world.Processes
                        NextProcess = id + 2
                    }

                // de_thread, fs/exec.c: it is free before the program runs.
                [
                    [ World.shown world space pids ],
                    (if fate = Fate.Execs then
                         World.letGo allocator (id + 1) world
                     else
                         world)
                ])

    // Two children at once, one of the agent and one of a child of its, which is gone afterwards.
    let private race (allocator: Allocator) world from =
        withLeader allocator world from (fun space id world ->
            let born parent allocation (outcomes, world) =
                match allocation with
                | Allocation.Refused errno -> outcomes @ [ Outcome.Refused errno ], world
                | Allocation.Given pids ->
                    // Nobody looks at the levels around the sandbox, where there are always numbers left.
                    match allocator.Allocate world.Setting.Kernel [] world.Outer with
                    | struct (Allocation.Refused errno, _) -> outcomes @ [ Outcome.Refused errno ], world
                    | struct (Allocation.Given outside, outer) ->
                        let _, world =
                            World.addProcess parent space (pids @ outside) [] { world with Outer = outer }

                        outcomes @ [ World.shown world space pids ], world

            [
                for struct (ours, theirs, moved) in allocator.Race(World.stackOf world space) do
                    let outcomes, world =
                        ([], World.withStack space (moved @ world.Outer) world)
                        |> born from ours
                        |> born space theirs

                    outcomes, World.reap allocator id world
            ])

    // A process is killed and reaped; its threads go by themselves.
    let private kill allocator id world =
        let threads =
            world.Processes[id].Holds
            |> List.map (fun id -> world.Held[id])
            |> List.filter _.IsThread

        let world = World.reap allocator id world

        if world.Setting.Kernel.FreesThreadsLate then
            { world with
                Late = threads @ world.Late
            }
        else
            world

    let private unshare (allocator: Allocator) world from capable =
        let space = world.Spaces[from]

        if not capable then
            Outcome.Refused Errno.EPERM, world
        elif space.ChildrenIn <> from then
            Outcome.Refused Errno.EINVAL, world
        else
            match
                allocator.Nest world.Setting.Kernel (levelOf world from) true (World.stackFor world from true from)
            with
            | Error errno -> Outcome.Refused errno, world
            | Ok nested ->
                let id, world = World.addSpace space.Owner from nested.Head world
                Outcome.Done, World.withSpace from (fun s -> { s with ChildrenIn = id }) world

    let private enter world from into capable =
        // pidns_install, kernel/pid_namespace.c
        if
            not capable
            || not (World.mayChoose world.Spaces[from].Owner capable world.Spaces[into].Owner)
        then
            Outcome.Refused Errno.EPERM, world
        elif not (World.isWithin world from into) then
            Outcome.Refused Errno.EINVAL, world
        else
            Outcome.Done, World.withSpace from (fun s -> { s with ChildrenIn = into }) world

    let private writeLastPid (allocator: Allocator) world id (text: string) offset capable route =
        let bytes = Text.Encoding.Latin1.GetBytes text

        let isSpliced =
            match route with
            | ValueSome(Route.Splice | Route.SendFile) -> true
            | _ -> false

        // What is left over of what is spliced is written behind it (iter_file_splice_write, fs/splice.c).
        let rec write at (ns: PidNamespace) =
            match allocator.WriteLastPid world.Setting.Kernel (int64 (offset + at)) bytes[at..] ns with
            | struct (LastPidWrite.Refused errno, _) when at = 0 -> Outcome.Refused errno, ns
            | struct (LastPidWrite.Refused _, _) -> Outcome.Wrote at, ns
            | struct (LastPidWrite.Ignored n, _) -> Outcome.Wrote(at + n), ns
            | struct (LastPidWrite.Stored(_, n), ns) when isSpliced && at + n < bytes.Length -> write (at + n) ns
            | struct (LastPidWrite.Stored(_, n), ns) -> Outcome.Wrote(at + n), ns

        // Nothing that is spliced asks for nothing, and so nobody asks who it is (do_splice).
        if isSpliced && text = "" then
            Outcome.Wrote 0, world
        else
            let outcome, ns =
                write
                    0
                    { world.Spaces[id].Ns with
                        MayChoose = capable
                    }

            outcome, World.withSpace id (fun s -> { s with Ns = ns }) world

    let private writePidMax (allocator: Allocator) world id value =
        match allocator.WritePidMax world.Setting.Kernel value (World.stackFor world id true id) with
        | Error errno -> Outcome.Refused errno, world
        | Ok stack ->
            let world = World.withStack id stack world

            if world.Setting.Kernel.PidMaxPerNamespace then
                Outcome.Done, world
            else
                // One for the whole system: what holds outside holds everywhere.
                let everywhere = (List.last stack).PidMax
                let chain = World.chain world id

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

    /// All that an action can do to a world by this allocator, and what is seen of it: one thing, but for a race.
    let all (allocator: Allocator) (world: World) (step: Step) : struct (Observation * World) list =
        let one (outcome, world) = [ [ outcome ], world ]

        match step with
        | Step.Clone(from, nesting, setTid, capable, ending) ->
            [ clone allocator world from nesting setTid capable ending ]
        | Step.End id -> one (Outcome.Done, kill allocator id world)
        | Step.EndInit(space, _) -> one (Outcome.Done, World.collapse allocator space world)
        | Step.Forsake(from, bond) -> forsake allocator world from bond
        | Step.Thread(from, setTid, fate) -> thread allocator world from setTid fate
        | Step.Race from -> race allocator world from
        | Step.Unshare(from, capable) -> one (unshare allocator world from capable)
        | Step.Enter(from, into, capable) -> one (enter world from into capable)
        | Step.WriteLastPid(space, text, offset, capable) ->
            one (writeLastPid allocator world space text offset capable ValueNone)
        | Step.Pass(space, route, text, offset, capable) ->
            one (writeLastPid allocator world space text offset capable (ValueSome route))
        | Step.WritePidMax(space, value) -> one (writePidMax allocator world space value)
        | Step.Malformed(_, Flaw.UnreadableArray) -> one (Outcome.Refused Errno.EFAULT, world)
        | Step.Malformed _ -> one (Outcome.Refused Errno.EINVAL, world)
        | Step.Nothing -> [ [], world ]
        |> List.map (fun (outcomes, world) -> struct (World.observe outcomes world, world))

    /// The first thing that an action can do to a world by this allocator.
    let step (allocator: Allocator) (world: World) (step: Step) : struct (Observation * World) =
        List.head (all allocator world step)

    // Late numbers that are still in use at a step, the fewest first.
    let private lateSets late =
        let pairs =
            [
                for i, a in List.indexed late do
                    for b in List.skip (i + 1) late do
                        [ a; b ]
            ]

        List.map List.singleton late @ pairs

    /// What an action does to a world by the model if `seen` is what was seen of it. Late numbers may be in use still, and how
    /// many were is told; all are free after such a step, and each is as soon as it is seen to be. None if nothing that is
    /// possible looks so.
    let follow (world: World) (action: Step) (seen: Observation) : struct (World * int) voption =
        let seenIn world =
            all Allocator.model world action
            |> List.tryPick (fun (struct (possible, next)) -> if possible = seen then Some next else None)

        let taken late =
            List.fold (fun world number -> World.withLate true number world) world late
            |> seenIn

        match seenIn world with
        | Some next ->
            let isOpen number = (taken [ number ]).IsSome

            let isNew number = not (List.contains number world.Late)

            ValueSome(
                { next with
                    Late = next.Late |> List.filter (fun number -> isNew number || isOpen number)
                },
                0
            )
        | None ->
            lateSets world.Late
            |> List.tryPick (fun late ->
                match taken late with
                | Some next ->
                    let world =
                        List.fold (fun world number -> World.withLate false number world) next late

                    Some(struct ({ world with Late = [] }, late.Length))
                | None -> None)
            |> ValueOption.ofOption

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
            World.addSpace
                owner
                -1
                ns
                {
                    Setting = setting
                    Outer = outer
                    Spaces = Map.empty
                    Processes = Map.empty
                    Held = Map.empty
                    Late = []
                    NextSpace = 0
                    NextProcess = 0
                }

        match allocator.Allocate setting.Kernel [] (World.stackOf world 0 @ outer) with
        | struct (Allocation.Refused _, _) -> world
        | struct (Allocation.Given pids, moved) ->
            World.withStack 0 moved world
            |> World.born allocator -1 0 true pids Ending.Lives

    /// A fresh sandbox: one namespace with its init.
    let start (allocator: Allocator) (setting: Setting) : World =
        startIn (PidNamespace.create true setting.PidMax) allocator setting
