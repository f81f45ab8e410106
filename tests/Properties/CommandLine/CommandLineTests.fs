module SetNsLastPid.Tests.Properties.CommandLineTests

open System
open System.IO
open SetNsLastPid
open Xunit

let private path =
    Path.Combine(__SOURCE_DIRECTORY__, "../../../src/CommandLine/Grammar.fs")

[<Fact>]
let ``The grammar that is kept is the one that Argu sees`` () =
    if not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable "NSLP_WRITE")) then
        File.WriteAllText(path, ArguGrammar.source)

    Assert.True(
        (File.ReadAllText path = ArguGrammar.source),
        "src/CommandLine/Grammar.fs is not up to date: NSLP_WRITE=1 dotnet test --project tests/Properties --filter-class '*CommandLineTests'"
    )

let private words (line: string) =
    line.Split(' ', StringSplitOptions.RemoveEmptyEntries)

let private parse line = CommandLine.parse (words line)

let private values (argument: Argument) =
    match argument.Value with
    | Value.Nothing
    | Value.Maybe _ -> [ "" ]
    | Value.PidList _ -> [ "1"; "1-2" ]
    | Value.Whole(least, _) -> [ string (least + 1UL); string (least + 2UL) ]
    | Value.Text -> [ "word" ]
    | Value.Choice words -> words
    | _ -> [ "1"; "2" ]

// spawn does without in a new namespace alone.
let private isNeeded (operand: Argument) =
    operand.IsRequired || operand.Value.IsPidList

// Lines of nothing but what has to be there.
let private shortest (page: Page) =
    let firsts =
        match page.Operand with
        | Some operand when isNeeded operand -> [ for value in values operand -> [ page.Name; value ] ]
        | _ -> [ [ page.Name ] ]

    firsts, (if page.Rest = "" then [] else [ "--"; "true" ])

[<Fact>]
let ``Every operand and option of the grammar has an effect`` () =
    let isWrong (command: Command) = command.IsWrong

    for page in Grammar.pages () do
        let firsts, rest = shortest page

        let parse first words =
            CommandLine.parse (Array.ofList (first @ words @ rest))

        for first in firsts do
            Assert.False(isWrong (parse first []), $"nslp %s{page.Name}")

        // Some make sense only beside another one.
        let typed (argument: Argument) =
            [
                for value in values argument ->
                    argument.Names
                    |> List.truncate 1
                    |> fun names -> List.filter ((<>) "") (names @ [ value ])
            ]

        let besides = [] :: List.collect typed page.Options

        for argument in page.Arguments do
            let has =
                List.allPairs firsts (List.allPairs besides (typed argument))
                |> List.exists (fun (first, (beside, words)) ->
                    let command = parse first (beside @ words)
                    // A needed operand is there twice.
                    isNeeded argument || not (isWrong command) && command <> parse first beside)

            Assert.True(has, $"nslp %s{page.Name} %s{argument.Name} changes nothing")

[<Fact>]
let ``Enumerations count as the choices of the grammar do`` () =
    Assert.Equal(Command.Completion ShellKind.Fish, parse "completion fish")

    for name, value in [ "auto", Method.Auto; "write", Method.Write; "cycle", Method.Cycle ] do
        match parse $"set 1 --method %s{name}", parse $"serve --method %s{name}" with
        | Command.Set set, Command.Serve serve -> Assert.Equal((value, value), (set.Method, serve.Method))
        | other -> Assert.Fail $"%A{other}"

    for name, value in
        [
            "auto", Method.Auto
            "clone3", Method.Clone3
            "write", Method.Write
            "cycle", Method.Cycle
        ] do
        match parse $"spawn 1 --method %s{name} -- ls" with
        | Command.Spawn spawn -> Assert.Equal(value, spawn.Method)
        | other -> Assert.Fail $"%A{other}"

let private set: SetOptions =
    {
        Goal = Goal.after 4242
        Method = Method.Auto
        Timeout = infinity
        Target = 0
        Flavour = null
        Server = null
        Verbose = false
        Json = false
    }

let private spawn: SpawnOptions =
    {
        Goals = [ Goal.within 4242 4242 0 ]
        Method = Method.Auto
        Timeout = 10.0
        Target = 0
        NewPidns = 0
        PidMax = 0
        NoProc = false
        MapRoot = false
        Setsid = false
        Json = null
        Detach = false
        Verbose = false
        Command = [ "ls" ]
    }

let private serve: ServeOptions =
    {
        Socket = "/s"
        Method = Method.Auto
        Mode = -1
        Group = null
        AllowUsers = [||]
        Timeout = infinity
        Verbose = false
    }

