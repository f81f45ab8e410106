/// Whether a restore gets its numbers.
module SetNsLastPid.Tests.Properties.PreflightProperties

open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Tests.Properties.ImageProperties

/// A checkpoint, and the namespace that it is to be restored in.
type Scene =
    {
        Tree: Written list
        Namespace: ImageNamespace
        Held: int list
        PidMax: int
        MayWritePidMax: bool
        SharesPidMax: bool
        LastPid: int
        Session: int
        Group: int
    }

/// What is decided, as a value, so that tests can put a wrong decision in its place.
type Decision = PreflightSeen -> Checkpoint -> PreflightReport

let private decide: Decision =
    fun seen checkpoint -> Preflight.examine seen checkpoint (Preflight.needs checkpoint)

let private scenes =
    gen {
        let! tree = trees

        let numbers =
            [
                for task in tree do
                    yield! [ task.Pid; task.Group; task.Session ] @ task.Threads
            ]

        let highest = List.max numbers

        let near =
            Gen.elements (numbers @ List.map ((+) 1) numbers @ List.map (fun n -> max 0 (n - 1)) numbers)

        let! pidMax =
            Gen.frequency
                [
                    5, Gen.constant (min Limits.PidMax (highest + 5000))
                    2, Gen.map (max 301) near
                    1, Gen.constant 301
                ]

        let! held =
            Gen.frequency
                [
                    2, Gen.constant []
                    1, Gen.listOf (Gen.choose (1, highest + 40))
                    1, Gen.listOf near
                ]

        let! isOwn = Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ]
        let! session = if isOwn then near else Gen.elements [ 0; highest + 700 ]

        let! group =
            if isOwn then
                Gen.oneof [ near; Gen.constant session ]
            else
                Gen.elements [ 0; session ]

        let! lastPid =
            Gen.oneof
                [
                    near
                    Gen.choose (0, pidMax)
                    Gen.map (fun n -> max 0 (n - Preflight.Forks)) near
                ]

        let! ns =
            Gen.frequency
                [
                    6, Gen.constant ImageNamespace.Caller
                    1, Gen.constant ImageNamespace.New
                    1, Gen.constant (ImageNamespace.Given "key")
                ]

        let! mayWrite = Gen.elements [ false; true ]
        let! shares = Gen.elements [ false; true ]

        return
            {
                Tree = tree
                Namespace = ns
                Held = List.filter (fun pid -> pid > 0) held |> List.distinct
                PidMax = pidMax
                MayWritePidMax = mayWrite
                SharesPidMax = shares
                LastPid = min lastPid (pidMax - 1)
                Session = session
                Group = group
            }
    }

let private shrink (scene: Scene) =
    seq {
        for i in 0 .. scene.Held.Length - 1 do
            { scene with
                Held = List.removeAt i scene.Held
            }

        for n in 1 .. scene.Tree.Length - 1 do
            { scene with
                Tree = List.truncate n scene.Tree
            }

        { scene with Session = 0; Group = 0 }
    }
    |> Seq.filter (fun other -> other <> scene)

let private inputs = Arb.fromGenShrink (scenes, shrink)

let private checkpoint (scene: Scene) =
    let spelling =
        {
            Packed = false
            Old = false
            Unknown = false
        }

    match
        Images.readTree (
            encode
                {
                    Tree = scene.Tree
                    Spelling = spelling
                }
        )
    with
    | Ok tree ->
        {
            Checkpoint.Tree = tree
            Namespace = scene.Namespace
        }
    | Error flaw -> failwith flaw.Text

// criu's own session and group are held, by criu.
let private inUse (scene: Scene) =
    PidSet.ofSeq (List.filter (fun pid -> pid > 0) (scene.Session :: scene.Group :: scene.Held))

let private seen (scene: Scene) : PreflightSeen =
    {
        Held = [| for pid in PidSet.toSeq (inUse scene) -> struct (pid, HolderKind.Process) |]
        InUse = inUse scene
        PidMax = scene.PidMax
        MayWritePidMax = scene.MayWritePidMax
        SharesPidMax = scene.SharesPidMax
        LastPid = scene.LastPid
        Session = scene.Session
        Group = scene.Group
    }

// --- a restore as criu makes it: step by step, by its own sources, on a namespace of the model ---------------------------

/// A task of criu's tree. Those in it are TASK_ALIVE, helpers TASK_HELPER.
type private Item =
    {
        Virt: int
        mutable Sid: int
        mutable Pgid: int
        mutable Up: Item option
        IsHelper: bool
    }

