module SetNsLastPid.Tests.Properties.CommandLineProperties

open System
open System.Numerics
open System.Text.RegularExpressions
open FsCheck
open FsCheck.FSharp
open SetNsLastPid
open Xunit

/// The parser, or a wrong one.
type private Parser = Page -> string list -> Parsed

// Values written and judged a second time, by regular expressions.

let private isBetween (least: BigInteger) (most: BigInteger) (text: string) =
    Regex.IsMatch(text, @"\A[0-9]+\z")
    && least <= BigInteger.Parse text
    && BigInteger.Parse text <= most

let private largestInt = BigInteger Int32.MaxValue

let private isRight (value: Value) (text: string) =
    match value with
    | Value.Nothing
    | Value.Text -> true
    | Value.Choice words -> List.contains (text.Trim().ToLowerInvariant()) words
    | Value.Maybe(least, most) -> text = "" || isBetween (BigInteger least) (BigInteger most) text
    | Value.Whole(least, most) -> isBetween (BigInteger least) (BigInteger most) text
    | Value.Pid least -> isBetween (BigInteger least) largestInt text
    | Value.Octal most ->
        Regex.IsMatch(text, @"\A[0-7]+\z")
        && text |> Seq.fold (fun sum c -> sum * 8I + BigInteger(int c - int '0')) 0I
           <= BigInteger most
    | Value.Seconds most ->
        Regex.IsMatch(text, @"\A([0-9]+\.?[0-9]*|\.[0-9]+)\z")
        && float text > 0.0
        && float text <= float most
    | Value.PidList longest ->
        let entries = text.Split ','

        let isEntry (entry: string) =
            match entry.Split '-' with
            | [| pid |] -> isBetween 0I largestInt pid
            | [| first; "" |] -> isBetween 1I (BigInteger(Limits.PidMax - 1)) first
            | [| first; last |] ->
                isBetween 1I largestInt first
                && isBetween (BigInteger.Parse first) largestInt last
            | _ -> false

        entries.Length <= longest && Array.forall isEntry entries
    | Value.PidRange most ->
        match text.Split '-' with
        | [| pid |] -> isBetween 0I (BigInteger most) pid
        | [| first; last |] ->
            isBetween 0I (BigInteger most) first
            && isBetween (BigInteger.Parse first) (BigInteger most) last
        | _ -> false

let private near (numbers: BigInteger list) =
    [
        for n in numbers do
            for n in [ n - 1I; n; n + 1I ] do
                string n
                "0" + string n
    ]

let private texts (value: Value) =
    match value with
    | Value.Nothing
    | Value.Text -> []
    | Value.Choice words ->
        [
            yield! words
            for word in words do
                word.ToUpperInvariant()
                $" %s{word} "
                word[1..]
            String.concat "," words
        ]
    | Value.Maybe(least, most)
    | Value.Whole(least, most) -> near [ BigInteger least; BigInteger most; BigInteger most * 10I ]
    | Value.Pid least -> near [ BigInteger least; BigInteger Limits.PidMax; largestInt ]
    | Value.Octal most ->
        "8"
        :: [
            for n in [ 0L; int64 most; int64 most + 1L; 8L * int64 most ] -> Convert.ToString(n, 8)
        ]
    | Value.Seconds most ->
        [
            "0.5"
            ".5"
            "5."
            "."
            "0.0"
            "1e3"
            "NaN"
            "Infinity"
            $"%d{most}.0"
            $"%d{most}.1"
        ]
    | Value.PidList longest ->
        [
            "1,2"
            "1,"
            ",1"
            "1,x"
            "1,2147483648"
            "1-2"
            "2-2"
            "2-1"
            "0-1"
            "0-"
            "1-"
            "7-,3,5-9"
            "4194303-"
            "4194304-"
            "1-2147483647"
            "1-2147483648"
            "1--2"
            "1-2-3"
            for n in [ longest; longest + 1 ] do
                String.Join(',', Seq.replicate n "7")
        ]
    | Value.PidRange most ->
        [
            "1-2"
            "2-2"
            "2-1"
            "0-1"
            "1-"
            "1--2"
            "1-2-3"
            $"1-%d{most}"
            $"2-%d{most + 1UL}"
            $"%d{most + 1UL}"
        ]

