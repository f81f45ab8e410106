/// CRIU's images and the tar archives around them, read from bytes.
module SetNsLastPid.Tests.Properties.ImageProperties

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// A process as it is written.
type Written =
    {
        Pid: int
        Parent: int
        Group: int
        Session: int
        Threads: int list
    }

/// How a tree is written.
type Spelling =
    {
        /// Threads in one field.
        Packed: bool
        /// Without the first magic number, as before CRIU 2.0.
        Old: bool
        /// Fields that nobody knows among the others.
        Unknown: bool
    }

/// A tree and how it is written.
type Sheet =
    {
        Tree: Written list
        Spelling: Spelling
    }

/// What is read, as a value, so that tests can put a wrong one in its place.
type Reader = byte[] -> Result<ImageTree, ImageFlaw>

let rec private varint (n: uint64) =
    if n < 128UL then
        [ byte n ]
    else
        byte (n ||| 128UL) :: varint (n >>> 7)

let private number field (value: int) =
    varint (uint64 field <<< 3) @ varint (uint64 value)

let private run field (bytes: byte list) =
    varint ((uint64 field <<< 3) ||| 2UL) @ varint (uint64 bytes.Length) @ bytes

let private fixed32 (n: uint32) = List.ofArray (BitConverter.GetBytes n)

let private entry message =
    fixed32 (uint32 (List.length message)) @ message

let private common = fixed32 0x54564319u

// Neither the values nor the order of fields may matter.
let private unknown =
    number 900 77
    @ run 17 [ 8uy; 1uy ]
    @ varint ((6UL <<< 3) ||| 5UL)
    @ fixed32 1u
    @ varint ((7UL <<< 3) ||| 1UL)
    @ fixed32 1u
    @ fixed32 2u

let private message spelling (task: Written) =
    let threads =
        if spelling.Packed then
            run 5 (List.collect (fun t -> varint (uint64 t)) task.Threads)
        else
            List.collect (number 5) task.Threads

    (if spelling.Unknown then unknown @ threads else [])
    @ number 1 task.Pid
    @ number 2 task.Parent
    @ (if spelling.Unknown then unknown else [])
    @ number 3 task.Group
    @ number 4 task.Session
    @ (if spelling.Unknown then [] else threads)

/// The bytes of pstree.img.
let encode (sheet: Sheet) : byte[] =
    [
        if not sheet.Spelling.Old then
            yield! common

        yield! fixed32 0x50273030u

        for task in sheet.Tree do
            yield! entry (message sheet.Spelling task)
    ]
    |> Array.ofList

/// What the bytes should be read as.
let private expected (tree: Written list) =
    [
        for task in tree ->
            task.Pid, task.Parent, task.Group, task.Session, (if task.Threads.IsEmpty then [] else task.Threads.Tail)
    ]

let private asWritten (tree: ImageTree) =
    [
        for task in tree.Tasks ->
            task.Pid,
            (if task.Parent < 0 then 0 else tree.Tasks[task.Parent].Pid),
            task.Group,
            task.Session,
            List.ofSeq (tree.ThreadsOf task)
    ]

