/// The generators and shrinkers: that what they give is valid, that shrinking ends, and that what matters is met.
module SetNsLastPid.Tests.Properties.GenTests

open System.Text
open FsCheck
open FsCheck.FSharp
open Xunit
open SetNsLastPid

let private forAll (generator: Gen<'a>) (body: 'a -> unit) =
    Law.checkProperty 300 (Prop.forAll (Arb.fromGen generator) body)

[<Fact>]
let ``generated spaces and requests are valid`` () =
    forAll Generate.space (fun space -> Law.holds "valid" (Space.isValid space))
    forAll Generate.request (fun request -> Law.holds "valid" (Request.isValid request))
    forAll Generate.plainRequest (fun request -> Law.holds "valid" (Request.isValid request && request.SetTid.IsEmpty))
    forAll Generate.firstClone (fun request -> Law.holds "valid" (Request.isValid request))
    forAll Generate.deepClone (fun request -> Law.holds "valid" (Request.isValid request))
    forAll Generate.lastPidRequest (fun request -> Law.holds "valid" (Space.isValid request.Space))

// Also what is shrunk from the shrunk.
let private shrinksWell (generator: Gen<'a>) (shrink: 'a -> 'a seq) weight isValid =
    forAll generator (fun value ->
        let smaller value =
            shrink value
            |> Seq.truncate 200
            |> Seq.map (fun next ->
                if not (isValid next) then
                    Law.broken (fun () -> $"not valid: %A{next}")

                if weight next >= weight value then
                    Law.broken (fun () -> $"not smaller: %A{next}")

                next)
            |> Seq.toList

        // Far down by the first one each time, as a law that is always broken has it.
        let rec down left value =
            match shrink value |> Seq.tryHead with
            | Some next when left > 0 -> down (left - 1) next
            | _ -> value

        for next in List.truncate 3 (smaller value) do
            smaller next |> ignore

        smaller (down 5 value) |> ignore)

[<Fact>]
let ``shrunk spaces are valid and smaller`` () =
    shrinksWell Generate.space (Shrink.space false) Shrink.weightOfSpace Space.isValid

[<Fact>]
let ``shrunk requests are valid and smaller`` () =
    shrinksWell Generate.request Shrink.request Shrink.weightOfRequest Request.isValid

[<Fact>]
let ``shrunk texts are smaller`` () =
    let texts = Generate.space |> Gen.bind (Generate.text 4096)
    shrinksWell texts Shrink.text Shrink.weightOfText (fun _ -> true)

[<Fact>]
let ``the smallest request that is refused shrinks to one level and one entry`` () =
    // Any request with 0 in it shrinks to the same one, whatever it began as.
    let rec smallest (request: Request) =
        match
            Shrink.request request
            |> Seq.tryFind (fun next -> List.contains 0 next.SetTid && next.SetTid.Length <= next.Levels.Length)
        with
        | Some next -> smallest next
        | None -> request

    let withZero =
        Generate.request |> Gen.map (fun request -> { request with SetTid = [ 0 ] })

    forAll withZero (fun request ->
        let found = smallest request
        Law.same "levels" 1 found.Levels.Length
        Law.same "set_tid" [ 0 ] found.SetTid
        Law.same "pid_max" 301 found.Levels.Head.PidMax)

[<Fact>]
let ``ranges neither overlap nor touch and hold the same numbers`` () =
    let range =
        Gen.map2 (fun first length -> first, first + length) (Gen.choose (1, 60)) (Gen.choose (0, 9))

    forAll (Gen.listOf range) (fun ranges ->
        let joined = Space.ranges ranges
        let members = List.collect (fun (first, last) -> [ first..last ])
        Law.same "members" (members ranges |> List.distinct |> List.sort) (members joined)

        for (_, last), (first, _) in List.pairwise joined do
            Law.holds "apart" (last + 1 < first))

// How often an interesting class is met, in percent, and how often it must be at least. The inputs are the same each
// time, so that the test cannot fail by chance.
let private measure (samples: 'a[]) (classes: (string * float * ('a -> bool)) list) =
    let missed =
        classes
        |> List.choose (fun (name, least, isIn) ->
            let share =
                100.0 * float (Seq.length (Seq.filter isIn samples)) / float samples.Length

            match TestContext.Current.TestOutputHelper with
            | null -> ()
            | output -> output.WriteLine $"%6.2f{share} %%  (at least %4.1f{least})  %s{name}"

            if share < least then Some name else None)

    Assert.True(missed.IsEmpty, "seldom met: " + String.concat "; " missed)