let private noise =
    [
        "1"
        "0"
        "4242"
        "-1"
        "+1"
        " 1"
        "1 "
        "007"
        "١"
        "99999999999999999999"
        ""
        " "
        "-"
        "--"
        "---"
        "--="
        "=x"
        "a=b"
        "-5"
        "-x"
        "-vv"
        "-vx"
        "-vh"
        "-v="
        "-v=1"
        "-hv"
        "--help"
        "-h"
        "--help=1"
        "--help="
        "-V"
        "--version"
        "x"
        "x\ny"
        "\n"
    ]

let private mangled (name: string) =
    [
        name[.. name.Length - 2]
        name + name[name.Length - 1 ..]
        name[1..]
        name.ToUpperInvariant()
        name + "="
        name + "=\n"
    ]

let private commands = Array.ofList ArguGrammar.commands

/// What Argu says of the words, apart from where nslp is better on purpose.
let private expected (command: ArguCommand) (words: string list) =
    let own = words |> List.takeWhile (fun word -> word <> "--")
    let isHelp word = word = "--help" || word = "-h"

    // 1. "--" ends the options, or begins COMMAND: to Argu it is a word as any. 2. An option that waits for its value
    // does not get one from behind it.
    let rest = words |> List.skip (min words.Length (own.Length + 1))
    let wantsCommand = command.Page.Rest <> ""
    let isOpen = List.contains "--" words

    let waits =
        command.Page.Options
        |> List.exists (fun option ->
            not option.Value.IsNothing
            && not option.Value.IsMaybe
            && List.contains (Seq.tryLast own |> Option.defaultValue "") option.Names)

    // 3. Argu does not see a value behind "=" when there is a line feed in it.
    let behind =
        [ for word in rest -> if word.StartsWith '-' then "\uE001" + word else word ]

    // 7. Argu takes the next word for a value that may be left out.
    let bare =
        [
            for word in own ->
                if
                    command.Page.Options
                    |> List.exists (fun option -> option.Value.IsMaybe && List.contains word option.Names)
                then
                    word + "=\uE002"
                else
                    word
        ]

    let masked =
        [
            for word in bare @ (if wantsCommand then [] else behind) -> word.Replace("\n", "\uE000")
        ]

    let valueOf name =
        command.Page.Arguments
        |> List.pick (fun argument -> if argument.Name = name then Some argument.Value else None)

    // 4. Argu takes an option that it does not know for an operand.
    let isUnknown (name: string, text: string) =
        not (name.StartsWith "--")
        && Regex.IsMatch(text, @"\A-[^0-9]", RegexOptions.Singleline)

    // 5. Help is given whatever else is wrong, to -h too.
    if List.exists isHelp own then
        Parsed.Help
    elif waits || wantsCommand && rest.IsEmpty && (isOpen || command.Page.NeedsRest) then
        Parsed.Wrong ""
    else
        match command.Judge masked with
        | Some given when not (List.exists isUnknown given) ->
            let given =
                [
                    for name, text in given ->
                        name, text.Replace("\uE000", "\n").Replace("\uE001", "").Replace("\uE002", "")
                ]

            // 6. Argu takes any text for a number.
            if given |> List.forall (fun (name, text) -> isRight (valueOf name) text) then
                Parsed.Right
                    {
                        Given =
                            [
                                for name, text in List.rev given ->
                                    let argument =
                                        command.Page.Arguments |> List.find (fun argument -> argument.Name = name)

                                    struct (argument, text)
                            ]
                        Rest = if wantsCommand then rest else []
                    }
            else
                Parsed.Wrong ""
        | _ -> Parsed.Wrong ""