/// The numbers that it makes tasks with, in some order; or the number that it stops at.
let private restore (scene: Scene) : Result<int list, int> =
    let items = List<Item>()

    for task in scene.Tree do
        items.Add
            {
                Virt = task.Pid
                Sid = task.Session
                Pgid = task.Group
                Up = items |> Seq.tryFind (fun item -> item.Virt = task.Parent)
                IsHelper = false
            }

    // pid_root_rb.
    let nodes = SortedSet<int>()

    for task in scene.Tree do
        for n in [ task.Pid; task.Group; task.Session ] @ task.Threads do
            nodes.Add n |> ignore

    let root = items[0]
    let mutable stop = 0

    let stopAt pid =
        if stop = 0 then
            stop <- pid

    // prepare_pstree_for_shell_job
    if root.Sid <> root.Virt then
        let oldSid, oldPgid = root.Sid, root.Pgid

        if oldSid <> scene.Session then
            if scene.Session > 0 && nodes.Contains scene.Session then
                stopAt scene.Session

            for item in items do
                if item.Sid = oldSid then
                    item.Sid <- scene.Session

                if item.Pgid = oldSid then
                    item.Pgid <- scene.Session

        if oldPgid <> root.Virt && oldPgid <> scene.Group then
            if scene.Group > 0 && nodes.Contains scene.Group then
                stopAt scene.Group

            for item in items do
                if item.Pgid = oldPgid then
                    item.Pgid <- scene.Group

    // prepare_pstree_ids; get_free_pid looks at the nodes from the first one on, each time.
    let isAlive pid =
        items.Exists(fun item -> item.Virt = pid)

    let freePid () =
        nodes
        |> Seq.pick (fun node ->
            let free = if node + 1 < 300 then 301 else node + 1
            let follows = nodes |> Seq.tryFind (fun other -> other > node)

            match follows with
            | Some next when next <= free -> None
            | _ -> Some free)

    let helper pid sid pgid =
        nodes.Add pid |> ignore

        let item =
            {
                Virt = pid
                Sid = sid
                Pgid = pgid
                Up = None
                IsHelper = true
            }

        items.Add item
        item

    for item in List<Item>(items) do
        let isChild = item.Up |> Option.exists (fun up -> up.Virt = root.Virt)

        if isChild && item.Sid <> root.Sid && item.Sid <> item.Virt then
            // One that a helper was already made for hangs on that now.
            let made =
                if isAlive item.Sid then
                    helper (freePid ()) item.Sid item.Sid
                else
                    helper item.Sid item.Sid item.Sid

            for other in items do
                if
                    other.Up |> Option.exists (fun up -> up.Virt = root.Virt)
                    && other.Sid = made.Sid
                    && other.Sid <> other.Virt
                then
                    other.Up <- Some made

    for item in List<Item>(items) do
        // A group of outside, and one that is criu's own, is joined; what a group beyond the tree is, nobody is made for.
        let isJoined =
            item.Pgid = 0
            || (root.Sid <> root.Virt && (item.Pgid = scene.Group || item.Pgid = scene.Session))

        if not isJoined && not (isAlive item.Pgid) then
            helper item.Pgid item.Sid item.Pgid |> ignore

    // prepare_pstree
    let highest =
        List.max
            [
                for task in scene.Tree do
                    yield! [ task.Pid; task.Group; task.Session ]
            ]

    let pidMax =
        if scene.MayWritePidMax && highest > scene.PidMax then
            highest + 1
        else
            scene.PidMax

    let threads =
        [
            for task in scene.Tree do
                yield! List.skip 1 task.Threads
        ]

    // A session beyond the tree that no helper is made for cannot be restored, which criu notices here.
    let sessions =
        [
            for item in items do
                if
                    item.Sid > 0
                    && not (isAlive item.Sid)
                    && (root.Sid = root.Virt || item.Sid <> scene.Session)
                then
                    item.Sid
        ]

    let wanted =
        [ for item in items -> item.Virt ] @ threads @ sessions |> List.distinct
    // clone3 with set_tid, one after the other.
    let inUse = inUse scene

    for pid in List.sort wanted do
        if pid > 0 && (pid >= pidMax || PidSet.contains pid inUse) then
            stopAt pid

    if stop = 0 then Ok wanted else Error stop

let private isOf (hindrance: Hindrance) (obstruction: Obstruction) = obstruction.Hindrance = hindrance

let private other (report: PreflightReport) =
    report.InTheWay
    |> Array.filter (fun obstruction -> not (isOf Hindrance.Criu obstruction))

