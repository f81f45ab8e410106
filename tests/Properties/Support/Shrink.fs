namespace SetNsLastPid.Tests.Properties

open FsCheck
open FsCheck.FSharp
open SetNsLastPid

/// Smaller values: valid ones that weigh less.
[<RequireQualifiedAccess>]
module Shrink =
    // Smaller numbers than n, down to the least allowed.
    let private towards least n =
        [ least; least + (n - least) / 2; n - 1 ]
        |> List.distinct
        |> List.filter (fun m -> m >= least && m < n)

    let private held (held: (int * int) list) =
        seq {
            for i in 0 .. held.Length - 1 do
                yield List.removeAt i held

            for i in 0 .. held.Length - 1 do
                let first, last = held[i]

                if last > first then
                    let middle = first + (last - first) / 2
                    yield List.updateAt i (first, middle) held
                    yield List.updateAt i (middle + 1, last) held
                    yield List.updateAt i (first, last - 1) held
                    yield List.updateAt i (first + 1, last) held
        }

    /// Smaller spaces. The pid_max stays when others must have the same.
    let space (keepPidMax: bool) (space: Space) : Space seq =
        seq {
            if space.Life = Life.Dead then
                yield
                    { space with
                        Life = Life.Alive
                        Held = Space.ranges ((1, 1) :: space.Held)
                    }

            if not space.MayChoose then
                yield { space with MayChoose = true }

            for held in held space.Held do
                yield { space with Held = held }

            if not keepPidMax then
                for pidMax in towards 301 space.PidMax do
                    yield { space with PidMax = pidMax }

            for cursor in towards 1 space.Cursor do
                yield { space with Cursor = cursor }
        }
        |> Seq.filter Space.isValid

    /// Strictly less for whatever a shrinker gives.
    let weightOfSpace (space: Space) : int64 =
        int64 space.Cursor
        + int64 space.PidMax
        + int64 (Space.count space)
        + (if space.Life = Life.Dead then 10L else 0L)
        + (if space.MayChoose then 0L else 1L)

    /// Smaller lists of set_tid entries.
    let setTid (setTid: int list) : int list seq =
        seq {
            if setTid.Length > 1 then
                yield List.truncate (setTid.Length / 2) setTid

            if not setTid.IsEmpty then
                yield List.truncate (setTid.Length - 1) setTid

            for i in 0 .. setTid.Length - 1 do
                for n in towards 1 setTid[i] do
                    yield List.updateAt i n setTid
        }

    let private weightOfEntry (n: int) = 1L + abs (int64 n - 1L)

    /// Smaller requests: fewer levels and entries, simpler levels.
    let request (request: Request) : Request seq =
        let one = not request.Kernel.PidMaxPerNamespace

        seq {
            for i in request.Levels.Length - 1 .. -1 .. 0 do
                yield
                    { request with
                        Levels = List.removeAt i request.Levels
                    }

                if i < request.SetTid.Length then
                    yield
                        { request with
                            Levels = List.removeAt i request.Levels
                            SetTid = List.removeAt i request.SetTid
                        }

            for setTid in setTid request.SetTid do
                yield { request with SetTid = setTid }

            if one then
                for pidMax in towards 301 request.Levels.Head.PidMax do
                    yield
                        { request with
                            Levels = request.Levels |> List.map (fun level -> { level with PidMax = pidMax })
                        }

            for i in 0 .. request.Levels.Length - 1 do
                for level in space one request.Levels[i] do
                    yield
                        { request with
                            Levels = List.updateAt i level request.Levels
                        }
        }
        |> Seq.filter Request.isValid

    /// Strictly less for whatever `request` gives.
    let weightOfRequest (request: Request) : int64 =
        List.sumBy weightOfSpace request.Levels
        + List.sumBy weightOfEntry request.SetTid

    /// Smaller texts: shorter ones, then simpler bytes.
    let text (Text text: Text) : Text seq =
        seq {
            let mutable chunk = text.Length

            while chunk > 0 do
                // Single bytes of long texts only from both ends, or it takes for ever.
                let starts =
                    if text.Length / chunk > 100 then
                        [ 0; text.Length - chunk ]
                    else
                        [ 0..chunk .. text.Length - 1 ]

                for start in starts do
                    yield Array.append text[.. start - 1] text[start + chunk ..]

                chunk <- chunk / 2

            if text.Length <= 100 then
                for i in 0 .. text.Length - 1 do
                    for simple in [ '0'B; '1'B; ' 'B ] do
                        if simple < text[i] then
                            yield Array.updateAt i simple text
        }
        |> Seq.filter (fun shorter -> shorter.Length < text.Length || shorter <> text)
        |> Seq.map Text

    /// Strictly less for whatever `text` gives.
    let weightOfText (Text text: Text) : int64 =
        Array.sumBy int64 text + 256L * int64 text.Length

    /// Smaller writes.
    let lastPidRequest (request: LastPidRequest) : LastPidRequest seq =
        seq {
            if request.Offset > 0L then
                yield { request with Offset = 0L }

            for text in text request.Text do
                yield { request with Text = text }

            for space in space false request.Space do
                yield { request with Space = space }
        }

    /// Smaller numbers, 0 the smallest.
    let number (n: int) : int seq = towards 0 n

/// Generators with their shrinkers.
[<RequireQualifiedAccess>]
module Inputs =
    /// Namespaces by themselves.
    let spaces: Arbitrary<Space> =
        Arb.fromGenShrink (Generate.space, Shrink.space false)

    /// Clones with a set_tid of any kind.
    let requests: Arbitrary<Request> =
        Arb.fromGenShrink (Generate.request, Shrink.request)

    /// Clones without set_tid.
    let plainRequests: Arbitrary<Request> =
        Arb.fromGenShrink (Generate.plainRequest, Shrink.request)

    /// Writes to ns_last_pid.
    let lastPidRequests: Arbitrary<LastPidRequest> =
        Arb.fromGenShrink (Generate.lastPidRequest, Shrink.lastPidRequest)

    /// Both, shrunk one after the other.
    let pairs (first: Arbitrary<'a>) (second: 'a -> Gen<'b>) (shrinkSecond: 'b -> 'b seq) : Arbitrary<'a * 'b> =
        let generate =
            gen {
                let! a = Arb.toGen first
                let! b = second a
                return a, b
            }

        let shrink (a, b) =
            seq {
                for smaller in Arb.toShrink first a do
                    yield smaller, b

                for smaller in shrinkSecond b do
                    yield a, smaller
            }

        Arb.fromGenShrink (generate, shrink)
