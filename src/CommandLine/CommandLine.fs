namespace SetNsLastPid

open System

/// argv, understood.
[<RequireQualifiedAccess>]
module CommandLine =
    let private number (name: string) (otherwise: uint64) (line: Line) : uint64 =
        match Line.text name line with
        | null -> otherwise
        | text -> Value.number 10UL text |> ValueOption.defaultValue otherwise

    let private int name (otherwise: int) line : int =
        int (number name (uint64 otherwise) line)

    let private seconds name (otherwise: float) line : float =
        match Line.text name line with
        | null -> otherwise
        | text -> Value.seconds UInt64.MaxValue text |> ValueOption.defaultValue otherwise

    let private target line = int "--target" 0 line

    // Members of enums are in the order of the grammar's choices; the first is the default.
    let private choice (name: string) (line: Line) : int =
        match line.Given |> List.tryFind (fun (struct (argument, _)) -> argument.Name = name) with
        | Some(struct (argument, text)) -> Value.choice argument.Choices text
        | None -> 0

    let private color line = enum<ColorWhen>(choice "--color" line)

    let private method (line: Line) =
        match (Line.text "--method" line |> Option.ofObj |> Option.defaultValue "").ToLowerInvariant() with
        | "clone3" -> Method.Clone3
        | "write" -> Method.Write
        | "cycle" -> Method.Cycle
        | _ -> Method.Auto

    // Those of the options that are given.
    let private given (options: string list) (line: Line) =
        options |> List.filter (fun option -> Line.has option line)

    let private get line =
        Command.Get
            {
                Target = target line
                Json = Line.has "--json" line
            }

    // What is asked for by the operand PID, whose innermost number has the room.
    let private goals (line: Line) : Goal list =
        let goal i text =
            let struct (first, last) =
                Value.goal text |> ValueOption.defaultValue (struct (0UL, 0UL))

            Goal.within (Operators.int first) (Operators.int last) (if i = 0 then int "--room" 0 line else 0)

        match Line.text "PID" line with
        | null -> []
        | text -> text.Split ',' |> List.ofArray |> List.mapi goal

    let private set line =
        let goal = goals line |> List.head

        let isRange =
            Line.text "PID" line
            |> Option.ofObj
            |> Option.exists (fun text -> text.Contains '-')

        match given [ "--method"; "--target"; "--flavour" ] line with
        | option :: _ when Line.has "--server" line ->
            Command.Wrong("set", option + " cannot be used with --server: the server decides that")
        | _ when isRange && Line.has "--server" line ->
            Command.Wrong(
                "set",
                "a server takes one number and no range; 'nslp predict' and 'nslp who' help to choose it"
            )
        | _ when not isRange && goal.Room > 0 -> Command.Wrong("set", "--room needs a range, such as 1000-")
        | _ ->
            Command.Set
                {
                    Goal = if isRange then goal else Goal.after goal.First
                    Method = method line
                    Timeout = seconds "--timeout" infinity line
                    Target = target line
                    Flavour = Line.text "--flavour" line
                    Server = Line.text "--server" line
                    Verbose = Line.has "--verbose" line
                    Json = Line.has "--json" line
                }

    let private verify line =
        match given [ "--runs"; "--steps"; "--seed" ] line with
        | option :: _ when Line.has "--replay" line ->
            Command.Wrong("verify", "--replay and " + option + " cannot be used together")
        | _ when Line.has "--replay" line && Line.has "--record" line ->
            Command.Wrong("verify", "--replay and --record cannot be used together")
        | _ when Line.has "--record" line && Line.text "--record" line = Line.text "--junit" line ->
            Command.Wrong("verify", "--junit and --record cannot write to the same file")
        | _ when Line.has "--tap" line && Line.has "--json" line ->
            Command.Wrong("verify", "--tap and --json cannot be used together")
        | _ ->
            Command.Verify
                {
                    Runs = int "--runs" 500 line
                    Steps = int "--steps" 50 line
                    Seed =
                        if Line.has "--seed" line then
                            Nullable(number "--seed" 0UL line)
                        else
                            Nullable()
                    Replay = Line.text "--replay" line
                    Record = Line.text "--record" line
                    Here = Line.has "--here" line
                    Tap = Line.has "--tap" line
                    Junit = Line.text "--junit" line
                    Json = Line.has "--json" line
                }

    let private mode line =
        match Line.text "--mode" line with
        | null -> -1
        | text ->
            match Value.number 8UL text with
            | ValueSome mode -> Operators.int mode
            | ValueNone -> -1

    let private serve line =
        Command.Serve
            {
                Socket = Line.text "SOCKET" line
                Method = method line
                Mode = mode line
                Group = Line.text "--group" line
                AllowUsers = Array.ofList (Line.all "--allow-user" line)
                Timeout = seconds "--timeout" infinity line
                Verbose = Line.has "--verbose" line
            }

    let private bench line =
        Command.Bench
            {
                Seconds = seconds "--seconds" 10.0 line
                Color = color line
                Json = Line.has "--json" line
            }

    let private spawn (line: Line) =
        let options =
            {
                Goals =
                    match goals line with
                    | [] -> [ Goal.within 2 (Limits.PidMax - 1) (int "--room" 0 line) ]
                    | goals -> goals
                Method = method line
                Timeout = seconds "--timeout" 10.0 line
                Target = target line
                NewPidns =
                    match Line.text "--new-pidns" line with
                    | null -> 0
                    | text -> Value.number 10UL text |> ValueOption.defaultValue 1UL |> Operators.int
                PidMax = int "--pid-max" 0 line
                NoProc = Line.has "--no-proc" line
                Setsid = Line.has "--setsid" line
                Json = Line.text "--json" line
                MapRoot = Line.has "--map-root" line
                Detach = Line.has "--detach" line
                Verbose = Line.has "--verbose" line
                Command = line.Rest
            }

        let alone = given [ "--map-root"; "--pid-max"; "--no-proc" ] line

        if options.NewPidns > 0 && options.Target <> 0 then
            Command.Wrong("spawn", "--new-pidns and --target cannot be used together")
        elif options.NewPidns = 0 && not alone.IsEmpty then
            Command.Wrong("spawn", alone.Head + " needs --new-pidns")
        elif options.NewPidns = 0 && not (Line.has "PID" line) then
            Command.Wrong("spawn", "PID is missing")
        elif
            options.Goals.Length > 1
            && (options.Method = Method.Write || options.Method = Method.Cycle)
        then
            Command.Wrong("spawn", "several PIDs need --method clone3")
        else
            Command.Spawn options

    let private range (text: string) =
        match Value.range text with
        | ValueSome(struct (first, last)) -> struct (Operators.int first, Operators.int last)
        | ValueNone -> struct (0, 0)

    let private who line =
        Command.Who
            {
                Ranges = List.map range (Line.all "PID" line)
                Held = Line.has "--held" line
                Target = target line
                Json = Line.has "--json" line
            }

    let private reserve (line: Line) =
        let struct (first, last) =
            Line.text "RANGE" line |> Option.ofObj |> Option.defaultValue "" |> range

        Command.Reserve
            {
                First = first
                Last = last
                Target = target line
                Verbose = Line.has "--verbose" line
                Command = line.Rest
            }

    let private predict line =
        Command.Predict
            {
                Count = int "COUNT" 1 line
                Target = target line
                Json = Line.has "--json" line
            }

    let private preflight line =
        Command.Preflight
            {
                Images = Line.text "IMAGES" line |> Option.ofObj |> Option.defaultValue ""
                Target = target line
                MakeWay = Line.has "--make-way" line
                Color = color line
                Json = Line.has "--json" line
            }

    let private doctor line =
        Command.Doctor
            {
                Color = color line
                Json = Line.has "--json" line
            }

    let private map line =
        match given [ "--watch"; "--svg"; "--json" ] line with
        | first :: second :: _ -> Command.Wrong("map", first + " and " + second + " cannot be used together")
        | _ ->
            Command.Map
                {
                    Pid = if Line.has "PID" line then int "PID" 0 line else -1
                    Target = target line
                    Watch = Line.has "--watch" line
                    Svg = Line.text "--svg" line
                    Color = color line
                    Json = Line.has "--json" line
                }

    let private completion line =
        Command.Completion(enum<ShellKind>(choice "SHELL" line))

    let private understand (page: Page) (line: Line) : Command =
        match page.Name with
        | "get" -> get line
        | "set" -> set line
        | "spawn" -> spawn line
        | "who" -> who line
        | "reserve" -> reserve line
        | "predict" -> predict line
        | "preflight" -> preflight line
        | "map" -> map line
        | "doctor" -> doctor line
        | "serve" -> serve line
        | "verify" -> verify line
        | "bench" -> bench line
        | "completion" -> completion line
        // A test asks for all of the grammar's.
        | name -> Command.Wrong(name, "not implemented")

    /// What there is to know about each command.
    let pages () : Page list = Grammar.pages ()

    let private tryFind (name: string) =
        pages () |> List.tryFind (fun page -> page.Name = name)

    let private unknown (word: string) =
        let hint =
            if (Value.number 10UL word).IsValueSome then
                "; did you mean 'set " + word + "'?"
            else
                Line.hint [ for page in pages () -> page.Name ] word

        Command.Wrong("", "'" + word + "' is not a command" + hint)

    /// What these arguments, without the program's name, ask for. Never throws: wrong usage is a `Command` too.
    let parse (argv: string[]) : Command =
        match List.ofArray argv with
        | [] -> Command.Wrong("", "no command given")
        | name :: words ->
            match name, words with
            | ("--help" | "-h" | "help"), about :: _ when not (about.StartsWith '-') ->
                match tryFind about with
                | Some page -> Command.Help(Document.help page)
                | None -> unknown about
            | ("--help" | "-h" | "help"), _ -> Command.Help(Document.index (pages ()))
            | ("--version" | "-V"), _ -> Command.Version
            | _ ->
                match tryFind name with
                | Some page ->
                    match Line.read page words with
                    | Parsed.Right line -> understand page line
                    | Parsed.Help -> Command.Help(Document.help page)
                    | Parsed.Wrong message -> Command.Wrong(name, message)
                | None when name.StartsWith '-' ->
                    let hint =
                        match Line.hint [ "--help"; "--version" ] name with
                        | "" -> ": the options of a command go after its name"
                        | hint -> hint

                    Command.Wrong("", "'" + name + "' is not an option" + hint)
                | None -> unknown name

    // getopt's permutation: options may stand after operands, "--" ends them, "-vv" is "-v -v", "-" is an operand.
    let private operands (argv: string list) =
        let rec go argv verbose found =
            match argv with
            | [] -> Ok(verbose, List.rev found)
            | "--" :: rest -> Ok(verbose, List.rev found @ rest)
            | (word: string) :: rest when word.Length > 1 && word[0] = '-' ->
                match Seq.tryFind (fun letter -> letter <> 'v') word[1..] with
                | Some letter -> Error("invalid option -- '" + string letter + "'")
                | None -> go rest true found
            | word :: rest -> go rest verbose (word :: found)

        go argv false []

    /// What these arguments, without the program's name, ask the tool set_ns_last_pid for:
    /// `[-v] PID | /absolute/path/to/socket`. Unlike that tool this takes nothing but a number for a PID. Never throws;
    /// the name in `Wrong` is empty.
    let parseAncestor (argv: string[]) : Command =
        match operands (List.ofArray argv) with
        | Error message -> Command.Wrong("", message)
        | Ok(verbose, [ word ]) ->
            let isSocket = word.StartsWith '/'

            match Value.fault (Page.operand "PID" (Value.Pid 0UL) "") word with
            | fault when not isSocket && not (isNull fault) -> Command.Wrong("", string fault)
            | _ ->
                match parse [| (if isSocket then "serve" else "set"); "--"; word |] with
                | Command.Serve options -> Command.Serve { options with Verbose = verbose }
                | Command.Set options -> Command.Set { options with Verbose = verbose }
                | Command.Wrong(_, message) -> Command.Wrong("", message)
                | other -> other
        | Ok(_, []) -> Command.Wrong("", "a PID or the absolute path of a socket is missing")
        | Ok(_, words) -> Command.Wrong("", "expected one PID or socket, got " + string words.Length)