let private succeedsWhereNothingIsInTheWay (decide: Decision) scene =
    let report = decide (seen scene) (checkpoint scene)

    if scene.Namespace = ImageNamespace.Caller then
        match restore scene, (other report).Length with
        | Ok _, 0
        | Error _, _ when (restore scene).IsOk || (other report).Length > 0 -> ()
        | Ok _, _ -> Law.broken (fun () -> $"criu succeeds, but %A{(other report)[0]}")
        | Error pid, _ -> Law.broken (fun () -> $"criu stops at %d{pid}")

let aRestoreSucceedsWhereNothingIsInTheWay: Law<Decision> =
    Law.create inputs succeedsWhereNothingIsInTheWay

let eachNumberInTheWayIsAReason: Law<Decision> =
    Law.create inputs (fun decide scene ->
        let report = decide (seen scene) (checkpoint scene)
        let needs = Preflight.needs (checkpoint scene)
        let root = scene.Tree.Head

        let keeps pid =
            root.Session <> root.Pid
            && (pid = root.Session || (pid = root.Group && root.Group <> root.Pid))

        for obstruction in other report do
            let pid = obstruction.Need.Pid

            match obstruction.Hindrance with
            // criu compares its own session and group with the numbers of the images alone, so a helper meets them as others, and
            // so does a process or thread that has the number of a session or group which the root keeps.
            | Hindrance.Held _ when
                (obstruction.Need.Roles = Role.Helper || keeps pid)
                && (pid = scene.Session || pid = scene.Group)
                ->
                Law.holds "its own" (PidSet.contains pid (inUse scene))
            | Hindrance.Held _ ->
                Law.holds "held and needed" (PidSet.contains pid (inUse scene) && (Preflight.tryFind pid needs).IsSome)
                // Without the holder, it is no more.
                let without =
                    { scene with
                        Held = List.filter ((<>) pid) scene.Held
                    }

                let after = decide (seen without) (checkpoint without)

                let isThere =
                    Array.exists (fun (o: Obstruction) -> o.Need.Pid = pid && o.Hindrance.IsHeld)

                Law.holds "not by criu itself" (pid <> scene.Session && pid <> scene.Group)
                Law.holds "gone with its holder" (not (isThere after.InTheWay))
            | Hindrance.PidMax ->
                Law.holds "not below pid_max" (pid >= scene.PidMax)

                let wide =
                    decide
                        { seen scene with
                            PidMax = Limits.PidMax
                        }
                        (checkpoint scene)

                Law.holds "gone with a larger one" (not (Array.exists (isOf Hindrance.PidMax) wide.InTheWay))
            | Hindrance.OwnSession -> Law.same "my session" scene.Session pid
            | Hindrance.OwnGroup -> Law.same "my group" scene.Group pid
            | _ -> Law.broken (fun () -> $"%A{obstruction}"))

let aNewNamespaceHasAllNumbers: Law<Decision> =
    Law.create inputs (fun decide scene ->
        let scene =
            { scene with
                Namespace = ImageNamespace.New
            }

        let report = decide (seen scene) (checkpoint scene)
        Law.holds "pid_max alone" (Array.forall (isOf Hindrance.PidMax) report.InTheWay)
        Law.holds "and that only if it is shared" (scene.SharesPidMax || report.InTheWay.Length = 0)

        if scene.SharesPidMax then
            let highest =
                List.max
                    [
                        for task in scene.Tree do
                            yield! [ task.Pid; task.Group; task.Session ] @ task.Threads
                    ]

            let pidMax = max scene.PidMax report.RaisesPidMax
            Law.same "what is above it" (highest >= pidMax) (report.InTheWay.Length > 0))

let criuGetsNoneOfTheNumbers: Law<Decision> =
    Law.create inputs (fun decide scene ->
        let report = decide (seen scene) (checkpoint scene)
        let needs = Preflight.needs (checkpoint scene)

        if scene.Namespace = ImageNamespace.Caller then
            let next lastPid =
                PidNamespace.observed lastPid scene.PidMax (inUse scene)
                |> PidNamespace.predict Preflight.Forks
                |> List.ofSeq

            let isNeeded pid = (Preflight.tryFind pid needs).IsSome

            Law.same
                "those that criu would get"
                (List.filter isNeeded (next scene.LastPid) |> List.sort |> List.distinct)
                [
                    for obstruction in report.InTheWay do
                        if isOf Hindrance.Criu obstruction then
                            obstruction.Need.Pid
                ]

            if report.MakeWay >= 0 then
                let after = next report.MakeWay
                Law.same "as many as criu takes" Preflight.Forks after.Length
                Law.holds "none of them is needed" (not (List.exists isNeeded after))
                Law.same "they follow each other" [ report.MakeWay + 1 .. report.MakeWay + Preflight.Forks ] after

                let moved =
                    decide
                        { seen scene with
                            LastPid = report.MakeWay
                        }
                        (checkpoint scene)

                Law.same "nothing left to do" -1 moved.MakeWay
                Law.holds "criu is out of the way" (not (Array.exists (isOf Hindrance.Criu) moved.InTheWay)))

