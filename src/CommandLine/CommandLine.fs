namespace SetNsLastPid

open System

/// argv, understood.
[<RequireQualifiedAccess>]
module CommandLine =
    // The last value given, as `read` takes it; `otherwise` where there is none.
    let private value (read: string -> 'value voption) (otherwise: 'value) (name: string) (line: Line) : 'value =
        match Line.text name line with
        | null -> otherwise
        | text -> read text |> ValueOption.defaultValue otherwise

    let private number (text: string) : int voption =
        Value.number 10UL text |> ValueOption.map int

    let private int name otherwise line = value number otherwise name line

    let private seconds name otherwise line =
        value (Value.seconds UInt64.MaxValue) otherwise name line

    let private text name line = value ValueSome "" name line
    let private target line = int "--target" 0 line

    // Members of enums are in the order of the grammar's choices; the first is the default.
    let private choice (name: string) (line: Line) : int =
        match line.Given |> List.tryFind (fun (struct (argument, _)) -> argument.Name = name) with
        | Some(struct (argument, text)) -> Value.choice argument.Choices text
        | None -> 0

    let private color line = enum<ColorWhen>(choice "--color" line)

    let private method (line: Line) =
        match (text "--method" line).ToLowerInvariant() with
        | "clone3" -> Method.Clone3
        | "write" -> Method.Write
        | "cycle" -> Method.Cycle
        | _ -> Method.Auto

    // Those of the options that are given.
    let private given (options: string list) (line: Line) =
        options |> List.filter (fun option -> Line.has option line)

    let private json line = Line.has "--json" line
    let private get line = Command.Get(target line, json line)

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

        let isRange = (text "PID" line).Contains '-'

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
                    Json = json line
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
                    Seed = value (Value.number 10UL >> ValueOption.map Nullable) (Nullable()) "--seed" line
                    Replay = Line.text "--replay" line
                    Record = Line.text "--record" line
                    Here = Line.has "--here" line
                    Tap = Line.has "--tap" line
                    Junit = Line.text "--junit" line
                    Json = json line
                }

    let private serve line =
        Command.Serve
            {
                Socket = Line.text "SOCKET" line
                Method = method line
                Mode = value (Value.number 8UL >> ValueOption.map Operators.int) -1 "--mode" line
                Group = Line.text "--group" line
                AllowUsers = Array.ofList (Line.all "--allow-user" line)
                Timeout = seconds "--timeout" infinity line
                Verbose = Line.has "--verbose" line
            }

    let private bench line =
        Command.Bench(seconds "--seconds" 10.0 line, color line, json line)

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
                NewPidns = value (number >> ValueOption.orElse (ValueSome 1)) 0 "--new-pidns" line
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
                Json = json line
            }

    let private reserve (line: Line) =
        let struct (first, last) = text "RANGE" line |> range

        Command.Reserve
            {
                First = first
                Last = last
                Target = target line
                Verbose = Line.has "--verbose" line
                Command = line.Rest
            }

    let private predict line =
        Command.Predict(int "COUNT" 1 line, target line, json line)

    let private preflight line =
        Command.Preflight
            {
                Images = text "IMAGES" line
                Target = target line
                MakeWay = Line.has "--make-way" line
                Color = color line
                Json = json line
            }

    let private doctor line = Command.Doctor(color line, json line)

    let private map line =
        match given [ "--watch"; "--svg"; "--json" ] line with
        | first :: second :: _ -> Command.Wrong("map", first + " and " + second + " cannot be used together")
        | _ ->
            Command.Map
                {
                    Pid = int "PID" -1 line
                    Target = target line
                    Watch = Line.has "--watch" line
                    Svg = Line.text "--svg" line
                    Color = color line
                    Json = json line
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

    let private tryFind (name: string) =
        Grammar.pages () |> List.tryFind (fun page -> page.Name = name)

    let private unknown (word: string) =
        let hint =
            if (Value.number 10UL word).IsValueSome then
                "; did you mean 'set " + word + "'?"
            else
                Line.hint [ for page in Grammar.pages () -> page.Name ] word

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
            | ("--help" | "-h" | "help"), _ -> Command.Help(Document.index (Grammar.pages ()))
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
