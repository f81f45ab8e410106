/// What three kernels were seen to do, row by row: kernel-cases.tsv, one column a kernel. Each row is played on the
/// model and its result is written the way the table writes it.
module SetNsLastPid.Tests.Properties.KernelCases

open System
open System.IO
open System.Reflection
open System.Text
open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

/// A kernel of the table, in the order of its columns.
type private Column = { Kernel: KernelRules; PidMax: int }

let private columns =
    [
        {
            Kernel = KernelRules.ofVersion 6 1
            PidMax = 32768
        }
        {
            Kernel = KernelRules.ofVersion 6 12
            PidMax = 32768
        }
        {
            Kernel = KernelRules.ofVersion 6 18
            PidMax = 4194304
        }
    ]

let private table =
    match Assembly.GetExecutingAssembly().GetManifestResourceStream "kernel-cases.tsv" with
    | null -> failwith "no kernel-cases.tsv in the assembly"
    | stream ->
        use reader = new StreamReader(stream)
        reader.ReadToEnd()

let private rows =
    table.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    |> Array.toList
    |> List.tail
    |> List.map (fun line ->
        let cells = line.Split '\t'
        cells[0], List.ofArray cells[3..])

/// A machine on which a case is played: the namespaces, innermost first, and what was printed so far.
type private Machine(a: Allocator, column: Column) =
    let fresh =
        { PidNamespace.create true column.PidMax with
            Cursor = 2
            InUse = PidSet.ofSeq [ 1 ]
            Life = Life.Alive
        }

    // The level outside of the namespace, with the pid_max of the machine; its cursor stays away from the wrap.
    let mutable stack: PidStack =
        [
            fresh
            { fresh with
                PidMax = 32768
                Cursor = 50
            }
        ]

    let mutable said: string list = []

    let say text = said <- text :: said

    let change depth (edit: PidNamespace -> PidNamespace) =
        stack <- List.mapi (fun i ns -> if i = depth then edit ns else ns) stack

    let errno (e: Errno) = say (string e)

    let sayPid depth result =
        match result with
        | Allocation.Given pids -> say (string (List.item depth pids))
        | Allocation.Refused e -> errno e

    // How deep the namespace "A" of a case lies under the innermost.
    member val Caller = 0 with get, set
    member _.PidMax = stack.Head.PidMax

    member m.Last n =
        change m.Caller (PidNamespace.withLastPid n)

    member m.Holding pids =
        change m.Caller (fun ns ->
            { ns with
                InUse = (ns.InUse, pids) ||> Seq.fold (fun set pid -> PidSet.add pid set)
            })

    member m.WithoutCapability() =
        change m.Caller (fun ns -> { ns with MayChoose = false })

    // pid_max of the caller's namespace.
    member m.SetPidMax value =
        let inner, outer = List.splitAt m.Caller stack

        match a.WritePidMax column.Kernel value outer with
        | Ok outer when column.Kernel.PidMaxPerNamespace ->
            stack <- inner @ outer
            Ok()
        | Ok outer ->
            stack <- List.map (fun ns -> { ns with PidMax = value }) inner @ outer
            Ok()
        | Error e -> Error e

    // A namespace B inside that has its init; the case goes on in A.
    member m.Inside() =
        stack <-
            { fresh with
                PidMax =
                    (if column.Kernel.PidMaxPerNamespace then
                         4194304
                     else
                         stack.Head.PidMax)
            }
            :: stack

        m.Caller <- 1

    member m.InnerLast n = change 0 (PidNamespace.withLastPid n)

    member m.InnerHolding pids =
        change 0 (fun ns ->
            { ns with
                InUse = (ns.InUse, pids) ||> Seq.fold (fun s p -> PidSet.add p s)
            })

    // unshare(CLONE_NEWPID), or CLONE_NEWPID in the clone itself.
    member m.Nest() =
        match a.Nest column.Kernel 1 true stack with
        | Ok nested ->
            stack <- nested
            m.Caller <- 1
        | Error e -> errno e

    member m.InitDies() = stack <- a.InitDies stack

    member m.Allocate setTid =
        let struct (result, after) = a.Allocate column.Kernel setTid stack
        stack <- after
        sayPid m.Caller result

    member m.AllocateInner setTid =
        let struct (result, after) = a.Allocate column.Kernel setTid stack
        stack <- after

        match result with
        | Allocation.Given pids -> say $"{pids[m.Caller]} inner pid={pids[0]}"
        | Allocation.Refused e -> errno e

    member _.FailLate(e, setTid) =
        let struct (result, after) = a.FailLate column.Kernel e setTid stack
        stack <- after
        sayPid 0 result

    // A child that exits and is reaped.
    member m.AllocateAndReap setTid =
        let struct (result, after) = a.Allocate column.Kernel setTid stack

        stack <-
            match result with
            | Allocation.Given pids -> a.Release pids after
            | Allocation.Refused _ -> after

        sayPid m.Caller result

    member m.Write(text: string, offset: int64) =
        let struct (result, after) =
            a.WriteLastPid m.Kernel offset (Encoding.Latin1.GetBytes text) (List.item m.Caller stack)

        change m.Caller (fun _ -> after)

        match result with
        | LastPidWrite.Stored(_, taken)
        | LastPidWrite.Ignored taken -> say (string taken)
        | LastPidWrite.Refused e -> errno e

    member _.Say(text: string) = say text
    member m.LastPid = (List.item m.Caller stack).Cursor - 1
    member _.InnerLastPid = stack.Head.Cursor - 1
    member _.Kernel = column.Kernel
    member _.Allocator = a

    // What was said since the last time, and the last PIDs.
    member private _.Take() =
        let text = String.concat ", " (List.rev said)
        said <- []
        text

    member m.Shown = $"%s{m.Take()} last=%d{m.LastPid}"
    member m.ShownBoth = $"%s{m.Take()} A.last=%d{m.LastPid} B.last=%d{m.InnerLastPid}"
    member m.ShownAlone = m.Take()