let private sample count generator =
    Gen.sampleWithSeed (Rnd(20240229UL, 7919UL)) 50 count generator

let private free (space: Space) =
    space.PidMax
    - 1
    - Seq.length (Space.numbers space |> Seq.filter (fun n -> n < space.PidMax))

[<Fact>]
let ``interesting spaces are met`` () =
    let alive =
        sample 3000 Generate.space
        |> Array.filter (fun space -> space.Life <> Life.Unborn)

    let at cursor (space: Space) = space.Cursor = cursor space

    measure
        alive
        [
            "pid_max 301", 10.0, (fun s -> s.PidMax = 301)
            "pid_max 302 to 340", 20.0, (fun s -> s.PidMax > 301 && s.PidMax <= 340)
            "pid_max 32768", 3.0, (fun s -> s.PidMax = 32768)
            "pid_max 4194304", 3.0, (fun s -> s.PidMax = 4194304)
            "cursor 1", 4.0, at (fun _ -> 1)
            "cursor 299", 4.0, at (fun _ -> 299)
            "cursor 300", 4.0, at (fun _ -> 300)
            "cursor 301", 4.0, at (fun _ -> 301)
            "cursor pid_max - 1", 4.0, at (fun s -> s.PidMax - 1)
            "cursor pid_max", 4.0, at (fun s -> s.PidMax)
            "cursor pid_max + 1", 4.0, at (fun s -> s.PidMax + 1)
            "cursor beyond, after lowering pid_max", 2.0, (fun s -> s.Cursor > s.PidMax + 1)
            "full", 5.0, (fun s -> free s = 0)
            "one to three numbers free", 5.0, (fun s -> free s >= 1 && free s <= 3)
            "all in use above 300 but not below",
            5.0,
            (fun s -> free s > 0 && Reference.next (Reference.ofSpace { s with Cursor = 301 }) < 0)
            "number at the cursor in use", 10.0, (fun s -> Space.isHeld s.Cursor s)
            "numbers in use beyond pid_max", 5.0, (fun s -> Space.numbers s |> Seq.exists (fun n -> n >= s.PidMax))
            "wraps to 300 or above",
            10.0,
            (fun s ->
                let next = Reference.next (Reference.ofSpace s)
                s.Cursor > 300 && next >= 300 && next < s.Cursor)
            "wraps below 300",
            1.0,
            (fun s ->
                let next = Reference.next (Reference.ofSpace s)
                next > 0 && next < s.Cursor && next < 300)
            "few in use", 20.0, (fun s -> Space.count s < 20)
        ]

[<Fact>]
let ``interesting clones are met`` () =
    let outcomes =
        sample 4000 Generate.request
        |> Array.map (fun request ->
            let levels = Reference.ofSpaces request.Levels
            let moved = levels |> Array.map (fun level -> level.C)
            let result = Reference.clone request.Kernel None request.SetTid levels
            let moved = Array.map2 (fun before level -> before <> level.C) moved levels
            request, result, moved)

    let refused errno (_, result, _) = result = Error errno
    let given (_, result, _) = Result.isOk result
    let entries (request: Request, _, _) = request.SetTid.Length
    let depth (request: Request, _, _) = request.Levels.Length
    let inner (request: Request, _, _) = request.Levels.Head
    let kernel (request: Request, _, _) = request.Kernel

    // The first entry that is refused by itself.
    let badEntry (request: Request, _, _) =
        if request.SetTid.Length > request.Levels.Length then
            None
        else
            List.zip request.SetTid (List.truncate request.SetTid.Length request.Levels)
            |> List.tryFindIndex (fun (tid, level) ->
                tid < 1 || tid >= level.PidMax || not level.MayChoose || Space.isHeld tid level)

    measure
        outcomes
        [
            "given without set_tid", 5.0, (fun o -> given o && entries o = 0)
            "given with set_tid for some levels", 2.5, (fun o -> given o && entries o > 0 && entries o < depth o)
            "given with set_tid for all levels", 4.0, (fun o -> given o && entries o = depth o)
            "EINVAL", 8.0, refused Errno.EINVAL
            "EPERM", 4.0, refused Errno.EPERM
            "EEXIST", 4.0, refused Errno.EEXIST
            "EAGAIN", 4.0, refused Errno.EAGAIN
            "EAGAIN after an inner cursor moved",
            1.0,
            (fun (r, s, m) -> refused Errno.EAGAIN (r, s, m) && Array.contains true m)
            "ENOMEM", 2.0, refused Errno.ENOMEM
            "ENOMEM with set_tid", 0.8, (fun o -> refused Errno.ENOMEM o && entries o > 0)
            "first bad entry not the innermost", 4.0, (fun o -> Option.exists (fun i -> i > 0) (badEntry o))
            "one entry too many", 2.0, (fun o -> entries o = depth o + 1)
            "32 entries and enough levels", 0.1, (fun o -> entries o = 32 && depth o >= 32)
            "33 entries and levels", 0.1, (fun o -> entries o = 33 && depth o = 33)
            "64 entries", 0.5, (fun o -> entries o = 64)
            for levels in 1..5 do
                $"%d{levels} levels", 5.0, (fun o -> depth o = levels)
            "more than 30 levels", 2.0, (fun o -> depth o > 30)
            "unborn", 5.0, (fun o -> (inner o).Life = Life.Unborn)
            "unborn, chosen other than 1 without the capability",
            0.4,
            (fun o ->
                let (request, _, _) = o

                (inner o).Life = Life.Unborn
                && not (inner o).MayChoose
                && not (kernel o).ChecksBeforePicks
                && (match request.SetTid with
                    | tid :: _ -> tid > 1 && tid < (inner o).PidMax
                    | [] -> false))
            "unborn and refused outside", 1.0, (fun o -> (inner o).Life = Life.Unborn && not (given o))
            "dead", 5.0, (fun o -> (inner o).Life = Life.Dead)
            "dead outer level", 0.3, (fun o -> depth o > 1 && (let (r, _, _) = o in r.Levels[1].Life = Life.Dead))
            "one pid_max for all", 10.0, (fun o -> not (kernel o).PidMaxPerNamespace)
            "checks before picks", 10.0, (fun o -> (kernel o).ChecksBeforePicks)
            "no capability outside but inside",
            5.0,
            (fun o ->
                depth o > 1
                && (inner o).MayChoose
                && (let (r, _, _) = o in not r.Levels[1].MayChoose))
        ]