let thereIsAWayWhereThereIsRoom: Law<Decision> =
    Law.create inputs (fun decide scene ->
        let report = decide (seen scene) (checkpoint scene)

        if Array.exists (isOf Hindrance.Criu) report.InTheWay then
            let needs = Preflight.needs (checkpoint scene)

            let taken =
                needs |> Array.fold (fun taken need -> PidSet.add need.Pid taken) (inUse scene)

            let highest = Array.last(needs).Pid

            let isFree first count =
                first + count <= scene.PidMax
                && PidSet.countFree first (first + count) taken = count

            // All numbers that a run may begin with lie behind one that is taken, or at the bottom.
            let starts =
                300
                :: [
                    for pid in PidSet.toSeq taken do
                        if pid >= 300 then
                            pid + 1
                ]

            let longest = starts |> List.exists (fun first -> isFree first Preflight.Run)

            Law.holds
                "any way"
                (report.MakeWay >= 0
                 || not (List.exists (fun first -> isFree first Preflight.Forks) starts))

            Law.holds "a long run where there is one" (not longest || isFree (report.MakeWay + 1) Preflight.Run)

            let beyond =
                starts
                |> List.exists (fun first -> first > highest && isFree first Preflight.Run)

            Law.holds "beyond the images where there is one" (not beyond || report.MakeWay >= highest))

let aNewNamespaceOfOnesOwnIsClearToo: Law<Decision> =
    Law.create inputs (fun decide scene ->
        let report = decide (seen scene) (checkpoint scene)
        let numbers = Preflight.numbers (checkpoint scene).Tree

        if report.Outside > 0 then
            for pid in report.Outside .. report.Outside + Preflight.Forks - 1 do
                Law.holds $"%d{pid} is of the images" (Preflight.tryFind pid numbers).IsNone
                Law.holds $"%d{pid} is a PID" (pid < Limits.PidMax))

[<Fact>]
let ``a restore succeeds where nothing is in the way, and nowhere else`` () =
    Law.checkFor 3000 decide aRestoreSucceedsWhereNothingIsInTheWay

// Each was decided wrongly once, and is drawn too seldom.
[<Fact>]
let ``criu joins its own group, numbers helpers from 0 on and restores a session that was the root's group`` () =
    let scene tree session group held =
        {
            Tree =
                [
                    for pid, parent, group, session in tree ->
                        {
                            Pid = pid
                            Parent = parent
                            Group = group
                            Session = session
                            Threads = [ pid ]
                        }
                ]
            Namespace = ImageNamespace.Caller
            Held = held
            PidMax = 32768
            MayWritePidMax = false
            SharesPidMax = false
            LastPid = 9000
            Session = session
            Group = group
        }

    succeedsWhereNothingIsInTheWay decide (scene [ 10, 0, 10, 5; 11, 10, 30, 5 ] 777 30 [])
    succeedsWhereNothingIsInTheWay decide (scene [ 10, 0, 20, 5; 11, 10, 11, 20 ] 777 0 [ 20 ])

    for held in [ 301; 1001 ] do
        let tree = [ 1000, 0, 1000, 1000; 1010, 1000, 1010, 1010; 1020, 1000, 0, 1010 ]
        succeedsWhereNothingIsInTheWay decide (scene tree 0 0 [ held ])

[<Fact>]
let ``each number in the way is one for its reason`` () =
    Law.checkFor 1000 decide eachNumberInTheWayIsAReason

[<Fact>]
let ``in a new namespace nothing is in the way but pid_max`` () =
    Law.checkFor 500 decide aNewNamespaceHasAllNumbers

[<Fact>]
let ``criu gets none of the numbers, once last_pid is moved`` () =
    Law.checkFor 1000 decide criuGetsNoneOfTheNumbers

[<Fact>]
let ``there is a way where there is room`` () =
    Law.checkFor 1000 decide thereIsAWayWhereThereIsRoom

[<Fact>]
let ``the first process of a new namespace is beyond the images`` () =
    Law.checkFor 500 decide aNewNamespaceOfOnesOwnIsClearToo

