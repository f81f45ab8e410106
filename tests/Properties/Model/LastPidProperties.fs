/// Writing to ns_last_pid: the text, the permission, and what it does to the next number.
module SetNsLastPid.Tests.Properties.LastPidProperties

open System
open System.Text
open FsCheck.FSharp
open Xunit
open SetNsLastPid
open SetNsLastPid.Verification

let private write (a: Allocator) offset (text: byte[]) ns =
    a.WriteLastPid KernelRules.newest offset text ns

let private decimal (n: int) = Encoding.ASCII.GetBytes(string n)

let agreesWithTheReference: Law<Allocator> =
    Law.create Inputs.lastPidRequests (fun a request ->
        let (Text text) = request.Text
        let space = request.Space

        let expected =
            ReferenceText.write request.Kernel space.MayChoose space.PidMax request.Offset text

        let ns = Space.toModel space
        let struct (result, after) = a.WriteLastPid request.Kernel request.Offset text ns
        Law.same "result" expected result

        match expected with
        | LastPidWrite.Stored(n, _) -> Levels.mustBe "the cursor moves" [ { ns with Cursor = n + 1 } ] [ after ]
        | _ -> Levels.mustBe "nothing changes" [ ns ] [ after ])

[<Fact>]
let ``a write agrees with the reference`` () =
    Law.check Allocator.model agreesWithTheReference

// A namespace whose ns_last_pid the caller may write, and a value around the edges.
let internal values =
    let value (request: Request) =
        let space = request.Levels.Head

        Gen.frequency
            [
                3, Gen.elements [ 0; 1; 298; 299; 300; 301; space.PidMax - 2; space.PidMax - 1; space.PidMax ]
                1, Gen.elements [ space.PidMax + 1; -1; space.PidMax + 2 ]
                3, Gen.choose (0, space.PidMax)
                1, Gen.constant (space.Cursor - 1)
                if not space.Held.IsEmpty then
                    3, Gen.elements (space.Held |> List.collect (fun (first, last) -> [ first - 1; first; last ]))
            ]

    Inputs.pairs Inputs.plainRequests value Shrink.number

let decimalIsStored: Law<Allocator> =
    Law.create values (fun a (request, n) ->
        let ns =
            Space.toModel
                { request.Levels.Head with
                    MayChoose = true
                }

        let text = decimal n
        let struct (result, after) = write a 0L text ns

        if n >= 0 && n <= ns.PidMax then
            Law.same "result" (LastPidWrite.Stored(n, text.Length)) result
            Law.same "last_pid" n (PidNamespace.lastPid after)
        else
            Law.same "result" (LastPidWrite.Refused Errno.EINVAL) result
            Law.same "cursor" ns.Cursor after.Cursor)

[<Fact>]
let ``any number from 0 to pid_max is stored whether in use or not`` () =
    Law.check Allocator.model decimalIsStored

let writeThenAllocate: Law<Allocator> =
    Law.create values (fun a (request, n) ->
        let space =
            { request.Levels.Head with
                MayChoose = true
            }

        if n >= 0 && n <= space.PidMax && space.Life = Life.Alive then
            let struct (_, written) = write a 0L (decimal n) (Space.toModel space)
            let struct (result, _) = a.Allocate request.Kernel [] [ written ]

            let firstFree from =
                seq { from .. space.PidMax - 1 }
                |> Seq.tryFind (fun pid -> not (Space.isHeld pid space))

            let expected =
                match firstFree (n + 1) with
                | Some pid -> Allocation.Given [ pid ]
                | None ->
                    match firstFree (if n >= space.Reserved then space.Reserved else 1) with
                    | Some pid -> Allocation.Given [ pid ]
                    | None -> Allocation.Refused Errno.EAGAIN

            Law.same "after writing it" expected result)

[<Fact>]
let ``write n then allocate gives the first free number above n`` () =
    Law.check Allocator.model writeThenAllocate

let permissionComesFirst: Law<Allocator> =
    Law.create Inputs.lastPidRequests (fun a request ->
        let (Text text) = request.Text
        let ns = Space.toModel { request.Space with MayChoose = false }
        let struct (result, after) = write a request.Offset text ns
        Law.same "result" (LastPidWrite.Refused Errno.EPERM) result
        Law.same "cursor" ns.Cursor after.Cursor)

[<Fact>]
let ``without the capability every text is EPERM`` () =
    Law.check Allocator.model permissionComesFirst

let otherOffsetsAreSwallowed: Law<Allocator> =
    Law.create Inputs.lastPidRequests (fun a request ->
        let (Text text) = request.Text
        let ns = Space.toModel { request.Space with MayChoose = true }

        for offset in [ 1L; int64 text.Length; 4096L; System.Int64.MaxValue ] do
            if offset <> 0L then
                let struct (result, after) = write a offset text ns
                Law.same "result" (LastPidWrite.Ignored text.Length) result
                Law.same "cursor" ns.Cursor after.Cursor)

[<Fact>]
let ``a write beyond offset 0 is swallowed`` () =
    Law.check Allocator.model otherOffsetsAreSwallowed