[<Fact>]
let ``interesting texts are met`` () =
    let samples = sample 6000 Generate.lastPidRequest

    let bytes (request: LastPidRequest) =
        let (Text bytes) = request.Text in bytes

    let shown request =
        Encoding.Latin1.GetString(bytes request)

    let result (request: LastPidRequest) =
        ReferenceText.write request.Kernel true request.Space.PidMax 0L (bytes request)

    let stored request =
        match result request with
        | LastPidWrite.Stored _ -> true
        | _ -> false

    let storedAs (starts: string) request =
        stored request
        && (shown request).TrimStart(' ', '\t', '\n').StartsWith(starts, System.StringComparison.OrdinalIgnoreCase)

    let digitsLong n (text: string) =
        text.Split([| ' '; '\t'; '\n' |], System.StringSplitOptions.RemoveEmptyEntries)
        |> Array.exists (fun word -> word.Length = n && Seq.forall System.Char.IsAsciiDigit word)

    measure
        samples
        [
            "stored", 30.0, stored
            "refused", 20.0, (fun r -> result r = LastPidWrite.Refused Errno.EINVAL)
            "empty", 0.2, (fun r -> (bytes r).Length = 0)
            "another offset than 0", 4.0, (fun r -> r.Offset <> 0L)
            "without the capability", 8.0, (fun r -> not r.Space.MayChoose)
            "stored hexadecimal", 2.0, storedAs "0x"
            "stored octal", 1.0, (fun r -> storedAs "0" r && not (storedAs "0x" r) && (shown r).Trim().Length > 1)
            "stored -0", 0.2, storedAs "-0"
            "stored with something left over",
            3.0,
            (fun r ->
                match result r with
                | LastPidWrite.Stored(_, taken) -> taken < (bytes r).Length
                | _ -> false)
            "pid_max",
            1.0,
            (fun r ->
                (match result r with
                 | LastPidWrite.Stored(n, _) -> n = r.Space.PidMax
                 | _ -> false))
            "pid_max + 1", 1.0, (fun r -> (shown r).Trim() = string (r.Space.PidMax + 1))
            "a byte 0xA0", 2.0, (fun r -> Array.contains 0xA0uy (bytes r))
            "a word of 20 digits", 0.3, (fun r -> digitsLong 20 (shown r))
            "a word of 21 digits", 0.3, (fun r -> digitsLong 21 (shown r))
            "about 4095 bytes or more", 4.0, (fun r -> (bytes r).Length >= 4090)
            "stored from beyond 4080 blanks", 0.2, (fun r -> stored r && (shown r).StartsWith(System.String(' ', 4080)))
            "more than 64 bits", 0.2, (fun r -> (shown r).Contains "18446744073709551")
        ]
