namespace SetNsLastPid

open System.Collections.Generic

/// What a number of a checkpoint is the number of.
[<System.Flags>]
type Role =
    | None = 0
    | Process = 1
    | Thread = 2
    | Group = 4
    | Session = 8
    /// Of a process that criu makes for a moment, under a number that is in no image.
    | Helper = 16

/// A number of a checkpoint.
[<Struct>]
type Need = { Pid: int; Roles: Role }

/// What keeps a number from being handed out.
[<RequireQualifiedAccess>]
type HolderKind =
    /// Nothing: the number is free.
    | Nobody = 0
    /// A process; its first thread may have exited before the others.
    | Process = 1
    | Thread = 2
    /// A process that ended and was not waited for.
    | Zombie = 3
    /// A process group that outlived its leader.
    | Group = 4
    /// A session that outlived its leader.
    | Session = 5
    | KernelThread = 6
    | Hidden = 7
    /// Nothing, and no process gets it: it is 0, or not below pid_max.
    | OutOfRange = 8
    /// Nothing that is seen, but /proc does not show all: it cannot be told.
    | Unknown = 9

/// Why a number cannot be had where the checkpoint would be restored.
[<RequireQualifiedAccess>]
type Hindrance =
    /// Somebody holds it.
    | Held of By: HolderKind
    /// criu's own session has it: that from which nslp was called.
    | OwnSession
    /// The same of the process group.
    | OwnGroup
    /// It is not below pid_max.
    | PidMax
    /// criu itself, or what it starts, gets it.
    | Criu
    /// Of what the images say of their namespace, see `ImageNamespace`.
    | InitOfCaller
    | InitOfGiven
    | NewWithoutInit

/// A number that is in the way of a restore.
type Obstruction = { Need: Need; Hindrance: Hindrance }

/// What was seen of the PID namespace to restore in.
type PreflightSeen =
    {
        /// Of the numbers that a restore takes, those that are held, in ascending order; nslp's own are not.
        Held: struct (int * HolderKind)[]
        /// All numbers that are seen to be held.
        InUse: PidSet
        PidMax: int
        /// Whether pid_max may be written by one who is what nslp is.
        MayWritePidMax: bool
        /// Whether the pid_max of a new namespace is that one, as before 6.14.
        SharesPidMax: bool
        LastPid: int
        /// nslp's session; 0 for one of outside the namespace.
        Session: int
        /// nslp's process group; 0 for one of outside the namespace, and for one of its own, which criu would not have.
        Group: int
    }

/// Whether a restore would get its numbers.
type PreflightReport =
    {
        /// By number.
        InTheWay: Obstruction[]
        /// The pid_max that criu itself writes first; 0 where it leaves pid_max alone.
        RaisesPidMax: int
        /// What last_pid should be, so that criu and what it starts get none of the numbers: a run of free ones follows. -1
        /// where it is all right, and where no run is long enough.
        MakeWay: int
        /// A number for the first process that one starts in a new PID namespace, from where on all are free of the
        /// checkpoint; 0 for none.
        Outside: int
        /// The pid_max that all numbers of the checkpoint are below.
        Above: int
    }

