namespace SetNsLastPid.Tests.Properties

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open SetNsLastPid

/// Generators of valid values.
[<RequireQualifiedAccess>]
module Generate =
    // Random numbers of a uniform kind, whatever the size.
    let private one (weighted: (int * Gen<'a>) list) = Gen.frequency weighted
    let private among (values: 'a list) = Gen.elements values

    /// Mostly so small that every number is met.
    let pidMax: Gen<int> =
        one
            [
                4, Gen.choose (301, 340)
                2, Gen.constant 301
                1, Gen.choose (341, 2000)
                1, Gen.constant 32768
                1, Gen.constant Limits.PidMax
            ]

    /// Where the rules change, or anywhere; also where it stays when pid_max is lowered.
    let cursor (pidMax: int) : Gen<int> =
        one
            [
                6, among [ 1; 299; 300; 301; pidMax - 1; pidMax; pidMax + 1 ]
                2, Gen.choose (1, pidMax + 1)
                1, Gen.choose (2, 20)
                1, Gen.choose (290, 310)
                1, Gen.choose (pidMax + 2, pidMax + 700) |> Gen.map (min (Limits.PidMax + 1))
            ]

    let private point pidMax cursor =
        one
            [
                3, among [ 1; 2; 299; 300; 301; pidMax - 2; pidMax - 1 ]
                3, Gen.choose (cursor - 2, cursor + 5)
                2, Gen.choose (1, pidMax - 1)
                1, Gen.choose (pidMax, pidMax + 40)
            ]

    let private block pidMax cursor =
        Gen.map2
            (fun first length -> first, first + length)
            (point pidMax cursor)
            (one [ 3, Gen.choose (0, 3); 1, Gen.choose (0, 40) ])

    // All of a range but up to three numbers.
    let private allBut first last =
        Gen.choose (0, 3)
        |> Gen.bind (fun holes -> Gen.listOfLength holes (Gen.choose (first, last)))
        |> Gen.map (fun holes ->
            let stops = (first - 1) :: List.sort (List.distinct holes) @ [ last + 1 ]
            stops |> List.pairwise |> List.map (fun (a, b) -> a + 1, b - 1))

    /// Numbers in use: none, some, or nearly all, of the whole space or of the part above 300.
    let held (pidMax: int) (cursor: int) : Gen<(int * int) list> =
        let some =
            Gen.choose (0, 6)
            |> Gen.bind (fun n -> Gen.listOfLength n (block pidMax cursor))

        // The reference holds every number by itself: nothing nearly full beyond 33,000.
        let crowded =
            if pidMax <= 2000 then
                [
                    2, Gen.constant [ 1, pidMax - 1 ]
                    3, allBut 1 (pidMax - 1)
                    2, Gen.constant [ 300, pidMax - 1 ]
                    2, Gen.map2 (@) (allBut 300 (pidMax - 1)) some
                    1, allBut 1 299
                ]
            else
                [
                    1, allBut 1 320
                    1, allBut (pidMax - 40) (pidMax - 1)
                    1, Gen.constant [ pidMax - 2, pidMax - 1 ]
                ]

        let within (first, last) =
            let first, last = max first 1, min last (Limits.PidMax - 1)
            if first > last then None else Some(first, last)

        one ((6, some) :: crowded) |> Gen.map (List.choose within >> Space.ranges)

    let private spaceOf pidMax life mayChoose : Gen<Space> =
        let make cursor held =
            {
                Cursor = cursor
                PidMax = pidMax
                Reserved = Limits.Reserved
                Held = held
                Life = life
                MayChoose = mayChoose
            }

        match life with
        | Life.Unborn -> Gen.constant (make 0 [])
        | Life.Stillborn -> Gen.map (fun cursor -> make cursor []) (among [ 0; 2; 3 ])
        | _ ->
            cursor pidMax
            |> Gen.bind (fun cursor ->
                held pidMax cursor
                |> Gen.map (fun held ->
                    make
                        cursor
                        (if life = Life.Alive then
                             Space.ranges ((1, 1) :: held)
                         else
                             held)))

    // In a namespace without an init there are few other reasons to be refused.
    let private mayChooseIn life =
        let refusing = if life = Life.Unborn then 6 else 1
        one [ 8, Gen.constant true; refusing, Gen.constant false ]


    let private life =
        one
            [
                12, Gen.constant Life.Alive
                2, Gen.constant Life.Unborn
                2, Gen.constant Life.Dead
                1, Gen.constant Life.Stillborn
            ]

    /// One namespace by itself.
    let space: Gen<Space> =
        pidMax
        |> Gen.bind (fun pidMax ->
            life
            |> Gen.bind (fun life -> mayChooseIn life |> Gen.bind (fun mayChoose -> spaceOf pidMax life mayChoose)))

    /// The kernels that differ.
    let kernel: Gen<KernelRules> =
        one
            [
                2, among [ KernelRules.ofVersion 6 1; KernelRules.ofVersion 6 12 ]
                3, Gen.constant (KernelRules.ofVersion 6 18)
                1, Gen.constant (KernelRules.ofVersion 7 0)
                2, Gen.constant KernelRules.newest
            ]

    let private levels (kernel: KernelRules) depth =
        gen {
            let! innermost = life
            let! common = pidMax

            // Outside a dead namespace the others mostly live.
            let! dead =
                if innermost = Life.Dead then
                    one [ 4, Gen.constant 1; 1, Gen.choose (1, depth) ]
                else
                    Gen.constant 0

            return!
                [ 0 .. depth - 1 ]
                |> List.map (fun i ->
                    gen {
                        let! own =
                            if kernel.PidMaxPerNamespace then
                                pidMax
                            else
                                Gen.constant common

                        let! may = mayChooseIn (if i = 0 then innermost else Life.Alive)

                        let life =
                            if i = 0 then innermost
                            elif i < dead then Life.Dead
                            else Life.Alive
                        // Beyond five levels only the depth matters.
                        if depth <= 5 then
                            return! spaceOf own life may
                        else
                            return
                                {
                                    Cursor = (if life = Life.Unborn then 0 else 2 + i)
                                    PidMax = own
                                    Reserved = Limits.Reserved
                                    Held =
                                        (if life = Life.Alive || life = Life.Dead then
                                             [ 1, 1 ]
                                         else
                                             [])
                                    Life = life
                                    MayChoose = true
                                }
                    })
                |> Gen.sequenceToList
        }

    let private depth =
        one [ 4, Gen.constant 1; 12, Gen.choose (2, 5); 1, Gen.choose (31, 33) ]

    // Numbers that can be had in the space, where there are any.
    let private choosable (space: Space) =
        if space.Life = Life.Unborn || space.Life = Life.Stillborn then
            [ 1 ]
        else
            [
                space.Cursor
                space.Cursor + 1
                1
                2
                7
                299
                300
                301
                space.PidMax - 1
                space.PidMax - 2
            ]
            |> List.filter (fun n -> n >= 1 && n < space.PidMax && not (Space.isHeld n space))

    // A small pool, so that entries meet what is in use, the edges and each other.
    let private entry (space: Space) =
        let held = space.Held |> List.truncate 4 |> List.collect (fun (a, b) -> [ a; b ])

        one
            [
                match choosable space with
                | [] -> ()
                // Without an init all others are refused, which is to be seen too.
                | free -> (if space.Life = Life.Unborn then 6 else 25), among free
                if not held.IsEmpty then
                    3, among held
                4, among [ 1; 2; 300; space.PidMax - 1; space.Cursor ]
                1, among [ space.PidMax; space.PidMax + 1 ]
                1, among [ 0; -1; Int32.MinValue; Int32.MaxValue ]
                1, Gen.choose (1, space.PidMax - 1)
            ]

    let private setTid (levels: Space list) =
        let entries count =
            levels
            |> List.truncate count
            |> List.map entry
            |> Gen.sequenceToList
            // Entries beyond the levels are never read: any number will do.
            |> Gen.map (fun own -> own @ List.replicate (count - own.Length) 7)

        one
            [
                3, Gen.constant []
                6, Gen.choose (1, levels.Length) |> Gen.bind entries
                3, entries levels.Length
                1, entries (levels.Length + 1)
                1, among [ 31; 32; 33; 64 ] |> Gen.bind entries
            ]

    let private clone setTid =
        gen {
            let! kernel = kernel
            let! depth = depth
            let! levels = levels kernel depth
            let! setTid = setTid levels

            return
                {
                    Kernel = kernel
                    SetTid = setTid
                    Levels = levels
                }
        }

    /// A clone with a set_tid of any kind.
    let request: Gen<Request> = clone setTid

    /// A clone without set_tid.
    let plainRequest: Gen<Request> = clone (fun _ -> Gen.constant [])

    /// A clone into a namespace without an init, with a chosen number for it.
    let firstClone: Gen<Request> =
        gen {
            let! request = plainRequest
            let! may = among [ true; false ]
            let! tid = among [ 1; 1; 2; 7; 0; 300; request.Levels.Head.PidMax ]

            let inner =
                {
                    Cursor = 0
                    PidMax = request.Levels.Head.PidMax
                    Reserved = Limits.Reserved
                    Held = []
                    Life = Life.Unborn
                    MayChoose = may
                }

            let outer =
                request.Levels.Tail
                |> List.map (fun level ->
                    { level with
                        Life = Life.Alive
                        Held = Space.ranges ((1, 1) :: level.Held)
                    })

            return
                { request with
                    SetTid = [ tid ]
                    Levels = inner :: outer
                }
        }

    /// A clone at the bottom of as many levels as there can be, about as many of them chosen.
    let deepClone: Gen<Request> =
        gen {
            let! kernel = kernel
            let! depth = Gen.choose (31, 33)
            let! levels = levels kernel depth
            let! entries = Gen.choose (30, 34)

            return
                {
                    Kernel = kernel
                    SetTid = 1 :: List.replicate (entries - 1) 290
                    Levels = levels
                }
        }

    let private digits (number: bigint) (radix: int) =
        let rec go n text =
            let text = string ("0123456789abcdef"[int (n % bigint radix)]) + text

            if n < bigint radix then
                text
            else
                go (n / bigint radix) text

        go number ""

    let private number (space: Space) =
        one
            [
                6,
                among
                    [
                        0
                        1
                        299
                        300
                        space.Cursor
                        space.PidMax - 1
                        space.PidMax
                        space.PidMax + 1
                    ]
                |> Gen.map bigint
                3, Gen.choose (0, space.PidMax) |> Gen.map bigint
                1, among [ 63; 64; 65; 31; 32 ] |> Gen.map (fun n -> bigint.Pow(2I, n) + 5I)
                1, among [ 31; 32; 64 ] |> Gen.map (fun n -> bigint.Pow(2I, n) - 1I)
            ]

    /// A number about a power of two, by itself and as a numeral: decimal, octal or hexadecimal.
    let hugeNumber: Gen<bigint * string> =
        gen {
            let! power = Gen.frequency [ 1, Gen.choose (0, 70); 2, among [ 31; 32; 63; 64; 65 ] ]
            let! near = Gen.choose (-3, 300)
            let number = max 0I (bigint.Pow(2I, power) + bigint near)
            let! prefix, radix = among [ "", 10; "0", 8; "0x", 16 ]
            return number, prefix + digits number radix
        }

    let private chars text =
        Gen.elements (Seq.toList text) |> Gen.map string

    let private spaces =
        one
            [
                4, Gen.constant ""
                3, chars " \t\n"
                1, chars " \t\n\011\012\r\160"
                1,
                Gen.choose (0, 3)
                |> Gen.bind (fun n -> Gen.listOfLength n (chars " \t\n\011\012\r\160"))
                |> Gen.map (String.concat "")
            ]

    let private numeral (space: Space) =
        gen {
            let! number = number space
            let! radix = one [ 4, Gen.constant 10; 1, Gen.constant 8; 1, Gen.constant 16 ]

            let prefix =
                if radix = 8 then "0"
                elif radix = 16 then "0x"
                else ""

            let! upper = among [ false; false; true ]
            let! width = one [ 6, Gen.constant 0; 2, Gen.choose (18, 22); 1, Gen.constant 4 ]

            let! sign =
                one [ 8, Gen.constant ""; 2, Gen.constant "-"; 1, among [ "+"; "--"; "- " ] ]

            let body =
                prefix
                + (digits number radix).PadLeft(max 0 (width - prefix.Length - sign.Length), '0')

            return sign + (if upper then body.ToUpperInvariant() else body)
        }

    let private tail =
        one
            [
                5, Gen.constant ""
                4, spaces
                3, Gen.map2 (fun a b -> a + b) (chars " \t\n") (among [ "5"; "abc"; "\000"; "-1"; " 7\n" ])
                2, chars "\000\011\012\r\160,.xagfe_9+-"
                1, among [ "\r\n"; "abc"; ",456"; ".5"; "e3" ]
            ]

    // Around the last byte of a page but one, which is the last one that is looked at.
    let private padding pageSize =
        one [ 12, Gen.constant 0; 1, Gen.choose (pageSize - 8, pageSize + 1) ]

    /// What may be written to ns_last_pid: mostly a number with something around it.
    let text (pageSize: int) (space: Space) : Gen<Text> =
        let structured =
            gen {
                let! pad = padding pageSize
                let! before = spaces
                let! numeral = numeral space
                let! after = tail
                return String(' ', pad) + before + numeral + after
            }

        let padded =
            gen {
                let! numeral = numeral space
                let! pad = Gen.choose (pageSize - 11, pageSize + 4)
                let! after = among [ ""; "\n"; "x"; " x" ]
                return numeral + String(' ', pad) + after
            }

        let junk =
            Gen.choose (0, 8)
            |> Gen.bind (fun n -> Gen.listOfLength n (chars "0011789afxX-+ \t\n\011\012\r\160\000,."))
            |> Gen.map (String.concat "")

        one
            [
                20, structured
                1, padded
                5, junk
                1, among [ ""; " "; "\n"; "-"; "0x"; "0X"; "-0"; "-0x0"; "08"; "0o17" ]
            ]
        |> Gen.map (Encoding.Latin1.GetBytes >> Text)

    let private offset =
        one [ 12, Gen.constant 0L; 1, among [ 1L; 4L; 4096L; Int64.MaxValue ] ]

    /// A write to ns_last_pid.
    let lastPidRequest: Gen<LastPidRequest> =
        gen {
            let! space = space
            let! pageSize = one [ 4, Gen.constant 4096; 1, Gen.constant 16384 ]
            let! text = text pageSize space
            let! offset = offset
            let! isStrict = one [ 3, Gen.constant true; 1, Gen.constant false ]

            return
                {
                    Kernel =
                        KernelRules.newest
                        |> KernelRules.withPageSize pageSize
                        |> KernelRules.withStrictWrites isStrict
                    Space = space
                    Offset = offset
                    Text = text
                }
        }