/// Trees such as a dump makes, small numbers and large ones.
let trees: Gen<Written list> =
    gen {
        let! count = Gen.choose (1, 8)
        let! most = Gen.elements [ 60; 400; 40000; 4194303 ]
        let! numbers = Gen.listOfLength 60 (Gen.choose (1, most))
        let numbers = List.distinct numbers
        let pids = List.truncate count numbers

        let! firstSession =
            Gen.frequency [ 4, Gen.constant pids.Head; 1, Gen.choose (0, most) ]

        let! firstGroup =
            Gen.frequency [ 4, Gen.constant pids.Head; 1, Gen.choose (0, most) ]

        let! rest =
            pids.Tail
            |> List.mapi (fun i pid ->
                gen {
                    let! parent = Gen.elements (List.truncate (i + 1) pids)

                    let! group =
                        Gen.frequency
                            [
                                3, Gen.constant firstGroup
                                2, Gen.constant pid
                                2, Gen.elements pids
                                1, Gen.choose (0, most)
                            ]

                    let! session =
                        Gen.frequency
                            [
                                3, Gen.constant firstSession
                                2, Gen.constant pid
                                2, Gen.elements pids
                                1, Gen.choose (0, most)
                            ]

                    return pid, parent, group, session
                })
            |> Gen.collectToList id

        let! shares =
            Gen.listOfLength pids.Length (Gen.frequency [ 2, Gen.constant 0; 1, Gen.choose (1, 4) ])

        let others = List.skip pids.Length numbers

        return
            List.zip ((pids.Head, 0, firstGroup, firstSession) :: rest) shares
            |> List.mapFold
                (fun others ((pid, parent, group, session), share) ->
                    let threads = List.truncate share others

                    {
                        Pid = pid
                        Parent = parent
                        Group = group
                        Session = session
                        Threads = pid :: threads
                    },
                    List.skip threads.Length others)
                others
            |> fst
    }

let private spellings =
    Gen.map3
        (fun packed old unknown ->
            {
                Packed = packed
                Old = old
                Unknown = unknown
            })
        (Gen.elements [ false; true ])
        (Gen.elements [ false; true ])
        (Gen.elements [ false; true ])

let private shrink sheet =
    seq {
        for n in 1 .. sheet.Tree.Length - 1 do
            { sheet with
                Tree = List.truncate n sheet.Tree
            }

        { sheet with
            Tree =
                sheet.Tree
                |> List.map (fun task ->
                    { task with
                        Threads = List.truncate 1 task.Threads
                    })
        }
    }
    |> Seq.filter (fun other -> other <> sheet)

let private sheets =
    Arb.fromGenShrink (Gen.map2 (fun tree spelling -> { Tree = tree; Spelling = spelling }) trees spellings, shrink)

let whatIsWrittenIsRead: Law<Reader> =
    Law.create sheets (fun read sheet ->
        match read (encode sheet) with
        | Ok tree -> Law.same "the tree" (expected sheet.Tree) (asWritten tree)
        | Error flaw -> Law.broken (fun () -> $"%s{flaw.Text} at %d{flaw.Offset}"))

let whatIsCutOffIsNoticed: Law<Reader> =
    Law.create sheets (fun read sheet ->
        let whole = encode sheet

        // Where an entry ends, a file with fewer processes does.
        let ends =
            List.scan
                (fun at task -> at + (entry (message sheet.Spelling task)).Length)
                (if sheet.Spelling.Old then 4 else 8)
                sheet.Tree

        for length in 0 .. whole.Length - 1 do
            match read whole[.. length - 1], List.tryFindIndex ((=) length) ends with
            | Ok tree, Some tasks when tasks > 0 ->
                Law.same "the processes before" (List.truncate tasks (expected sheet.Tree)) (asWritten tree)
            | Ok _, _ -> Law.broken (fun () -> $"%d{length} of %d{whole.Length} bytes are a tree")
            | Error flaw, found ->
                Law.holds "what is whole is read" (found.IsNone || found = Some 0)
                Law.holds "the place is in the file" (flaw.Offset >= 0 && flaw.Offset <= length))

/// Bytes that are no image, or one that somebody changed.
let private noise =
    gen {
        let! sheet = Arb.toGen sheets
        let bytes = encode sheet

        let! changes =
            Gen.listOfLength 3 (Gen.zip (Gen.choose (0, bytes.Length - 1)) (Gen.choose (0, 255)))

        let! length =
            Gen.frequency [ 3, Gen.constant bytes.Length; 1, Gen.choose (0, bytes.Length) ]

        let changed = Array.copy bytes

        for at, value in changes do
            changed[at] <- byte value

        let! random = Gen.arrayOf (Gen.map byte (Gen.choose (0, 255)))

        let twice =
            encode
                { sheet with
                    Tree =
                        sheet.Tree
                        @ [
                            { List.last sheet.Tree with
                                Parent = sheet.Tree.Head.Pid
                            }
                        ]
                }

        return!
            Gen.elements
                [
                    changed[.. length - 1]
                    random
                    Array.append bytes[..7] random
                    Array.append bytes[..11] random
                    twice
                ]
    }