/// What is in the way of a restore by CRIU (criu/pstree.c and criu/cr-restore.c, 3.17.1 to 4.2).
[<RequireQualifiedAccess>]
module Preflight =
    /// How many PIDs criu takes at most for itself and what it starts, before it has made the last process.
    [<Literal>]
    let Forks = 32

    /// So many free numbers should follow last_pid; fewer, down to `Forks`, where there is no such run.
    [<Literal>]
    let Run = 1024

    /// Whether the images are restored with --shell-job: the root gets the session that criu is in, and its group unless it
    /// leads one.
    let needsShellJob (tree: ImageTree) : bool = tree.Root.Session <> tree.Root.Pid

    // Each number once, ascending, with all its roles.
    let private merged (pairs: List<Need>) : Need[] =
        pairs.Sort(fun (a: Need) (b: Need) -> a.Pid.CompareTo b.Pid)
        let found = List<Need>(pairs.Count)

        for pair in pairs do
            let last = found.Count - 1

            if last >= 0 && found[last].Pid = pair.Pid then
                found[last] <-
                    { pair with
                        Roles = found[last].Roles ||| pair.Roles
                    }
            elif pair.Pid > 0 then
                found.Add pair

        found.ToArray()

    /// Every number of the checkpoint, ascending.
    let numbers (tree: ImageTree) : Need[] =
        let pairs = List<Need>(tree.Tasks.Length * 3 + tree.Threads.Length)
        let add pid role = pairs.Add { Pid = pid; Roles = role }

        for task in tree.Tasks do
            add task.Pid Role.Process
            add task.Group Role.Group
            add task.Session Role.Session

        for thread in tree.Threads do
            add thread Role.Thread

        merged pairs

    // Children of the root that are in the session of another process of the tree were left by their parents. criu makes a
    // helper for each such session, with the first number from 300 on that is above one of the images and in none
    // (prepare_pstree_ids and get_free_pid).
    let private helpers (tree: ImageTree) (numbers: Need[]) : List<Need> =
        let root = tree.Root
        let processes = HashSet(Seq.map (fun (task: ImageTask) -> task.Pid) tree.Tasks)

        let isLeft (task: ImageTask) =
            task.Parent = 0
            && task.Session <> root.Session
            && task.Session <> task.Pid
            && processes.Contains task.Session

        let sessions =
            tree.Tasks |> Array.filter isLeft |> Array.distinctBy _.Session |> Array.length

        let found = List<Need>()
        let mutable at = 0

        // A group or session of outside is one of the images' numbers too.
        let numbers =
            if tree.Tasks |> Array.exists (fun task -> task.Group = 0 || task.Session = 0) then
                Array.append [| { Pid = 0; Roles = Role.None } |] numbers
            else
                numbers

        while found.Count < sessions do
            let above =
                if found.Count > 0 && found[found.Count - 1].Pid >= numbers[at].Pid then
                    found[found.Count - 1].Pid
                else
                    numbers[at].Pid

            let free =
                if above + 1 < Limits.Reserved then
                    Limits.Reserved + 1
                else
                    above + 1

            if at + 1 < numbers.Length && numbers[at + 1].Pid <= free then
                at <- at + 1
            else
                found.Add { Pid = free; Roles = Role.Helper }

        found

    let private isTaken (need: Need) =
        need.Roles &&& (Role.Process ||| Role.Thread) <> Role.None

    /// The numbers that a restore takes in a namespace that exists, ascending: none where it makes its own.
    let needs (checkpoint: Checkpoint) : Need[] =
        let tree = checkpoint.Tree

        match checkpoint.Namespace with
        | ImageNamespace.New -> [||]
        | _ ->
            let all = numbers tree
            let root = tree.Root

            // With --shell-job nobody gets the old session and group of the root (prepare_pstree_for_shell_job).
            let isLeft (need: Need) =
                needsShellJob tree
                && not (isTaken need)
                && (need.Pid = root.Session
                    || (need.Pid = root.Group
                        && root.Group <> root.Pid
                        && need.Roles &&& Role.Session = Role.None))

            let pairs = helpers tree all

            for need in all do
                if not (isLeft need) then
                    pairs.Add need

            merged pairs

    /// Whether a number is among some, which are in ascending order.
    let tryFind (pid: int) (needs: Need[]) : Need voption =
        let rec go low high =
            if low > high then
                ValueNone
            else
                let middle = low + (high - low) / 2

                if needs[middle].Pid = pid then ValueSome needs[middle]
                elif needs[middle].Pid < pid then go (middle + 1) high
                else go low (middle - 1)

        go 0 (needs.Length - 1)

    /// The numbers that follow each other without a gap, as first and last ones.
    let ranges (needs: Need[]) : struct (int * int) list =
        let add (ranges: struct (int * int) list) (need: Need) =
            match ranges with
            | struct (first, last) :: rest when need.Pid = last + 1 -> struct (first, need.Pid) :: rest
            | ranges -> struct (need.Pid, need.Pid) :: ranges

        Array.fold add [] needs |> List.rev

    // criu raises pid_max where a process, group or session is above it, threads not counted (prepare_pstree).
    let private raised (seen: PreflightSeen) (tree: ImageTree) =
        let highest =
            tree.Tasks
            |> Seq.map (fun task -> max task.Pid (max task.Group task.Session))
            |> Seq.max

        if seen.MayWritePidMax && highest > seen.PidMax then
            highest + 1
        else
            0

    // The first of `count` free numbers in a row within the limits; -1 for none.
    let rec private tryRun count first below taken =
        match PidSet.tryFirstFree first below taken with
        | ValueSome start when start <= below - count ->
            if PidSet.countFree start (start + count) taken = count then
                start
            else
                // Whatever begins before the last one that is taken is cut short by it.
                let mutable last = start + count - 1

                while not (PidSet.contains last taken) do
                    last <- last - 1

                tryRun count (last + 1) below taken
        | _ -> -1

    // Where last_pid should be; -1 where no run of free numbers is long enough.
    let private wayFor (inUse: PidSet) pidMax (needs: Need[]) =
        let taken =
            ranges needs
            |> List.fold (fun taken (struct (first, last)) -> PidSet.addRange first last taken) inUse

        let beyond = max Limits.Reserved (needs[needs.Length - 1].Pid + 1)

        let rec from count =
            if count < Forks then
                -1
            else
                match tryRun count beyond pidMax taken, tryRun count Limits.Reserved pidMax taken with
                | -1, -1 -> from (count / 2)
                | -1, start
                | start, _ -> start - 1

        from Run

    // Where criu makes the namespace, or enters it only to make the root, its own processes are elsewhere.
    let private isWithCriu checkpoint =
        match checkpoint.Namespace with
        | ImageNamespace.New
        | ImageNamespace.Given _ -> false
        | _ -> true

    let private roots (checkpoint: Checkpoint) =
        match checkpoint.Namespace with
        | ImageNamespace.InitOfCaller -> [ Hindrance.InitOfCaller ]
        | ImageNamespace.InitOfGiven -> [ Hindrance.InitOfGiven ]
        | ImageNamespace.NewWithoutInit -> [ Hindrance.NewWithoutInit ]
        | _ -> []

    // Whether criu's own session and group are numbers of the images where they must not be: with --shell-job all but those that
    // the root was in and now simply keeps (prepare_pstree_for_shell_job).
    let private own (seen: PreflightSeen) (tree: ImageTree) (needs: Need[]) : Obstruction list =
        let root = tree.Root
        let isJob = needsShellJob tree

        [
            for hindrance, pid, isJoined, old in
                [
                    Hindrance.OwnSession, seen.Session, isJob, root.Session
                    Hindrance.OwnGroup, seen.Group, isJob && root.Group <> root.Pid, root.Group
                ] do
                if pid <> 0 && not (isJoined && pid = old) then
                    match tryFind pid (if isJoined then numbers tree else needs) with
                    | ValueSome need -> { Need = need; Hindrance = hindrance }
                    | ValueNone -> ()
        ]
        |> List.distinctBy _.Need.Pid

    /// What is in the way.
    let examine (seen: PreflightSeen) (checkpoint: Checkpoint) (needs: Need[]) : PreflightReport =
        let found = List<Obstruction>()

        let add need hindrance =
            found.Add { Need = need; Hindrance = hindrance }

        let tree = checkpoint.Tree
        let all = numbers tree
        let isNew = needs.Length = 0

        let raisedTo =
            if isNew && not seen.SharesPidMax then
                0
            else
                raised seen tree

        let pidMax = max seen.PidMax raisedTo

        // Where the root of a job leads its group, criu's own group is joined by the others that have its number
        // (prepare_pstree_ids): nobody is made for it.
        let needs =
            if needsShellJob tree && tree.Root.Group = tree.Root.Pid then
                needs
                |> Array.filter (fun need -> need.Pid <> seen.Group || need.Roles <> Role.Group)
            else
                needs

        for hindrance in roots checkpoint do
            add
                {
                    Pid = tree.Root.Pid
                    Roles = Role.Process
                }
                hindrance

        let counted =
            if not isNew then needs
            elif seen.SharesPidMax then all
            else [||]

        for need in counted do
            if need.Pid >= pidMax then
                add need Hindrance.PidMax

        let ours = if isNew then [] else own seen tree needs
        found.AddRange ours

        for struct (pid, by) in seen.Held do
            match tryFind pid needs with
            | ValueSome need when not (ours |> List.exists (fun our -> our.Need.Pid = pid)) ->
                add need (Hindrance.Held by)
            | _ -> ()

        let next =
            if isNew || not (isWithCriu checkpoint) then
                []
            else
                PidNamespace.observed seen.LastPid seen.PidMax seen.InUse
                |> PidNamespace.predict Forks
                |> Seq.filter (fun pid -> (tryFind pid needs).IsSome)
                |> Seq.toList

        for pid in next do
            add (tryFind pid needs).Value Hindrance.Criu

        found.Sort(fun (a: Obstruction) (b: Obstruction) -> a.Need.Pid.CompareTo b.Need.Pid)

        {
            InTheWay = found.ToArray()
            RaisesPidMax = raisedTo
            MakeWay =
                if next.IsEmpty then
                    -1
                else
                    wayFor seen.InUse seen.PidMax needs
            Outside =
                wayFor PidSet.empty (if seen.SharesPidMax then pidMax else Limits.PidMax) all
                + 1
            Above = all[all.Length - 1].Pid + 1
        }

    /// The stable name of a hindrance.
    let name (hindrance: Hindrance) : string =
        match hindrance with
        | Hindrance.Held _ -> "held"
        | Hindrance.OwnSession -> "own_session"
        | Hindrance.OwnGroup -> "own_group"
        | Hindrance.PidMax -> "pid_max"
        | Hindrance.Criu -> "criu"
        | Hindrance.InitOfCaller -> "init_of_caller"
        | Hindrance.InitOfGiven -> "init_of_given"
        | Hindrance.NewWithoutInit -> "new_without_init"

    /// The stable names of roles.
    let roles (roles: Role) : string list =
        [
            for role, name in
                [
                    Role.Process, "process"
                    Role.Thread, "thread"
                    Role.Group, "group"
                    Role.Session, "session"
                    Role.Helper, "helper"
                ] do
                if roles &&& role <> Role.None then
                    name
        ]