[<Fact>]
let ``every hindrance has a name and, where there is a way out, a cure`` () =
    Prop.forAll inputs (fun scene ->
        let checkpoint = checkpoint scene
        let report = decide (seen scene) checkpoint

        for by in
            [
                HolderKind.Process
                HolderKind.Thread
                HolderKind.Zombie
                HolderKind.Group
                HolderKind.Session
                HolderKind.KernelThread
                HolderKind.Hidden
            ] do
            for hindrance in
                [
                    Hindrance.Held by
                    Hindrance.OwnSession
                    Hindrance.OwnGroup
                    Hindrance.PidMax
                    Hindrance.Criu
                    Hindrance.InitOfCaller
                    Hindrance.InitOfGiven
                    Hindrance.NewWithoutInit
                ] do
                Law.holds "named" (Preflight.name hindrance <> "")
                Law.holds "cured" (report.Outside = 0 || Words.cure report hindrance <> ""))
    |> Law.checkProperty 50

let private with' change : Decision =
    fun seen checkpoint -> change (decide seen checkpoint)

let private without isIn =
    with' (fun report ->
        { report with
            InTheWay = Array.filter (fun (o: Obstruction) -> not (isIn o)) report.InTheWay
        })

let private onTree change : Decision =
    fun seen checkpoint ->
        decide
            seen
            { checkpoint with
                Tree = change checkpoint.Tree
            }

let private eachTask change =
    onTree (fun (tree: ImageTree) ->
        { tree with
            Tasks = Array.map change tree.Tasks
        })

let private has role (o: Obstruction) = o.Need.Roles = role

let private wrongOnes: (string * Decision) list =
    [
        "threads take no numbers", without (has Role.Thread)
        "groups take no numbers", without (has Role.Group)
        "sessions take no numbers", without (has Role.Session)
        "helpers take no numbers", without (has Role.Helper)
        "helpers take other numbers",
        with' (fun report ->
            { report with
                InTheWay =
                    Array.map
                        (fun (o: Obstruction) ->
                            if has Role.Helper o then
                                { o with
                                    Need = { o.Need with Pid = o.Need.Pid + 1 }
                                }
                            else
                                o)
                        report.InTheWay
            })
        "pid_max is a PID",
        (fun seen checkpoint ->
            decide
                { seen with
                    PidMax = min Limits.PidMax (seen.PidMax + 1)
                }
                checkpoint)
        "criu never raises pid_max", (fun seen checkpoint -> decide { seen with MayWritePidMax = false } checkpoint)
        "criu always raises pid_max", without (isOf Hindrance.PidMax)
        "nothing is held", (fun seen checkpoint -> decide { seen with Held = [||] } checkpoint)
        "my session is nobody's", (fun seen checkpoint -> decide { seen with Session = 0 } checkpoint)
        "my group is nobody's", (fun seen checkpoint -> decide { seen with Group = 0 } checkpoint)
        "the root leads its session",
        eachTask (fun task ->
            if task.Parent < 0 then
                { task with Session = task.Pid }
            else
                task)
        "every root is a job", eachTask (fun task -> if task.Parent < 0 then { task with Session = 0 } else task)
        "a new namespace is this one",
        (fun seen checkpoint ->
            decide
                seen
                { checkpoint with
                    Namespace = ImageNamespace.Caller
                })
        "this namespace is a new one",
        (fun seen checkpoint ->
            decide
                seen
                { checkpoint with
                    Namespace = ImageNamespace.New
                })
        "pid_max is never shared", (fun seen checkpoint -> decide { seen with SharesPidMax = false } checkpoint)
        "pid_max is always shared", (fun seen checkpoint -> decide { seen with SharesPidMax = true } checkpoint)
        "criu takes no PID",
        with' (fun report ->
            { report with
                InTheWay = Array.filter (isOf Hindrance.Criu >> not) report.InTheWay
                MakeWay = -1
            })
        "last_pid is where criu begins",
        with' (fun report ->
            { report with
                MakeWay = max -1 (report.MakeWay - 1)
            })
        "there is never a way", with' (fun report -> { report with MakeWay = -1 })
        "what is held is no matter to the way",
        (fun seen checkpoint -> decide { seen with InUse = PidSet.empty } checkpoint)
        "the images are no matter to the way",
        (fun seen checkpoint ->
            let report = decide seen checkpoint

            if report.MakeWay < 0 then
                report
            else
                { report with MakeWay = seen.LastPid })
        "the first process is among the images",
        with' (fun report ->
            { report with
                Outside = max 0 (report.Outside - 1)
            })
    ]

[<Fact>]
let ``each wrong decision breaks a law`` () =
    let laws = Law.all<Decision>()

    for name, decision in wrongOnes do
        let isCaught =
            laws
            |> List.exists (fun (_, law) -> (law.TryBreak (Rnd 1UL) 1000 decision).IsSome)

        Assert.True(isCaught, name)