let private repeat n (act: unit -> unit) =
    for _ in 1..n do
        act ()

// In A with B inside, where the children go.
let private nested (m: Machine) =
    m.Last 20
    m.Inside()
    m.InnerLast 1

let private chosen setTid (m: Machine) =
    m.Last 100
    m.Allocate setTid
    m.Shown

let private failing errno (m: Machine) =
    m.Last 100
    m.FailLate(errno, [])
    m.Shown

let private writing text (m: Machine) =
    m.Last 100
    m.Write(text, 0L)
    m.Shown

// 50 is held by something that is no running process: which of them makes no difference to the model.
let private heldBySomething (m: Machine) =
    m.Holding [ 50 ]
    m.Last 49
    m.AllocateAndReap []
    let first = m.Shown
    m.Allocate [ 50 ]
    $"%s{first}; %s{m.Shown}"

let private played: (string * (Machine -> string)) list =
    [
        "T01",
        (fun m ->
            m.Allocate []
            m.Shown)
        "T02",
        (fun m ->
            m.Last 0
            m.Allocate []
            m.Shown)
        "T03",
        (fun m ->
            m.Last 298
            repeat 4 (fun () -> m.Allocate [])
            m.Shown)
        "T04",
        (fun m ->
            m.Last 299
            m.Allocate []
            m.Shown)
        "T05",
        (fun m ->
            let p = m.PidMax
            m.Last(p - 2)
            m.Allocate []
            let first = m.Shown.Replace(string (p - 1), "P-1")
            m.Allocate []
            $"%s{first}, %s{m.Shown}")
        "T06",
        (fun m ->
            m.Last(m.PidMax - 1)
            m.Allocate []
            m.Shown)
        "T07",
        (fun m ->
            m.Last m.PidMax
            m.Allocate []
            m.Shown)
        "T08",
        (fun m ->
            m.Last 50
            m.Write(string (m.PidMax + 1), 0L)
            m.Shown)
        "T09",
        (fun m ->
            m.Holding [ 10; 11; 12 ]
            m.Last 9
            m.Allocate []
            m.Shown)
        "T10",
        (fun m ->
            m.Holding [ 300; 301; 302 ]
            m.Last(m.PidMax - 1)
            m.Allocate []
            m.Shown)
        "T11",
        (fun m ->
            m.SetPidMax 303 |> ignore
            m.Holding [ 300; 301; 302 ]
            m.Last 299
            repeat 2 (fun () -> m.Allocate [])
            m.Shown)
        "T12",
        (fun m ->
            m.SetPidMax 303 |> ignore
            m.Holding [ 300; 301; 302 ]
            m.Last 300
            m.Allocate []
            m.Shown)
        "T13",
        (fun m ->
            m.SetPidMax 303 |> ignore
            m.Holding [ 301; 302 ]
            m.Last 300
            m.Allocate []
            m.Shown)
        "T14",
        (fun m ->
            m.SetPidMax 301 |> ignore
            m.Holding [ 300 ]
            m.Last 301
            m.Allocate []
            m.Shown)
        "T15",
        (fun m ->
            m.SetPidMax 301 |> ignore
            m.Holding [ 2..300 ]
            m.Last 5
            m.Allocate []
            m.Shown)
        "T16",
        (fun m ->
            m.Last 1000
            m.SetPidMax 500 |> ignore
            m.Allocate []
            m.Shown)
        "T17",
        (fun m ->
            m.Last 1000
            m.SetPidMax 500 |> ignore
            m.Write("1000", 0L)
            m.Shown)
        "T18",
        (fun m ->
            m.Last 1000
            m.SetPidMax 500 |> ignore
            m.SetPidMax 2000 |> ignore
            m.Allocate []
            m.Shown)
        "T19",
        (fun m ->
            m.Holding [ 5000 ]
            m.Last 100
            m.SetPidMax 500 |> ignore
            m.Allocate [ 5000 ]
            m.Shown)
        "T20", chosen [ 50 ]
        "T21",
        (fun m ->
            m.Holding [ 7 ]
            chosen [ 7 ] m)
        "T22", chosen [ 0 ]
        "T23", (fun m -> chosen [ m.PidMax ] m)
        "T24", (fun m -> (chosen [ m.PidMax - 1 ] m).Replace(string (m.PidMax - 1), "P-1"))
        "T25", chosen [ 1 ]
        "T26",
        (fun m ->
            m.Holding [ 7 ]
            m.WithoutCapability()
            chosen [ 7 ] m)
        "T27",
        (fun m ->
            m.WithoutCapability()
            chosen [ 0 ] m)
        "T28", chosen (List.replicate 33 50)
        "T32",
        (fun m ->
            nested m
            m.Allocate [ 30; 40 ]
            m.ShownBoth)
        "T33",
        (fun m ->
            nested m
            m.Allocate [ 30 ]
            m.ShownBoth)
        "T34",
        (fun m ->
            nested m
            m.Allocate []
            m.ShownBoth)
        "T35",
        (fun m ->
            m.Holding [ 7 ]
            nested m
            m.InnerHolding [ 9 ]
            m.Allocate [ 6; 7 ]
            m.ShownBoth)
        "T36",
        (fun m ->
            nested m
            m.Allocate [ 1; 0 ]
            m.ShownBoth)
        "T37",
        (fun m ->
            m.Holding [ 300 ]
            nested m
            m.SetPidMax 301 |> ignore
            m.Last 300
            m.InnerHolding [ 300 ]
            repeat 2 (fun () -> m.Allocate [])
            m.ShownBoth)
        "T38",
        (fun m ->
            nested m
            m.FailLate(Errno.EBADF, [])
            m.ShownBoth)
        "T39",
        (fun m ->
            m.Last 20
            m.Nest()
            m.Allocate [ 2 ]
            m.Shown)
        "T40",
        (fun m ->
            m.Last 20
            m.Nest()
            m.Allocate [ 1; 40 ]
            m.Shown)
        "T41",
        (fun m ->
            m.Last 20
            m.Nest()
            m.Allocate []
            m.Shown)
        "T42",
        (fun m ->
            m.Holding [ 50 ]
            m.Last 49
            m.Allocate []
            m.Shown)
        "T43", heldBySomething
        "T44", heldBySomething
        "T45",
        (fun m ->
            m.Last 49
            m.AllocateAndReap [ 50 ]
            let first = m.Shown
            m.AllocateAndReap []
            $"%s{first}; %s{m.Shown}")
        "T46", failing Errno.EMFILE
        "T47", failing Errno.EFAULT
        "T48", failing Errno.EMFILE
        "T49",
        (fun m ->
            if m.Kernel.PidfdOfThread then
                failing Errno.EMFILE m
            else
                // Refused as an invalid combination of flags, before alloc_pid.
                m.Last 100
                m.Say "EINVAL"
                m.Shown)
        "T50", failing Errno.EBADF
        "T51", failing Errno.EAGAIN
        "T53",
        (fun m ->
            m.Holding [ 101; 102 ]
            let first = failing Errno.EBADF m
            m.FailLate(Errno.EBADF, [])
            $"%s{first}; %s{m.Shown}")
        "T54",
        (fun m ->
            m.Last(m.PidMax - 1)
            m.FailLate(Errno.EBADF, [])
            m.Shown)
        "T55",
        (fun m ->
            m.Last 100
            m.FailLate(Errno.EBADF, [ 50 ])
            let first = m.Shown
            m.Allocate [ 50 ]
            $"%s{first}; %s{m.Shown}")
        "T56",
        (fun m ->
            m.Last 100
            m.Inside()
            m.InitDies()
            m.Allocate []
            let first = m.Shown
            m.Allocate []
            $"%s{first}; %s{m.Shown}")
        "T57",
        (fun m ->
            m.Holding [ 7 ]
            m.Last 20
            m.Nest()
            m.Allocate [ 1; 7 ]
            let first = m.Shown
            m.AllocateInner []
            $"%s{first}; %s{m.Shown}")
        "T58",
        (fun m ->
            m.Last 20
            m.Nest()
            m.FailLate(Errno.EBADF, [])
            let first = m.Shown
            m.Allocate []
            $"%s{first}; %s{m.Shown}")
        "T59",
        (fun m ->
            let rec deepen level (stack: PidStack) =
                match m.Allocator.Nest m.Kernel level true stack with
                | Error e -> $"level {level} reached, then {e}, last={stack.Head.Cursor - 1} there"
                | Ok inner when level < 50 ->
                    let struct (_, after) = m.Allocator.Allocate m.Kernel [] inner
                    deepen (level + 1) (List.truncate 2 after)
                | Ok _ -> "no end"

            deepen 0 [ PidNamespace.create true 32768 ])
        "T60", writing ""
        "T61", writing "0x7b"
        "T62", writing "0173"
        "T63", writing "123 456\n"
        "T64", writing "123abc"
        "T65", writing " \n"
        "T66",
        (fun m ->
            m.Last 100
            m.Write("7", 1L)
            m.Shown)
        "T67", writing "-0"
        "T68", writing "-1"
        "T69",
        (fun m ->
            m.WithoutCapability()
            writing "5" m)
        "T70", writing "000000000000000000123"
        "T71",
        (fun m ->
            m.Last 100
            m.Allocate []
            m.Shown.Replace("101 ", "ok "))
        "T72",
        (fun m ->
            m.Last 100
            m.AllocateAndReap []
            m.Shown)
        "T73",
        (fun m ->
            match m.Allocator.Nest m.Kernel 0 true [ PidNamespace.create true 32768 ] with
            | Ok stack -> string stack.Head.PidMax
            | Error e -> string e)
        "T74",
        (fun m ->
            for value in [ 300; 301; 4194305 ] do
                match m.SetPidMax value with
                | Ok() -> m.Say "0"
                | Error e -> m.Say(string e)

            m.ShownAlone)
    ]