let private isTree (tree: ImageTree) =
    let numbers =
        Array.append (Array.map (fun (task: ImageTask) -> task.Pid) tree.Tasks) tree.Threads

    Law.same "numbers" numbers.Length (Array.distinct numbers).Length

    for n in numbers do
        Law.holds $"%d{n} is a PID" (n > 0 && n < Limits.PidMax)

    tree.Tasks
    |> Array.iteri (fun i task ->
        Law.holds
            "parents come first"
            (if i = 0 then
                 task.Parent = -1
             else
                 task.Parent >= 0 && task.Parent < i)

        Law.holds "a group" (task.Group >= 0 && task.Group < Limits.PidMax)
        Law.holds "a session" (task.Session >= 0 && task.Session < Limits.PidMax))

    Law.same "threads" tree.Threads.Length (Array.sumBy (fun (task: ImageTask) -> task.ThreadCount) tree.Tasks)

let anyBytesAreATreeOrAFlaw: Law<Reader> =
    Law.create (Arb.fromGen noise) (fun read bytes ->
        match read bytes with
        | Ok tree -> isTree tree
        | Error flaw ->
            Law.holds "it is said what" (flaw.Text <> "")
            Law.holds "the place is in the file" (flaw.Offset >= 0 && flaw.Offset <= bytes.Length))

[<Fact>]
let ``what is written is read, however it is spelt`` () =
    Law.checkFor 300 Images.readTree whatIsWrittenIsRead

[<Fact>]
let ``what is cut off anywhere is noticed`` () =
    Law.checkFor 100 Images.readTree whatIsCutOffIsNoticed

[<Fact>]
let ``any bytes are a tree or a flaw with its place`` () =
    Law.checkFor 3000 Images.readTree anyBytesAreATreeOrAFlaw

let private wrong change : Reader =
    fun bytes -> Result.map change (Images.readTree bytes)

let private eachTask change =
    wrong (fun tree ->
        { tree with
            Tasks = Array.map change tree.Tasks
        })

let private wrongReaders: (string * Reader) list =
    [
        "threads are lost", eachTask (fun task -> { task with ThreadCount = 0 })
        "a group is a session", eachTask (fun task -> { task with Group = task.Session })
        "parents are the root", eachTask (fun task -> { task with Parent = min task.Parent 0 })
        "the last process is lost",
        wrong (fun tree ->
            { tree with
                Tasks = Array.truncate (max 1 (tree.Tasks.Length - 1)) tree.Tasks
            })
        "what is cut off is passed over",
        (fun bytes ->
            match Images.readTree bytes with
            | Error flaw when flaw.Offset > 8 && (Images.readTree bytes[.. flaw.Offset - 1]).IsOk ->
                Images.readTree bytes[.. flaw.Offset - 1]
            | other -> other)
        "numbers are there twice",
        (fun bytes ->
            match Images.readTree bytes with
            | Error flaw when flaw.Text.Contains "twice" ->
                let task =
                    {
                        ImageTask.Pid = 7
                        Parent = -1
                        Group = 7
                        Session = 7
                        FirstThread = 0
                        ThreadCount = 1
                    }

                Ok
                    {
                        Tasks = [| task |]
                        Threads = [| 7 |]
                    }
            | other -> other)
        "packed threads are none",
        (fun bytes ->
            match Images.readTree bytes with
            | Ok tree when bytes[8..] |> Array.contains 42uy ->
                Ok
                    { tree with
                        Threads = [||]
                        Tasks = Array.map (fun task -> { task with ThreadCount = 0 }) tree.Tasks
                    }
            | other -> other)
        "an exception",
        (fun bytes ->
            match Images.readTree bytes with
            | Error flaw when flaw.Text.Contains "protobuf" -> failwith "malformed"
            | other -> other)
    ]