let private verify: VerifyOptions =
    {
        Runs = 500
        Steps = 50
        Seed = Nullable()
        Replay = null
        Record = null
        Here = false
        Tap = false
        Junit = null
        Json = false
    }

let private map: MapOptions =
    {
        Pid = -1
        Target = 0
        Watch = false
        Svg = null
        Color = ColorWhen.Auto
        Json = false
    }

let private understood: (string * Command) list =
    [
        "get", Command.Get(0, false)
        "get --json --target=7", Command.Get(7, true)
        "set 4242", Command.Set set
        "set -- 4242", Command.Set set
        "set --flavour -x --timeout 1 4242 -vv --timeout=.5 --json --method Cycle",
        Command.Set
            { set with
                Flavour = "-x"
                Timeout = 0.5
                Verbose = true
                Json = true
                Method = Method.Cycle
            }
        "set 4242 --server=/a=b", Command.Set { set with Server = "/a=b" }
        "spawn 4242 -- ls", Command.Spawn spawn
        "spawn 4242,7 --new-pidns --map-root --detach -v --timeout 3 -- ls -- --help",
        Command.Spawn
            { spawn with
                Goals = [ Goal.within 4242 4242 0; Goal.within 7 7 0 ]
                NewPidns = 1
                MapRoot = true
                Detach = true
                Verbose = true
                Timeout = 3.0
                Command = [ "ls"; "--"; "--help" ]
            }
        "who 4242 --json 10-20",
        Command.Who
            {
                Ranges = [ struct (4242, 4242); struct (10, 20) ]
                Held = false
                Target = 0
                Json = true
            }
        "predict", Command.Predict(1, 0, false)
        "predict 4194304 --target 1", Command.Predict(4194304, 1, false)
        "map", Command.Map map
        "map 0 --svg -", Command.Map { map with Pid = 0; Svg = "-" }
        "doctor --json --color NEVER", Command.Doctor(ColorWhen.Never, true)
        "map --color=always", Command.Map { map with Color = ColorWhen.Always }
        "serve /s", Command.Serve serve
        "serve --mode 0660 --allow-user a --group=users --allow-user b -- /s",
        Command.Serve
            { serve with
                Mode = 0o660
                Group = "users"
                AllowUsers = [| "a"; "b" |]
            }
        "verify", Command.Verify verify
        "verify --seed 18446744073709551615 --runs 1 --steps 10000",
        Command.Verify
            { verify with
                Seed = Nullable UInt64.MaxValue
                Runs = 1
                Steps = 10000
            }
        "bench --seconds 0.1", Command.Bench(0.1, ColorWhen.Auto, false)
        "completion Bash", Command.Completion ShellKind.Bash
        "--version", Command.Version
        "-V", Command.Version
    ]

[<Fact>]
let ``What is typed is what is asked for`` () =
    for line, command in understood do
        Assert.Equal(command, parse line)

[<Theory>]
[<InlineData("set --help")>]
[<InlineData("set -h")>]
[<InlineData("set 4242 --bogus -h")>]
[<InlineData("set --flavour -h")>]
[<InlineData("help set")>]
[<InlineData("--help set")>]
let ``Help on a command is given wherever it is asked for`` (line: string) =
    match parse line with
    | Command.Help text -> Assert.StartsWith("USAGE: nslp set ", text)
    | other -> Assert.Fail $"%A{other}"

[<Theory>]
[<InlineData("help")>]
[<InlineData("-h")>]
[<InlineData("--help --json")>]
let ``Help on nslp is given before a command`` (line: string) =
    match parse line with
    | Command.Help text -> Assert.StartsWith("USAGE: nslp <command>", text)
    | other -> Assert.Fail $"%A{other}"

