namespace SetNsLastPid

open System.Collections.Generic
open System.Text

/// A process of a checkpoint, with numbers of the PID namespace of its root.
[<Struct>]
type ImageTask =
    {
        /// 1 or more.
        Pid: int
        /// Its place among the tasks; -1 for the root. A parent comes before its children.
        Parent: int
        /// Its process group; 0 for one of outside.
        Group: int
        /// Its session; 0 for one of outside.
        Session: int
        /// Where its other threads begin among the threads.
        FirstThread: int
        /// How many there are.
        ThreadCount: int
    }

/// What pstree.img holds.
type ImageTree =
    {
        /// The processes, the root first of all. Not empty.
        Tasks: ImageTask[]
        /// The threads besides each process's first, in the order of the processes.
        Threads: int[]
    }

    /// The first process.
    member tree.Root: ImageTask = tree.Tasks[0]

    /// The threads of a process besides its first.
    member tree.ThreadsOf(task: ImageTask) : int seq =
        Seq.init task.ThreadCount (fun i -> tree.Threads[task.FirstThread + i])

/// The PID namespace that a restore takes place in.
[<RequireQualifiedAccess>]
type ImageNamespace =
    /// The one that criu runs in.
    | Caller
    /// A new one, which criu makes for it.
    | New
    /// One that exists and that criu is given by `--inherit-fd` under that key.
    | Given of Key: string
    /// The root is PID 1 but was dumped from within its namespace: criu makes no new one for it.
    | InitOfCaller
    /// The root is PID 1 of a namespace that criu would have to be given, and which has an init.
    | InitOfGiven
    /// The root is of a namespace of its own without being its PID 1.
    | NewWithoutInit

/// A checkpoint of CRIU, as far as numbers go.
type Checkpoint =
    {
        Tree: ImageTree
        Namespace: ImageNamespace
    }

/// What is wrong in an image.
type ImageFlaw =
    {
        /// The byte of the file where it was noticed.
        Offset: int
        /// In words.
        Text: string
    }

/// An image that is of use here, by its file's name.
[<RequireQualifiedAccess>]
type ImageName =
    | Tree
    | Inventory
    /// ids-N.img, of the process N.
    | Ids of Pid: int
    /// pidns-N.img, of the PID namespace that ids call N.
    | Pidns of Namespace: int
    | Other

