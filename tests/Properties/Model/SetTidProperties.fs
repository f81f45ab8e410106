/// What is wrong with a set_tid array, before and in place of the kernel's errno.
module SetNsLastPid.Tests.Properties.SetTidProperties

open FsCheck.FSharp
open Xunit
open SetNsLastPid

let private errnoOf fault =
    match fault with
    | SetTidFault.TooMany _
    | SetTidFault.OutOfRange _
    | SetTidFault.NotFirst _ -> Errno.EINVAL
    | SetTidFault.NotAllowed _ -> Errno.EPERM
    | SetTidFault.Taken _ -> Errno.EEXIST

// What each kind of fault says of the entry and the level it names.
let private isTrue (request: Request) fault =
    let at entry =
        request.SetTid[entry], request.Levels[entry]

    match fault with
    | SetTidFault.TooMany(entries, levels) ->
        entries = request.SetTid.Length
        && levels = min request.Levels.Length 32
        && entries > levels
    | SetTidFault.OutOfRange(entry, pid, pidMax) ->
        let tid, level = at entry
        pid = tid && pidMax = level.PidMax && (pid < 1 || pid >= pidMax)
    | SetTidFault.NotFirst(entry, pid) ->
        let tid, level = at entry

        pid = tid
        && pid <> 1
        && (level.Life = Life.Unborn || level.Life = Life.Stillborn)
    | SetTidFault.NotAllowed(entry, pid) ->
        let tid, level = at entry
        pid = tid && not level.MayChoose
    | SetTidFault.Taken(entry, pid) ->
        let tid, level = at entry
        pid = tid && Space.isHeld pid level

// What is left when entries from `count` on are not chosen: a fault of an earlier entry must still be there.
let private entryOf fault =
    match fault with
    | SetTidFault.TooMany _ -> None
    | SetTidFault.OutOfRange(entry, _, _)
    | SetTidFault.NotFirst(entry, _)
    | SetTidFault.NotAllowed(entry, _)
    | SetTidFault.Taken(entry, _) -> Some entry

let private agrees (request: Request) =
    let stack = Request.stack request
    let fault = SetTid.fault request.Kernel request.SetTid stack

    match fault, PidStack.allocate request.Kernel request.SetTid stack with
    | ValueSome fault, struct (result, _) ->
        Law.same "errno" (Allocation.Refused(errnoOf fault)) result
        Law.holds "the fault is true" (isTrue request fault)

        // The entry it names is the one: with it mended, the fault is another.
        match entryOf fault with
        | Some entry ->
            let levels =
                request.Levels
                |> List.mapi (fun i level ->
                    if i = entry then
                        { level with
                            Life = Life.Alive
                            MayChoose = true
                            Held = []
                        }
                    else
                        level)

            let mended =
                { request with
                    SetTid = List.updateAt entry 1 request.SetTid
                    Levels = levels
                }

            Law.holds
                "another fault once that entry is right"
                (SetTid.fault request.Kernel mended.SetTid (Request.stack mended)
                 <> ValueSome fault)
        | None -> ()
    | ValueNone, struct (Allocation.Given _, _)
    | ValueNone, struct (Allocation.Refused(Errno.EAGAIN | Errno.ENOMEM), _) -> ()
    | ValueNone, struct (result, _) -> Law.broken (fun () -> $"no fault, but %A{result}")

[<Fact>]
let ``a fault has the kernel's errno and is true of the entry it names`` () =
    for generator in [ Generate.request; Generate.firstClone; Generate.deepClone ] do
        Law.checkProperty 1000 (Prop.forAll (Arb.fromGenShrink (generator, Shrink.request)) agrees)

// Kernels differ in which of two wrong entries comes first.
[<Theory>]
[<InlineData(6, 18, 0)>]
[<InlineData(7, 0, 1)>]
[<InlineData(7, 3, 1)>]
let ``the first fault is that of the kernel's first look`` (major: int, minor: int, entry: int) =
    let taken =
        PidNamespace.withChoice (PidNamespace.observed 9 301 (PidSet.ofSeq [ 1; 7 ]))

    Assert.Equal(
        ValueSome(
            if entry = 0 then
                SetTidFault.Taken(0, 7)
            else
                SetTidFault.OutOfRange(1, 400, 301)
        ),
        SetTid.fault (KernelRules.ofVersion major minor) [ 7; 400 ] [ taken; taken ]
    )

[<Fact>]
let ``each fault is said with its entry, counted from 1, and what would be right`` () =
    let say = SetTid.describe 4

    Assert.Equal("3 PIDs: the process would have 2, one in each of its PID namespaces", say (SetTidFault.TooMany(3, 2)))
    Assert.Equal("1st PID 70000: this namespace allows 1 to 32767", say (SetTidFault.OutOfRange(0, 70000, 32768)))
    Assert.Equal("2nd PID 5: the first process of a namespace gets PID 1", say (SetTidFault.NotFirst(1, 5)))
    Assert.Equal("3rd PID 6: needs CAP_CHECKPOINT_RESTORE over this namespace", say (SetTidFault.NotAllowed(2, 6)))
    Assert.Equal("4th PID 7: it is in use", say (SetTidFault.Taken(3, 7)))
    Assert.Equal("PID 7: it is in use", SetTid.describe 1 (SetTidFault.Taken(0, 7)))

[<Fact>]
let ``entries are counted in English`` () =
    let ordinal n =
        (SetTid.describe 32 (SetTidFault.Taken(n - 1, 1))).Split(' ')[0]

    for n, expected in
        [
            1, "1st"
            2, "2nd"
            3, "3rd"
            4, "4th"
            10, "10th"
            11, "11th"
            12, "12th"
            13, "13th"
            14, "14th"
        ]
        @ [
            20, "20th"
            21, "21st"
            22, "22nd"
            23, "23rd"
            24, "24th"
            30, "30th"
            31, "31st"
            32, "32nd"
        ] do
        Assert.Equal(expected, ordinal n)
