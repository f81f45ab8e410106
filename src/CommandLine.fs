namespace SetNsLastPid

open System
open System.Globalization
open Argu

/// argv, understood.
[<RequireQualifiedAccess>]
module CommandLine =
    exception private Misuse of string

    let private misuse message = raise (Misuse message)

    // What a person types is a number in decimal digits; int.Parse alone would take white space and signs too.
    let private digits (what: string) (text: string) =
        let isNumber = text <> "" && Seq.forall Char.IsAsciiDigit text

        match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, value when isNumber -> value
        | _ when isNumber -> misuse $"%s{what} '%s{text}' is too large"
        | _ -> misuse $"%s{what} '%s{text}' is not a decimal number"

    let private seconds (text: string) =
        match Double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
        | true, value when value > 0.0 && value <= 1e6 -> value
        | _ -> misuse $"timeout '%s{text}' is not a number of seconds above 0"

    let private mode (text: string) =
        if
            text.Length > 0
            && text.Length <= 4
            && Seq.forall (fun c -> c >= '0' && c <= '7') text
        then
            match Convert.ToInt32(text, 8) with
            | value when value <= 0o777 -> value
            | _ -> misuse $"mode '%s{text}' is not from 0 to 0777"
        else
            misuse $"mode '%s{text}' is not an octal number from 0 to 0777"

    // Argu takes an option it does not know for one more value.
    let private noOptions (values: string list) =
        values
        |> List.tryFind (fun value -> value.Length > 1 && value[0] = '-' && not (Char.IsAsciiDigit value[1]))
        |> Option.iter (fun option -> misuse $"'%s{option}' is not an option")

    let private atMostOne (what: string) (values: string list) =
        noOptions values

        match values with
        | [] -> None
        | [ value ] -> Some value
        | _ -> misuse $"one %s{what} is wanted, not %d{values.Length}"

    let private only (what: string) (values: string list) =
        match atMostOne what values with
        | Some value -> value
        | None -> misuse $"%s{what} is missing"

    let private timeout (text: string option) =
        match text with
        | Some text -> seconds text
        | None -> infinity

    let private target (text: string option) =
        match text with
        | None -> 0
        | Some text ->
            match digits "target" text with
            | 0 -> misuse "target '0' is not a process"
            | pid -> pid

    let private get (results: ParseResults<GetArguments>) =
        Command.Get
            {
                Target = target (results.TryGetResult GetArguments.Target)
                Json = results.Contains GetArguments.Json
            }

    let private set (results: ParseResults<SetArguments>) =
        let alone =
            [
                "--method", results.Contains SetArguments.Method
                "--target", results.Contains SetArguments.Target
                "--flavour", results.Contains SetArguments.Flavour
            ]

        match List.tryFind snd alone with
        | Some(option, _) when results.Contains SetArguments.Server ->
            misuse $"%s{option} is for the server to know, not together with --server"
        | _ -> ()

        Command.Set
            {
                Pid = results.GetResult(SetArguments.Pid, []) |> only "PID" |> digits "PID"
                Method = results.GetResult(SetArguments.Method, SetMethod.Auto)
                Timeout = timeout (results.TryGetResult SetArguments.Timeout)
                Target = target (results.TryGetResult SetArguments.Target)
                Flavour = Option.toObj (results.TryGetResult SetArguments.Flavour)
                Server = Option.toObj (results.TryGetResult SetArguments.Server)
                Verbose = results.Contains SetArguments.Verbose
                Json = results.Contains SetArguments.Json
            }

    let private count (what: string) (most: int) (text: string option) (otherwise: int) =
        match Option.map (digits what) text with
        | None -> otherwise
        | Some n when n >= 1 && n <= most -> n
        | Some n -> misuse $"%s{what} %d{n} is not from 1 to %d{most}"

    let private seed (text: string) =
        match UInt64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, value -> value
        | _ -> misuse $"seed '%s{text}' is not a decimal number below 2 to the 64th"

    let private verify (results: ParseResults<VerifyArguments>) =
        let replay = results.TryGetResult VerifyArguments.Replay

        if
            replay.IsSome
            && (results.Contains VerifyArguments.Runs
                || results.Contains VerifyArguments.Steps
                || results.Contains VerifyArguments.Seed)
        then
            misuse "a file to replay leaves no room for runs, steps and seed"

        Command.Verify
            {
                Runs = count "number of runs" 1000000 (results.TryGetResult VerifyArguments.Runs) 500
                Steps = count "number of steps" 10000 (results.TryGetResult VerifyArguments.Steps) 50
                Seed =
                    match results.TryGetResult VerifyArguments.Seed with
                    | Some text -> Nullable(seed text)
                    | None -> Nullable()
                Replay = Option.toObj replay
                Json = results.Contains VerifyArguments.Json
            }

    let private serve (results: ParseResults<ServeArguments>) =
        Command.Serve
            {
                Socket =
                    results.GetResult(ServeArguments.Socket, [])
                    |> atMostOne "SOCKET"
                    |> Option.toObj
                Method = results.GetResult(ServeArguments.Method, SetMethod.Auto)
                Mode =
                    match results.TryGetResult ServeArguments.Mode with
                    | Some text -> mode text
                    | None -> -1
                Group = Option.toObj (results.TryGetResult ServeArguments.Group)
                AllowUsers = Array.ofList (results.GetResults ServeArguments.Allow_User)
                Timeout = timeout (results.TryGetResult ServeArguments.Timeout)
                Verbose = results.Contains ServeArguments.Verbose
            }

    let private bench (results: ParseResults<BenchArguments>) =
        Command.Bench
            {
                Seconds =
                    match results.TryGetResult BenchArguments.Seconds with
                    | Some text -> seconds text
                    | None -> 10.0
                Json = results.Contains BenchArguments.Json
            }

    let private pids (text: string) =
        let entries = text.Split ',' |> List.ofArray

        if text = "" then
            misuse "PID is missing"
        elif List.contains "" entries then
            misuse $"PID list '%s{text}' has an empty entry"
        elif entries.Length > Limits.Levels then
            misuse $"PID list has %d{entries.Length} entries: at most %d{Limits.Levels} PID namespaces are nested"
        else
            List.map (digits "PID") entries

    let private spawn (command: string list) (results: ParseResults<SpawnArguments>) =
        if command.IsEmpty then
            misuse "no command given: it goes after '--'"

        let options =
            {
                Pids = results.GetResult(SpawnArguments.Pids, []) |> only "PID or list of PIDs" |> pids
                Method = results.GetResult(SpawnArguments.Method, SpawnMethod.Auto)
                Timeout =
                    match results.TryGetResult SpawnArguments.Timeout with
                    | Some text -> seconds text
                    | None -> 10.0
                Target = target (results.TryGetResult SpawnArguments.Target)
                NewPidns = results.Contains SpawnArguments.New_Pidns
                MapRoot = results.Contains SpawnArguments.Map_Root
                Detach = results.Contains SpawnArguments.Detach
                Verbose = results.Contains SpawnArguments.Verbose
                Command = command
            }

        if options.NewPidns && options.Target <> 0 then
            misuse "--new-pidns and --target exclude each other"
        elif options.MapRoot && not options.NewPidns then
            misuse "--map-root needs --new-pidns"
        elif
            options.Pids.Length > 1
            && options.Method <> SpawnMethod.Auto
            && options.Method <> SpawnMethod.Clone3
        then
            misuse "several PIDs need --method clone3"
        else
            Command.Spawn options

    let private range (text: string) =
        let ends =
            match text.IndexOf('-', min 1 text.Length) with
            | dash when dash > 0 -> struct (digits "PID" text[.. dash - 1], digits "PID" text[dash + 1 ..])
            | _ ->
                let pid = digits "PID" text
                struct (pid, pid)

        match ends with
        | struct (first, _) when first = 0 -> misuse $"PID '%s{text}': PIDs start at 1"
        | struct (first, last) when last < first -> misuse $"range '%s{text}' ends before it starts"
        | struct (_, last) when last >= Limits.PidMax -> misuse $"PID '%s{text}': PIDs end at %d{Limits.PidMax - 1}"
        | ends -> ends

    let private who (results: ParseResults<WhoArguments>) =
        let words = results.GetResult(WhoArguments.Pid, [])
        noOptions words

        if words.IsEmpty then
            misuse "PID is missing"

        Command.Who
            {
                Ranges = List.map range words
                Target = target (results.TryGetResult WhoArguments.Target)
                Json = results.Contains WhoArguments.Json
            }

    let private predict (results: ParseResults<PredictArguments>) =
        let count =
            match results.GetResult(PredictArguments.Count, []) with
            | [] -> 1
            | words -> only "number" words |> digits "number"

        if count < 1 || count > Limits.PidMax then
            misuse $"number '%d{count}' is not from 1 to %d{Limits.PidMax}"

        Command.Predict
            {
                Count = count
                Target = target (results.TryGetResult PredictArguments.Target)
                Json = results.Contains PredictArguments.Json
            }

    let private doctor (results: ParseResults<DoctorArguments>) =
        Command.Doctor
            {
                Json = results.Contains DoctorArguments.Json
            }

    let private map (results: ParseResults<MapArguments>) =
        let pid =
            match results.GetResult(MapArguments.Pid, []) |> atMostOne "PID" with
            | Some text -> digits "PID" text
            | None -> -1

        let outputs =
            [
                "--watch", results.Contains MapArguments.Watch
                "--svg", results.Contains MapArguments.Svg
                "--json", results.Contains MapArguments.Json
            ]

        match List.filter snd outputs with
        | (first, _) :: (second, _) :: _ -> misuse $"%s{first} and %s{second} exclude each other"
        | _ -> ()

        if pid >= Limits.PidMax then
            misuse $"PID '%d{pid}': PIDs end at %d{Limits.PidMax - 1}"

        Command.Map
            {
                Pid = pid
                Target = target (results.TryGetResult MapArguments.Target)
                Watch = results.Contains MapArguments.Watch
                Svg = Option.toObj (results.TryGetResult MapArguments.Svg)
                Json = results.Contains MapArguments.Json
            }

    let private completion (results: ParseResults<CompletionArguments>) =
        match results.GetResult(CompletionArguments.Shell, []) with
        | [ shell ] -> Command.Completion shell
        | [] -> misuse "no shell given: bash, zsh or fish"
        | shells -> misuse $"one shell is wanted, not %d{shells.Length}"

    type private Entry =
        {
            Name: string
            Summary: string
            // For those who ask only: describing a grammar takes long.
            Page: Lazy<Page>
            Parse: string[] -> Command
        }

    let private entry<'T when 'T :> IArgParserTemplate>
        name
        summary
        operands
        example
        (read: ParseResults<'T> -> Command)
        : Entry =
        // Without a width Argu asks System.Console for the terminal's, which makes a thread and writes to the terminal.
        let parser =
            lazy ArgumentParser.Create<'T>(programName = $"nslp %s{name}", usageStringCharacterWidth = 80)

        let page =
            lazy
                {
                    Name = name
                    Summary = summary
                    Operands = operands
                    Arguments = Document.arguments parser.Value
                    Example = example
                }

        let parse (argv: string[]) =
            try
                let results = parser.Value.Parse(argv, raiseOnUsage = false)

                if results.IsUsageRequested then
                    Command.Help(Document.help page.Value)
                else
                    read results
            with
            | Misuse message -> Command.Wrong(name, message)
            | :? ArguParseException as e ->
                let lines = e.Message.Split '\n'
                let text = lines[0].Replace("ERROR: ", "").TrimEnd('.', '\r')
                Command.Wrong(name, text)

        {
            Name = name
            Summary = summary
            Page = page
            Parse = parse
        }

    let private spawnEntry =
        let running (command: string list) =
            entry
                "spawn"
                "run a command with the PID of your choice, or not at all"
                "<PID>[,<PID>...] -- <COMMAND> [<ARGUMENT>...]"
                "nslp spawn 4242 -- sh -c 'echo $$'    # prints 4242"
                (spawn command)

        // Argu has no "--": what follows would be taken for more values, and its options for ours.
        let parse (argv: string[]) =
            let mine = Array.takeWhile (fun word -> word <> "--") argv
            let command = argv |> Array.skip (min argv.Length (mine.Length + 1)) |> List.ofArray
            (running command).Parse mine

        { running [] with Parse = parse }

    let private entries =
        [
            entry "get" "print the last PID" "" "nslp get" get
            entry
                "set"
                "make a PID the last one: the next process gets the one above it"
                "<PID>"
                "nslp set 4242 && sh -c 'echo $$'    # prints 4243"
                set
            spawnEntry
            entry "who" "say who holds a PID" "<PID>..." "nslp who 4242 1000-1010" who
            entry "predict" "print the PIDs that the next processes get" "[<N>]" "nslp predict 3" predict
            entry
                "map"
                "draw the PID space: what is in use, the cursor, the way to a PID"
                "[<PID>]"
                "nslp map 4242 --svg map.svg"
                map
            entry "doctor" "say what works here, and what would make the rest work" "" "nslp doctor" doctor
            entry
                "serve"
                "choose the last PID for others, who ask on a socket"
                "[<SOCKET>]"
                "nslp serve /run/nslp.sock & nslp set 4242 --server /run/nslp.sock"
                serve
            entry
                "verify"
                "check the model of PID allocation against the running kernel"
                ""
                "nslp verify --runs 1000 --seed 1"
                verify
            entry
                "bench"
                "compare the ways of consuming and choosing PIDs on this machine"
                ""
                "nslp bench --seconds 5"
                bench
            entry
                "completion"
                "print what makes a shell complete command lines of nslp"
                "<bash|zsh|fish>"
                "source <(nslp completion bash)"
                completion
        ]

    /// What there is to read about each command.
    let pages () : Page list = entries |> List.map _.Page.Value

    let private help () =
        entries |> List.map (fun entry -> entry.Name, entry.Summary) |> Document.index

    // Levenshtein's distance, a row at a time.
    let private distance (a: string) (b: string) =
        let nextRow (row: int list) c =
            List.zip (List.ofSeq b) (List.pairwise row)
            |> List.scan
                (fun left (d, (diagonal, above)) ->
                    List.min [ left + 1; above + 1; (if c = d then diagonal else diagonal + 1) ])
                (row.Head + 1)

        Seq.fold nextRow [ 0 .. b.Length ] a |> List.last

    let private unknown (word: string) =
        // Of a long word the beginning is enough, as only a near name is told.
        let word' = word[.. min word.Length 32 - 1]
        let nearest = entries |> List.minBy (fun entry -> distance word' entry.Name)

        if distance word' nearest.Name <= 2 then
            Command.Wrong("", $"'%s{word}' is not a command; did you mean '%s{nearest.Name}'?")
        else
            Command.Wrong("", $"'%s{word}' is not a command")

    let private isCommand (word: string) =
        entries |> List.exists (fun entry -> entry.Name = word)

    /// What these arguments, without the program's name, ask for. Never throws: wrong usage is a `Command` too.
    let rec parse (argv: string[]) : Command =
        match List.ofArray argv with
        | [] -> Command.Wrong("", "no command given")
        | [ "help"; word ] when isCommand word -> parse [| word; "--help" |]
        | ("--help" | "-h" | "help") :: _ -> Command.Help(help ())
        | "--version" :: _ -> Command.Version
        | [ word; "-h" ] when isCommand word -> parse [| word; "--help" |]
        | word :: rest ->
            match entries |> List.tryFind (fun entry -> entry.Name = word) with
            | Some entry -> entry.Parse(Array.ofList rest)
            | None when word.StartsWith '-' -> Command.Wrong("", $"'%s{word}' is not an option")
            | None -> unknown word

    // getopt's permutation: options may stand after operands, "--" ends them, "-vv" is "-v -v", "-" is an operand.
    let private operands (argv: string list) =
        let rec go argv verbose found =
            match argv with
            | [] -> Ok(verbose, List.rev found)
            | "--" :: rest -> Ok(verbose, List.rev found @ rest)
            | (word: string) :: rest when word.Length > 1 && word[0] = '-' ->
                match Seq.tryFind (fun letter -> letter <> 'v') word[1..] with
                | Some letter -> Error $"invalid option -- '%c{letter}'"
                | None -> go rest true found
            | word :: rest -> go rest verbose (word :: found)

        go argv false []

    /// What these arguments, without the program's name, ask the tool set_ns_last_pid for:
    /// `[-v] PID | /absolute/path/to/socket`. Unlike that tool this takes nothing but a number for a PID. Never throws;
    /// the name in `Wrong` is empty.
    let parseAncestor (argv: string[]) : Command =
        match operands (List.ofArray argv) with
        | Error message -> Command.Wrong("", message)
        | Ok(verbose, [ path ]) when path.StartsWith '/' ->
            Command.Serve
                {
                    Socket = path
                    Method = SetMethod.Auto
                    Mode = -1
                    Group = null
                    AllowUsers = [||]
                    Timeout = infinity
                    Verbose = verbose
                }
        | Ok(verbose, [ pid ]) ->
            try
                Command.Set
                    {
                        Pid = digits "PID" pid
                        Method = SetMethod.Auto
                        Timeout = infinity
                        Target = 0
                        Flavour = null
                        Server = null
                        Verbose = verbose
                        Json = false
                    }
            with Misuse message ->
                Command.Wrong("", message)
        | Ok(_, []) -> Command.Wrong("", "a PID or the absolute path of a socket is missing")
        | Ok(_, words) -> Command.Wrong("", $"one PID or socket is wanted, not %d{words.Length}")