// Every command, every argument of its table, with values right and wrong, and what people mistype.
let private linesOf (among: int list) =
    let piece (page: Page) =
        let foreign =
            commands |> Seq.collect _.Page.Options |> Seq.collect _.Names |> Array.ofSeq

        let any = Gen.elements noise

        let argument (argument: Argument) =
            let text =
                match List.partition (isRight argument.Value) (texts argument.Value) with
                | [], _ -> any
                | right, wrong -> Gen.frequency [ 6, Gen.elements right; 3, Gen.elements wrong; 1, any ]

            match argument.Names with
            | [] -> text |> Gen.map List.singleton
            | names ->
                gen {
                    let! name = Gen.elements names
                    let! text = text

                    let spaced =
                        if argument.Value.IsNothing then
                            [ name ]
                        else
                            [ name; text ]
                    // Help hides all else.
                    let often = if name = "--help" || name = "-h" then 0 else 8

                    return!
                        Gen.frequency
                            [
                                often, Gen.constant spaced
                                (if argument.Value.IsNothing then 1 else 8), Gen.constant [ $"%s{name}=%s{text}" ]
                                1, Gen.constant [ name ]
                                1, Gen.elements (mangled name) |> Gen.map List.singleton
                                1, Gen.elements (mangled name) |> Gen.map (fun word -> [ word; text ])
                            ]
                }

        Gen.frequency
            [
                6, Gen.elements page.Arguments |> Gen.bind argument
                1, any |> Gen.map List.singleton
                1, Gen.elements foreign |> Gen.map List.singleton
            ]

    let line =
        gen {
            let! command = Gen.elements among
            let page = commands[command].Page
            let! length = Gen.choose (0, 4)
            let! words = Gen.listOfLength length (piece page)
            let! operand = Gen.frequency [ 2, Gen.constant page.Operand; 1, Gen.constant None ]

            let! operand =
                match operand with
                | Some operand ->
                    "4242" :: texts operand.Value
                    |> List.filter (isRight operand.Value)
                    |> Gen.elements
                    |> Gen.map List.singleton
                | None -> Gen.constant []

            let! words = Gen.shuffle (operand :: words)

            let! rest =
                if page.Rest = "" then
                    Gen.constant []
                else
                    Gen.frequency
                        [
                            8, Gen.constant [ "--"; "ls"; "--help"; "--" ]
                            1, Gen.constant [ "--" ]
                            1, Gen.constant []
                        ]

            return command, List.concat words @ rest
        }

    let shrink (command, words) =
        seq { for i in 0 .. List.length words - 1 -> command, List.removeAt i words }

    // What is expected of a line is found once for all parsers.
    let judged (command, words) =
        command, words, lazy (expected commands[command] words)

    Arb.fromGenShrink (Gen.map judged line, (fun (command, words, _) -> shrink (command, words) |> Seq.map judged))

// As far as the two can be compared: not the words of messages, and of choices not how they are spelt.
let private comparable (parsed: Parsed) =
    match parsed with
    | Parsed.Help -> "help", [], []
    | Parsed.Wrong _ -> "wrong", [], []
    | Parsed.Right line ->
        let plain (struct (argument: Argument, text: string)) =
            argument.Name,
            (if argument.Choices.IsEmpty then
                 text
             else
                 text.Trim().ToLowerInvariant())

        "right", List.map plain line.Given, line.Rest

let private lines = linesOf [ 0 .. commands.Length - 1 ]

let private agreementOf lines : Law<Parser> =
    Law.create lines (fun parser (command: int, words: string list, expected: Lazy<Parsed>) ->
        let page = commands[command].Page
        let actual = parser page words
        let said, wanted = comparable actual, comparable expected.Value

        if said <> wanted then
            Law.same $"nslp %s{page.Name} %A{words}" wanted said

        match actual with
        | Parsed.Wrong message -> Law.holds "a message says something" (message.Length > 9)
        | _ -> ())

[<Fact>]
let ``The parser and Argu agree on every command line`` () =
    Law.checkFor 10_000 Line.read (agreementOf lines)

[<Fact>]
let ``The lines are often right and often wrong, of every command`` () =
    let sample = lines |> Arb.toGen |> Gen.sampleWithSeed (Rnd 1UL) 50 11_000

    for i in 0 .. commands.Length - 1 do
        let kinds =
            sample
            |> Seq.filter (fun (command, _, _) -> command = i)
            |> Seq.countBy (fun (_, _, expected) -> expected.Value.IsRight)
            |> Map.ofSeq

        Assert.True(kinds[true] > 100 && kinds[false] > 100, $"%s{commands[i].Page.Name}: %A{kinds}")

// Wrong parsers: the right one by a wrong table, or for other words.

let private byTable (change: Page -> Page) : Parser =
    fun page words -> Line.read (change page) words

let private changed (page: Page) (argument: Argument) (change: Argument -> Argument list) : Parser =
    byTable (fun p ->
        if p.Name <> page.Name then
            p
        else
            { p with
                Arguments =
                    p.Arguments
                    |> List.collect (fun a -> if a.Name = argument.Name then change a else [ a ])
            })

