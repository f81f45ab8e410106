/// The picture of a PID namespace.
module SetNsLastPid.Tests.Properties.PidMapProperties

open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

/// A namespace and how it is to be drawn.
type Sheet =
    {
        Columns: int
        Rows: int
        PidMax: int
        Cursor: int
        Target: int
        InUse: int list
    }

/// How a picture is made, as a value, so that tests can put a wrong one in its place.
type Draughtsman = int -> int -> int voption -> PidNamespace -> MapPicture

let private space (sheet: Sheet) =
    PidNamespace.observed (sheet.Cursor - 1) sheet.PidMax (PidSet.ofSeq sheet.InUse)

let private sheets =
    gen {
        let! columns = Gen.elements [ 1; 7; 8; 64; 128 ]
        let! rows = Gen.choose (1, 16)
        let! pidMax = Gen.elements [ 301; 302; 1000; 1024; 32768; 99999; 4194304 ]
        let near = Gen.elements [ 0; 1; 299; 300; 301; pidMax - 1; pidMax; pidMax + 1 ]
        let anywhere = Gen.choose (0, pidMax + 1)
        let! cursor = Gen.oneof [ near; anywhere ]
        let! target = Gen.oneof [ near; anywhere ]
        // Runs, so that some cells are full.
        let! runs = Gen.listOf (Gen.zip (Gen.choose (1, pidMax + 5)) (Gen.choose (0, 40)))

        return
            {
                Columns = columns
                Rows = rows
                PidMax = pidMax
                Cursor = cursor
                Target = target
                InUse =
                    List.distinct
                        [
                            for first, more in runs do
                                yield! [ first .. first + more ]
                        ]
            }
    }

let private shrink (sheet: Sheet) =
    seq {
        for inUse in [ []; List.truncate (sheet.InUse.Length / 2) sheet.InUse ] do
            if inUse.Length < sheet.InUse.Length then
                { sheet with InUse = inUse }
    }

let private inputs = Arb.fromGenShrink (sheets, shrink)

let private draw (draughtsman: Draughtsman) sheet =
    draughtsman sheet.Columns sheet.Rows (ValueSome sheet.Target) (space sheet)

let everyPidIsInOneCell: Law<Draughtsman> =
    Law.create inputs (fun draughtsman sheet ->
        let picture = draw draughtsman sheet
        Law.same "the first number" 0 picture.Blocks[0].First
        Law.same "the last number" (sheet.PidMax - 1) (Array.last picture.Blocks).Last

        for before, after in Array.pairwise picture.Blocks do
            Law.same "the number after a cell" (before.Last + 1) after.First

        for block in picture.Blocks do
            Law.holds "a cell has numbers" (block.First <= block.Last)

        for pid in [ 0; sheet.PidMax - 1; min sheet.Target (sheet.PidMax - 1) ] do
            let block = picture.Blocks[PidMap.cellOf pid picture]
            Law.holds $"%d{pid} is in its cell" (block.First <= pid && pid <= block.Last))

let everyNumberInUseIsCounted: Law<Draughtsman> =
    Law.create inputs (fun draughtsman sheet ->
        let picture = draw draughtsman sheet
        let below = List.filter (fun pid -> pid < sheet.PidMax) sheet.InUse
        Law.same "in use" below.Length picture.Held
        Law.same "in use in all cells" below.Length (Array.sumBy (fun (block: MapBlock) -> block.Held) picture.Blocks)

        let byCell =
            below |> List.countBy (fun pid -> PidMap.cellOf pid picture) |> Map.ofList

        picture.Blocks
        |> Array.iteri (fun i block -> Law.same "in use in a cell" (defaultArg (Map.tryFind i byCell) 0) block.Held))

let shadesTellFreeFromUsed: Law<Draughtsman> =
    Law.create inputs (fun draughtsman sheet ->
        let picture = draw draughtsman sheet

        for block in picture.Blocks do
            Law.same "blank" (block.Held = 0) (block.Shade = 0)
            let isFull = block.Held = block.Last - block.First + 1
            Law.holds "a full cell is darkest" (not isFull || block.Shade = PidMap.Shades - 1)

        for one, other in Array.pairwise (Array.sortBy (fun (block: MapBlock) -> block.Held) picture.Blocks) do
            let isWhole (block: MapBlock) =
                block.Last - block.First + 1 = picture.BlockSize

            Law.holds "more is darker" (not (isWhole one && isWhole other) || one.Shade <= other.Shade))

let itFitsAndIsNoCoarserThanItMust: Law<Draughtsman> =
    Law.create inputs (fun draughtsman sheet ->
        let picture = draw draughtsman sheet
        let cells = sheet.Columns * sheet.Rows
        Law.holds "it fits" (picture.Blocks.Length <= cells)

        let half = picture.BlockSize / 2
        Law.holds "half the size would not do" (picture.BlockSize = 1 || (sheet.PidMax + half - 1) / half > cells))