// Rows that say nothing of the allocator, and why.
let private notPlayed =
    [
        "T29", "the pointer and the size of set_tid are read before there is an array"
        "T30", "the pointer and the size of set_tid are read before there is an array"
        "T31", "the array cannot be read"
        "T52", "RLIMIT_NPROC is looked at before alloc_pid"
    ]

// A remark in the table on where a case was tried.
let private expected (cell: string) = cell.Replace(" (tried at level 0)", "")

let private play (a: Allocator) (id, run: Machine -> string) =
    let cells = rows |> List.find (fst >> (=) id) |> snd

    for column, cell in List.zip columns cells do
        Law.same $"%s{id} with pid_max %d{column.PidMax}" (expected cell) (run (Machine(a, column)))

let observedCases: Law<Allocator> =
    Law.create (Arb.fromGen (Gen.elements [ 0 .. played.Length - 1 ])) (fun a i -> play a played[i])

[<Fact>]
let ``every observed case holds`` () =
    for case in played do
        play Allocator.model case

[<Fact>]
let ``every row is played or there is a reason why not`` () =
    Assert.Equal<string list>(List.map fst rows, List.sort (List.map fst played @ List.map fst notPlayed))
    Assert.All(rows, (fun (id, cells) -> Assert.True(cells.Length = columns.Length, id)))