let private wrongValues (value: Value) =
    match value with
    | Value.Nothing -> [ Value.Text ]
    | Value.Text -> [ Value.Nothing; Value.Choice [ "x" ] ]
    | Value.Choice words -> [ Value.Choice words.Tail; Value.Choice(words.Head[1..] :: words); Value.Text ]
    | Value.Whole(least, most) -> [ Value.Whole(least + 1UL, most); Value.Whole(least, most - 1UL); Value.Text ]
    | Value.Maybe(least, most) ->
        [
            Value.Maybe(least + 1UL, most)
            Value.Maybe(least, most - 1UL)
            Value.Whole(least, most)
            Value.Nothing
        ]
    | Value.Pid least -> [ Value.Pid(least + 1UL); Value.Whole(least, uint64 Limits.PidMax - 1UL) ]
    | Value.Octal most -> [ Value.Octal(most - 1UL); Value.Octal(most + 1UL); Value.Whole(0UL, most) ]
    | Value.Seconds most -> [ Value.Seconds(most - 1UL); Value.Seconds(most + 1UL); Value.Whole(0UL, most) ]
    | Value.PidList longest -> [ Value.PidList(longest - 1); Value.PidList(longest + 1); Value.Pid 0UL ]
    | Value.PidRange most ->
        [
            Value.PidRange(most - 1UL)
            Value.PidRange(most + 1UL)
            Value.Whole(0UL, most)
        ]

let private wrongTables (page: Page) : (string * Parser) list =
    [
        // Without --help, which is looked for beforehand.
        for argument in page.Arguments |> List.filter (fun argument -> argument.Name <> "--help") do
            let wrong what change =
                $"%s{page.Name} %s{argument.Name}: %s{what}", changed page argument change

            wrong "forgotten" (fun _ -> [])

            // An operand is its text, whatever it may be.
            for value in
                wrongValues argument.Value
                |> List.filter (fun value -> not value.IsNothing || not argument.Names.IsEmpty) do
                wrong $"%A{value}" (fun a -> [ { a with Value = value } ])

            match argument.Names with
            | [] ->
                wrong "needed or not" (fun a -> [ { a with IsRequired = not a.IsRequired } ])

                wrong "one or several" (fun a ->
                    [
                        { a with
                            IsRepeatable = not a.IsRepeatable
                        }
                    ])
            | names ->
                for name in names do
                    wrong $"not %s{name}" (fun a ->
                        [
                            { a with
                                Names = List.except [ name ] names @ [ "--other" ]
                            }
                        ])
    ]

let private ofWords (change: string list -> string list) : Parser =
    fun page words -> Line.read page (change words)

let private ofLine (change: Line -> Line) : Parser =
    fun page words ->
        match Line.read page words with
        | Parsed.Right line -> Parsed.Right(change line)
        | other -> other

let private wrongParsers: (string * Parser) list =
    [
        "-- does not end the options", ofWords (List.filter (fun word -> word <> "--"))
        "-- needs no command", byTable (fun page -> { page with Rest = "" })
        "-h is not help", ofWords (List.filter (fun word -> word <> "-h"))
        "help ends at a fault",
        fun page words ->
            match Line.read page (List.filter (fun word -> word <> "-h" && word <> "--help") words) with
            | Parsed.Wrong message -> Parsed.Wrong message
            | _ -> Line.read page words
        "abbreviations", ofWords (List.map (fun word -> if word = "--jso" then "--json" else word))
        "options in capitals",
        ofWords (
            List.map (fun word ->
                if word.StartsWith "--" then
                    word.ToLowerInvariant()
                else
                    word)
        )
        "a value ends at the second =",
        ofWords (List.map (fun word -> String.Join('=', word.Split '=' |> Array.truncate 2)))
        "line feeds go", ofWords (List.map (fun word -> word.Replace("\n", "")))
        "empty words go", ofWords (List.filter (fun word -> word <> ""))
        "letters stand alone", ofWords (List.map (fun word -> if word = "-vv" then "-v-v" else word))
        "a number may be negative", ofWords (List.map (fun word -> if word = "-5" then "5" else word))
        "only the last counts",
        ofLine (fun line ->
            { line with
                Given = List.distinctBy (fun (struct (a, _)) -> a.Name) line.Given
            })
        "the first counts",
        ofLine (fun line ->
            { line with
                Given = List.rev line.Given
            })
        "the command ends at --",
        ofLine (fun line ->
            { line with
                Rest = List.takeWhile (fun word -> word <> "--") line.Rest
            })
    ]

[<Fact>]
let ``A wrong parser and a wrong table break the agreement`` () =
    let survivors lines parsers =
        let law = agreementOf lines

        parsers
        |> List.filter (fun (_, parser) -> (law.TryBreak (Rnd 1UL) 10_000 parser).IsNone)
        |> List.map fst

    Assert.Equal<string list>([], survivors lines wrongParsers)

    for i in 0 .. commands.Length - 1 do
        Assert.Equal<string list>([], survivors (linesOf [ i ]) (wrongTables commands[i].Page))