/// The images of CRIU (criu/image.c, criu/protobuf.c, images/*.proto up to 4.2): one or two magic numbers, then for each entry a
/// size of 32 bits and a protobuf message, numbers being little-endian. Whatever the bytes, it is a value or a flaw.
[<RequireQualifiedAccess>]
module Images =
    /// The longest file that is looked at, enough for 1.6 million threads: what is read takes up to eighty times as much memory.
    [<Literal>]
    let MaxLength = 8388608

    let private CommonMagic = 0x54564319u
    let private TreeMagic = 0x50273030u
    let private InventoryMagic = 0x58313116u
    let private IdsMagic = 0x54432030u
    let private PidnsMagic = 0x61157326u

    let private flaw offset text = Error { Offset = offset; Text = text }

    let private number (prefix: string) (name: string) =
        if
            name.StartsWith(prefix, System.StringComparison.Ordinal)
            && name.EndsWith(".img", System.StringComparison.Ordinal)
        then
            match Wire.decimal (name.Substring(prefix.Length, name.Length - prefix.Length - 4)) with
            | ValueSome n when n <= int64 System.Int32.MaxValue -> ValueSome(int n)
            | _ -> ValueNone
        else
            ValueNone

    /// What the file of that name holds. In an archive it lies in the directory checkpoint (podman, the kubelet), or in none.
    let name (path: string) : ImageName =
        let path =
            if path.StartsWith("./", System.StringComparison.Ordinal) then
                path.Substring 2
            else
                path

        let name =
            if path.StartsWith("checkpoint/", System.StringComparison.Ordinal) then
                path.Substring 11
            else
                path

        match name with
        | "pstree.img" -> ImageName.Tree
        | "inventory.img" -> ImageName.Inventory
        | name ->
            match number "ids-" name, number "pidns-" name with
            | ValueSome pid, _ -> ImageName.Ids pid
            | _, ValueSome id -> ImageName.Pidns id
            | _ -> ImageName.Other

    /// Whether a file that begins so is an image of CRIU.
    let isImage (head: byte[]) : bool =
        match Wire.fixed32 head 0 with
        | ValueSome first -> first = CommonMagic || first = InventoryMagic || first = TreeMagic
        | ValueNone -> false

    // Where the entries begin. Images of before 1.1 lack the first magic, as the inventory always does.
    let private afterMagic magic (bytes: byte[]) =
        let second = Wire.fixed32 bytes 4

        match Wire.fixed32 bytes 0 with
        | ValueSome first when first = magic -> Ok 4
        | ValueSome first when first = CommonMagic && second = ValueSome magic -> Ok 8
        | _ -> flaw 0 "it does not begin as CRIU's image of that name does"

    // The message at `at`: where it begins and ends.
    let private entry (bytes: byte[]) at =
        match Wire.fixed32 bytes at with
        | ValueNone -> flaw at "it ends within the size of an entry"
        | ValueSome size when size > uint32 (bytes.Length - at - 4) ->
            flaw at ("it ends before the entry does, which has " + string<uint32> size + " bytes")
        | ValueSome size -> Ok(struct (at + 4, at + 4 + int size))

    let private malformed at =
        flaw at "what is there is no protobuf message"

    // Folds the fields of a message.
    let private fields (bytes: byte[]) start stop (state: 'state) (take: 'state -> WireField -> 'state voption) =
        let rec go at state =
            if at = stop then
                Ok state
            else
                match Wire.next bytes at stop with
                | ValueNone -> malformed at
                | ValueSome field ->
                    match take state field with
                    | ValueSome state -> go field.End state
                    | ValueNone -> malformed at

        go start state

    // The only entry of an image, folded; the state itself where there is none.
    let private only magic (bytes: byte[]) state take =
        afterMagic magic bytes
        |> Result.bind (fun at ->
            if at = bytes.Length then
                Ok state
            else
                entry bytes at
                |> Result.bind (fun (struct (start, stop)) -> fields bytes start stop state take))

    // task_kobj_ids_entry.pid_ns_id: its own number for each PID namespace; 0 where it is not told.
    let private pidNamespace id (field: WireField) =
        match field.Number with
        | 5 when field.IsVarint -> ValueSome(int (uint32 field.Value))
        | 5 -> ValueNone
        | _ -> ValueSome id

    /// The PID namespace of a process, as a number of the images; 0 where none is told.
    let readIds (bytes: byte[]) : Result<int, ImageFlaw> = only IdsMagic bytes 0 pidNamespace

    /// The PID namespace that criu was in when it dumped, as a number of the images; 0 where none is told.
    let readInventory (bytes: byte[]) : Result<int, ImageFlaw> =
        let ids id (field: WireField) =
            match field.Number with
            | 3 when field.IsBytes ->
                match fields bytes field.Start field.End 0 pidNamespace with
                | Ok id -> ValueSome id
                | Error _ -> ValueNone
            | 3 -> ValueNone
            | _ -> ValueSome id

        only InventoryMagic bytes 0 ids

    /// The key of a PID namespace that criu is to be given; empty where there is none.
    let readPidns (bytes: byte[]) : Result<string, ImageFlaw> =
        only PidnsMagic bytes "" (fun key field ->
            match field.Number with
            | 1 when field.IsBytes -> ValueSome(Encoding.UTF8.GetString(bytes, field.Start, field.Length))
            | 1 -> ValueNone
            | _ -> ValueSome key)

    type private Entry =
        {
            Pid: int
            Ppid: int
            Pgid: int
            Sid: int
        }

    // What is too large for an int is so for a PID.
    let private toInt (value: uint64) = int (min (uint32 value) 0x7FFFFFFFu)

    // The numbers of a list of threads: one to a field, or packed.
    let private threads (bytes: byte[]) (field: WireField) (found: List<int>) =
        if field.IsVarint then
            found.Add(toInt field.Value)
            true
        else
            let rec go at =
                at = field.End
                || (match Wire.varint bytes at field.End with
                    | ValueSome(struct (value, at)) ->
                        found.Add(toInt value)
                        go at
                    | ValueNone -> false)

            field.IsBytes && go field.Start

    let private treeEntry (bytes: byte[]) (found: List<int>) (entry: Entry) (field: WireField) =
        let value = toInt field.Value

        match field.Number with
        | 1 when field.IsVarint -> ValueSome { entry with Pid = value }
        | 2 when field.IsVarint -> ValueSome { entry with Ppid = value }
        | 3 when field.IsVarint -> ValueSome { entry with Pgid = value }
        | 4 when field.IsVarint -> ValueSome { entry with Sid = value }
        | 5 when threads bytes field found -> ValueSome entry
        | 1
        | 2
        | 3
        | 4
        | 5 -> ValueNone
        | _ -> ValueSome entry

    let private none =
        {
            Pid = -1
            Ppid = -1
            Pgid = -1
            Sid = -1
        }

    let private isPid n = n >= 1 && n < Limits.PidMax

    // What was clamped is not named as if it were there.
    let private named (n: int) =
        if n = System.Int32.MaxValue then
            string<int> n + " or above"
        else
            string<int> n

    let private wrong at (pid: int) text =
        flaw at ("process " + named pid + " " + text)

    let private possible = "PIDs are 1 to " + string<int>(Limits.PidMax - 1)

    // What is wrong with an entry; empty for nothing. Others than these cannot come from a dump, and criu refuses them.
    let private objection (places: Dictionary<int, int>) (entry: Entry) (found: List<int>) =
        if entry.Pid < 0 || entry.Ppid < 0 || entry.Pgid < 0 || entry.Sid < 0 then
            "lacks one of its four numbers"
        elif not (isPid entry.Pid) then
            "has no number that a process can have: " + possible
        elif entry.Pgid >= Limits.PidMax || entry.Sid >= Limits.PidMax then
            $"has group {named entry.Pgid} and session {named entry.Sid}"
            + ", one of which cannot be: "
            + possible
        elif not (found.TrueForAll isPid) then
            $"has thread {named (found.Find(fun n -> not (isPid n)))}, which cannot be: {possible}"
        elif entry.Ppid = 0 && places.Count > 0 then
            "has no parent and is not the first"
        elif entry.Ppid <> 0 && not (places.ContainsKey entry.Ppid) then
            "comes before its parent " + string<int> entry.Ppid
        else
            ""

    /// The processes and their threads.
    let readTree (bytes: byte[]) : Result<ImageTree, ImageFlaw> =
        let tasks, threads, found = List<ImageTask>(), List<int>(), List<int>()
        // By number, the place of a process; and the numbers of all processes and threads.
        let places = Dictionary<int, int>()
        // A bit each, in parts that are made when they are needed: most trees have few numbers.
        let taken = Array.zeroCreate<byte[] | null>(Limits.PidMax >>> 12)

        // Whether it is the first with that number.
        let take n =
            let part =
                match taken[n >>> 12] with
                | null -> Array.zeroCreate<byte> 512
                | part -> part

            let at, bit = (n &&& 4095) >>> 3, 1uy <<< (n &&& 7)
            let isFirst = part[at] &&& bit = 0uy
            part[at] <- part[at] ||| bit
            taken[n >>> 12] <- part
            isFirst

        let add at (entry: Entry) =
            match objection places entry found with
            | "" ->
                let first = threads.Count
                let mutable twice = if take entry.Pid then 0 else entry.Pid

                // The first thread is the process itself, whatever its number is said to be (read_one_pstree_item, criu/pstree.c).
                for i in 1 .. found.Count - 1 do
                    if not (take found[i]) then
                        twice <- found[i]

                    threads.Add found[i]

                if twice <> 0 then
                    flaw at ("the number " + string<int> twice + " is there twice")
                else
                    places[entry.Pid] <- tasks.Count

                    tasks.Add
                        {
                            Pid = entry.Pid
                            Parent = if entry.Ppid = 0 then -1 else places[entry.Ppid]
                            Group = entry.Pgid
                            Session = entry.Sid
                            FirstThread = first
                            ThreadCount = threads.Count - first
                        }

                    Ok()
            | text -> wrong at (max entry.Pid 0) text

        let rec go at =
            if at = bytes.Length then
                if tasks.Count = 0 then
                    flaw at "it holds no process"
                else
                    Ok
                        {
                            Tasks = tasks.ToArray()
                            Threads = threads.ToArray()
                        }
            else
                match entry bytes at with
                | Error flaw -> Error flaw
                | Ok(struct (start, stop)) ->
                    found.Clear()

                    match fields bytes start stop none (treeEntry bytes found) with
                    | Error flaw -> Error flaw
                    | Ok entry ->
                        match add at entry with
                        | Error flaw -> Error flaw
                        | Ok() -> go stop

        match afterMagic TreeMagic bytes with
        | Error flaw -> Error flaw
        | Ok at -> go at

    /// The namespace of a restore: criu makes one for a PID 1 whose PID namespace was not criu's own (get_clone_mask and
    /// prepare_pstree_kobj_ids, criu/pstree.c; restore_root_task and fork_with_pid, criu/cr-restore.c).
    let namespaceOf (tree: ImageTree) (ofRoot: int) (ofCriu: int) (key: string) : ImageNamespace =
        match tree.Root.Pid = 1, key <> "", ofRoot <> ofCriu with
        | true, true, _ -> ImageNamespace.InitOfGiven
        | true, false, true -> ImageNamespace.New
        | true, false, false -> ImageNamespace.InitOfCaller
        | false, true, _ -> ImageNamespace.Given key
        | false, false, true -> ImageNamespace.NewWithoutInit
        | false, false, false -> ImageNamespace.Caller