let theWayLeadsFromTheCursorToTheTarget: Law<Draughtsman> =
    Law.create inputs (fun draughtsman sheet ->
        let picture = draw draughtsman sheet

        let isOnWay pid =
            picture.Blocks[PidMap.cellOf pid picture].IsOnWay

        let ns = space sheet
        Law.same "next" (PidNamespace.tryNext ns) picture.Next

        match picture.Reach, picture.Target, picture.Next with
        | Reach.After n, ValueSome target, ValueSome next when n > 0 ->
            Law.holds "it starts at the next PID" (isOnWay next)
            // Where all numbers before the target are in use it ends earlier, at the top for one.
            Law.holds "it ends at the target" (isOnWay target || target < Limits.Reserved || next > target)
            let free = picture.Blocks |> Array.filter (fun block -> block.IsOnWay)

            let room =
                free |> Array.sumBy (fun block -> block.Last - block.First + 1 - block.Held)

            Law.holds "it has room for all that is consumed" (room >= n)
        | _ -> Law.holds "there is no way" (not (Array.exists (fun block -> block.IsOnWay) picture.Blocks)))

[<Fact>]
let ``every PID is in one cell, and cells follow one another`` () =
    Law.checkFor 200 PidMap.draw everyPidIsInOneCell

[<Fact>]
let ``every number in use below pid_max is counted in its cell`` () =
    Law.checkFor 200 PidMap.draw everyNumberInUseIsCounted

[<Fact>]
let ``shades tell free from used, and more from less`` () =
    Law.checkFor 200 PidMap.draw shadesTellFreeFromUsed

[<Fact>]
let ``a picture fits, and cells are no larger than they must be`` () =
    Law.checkFor 200 PidMap.draw itFitsAndIsNoCoarserThanItMust

[<Fact>]
let ``the way leads from the cursor to the target`` () =
    Law.checkFor 500 PidMap.draw theWayLeadsFromTheCursorToTheTarget

let private wrong (change: MapPicture -> MapPicture) : Draughtsman =
    fun columns rows target ns -> change (PidMap.draw columns rows target ns)

let private each change picture =
    { picture with
        Blocks = Array.map change picture.Blocks
    }

let private wrongOnes: (string * Draughtsman) list =
    [
        "a number between two cells is lost",
        wrong (
            each (fun block ->
                { block with
                    Last = max block.First (block.Last - 1)
                })
        )
        "the number 0 counts", wrong (fun picture -> { picture with Held = picture.Held + 1 })
        "a cell more", wrong (each (fun block -> { block with Held = block.Held + 1 }))
        "little is nothing", wrong (each (fun block -> if block.Shade = 1 then { block with Shade = 0 } else block))
        "half is all", wrong (each (fun block -> if block.Shade = 4 then { block with Shade = 3 } else block))
        "twice as coarse", (fun columns rows target ns -> PidMap.draw columns (max 1 (rows / 2)) target ns)
        "too fine", (fun columns rows target ns -> PidMap.draw columns (rows * 2) target ns)
        "no way", wrong (each (fun block -> { block with IsOnWay = false }))
        "everything is on the way", wrong (each (fun block -> { block with IsOnWay = true }))
        "no wrap on the way",
        wrong (fun picture ->
            match picture.Target with
            | ValueSome target ->
                each
                    (fun block ->
                        { block with
                            IsOnWay = block.IsOnWay && block.First <= target
                        })
                    picture
            | ValueNone -> picture)
    ]

[<Fact>]
let ``each wrong picture breaks a law`` () =
    let laws = Law.all<Draughtsman>()

    for name, draughtsman in wrongOnes do
        let isCaught =
            laws
            |> List.exists (fun (_, law) -> (law.TryBreak (Rnd 1UL) 300 draughtsman).IsSome)

        Assert.True(isCaught, name)

[<Fact>]
let ``what is handed out between two looks is counted, over a wrap too`` () =
    Prop.forAll inputs (fun sheet ->
        // After a whole lap the cursor looks as if it had not moved.
        let ns = space sheet
        let free = PidSet.countFree Limits.Reserved ns.PidMax ns.InUse

        let pids =
            List.ofSeq (PidNamespace.predict (min (sheet.Columns * sheet.Rows) (free - 1)) ns)

        match List.tryLast pids with
        | Some last when
            ns.Cursor > Limits.Reserved
            && ns.Cursor < ns.PidMax
            && (List.distinct pids).Length = pids.Length
            ->
            Law.same "consumed" pids.Length (PidMap.consumed last ns)
        | _ -> ())
    |> Law.checkProperty 200

[<Fact>]
let ``as many as until the wrap, and the cursor is at the top`` () =
    Prop.forAll inputs (fun sheet ->
        let ns =
            space
                { sheet with
                    PidMax = min sheet.PidMax 1024
                    Cursor = min sheet.Cursor 1023
                }

        let pids = List.ofSeq (PidNamespace.predict (PidMap.untilWrap ns + 1) ns)

        let before, after = List.splitAt (min pids.Length (PidMap.untilWrap ns)) pids
        Law.holds "all before it go up" (before = List.sort before)
        Law.holds "the one after it is lower" (List.forall (fun pid -> before.IsEmpty || pid < List.last before) after))
    |> Law.checkProperty 100