[<Theory>]
[<InlineData(1,
             9223372036854775807L,
             "process 2147483647 or above has no number that a process can have: PIDs are 1 to 4194303")>]
[<InlineData(1, 4194304L, "process 4194304 has no number that a process can have: PIDs are 1 to 4194303")>]
[<InlineData(3, 4194304L, "process 7 has group 4194304 and session 7, one of which cannot be: PIDs are 1 to 4194303")>]
[<InlineData(5, 2147483648L, "process 7 has thread 2147483647 or above, which cannot be: PIDs are 1 to 4194303")>]
let ``a number that is too large is named`` (field: int) (value: int64) (message: string) =
    let numbers = [ 1; 3; 4 ] |> List.filter (fun other -> other <> field)

    let written =
        [
            yield! common
            yield! fixed32 0x50273030u

            yield!
                entry (
                    number 2 0
                    @ List.collect (fun field -> number field 7) numbers
                    @ varint (uint64 field <<< 3)
                    @ varint (uint64 value)
                )
        ]

    match Images.readTree (Array.ofList written) with
    | Ok _ -> Assert.Fail "it was read"
    | Error flaw -> Assert.Equal(message, flaw.Text)

[<Fact>]
let ``each wrong reader breaks a law`` () =
    let laws = Law.all<Reader>()

    for name, reader in wrongReaders do
        let isCaught =
            laws |> List.exists (fun (_, law) -> (law.TryBreak (Rnd 1UL) 300 reader).IsSome)

        Assert.True(isCaught, name)

// --- the small images -----------------------------------------------------------------------------------------------

let private ids (ns: int) =
    List.collect (fun field -> number field field) [ 1..4 ]
    @ number 5 ns
    @ number 6 9

let private ofMagic isOld magic message =
    Array.ofList ((if isOld then [] else common) @ fixed32 magic @ entry message)

[<Fact>]
let ``the namespaces of a process and of criu are read, and the key of one that is given`` () =
    Prop.forAll (Arb.fromGen (Gen.choose (0, 0x7fffffff))) (fun ns ->
        for isOld in [ false; true ] do
            Law.same "ids" (Ok ns) (Images.readIds (ofMagic isOld 0x54432030u (ids ns)))

            Law.same
                "pidns"
                (Ok $"key%d{ns}")
                (Images.readPidns (
                    ofMagic isOld 0x61157326u (run 1 (List.ofArray (Encoding.UTF8.GetBytes $"key%d{ns}")))
                ))

        let inventory = number 1 2 @ number 2 1 @ run 3 (ids ns) @ number 4 1
        Law.same "inventory" (Ok ns) (Images.readInventory (ofMagic true 0x58313116u inventory))
        Law.holds "another image" (Images.readInventory (ofMagic true 0x54432030u inventory)).IsError)
    |> Law.checkProperty 200

[<Fact>]
let ``any bytes are a small image or a flaw`` () =
    Prop.forAll (Arb.fromGen noise) (fun bytes ->
        let magics = [ 0x54432030u; 0x58313116u; 0x61157326u ]

        for magic in magics do
            let bytes = Array.append (Array.ofList (fixed32 magic)) bytes
            Images.readIds bytes |> ignore
            Images.readInventory bytes |> ignore
            Images.readPidns bytes |> ignore)
    |> Law.checkProperty 1000

[<Fact>]
let ``images are known by name, in the directory of an archive too`` () =
    for before in [ ""; "./"; "checkpoint/"; "./checkpoint/" ] do
        Assert.Equal(ImageName.Tree, Images.name (before + "pstree.img"))
        Assert.Equal(ImageName.Inventory, Images.name (before + "inventory.img"))
        Assert.Equal(ImageName.Ids 17, Images.name (before + "ids-17.img"))
        Assert.Equal(ImageName.Pidns 3, Images.name (before + "pidns-3.img"))

    for other in
        [
            ""
            "pre-checkpoint/pstree.img"
            "a/pstree.img"
            "ids-.img"
            "ids--1.img"
            "ids-99999999999.img"
            "ids-1"
            "checkpoint/"
        ] do
        Assert.Equal(ImageName.Other, Images.name other)