let takenIsWithinTheText: Law<Allocator> =
    Law.create Inputs.lastPidRequests (fun a request ->
        let (Text text) = request.Text
        let ns = Space.toModel { request.Space with MayChoose = true }

        match write a 0L text ns with
        | struct (LastPidWrite.Stored(n, taken), _) ->
            Law.holds "0 <= n <= pid_max" (n >= 0 && n <= ns.PidMax)
            Law.holds "1 <= taken <= length" (taken >= 1 && taken <= text.Length)

            // What was taken says the same by itself, unless it was cut at the end of the page.
            if text.Length <= 4095 then
                let struct (again, _) = write a 0L text[.. taken - 1] ns
                Law.same "the part taken" (LastPidWrite.Stored(n, taken)) again
        | _ -> ())

[<Fact>]
let ``what a write takes holds the number by itself`` () =
    Law.check Allocator.model takenIsWithinTheText

let hugeNumbersAreRefused: Law<Allocator> =
    let inputs =
        Inputs.pairs Inputs.spaces (fun _ -> Generate.hugeNumber) (fun _ -> Seq.empty)

    Law.create inputs (fun a (space, (number, numeral)) ->
        let ns = Space.toModel { space with MayChoose = true }
        let struct (result, _) = write a 0L (Encoding.ASCII.GetBytes numeral) ns

        let expected =
            if number <= bigint ns.PidMax && numeral.Length <= 20 then
                LastPidWrite.Stored(int number, numeral.Length)
            else
                LastPidWrite.Refused Errno.EINVAL

        Law.same numeral expected result)

[<Fact>]
let ``numbers beyond pid_max are refused however large`` () =
    Law.check Allocator.model hugeNumbersAreRefused

// Each byte there is, alone and beside what it may belong to or end.
let private aroundBytes =
    [
        for before in [ ""; "0"; "7"; "-"; "-0"; "0x"; "0x1"; "00"; " "; "7 "; "0x1 "; "1a"; "-0 " ] do
            for after in [ ""; "0"; "7"; "a"; " "; " 7"; "x" ] do
                before, after
    ]

// The number at its place around the last byte of the first page, and at the end of the token.
let private aroundEdges pageSize =
    [
        for length in pageSize - 6 .. pageSize + 2 do
            String(' ', length - 1) + "7"
            String(' ', length - 2) + "77"
            "7" + String(' ', length - 1) + "x"
            "7" + String(' ', length - 2) + "x" + String(' ', 9)

        for digits in 1..24 do
            for number in
                [
                    "1"
                    "7"
                    "-0"
                    "0x1"
                    "0X1f"
                    "18446744073709551615"
                    "18446744073709551616"
                ] do
                let sign = if number.StartsWith '-' then "-" else ""

                let prefix =
                    if number.StartsWith("0x", StringComparison.OrdinalIgnoreCase) then
                        number[..1]
                    else
                        ""

                let rest = number.Substring(sign.Length + prefix.Length)

                for after in [ ""; " "; " x"; "x" ] do
                    sign
                    + prefix
                    + rest.PadLeft(max 0 (digits - sign.Length - prefix.Length), '0')
                    + after
    ]

[<Fact>]
let ``every byte in every place, and every length around the limits, agrees with the reference`` () =
    let agree pageSize (text: byte[]) =
        let kernel = KernelRules.withPageSize pageSize KernelRules.newest

        for pidMax in [ 301; Limits.PidMax ] do
            Assert.Equal(
                ReferenceText.write kernel true pidMax 0L text,
                LastPidText.write kernel true pidMax 0L (ReadOnlySpan text)
            )

    for before, after in aroundBytes do
        for b in 0uy .. 255uy do
            agree 4096 (Array.concat [ Encoding.ASCII.GetBytes before; [| b |]; Encoding.ASCII.GetBytes after ])

    for pageSize in [ 4096; 16384; 65536 ] do
        for text in aroundEdges pageSize do
            agree pageSize (Encoding.ASCII.GetBytes text)

[<Theory>]
[<InlineData(4096, 4194303, true)>]
[<InlineData(4096, 4194304, false)>]
[<InlineData(16384, 4194304, true)>]
[<InlineData(16384, 33554431, true)>]
[<InlineData(16384, 33554432, false)>]
[<InlineData(65536, 536870911, true)>]
[<InlineData(65536, 536870912, false)>]
let ``as much as a huge page is too much before anything else`` (pageSize: int, length: int, fits: bool) =
    let kernel = KernelRules.withPageSize pageSize KernelRules.newest
    let text = Array.create length ' 'B
    text[0] <- '7'B

    for mayWrite in [ true; false ] do
        let expected =
            if not fits then
                LastPidWrite.Refused Errno.ENOMEM
            elif not mayWrite then
                LastPidWrite.Refused Errno.EPERM
            // What is beyond the first page less a byte is left over, and does not count.
            else
                LastPidWrite.Stored(7, length)

        Assert.Equal(expected, LastPidText.write kernel mayWrite 32768 0L (ReadOnlySpan text))
