namespace SetNsLastPid.Tests.Properties

open System
open System.Reflection
open FsCheck
open FsCheck.FSharp

/// A law is broken. The text is made only when somebody reads it: most of these are thrown just to be counted.
type BrokenException(text: unit -> string) =
    inherit Exception()
    override _.Message = text ()

/// Something that holds for every input when the subject (an allocator, a plan, a set) is right.
type Law<'subject> =
    {
        /// The law as an FsCheck property of one subject.
        Property: 'subject -> Property
        /// What the first input, among so many from a seed, throws for which a subject breaks the law. The inputs are
        /// made once for all subjects.
        TryBreak: Rnd -> int -> 'subject -> exn option
        /// Where its inputs come from: an Arbitrary.
        Inputs: obj
        /// A function of a subject and an input that throws where the law is broken.
        Body: obj
    }

/// Laws and how they are checked.
[<RequireQualifiedAccess>]
module Law =
    /// Says that the law is broken.
    let broken (text: unit -> string) : unit = raise (BrokenException text)

    /// Both must be equal.
    let same (what: string) (expected: 'a) (actual: 'a) : unit =
        if expected <> actual then
            broken (fun () -> $"%s{what}: expected %A{expected}, but it is %A{actual}")

    /// Must be true.
    let holds (what: string) (condition: bool) : unit =
        if not condition then
            broken (fun () -> $"not so: %s{what}")

    // Under a mutant the first input that breaks a law is enough.
    let private shrinks = isNull (Environment.GetEnvironmentVariable "NSLP_MUTANT")

    /// The law that `body` ends without an exception for each input.
    let create (inputs: Arbitrary<'input>) (body: 'subject -> 'input -> unit) : Law<'subject> =
        let sample =
            let mutable made = None

            fun rnd count ->
                match made with
                | Some(r, c, inputs) when r = rnd && c = count -> inputs
                | _ ->
                    let drawn = Gen.sampleWithSeed rnd 50 count (Arb.toGen inputs)
                    made <- Some(rnd, count, drawn)
                    drawn

        {
            Property =
                fun subject ->
                    let inputs = if shrinks then inputs else Arb.fromGen (Arb.toGen inputs)
                    Prop.forAll inputs (body subject)
            TryBreak =
                fun rnd count subject ->
                    sample rnd count
                    |> Array.tryPick (fun input ->
                        try
                            body subject input
                            None
                        with e ->
                            Some e)
            Inputs = inputs
            Body = body
        }

    // FsCheck's own texts name neither the exception's message alone nor a way to repeat the run.
    let private runner =
        { new IRunner with
            member _.OnStartFixture _ = ()
            member _.OnArguments(_, _, _) = ()
            member _.OnShrink(_, _) = ()

            member _.OnFinished(_, result) =
                match result with
                | TestResult.Passed _ -> ()
                | TestResult.Exhausted data -> broken (fun () -> $"only %d{data.NumberOfTests} inputs fitted")
                | TestResult.Failed(data, original, shrunk, outcome, _, last, size) ->
                    let why =
                        match outcome with
                        | Outcome.Failed e -> e.Message
                        | _ -> "false"

                    broken (fun () ->
                        $"%s{why}\nafter %d{data.NumberOfTests} tests and %d{data.NumberOfShrinks} shrinks\n"
                        + $"smallest input: %A{shrunk}\nfirst input: %A{original}\n"
                        + $"repeat with NSLP_REPLAY=%d{last.Seed},%d{last.Gamma},%d{size}")
        }

    let private variable name =
        match Environment.GetEnvironmentVariable name with
        | null
        | "" -> None
        | text -> Some text

    let private replay =
        variable "NSLP_REPLAY"
        |> Option.map (fun text ->
            match text.Split ',' with
            | [| seed; gamma; size |] ->
                {
                    Rnd = Rnd(uint64 seed, uint64 gamma)
                    Size = Some(int size)
                }
            | [| seed; gamma |] ->
                {
                    Rnd = Rnd(uint64 seed, uint64 gamma)
                    Size = None
                }
            | _ -> failwith "NSLP_REPLAY is not seed,gamma or seed,gamma,size")

    let private maxTest = variable "NSLP_MAXTEST" |> Option.map int

    let private config tests =
        Config.Quick
            .WithMaxTest(defaultArg maxTest tests)
            .WithQuietOnSuccess(true)
            .WithReplay(replay)
            .WithRunner(runner)

    /// Checks a property with so many inputs.
    let checkProperty (tests: int) (property: Property) : unit = Check.One(config tests, property)

    /// Checks that the law holds for a subject and so many inputs.
    let checkFor (tests: int) (subject: 'subject) (law: Law<'subject>) : unit =
        checkProperty tests (law.Property subject)

    /// Checks that the law holds for a subject.
    let check (subject: 'subject) (law: Law<'subject>) : unit = checkFor 500 subject law

    /// Every law about such subjects in this assembly, by name.
    let all<'subject> () : (string * Law<'subject>) list =
        [
            for t in Assembly.GetExecutingAssembly().GetTypes() do
                for p in t.GetProperties(BindingFlags.Static ||| BindingFlags.Public) do
                    if p.PropertyType = typeof<Law<'subject>> then
                        match p.GetValue(null: obj | null) with
                        | :? Law<'subject> as law -> $"%s{t.Name}.%s{p.Name}", law
                        | _ -> ()
        ]

    /// The laws about such subjects whose inputs come from there, each a body that throws where it is broken.
    let from<'subject, 'input> (inputs: Arbitrary<'input>) : ('subject -> 'input -> unit) list =
        all<'subject>()
        |> List.choose (fun (_, law) ->
            match law.Body with
            | :? ('subject -> 'input -> unit) as body when Object.ReferenceEquals(law.Inputs, inputs) -> Some body
            | _ -> None)