[<Fact>]
let ``criu makes a namespace for an init that was in another than criu`` () =
    let tree root =
        match
            Images.readTree (
                encode
                    {
                        Tree =
                            [
                                {
                                    Pid = root
                                    Parent = 0
                                    Group = root
                                    Session = root
                                    Threads = [ root ]
                                }
                            ]
                        Spelling =
                            {
                                Packed = false
                                Old = false
                                Unknown = false
                            }
                    }
            )
        with
        | Ok tree -> tree
        | Error flaw -> failwith flaw.Text

    Assert.Equal(ImageNamespace.New, Images.namespaceOf (tree 1) 2 1 "")
    Assert.Equal(ImageNamespace.InitOfCaller, Images.namespaceOf (tree 1) 1 1 "")
    Assert.Equal(ImageNamespace.InitOfGiven, Images.namespaceOf (tree 1) 2 1 "key")
    Assert.Equal(ImageNamespace.Caller, Images.namespaceOf (tree 7) 1 1 "")
    Assert.Equal(ImageNamespace.NewWithoutInit, Images.namespaceOf (tree 7) 2 1 "")
    Assert.Equal(ImageNamespace.Given "key", Images.namespaceOf (tree 7) 2 1 "key")

// --- tar ------------------------------------------------------------------------------------------------------------

/// The header of an entry of a tar archive.
type Header =
    {
        Name: string
        Prefix: string
        Size: int64
        Kind: char
        IsBinary: bool
    }

/// What a header is read as.
type HeaderReader = byte[] -> TarHeader

let private put (block: byte[]) at (text: string) =
    Encoding.ASCII.GetBytes text |> Array.iteri (fun i b -> block[at + i] <- b)

/// The block of a header.
let private block (header: Header) =
    let block = Array.zeroCreate<byte> Tar.Block
    put block 0 header.Name
    put block 345 header.Prefix
    put block 257 "ustar\00000"
    block[156] <- byte header.Kind

    if header.IsBinary then
        for i in 0..7 do
            block[135 - i] <- byte (header.Size >>> (8 * i))

        block[124] <- 0x80uy
    else
        put block 124 (Convert.ToString(header.Size, 8).PadLeft(11, '0'))

    put block 148 "        "
    put block 148 (Convert.ToString(Array.sumBy int block, 8).PadLeft(6, '0') + "\000")
    block

let private headers =
    gen {
        let! name = Gen.elements [ "checkpoint/pstree.img"; "a"; String('n', 100) ]
        let! prefix = Gen.elements [ ""; "some/where"; String('p', 155) ]
        let! isBinary = Gen.elements [ false; true ]

        let! size =
            Gen.elements
                [
                    0L
                    1L
                    511L
                    512L
                    65537L
                    8589934591L
                    (if isBinary then 1L <<< 40 else 7L)
                ]

        let! kind = Gen.elements [ '0'; '\000'; '7'; '5'; '2'; 'x'; 'g'; 'S'; 'L' ]

        return
            {
                Name = name
                Prefix = prefix
                Size = size
                Kind = kind
                IsBinary = isBinary
            }
    }

let aHeaderSaysWhatFollows: Law<HeaderReader> =
    Law.create (Arb.fromGen headers) (fun read header ->
        let path =
            if header.Prefix = "" then
                header.Name
            else
                header.Prefix + "/" + header.Name

        let expected =
            match header.Kind with
            | '0'
            | '7'
            | '\000' -> TarHeader.File(path, header.Size)
            | 'x' -> TarHeader.Extension header.Size
            | 'S' -> TarHeader.Sparse header.Size
            | '2'
            | '5' -> TarHeader.Skipped 0L
            | _ -> TarHeader.Skipped header.Size

        Law.same "the header" expected (read (block header)))