[<Theory>]
[<InlineData("", "", "no command given")>]
[<InlineData("--json get", "", "'--json' is not an option: the options of a command go after its name")>]
[<InlineData("--hepl", "", "'--hepl' is not an option; did you mean '--help'?")>]
[<InlineData("ste 1", "", "'ste' is not a command; did you mean 'set'?")>]
[<InlineData("help sett", "", "'sett' is not a command; did you mean 'set'?")>]
[<InlineData("4242", "", "'4242' is not a command; did you mean 'set 4242'?")>]
[<InlineData("qqqqqqqq", "", "'qqqqqqqq' is not a command")>]
[<InlineData("get json", "get", "unexpected argument 'json'; did you mean '--json'?")>]
[<InlineData("get -- --json", "get", "unexpected argument '--json'; did you mean '--json'?")>]
[<InlineData("set 1 --jsn", "set", "'--jsn' is not an option; did you mean '--json'?")>]
[<InlineData("set 1 --JSON", "set", "'--JSON' is not an option; did you mean '--json'?")>]
[<InlineData("set 1 -json", "set", "'-json' is not an option; did you mean '--json'?")>]
[<InlineData("set 1 --flavor=x", "set", "'--flavor' is not an option; did you mean '--flavour'?")>]
[<InlineData("set 1 --tim 3", "set", "'--tim' is not an option; did you mean '--timeout'?")>]
[<InlineData("set 1 -t 3", "set", "'-t' is not an option; did you mean '--timeout' or '--target'?")>]
[<InlineData("set 1 -V", "set", "'-V' is not an option; did you mean '--verbose' or '-v'?")>]
[<InlineData("set 1 --bogus", "set", "'--bogus' is not an option")>]
[<InlineData("set 1 --json=1", "set", "--json takes no value")>]
[<InlineData("set 1 -v=1", "set", "-v takes no value")>]
[<InlineData("set 1 --server=", "set", "--server needs a value")>]
[<InlineData("set 1 --server --json", "set", "--server needs a value")>]
[<InlineData("set 1 --timeout", "set", "--timeout needs a value: a number of seconds above 0, at most 1,000,000")>]
[<InlineData("set 1 --timeout 2000000",
             "set",
             "--timeout must be a number of seconds above 0, at most 1,000,000, not '2000000'")>]
[<InlineData("set 1 --timeout x --timeout 1",
             "set",
             "--timeout must be a number of seconds above 0, at most 1,000,000, not 'x'")>]
[<InlineData("set 1 --method clone3", "set", "--method must be auto, write or cycle, not 'clone3': that is for spawn")>]
[<InlineData("set 1 --json 2", "set", "expected one PID, got 2")>]
[<InlineData("set 2147483648",
             "set",
             "PID must be a number from 0 to 4,194,303, or a range such as 1000-1999 or 1000-, not '2147483648'")>]
[<InlineData("spawn 4242 ls -l", "spawn", "no command given: put it after '--'")>]
[<InlineData("spawn 1,x -- ls",
             "spawn",
             "PID must be a number from 0 to 4,194,303, or a range such as 1000-1999 or 1000-, not 'x'")>]
[<InlineData("who 5-1", "who", "range '5-1' ends before it starts")>]
[<InlineData("set 1010-1000", "set", "range '1010-1000' ends before it starts")>]
[<InlineData("set 0-10", "set", "range '0-10' begins with 0, which is no PID")>]
[<InlineData("spawn 7,0- -- true", "spawn", "range '0-' begins with 0, which is no PID")>]
[<InlineData("reserve 5000-5010 echo hi", "reserve", "unexpected argument 'echo': a command goes after '--'")>]
[<InlineData("reserve 5000-5010 7 -- echo", "reserve", "expected one RANGE, got 2")>]
[<InlineData("who 1-", "who", "PID must be a number from 0 to 4,194,303, or a range such as 1000-1010, not '1-'")>]
[<InlineData("serve --mode 8", "serve", "--mode must be an octal number from 0 to 0777, not '8'")>]
[<InlineData("verify --runs 0", "verify", "--runs must be a number from 1 to 1,000,000, not '0'")>]
[<InlineData("verify --replay f --seed 1", "verify", "--replay and --seed cannot be used together")>]
[<InlineData("bench --seconds 0", "bench", "--seconds must be a number of seconds above 0, at most 1,000,000, not '0'")>]
[<InlineData("completion", "completion", "SHELL is missing: bash, zsh or fish")>]
let ``A wrong line is told what is wrong with it`` (line: string, name: string, message: string) =
    Assert.Equal(Command.Wrong(name, message), parse line)

[<Theory>]
[<InlineData("-v -- 4242")>]
[<InlineData("4242 -vv")>]
let ``The ancestor's options may stand anywhere`` (line: string) =
    Assert.Equal(Command.Set { set with Verbose = true }, CommandLine.parseAncestor (words line))

[<Theory>]
[<InlineData("-- -5", "PID must be a number from 0 to 4,194,303, not '-5'")>]
[<InlineData("-5", "invalid option -- '5'")>]
[<InlineData("-vx 1", "invalid option -- 'x'")>]
[<InlineData("s", "PID must be a number from 0 to 4,194,303, not 's'")>]
[<InlineData("1 2", "expected one PID or socket, got 2")>]
let ``The ancestor's wrong lines are told in getopt's words`` (line: string, message: string) =
    Assert.Equal(Command.Wrong("", message), CommandLine.parseAncestor (words line))