let aChangedHeaderIsNone: Law<HeaderReader> =
    Law.create
        (Arb.fromGen (Gen.zip headers (Gen.zip (Gen.choose (0, 511)) (Gen.choose (1, 255)))))
        (fun read (header, (at, change)) ->
            let bytes = block header
            let before = read bytes
            bytes[at] <- bytes[at] + byte change

            match read bytes with
            | TarHeader.Wrong -> ()
            // The sum may be spelt otherwise.
            | after when at >= 148 && at < 156 -> Law.same "the header" before after
            | after -> Law.broken (fun () -> $"%A{after}"))

[<Fact>]
let ``a header says what follows it`` () =
    Law.checkFor 500 Tar.header aHeaderSaysWhatFollows

[<Fact>]
let ``a header with a changed byte is none`` () =
    Law.checkFor 1000 Tar.header aChangedHeaderIsNone

[<Fact>]
let ``any block is read`` () =
    Prop.forAll (Arb.fromGen (Gen.arrayOfLength 512 (Gen.map byte (Gen.choose (0, 255))))) (fun block ->
        Law.same "noise" TarHeader.Wrong (Tar.header block))
    |> Law.checkProperty 300

    Assert.Equal(TarHeader.End, Tar.header (Array.zeroCreate 512))

let private record key value =
    let rec length n =
        let text = $"%d{n} %s{key}=%s{value}\n"
        if text.Length = n then text else length text.Length

    length 5

[<Fact>]
let ``an extension gives the path and the size, and any bytes are one or none`` () =
    let bytes (text: string) = Encoding.UTF8.GetBytes text
    let file = TarHeader.File("x", 5L)

    Assert.Equal(
        TarHeader.File("checkpoint/pstree.img", 5L),
        Tar.extend (bytes (record "mtime" "1.5" + record "path" "checkpoint/pstree.img")) file
    )

    Assert.Equal(TarHeader.File("x", 99999999999L), Tar.extend (bytes (record "size" "99999999999")) file)
    Assert.Equal(TarHeader.Skipped 9L, Tar.extend (bytes (record "size" "9")) (TarHeader.Skipped 1L))
    Assert.Equal(file, Tar.extend [||] file)

    for wrong in
        [
            "5"
            "5 a=b"
            "99 a=b\n"
            "0 a=b\n"
            "7 ab=c\n "
            record "size" "-1"
            record "size" "x"
            "6 ab c\n"
            "-6 a=b\n"
        ] do
        Assert.Equal(TarHeader.Wrong, Tar.extend (bytes wrong) file)

    let texts =
        Gen.map
            (fun parts -> bytes (String.concat "" parts))
            (Gen.listOf (Gen.elements [ record "path" "a"; record "size" "3"; " "; "="; "\n"; "7"; "x"; "12 "; "é" ]))

    Prop.forAll (Arb.fromGen texts) (fun text ->
        match Tar.extend text file with
        | TarHeader.File _
        | TarHeader.Wrong -> ()
        | other -> Law.broken (fun () -> $"%A{other}"))
    |> Law.checkProperty 2000

let private wrongHeaderReaders: (string * HeaderReader) list =
    [
        "no sum",
        (fun block ->
            match Tar.header block with
            | TarHeader.Wrong -> TarHeader.Skipped 0L
            | other -> other)
        "no prefix",
        (fun block ->
            match Tar.header block with
            | TarHeader.File(path, size) -> TarHeader.File(path.Substring(path.LastIndexOf '/' + 1), size)
            | other -> other)
        "large sizes are cut",
        (fun block ->
            match Tar.header block with
            | TarHeader.File(path, size) -> TarHeader.File(path, int64 (uint32 size))
            | other -> other)
        "directories have contents",
        (fun block ->
            match Tar.header block with
            | TarHeader.Skipped 0L -> TarHeader.Skipped 512L
            | other -> other)
    ]

[<Fact>]
let ``each wrong reader of headers breaks a law`` () =
    let laws = Law.all<HeaderReader>()

    for name, reader in wrongHeaderReaders do
        let isCaught =
            laws |> List.exists (fun (_, law) -> (law.TryBreak (Rnd 1UL) 300 reader).IsSome)

        Assert.True(isCaught, name)
