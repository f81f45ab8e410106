namespace SetNsLastPid

// The grammar of the command line. What runs is CommandLine/Grammar.fs, which the tests generate from this, with Argu.

open System
open Argu

// What Argu shows as the choices of --method.
type internal SetMethod =
    | Auto = 0
    | Write = 1
    | Cycle = 2

type internal SpawnMethod =
    | Auto = 0
    | Clone3 = 1
    | Write = 2
    | Cycle = 3

/// What Argu takes for any text.
[<AbstractClass>]
type internal ValueAttribute(value: Value) =
    inherit Attribute()
    member _.Value = value

type internal WholeAttribute(least: uint64, most: uint64) =
    inherit ValueAttribute(Value.Whole(least, most))

type internal MaybeAttribute(least: uint64, most: uint64) =
    inherit ValueAttribute(Value.Maybe(least, most))

type internal OctalAttribute(most: uint64) =
    inherit ValueAttribute(Value.Octal most)

type internal SecondsAttribute() =
    inherit ValueAttribute(Value.Seconds 1000000UL)

type internal PidListAttribute(longest: int) =
    inherit ValueAttribute(Value.PidList longest)

type internal PidRangeAttribute() =
    inherit ValueAttribute(Value.PidRange(uint64 Limits.PidMax - 1UL))

type internal PidAttribute(least: uint64) =
    inherit ValueAttribute(Value.Pid least)

/// Each one that is given counts, not only the last.
type internal RepeatableAttribute() =
    inherit Attribute()

/// What has to follow `--`.
type internal RestAttribute(text: string) =
    inherit Attribute()
    member _.Text = text

/// A command line to learn from.
type internal ExampleAttribute(line: string) =
    inherit Attribute()
    member _.Line = line

type internal GetArguments =
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Target _ -> "look in the PID namespace of this process"
            | Json -> "print one JSON object"

type internal SetArguments =
    | [<MainCommand; ExactlyOnce; PidList(1)>] Pid of PID: string
    | [<EqualsAssignmentOrSpaced; Whole(0UL, 4194303UL)>] Room of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Method of METHOD: SetMethod
    | [<EqualsAssignmentOrSpaced; Seconds>] Timeout of SECONDS: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | [<EqualsAssignmentOrSpaced>] Flavour of FLAVOUR: string
    | [<EqualsAssignmentOrSpaced>] Server of SOCKET: string
    | [<AltCommandLine("-v")>] Verbose
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ ->
                "the number to make the last PID: the next process gets the first free one above it; or a range, such as 1000-1999 or 1000-, which the PID of the next process is to lie in"
            | Room _ -> "with a range: also want this many free numbers after that PID (0)"
            | Method _ -> "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
            | Timeout _ -> "give up after this time; by default cycling gives up after ten laps"
            | Target _ -> "act in the PID namespace of this process"
            | Flavour _ -> "consume PIDs by this flavour only; 'nslp set -v' names the one it used"
            | Server _ -> "ask the server on this socket to do it, in the server's PID namespace"
            | Verbose -> "report on stderr what was done"
            | Json -> "report on stdout what was done, as one JSON object"

type internal SpawnArguments =
    | [<MainCommand; Unique; PidList(32)>] Pids of PID: string
    | [<EqualsAssignmentOrSpaced; Whole(0UL, 4194303UL)>] Room of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Method of METHOD: SpawnMethod
    | [<EqualsAssignmentOrSpaced; Seconds>] Timeout of SECONDS: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | [<CustomCommandLine("--new-pidns"); EqualsAssignment; Maybe(1UL, 32UL)>] New_Pidns of NUMBER: string
    | [<CustomCommandLine("--pid-max"); EqualsAssignmentOrSpaced; Whole(301UL, 4194304UL)>] Pid_Max of NUMBER: string
    | [<CustomCommandLine("--no-proc")>] No_Proc
    | [<CustomCommandLine("--map-root")>] Map_Root
    | Setsid
    | Detach
    | [<EqualsAssignmentOrSpaced>] Json of FILE: string
    | [<AltCommandLine("-v")>] Verbose

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pids _ ->
                "the PID, or a range to take it from, such as 1000-1999 or 1000-; or several, joined by commas, for nested PID namespaces, the innermost first"
            | Room _ -> "also want this many free numbers after the PID, for threads and children of the command (0)"
            | Method _ ->
                "choose the PID in clone3, write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
            | Timeout _ -> "give up after this time (10)"
            | Target _ -> "start the command in the PID namespace of this process"
            | New_Pidns _ ->
                "start the command in a new PID namespace, which ends with it; with NUMBER, in the innermost of that many nested ones. With PID 1 the command is its init; without a PID it gets the next one"
            | Pid_Max _ -> "with --new-pidns: all PIDs inside stay below this number (Linux 6.14)"
            | No_Proc -> "with --new-pidns: keep the old /proc, for where mounting a new one is forbidden"
            | Map_Root -> "with --new-pidns: also make a user namespace, in which you are root"
            | Setsid -> "have the command lead a session of its own"
            | Json _ ->
                "report what was done as one JSON object to this new file, or to a descriptor from 3 on, which the command does not get"
            | Detach ->
                "print the PID and return as soon as the command runs; stdout or stderr that is a pipe becomes /dev/null"
            | Verbose -> "report on stderr what was done"

type internal WhoArguments =
    | [<MainCommand; Mandatory; PidRange; Repeatable>] Pid of PID: string
    | Held
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ -> "a number, or a range such as 1000-1010"
            | Held -> "print only what somebody holds"
            | Target _ -> "look in the PID namespace of this process"
            | Json -> "print one JSON object"

type internal ReserveArguments =
    | [<MainCommand; ExactlyOnce; PidRange>] Range of RANGE: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | [<AltCommandLine("-v")>] Verbose

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Range _ -> "the numbers to keep free, such as 1000-1999"
            | Target _ -> "keep them free in the PID namespace of this process"
            | Verbose -> "report on stderr what was done"

type internal PredictArguments =
    | [<MainCommand; Unique; Whole(1UL, 4194304UL)>] Count of COUNT: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Count _ -> "how many PIDs (1)"
            | Target _ -> "look in the PID namespace of this process"
            | Json -> "print one JSON object"

type internal MapArguments =
    | [<MainCommand; Unique; Whole(0UL, 4194303UL)>] Pid of PID: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | Watch
    | [<EqualsAssignmentOrSpaced>] Svg of FILE: string
    | [<EqualsAssignmentOrSpaced>] Color of WHEN: ColorWhen
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ -> "a PID to mark on the map"
            | Target _ -> "look in the PID namespace of this process"
            | Watch -> "keep drawing until q or Ctrl-C, with the rate at which PIDs are consumed"
            | Svg _ -> "write the picture to this file, which must not exist yet; '-' is stdout"
            | Color _ -> "use colours always, never, or where a terminal shows them (auto)"
            | Json -> "print one JSON object"

type internal PreflightArguments =
    | [<MainCommand; ExactlyOnce>] Images of IMAGES: string
    | [<EqualsAssignmentOrSpaced; Pid(1UL)>] Target of PROCESS: string
    | [<CustomCommandLine("--make-way")>] Make_Way
    | [<EqualsAssignmentOrSpaced>] Color of WHEN: ColorWhen
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Images _ -> "the directory of the images, or an exported archive (tar or tar.gz) of podman or the kubelet"
            | Target _ -> "look in the PID namespace of this process"
            | Make_Way -> "move last_pid to where criu and what it starts get no number of the images"
            | Color _ -> "use colours always, never, or where a terminal shows them (auto)"
            | Json -> "print one JSON object"

type internal DoctorArguments =
    | [<EqualsAssignmentOrSpaced>] Color of WHEN: ColorWhen
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Color _ -> "use colours always, never, or where a terminal shows them (auto)"
            | Json -> "print one JSON object"

type internal ServeArguments =
    | [<MainCommand; Unique>] Socket of SOCKET: string
    | [<EqualsAssignmentOrSpaced>] Method of METHOD: SetMethod
    | [<EqualsAssignmentOrSpaced; Octal(0o777UL)>] Mode of MODE: string
    | [<EqualsAssignmentOrSpaced>] Group of GROUP: string
    | [<EqualsAssignmentOrSpaced; Repeatable>] Allow_User of USER: string
    | [<EqualsAssignmentOrSpaced; Seconds>] Timeout of SECONDS: string
    | [<AltCommandLine("-v")>] Verbose

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Socket _ -> "the path of the unix datagram socket to make; by default the socket that systemd passes on"
            | Method _ -> "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
            | Mode _ -> "the permissions of the socket, in octal (0600)"
            | Group _ -> "the group of the socket"
            | Allow_User _ -> "serve only this user; give it again for more users"
            | Timeout _ -> "give up on a request after this time; by default cycling gives up after ten laps"
            | Verbose -> "report on stderr what was done for each request"

type internal VerifyArguments =
    | [<EqualsAssignmentOrSpaced; Whole(1UL, 1000000UL)>] Runs of NUMBER: string
    | [<EqualsAssignmentOrSpaced; Whole(1UL, 10000UL)>] Steps of NUMBER: string
    | [<EqualsAssignmentOrSpaced; Whole(0UL, UInt64.MaxValue)>] Seed of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Replay of FILE: string
    | [<EqualsAssignmentOrSpaced>] Record of FILE: string
    | Here
    | Tap
    | [<EqualsAssignmentOrSpaced>] Junit of FILE: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Runs _ -> "the number of runs, each in a PID namespace of its own (500)"
            | Steps _ -> "the number of operations in a run (50)"
            | Seed _ -> "the random seed; each report has one, to repeat the run with"
            | Replay _ ->
                "run the operations in this file, saved at a difference, or compare with what --record wrote elsewhere"
            | Record _ -> "write what the kernel did to this new file, for --replay on another kernel"
            | Here -> "run in this PID namespace if no other can be made; it moves last_pid, and others must not fork"
            | Tap -> "print test points, as TAP"
            | Junit _ -> "write the test points to this new file, as JUnit's XML"
            | Json -> "report on stdout what was found, as one JSON object"

type internal BenchArguments =
    | [<EqualsAssignmentOrSpaced; Seconds>] Seconds of SECONDS: string
    | [<EqualsAssignmentOrSpaced>] Color of WHEN: ColorWhen
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Seconds _ -> "how long it may take (10)"
            | Color _ -> "use colours always, never, or where a terminal shows them (auto)"
            | Json -> "print one JSON object"

type internal CompletionArguments =
    | [<MainCommand; ExactlyOnce>] Shell of SHELL: ShellKind

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Shell _ -> "the shell that is to complete nslp's command lines"

[<RequireQualifiedAccess>]
type internal Commands =
    | [<CliPrefix(CliPrefix.None); Example "nslp get">] Get of ParseResults<GetArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp set 4242 && sh -c 'echo $$'    # prints 4243">] Set of
        ParseResults<SetArguments>
    | [<CliPrefix(CliPrefix.None);
        Rest "<COMMAND> [<ARGUMENT>...]";
        Example "nslp spawn 4242 -- sh -c 'echo $$'    # prints 4242">] Spawn of ParseResults<SpawnArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp who 4242 1000-1010">] Who of ParseResults<WhoArguments>
    | [<CliPrefix(CliPrefix.None);
        Rest "[<COMMAND> [<ARGUMENT>...]]";
        Example "nslp reserve 1000-1999 -- criu restore -D images">] Reserve of ParseResults<ReserveArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp predict 3">] Predict of ParseResults<PredictArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp preflight images && criu restore -D images -d">] Preflight of
        ParseResults<PreflightArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp map 4242 --svg map.svg">] Map of ParseResults<MapArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp doctor">] Doctor of ParseResults<DoctorArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp serve /run/nslp.sock & nslp set 4242 --server /run/nslp.sock">] Serve of
        ParseResults<ServeArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp verify --runs 1000 --seed 1">] Verify of ParseResults<VerifyArguments>
    | [<CliPrefix(CliPrefix.None); Example "nslp bench --seconds 5">] Bench of ParseResults<BenchArguments>
    | [<CliPrefix(CliPrefix.None); Example "source <(nslp completion bash)">] Completion of
        ParseResults<CompletionArguments>

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Commands.Get _ -> "print the last PID"
            | Commands.Set _ -> "make a PID the last one: the next process gets the one above it"
            | Commands.Spawn _ -> "run a command with the PID of your choice, or not at all"
            | Commands.Who _ -> "say who holds a PID"
            | Commands.Reserve _ -> "keep new processes out of a range of PIDs"
            | Commands.Predict _ -> "print the PIDs that the next processes will get"
            | Commands.Preflight _ -> "say whether a restore of CRIU images would get its PIDs here"
            | Commands.Map _ -> "draw the PID space: what is in use, the cursor, the way to a PID"
            | Commands.Doctor _ -> "say what works here, and what would make the rest work"
            | Commands.Serve _ -> "set the last PID for clients that ask on a socket"
            | Commands.Verify _ -> "check the model of PID allocation against the running kernel"
            | Commands.Bench _ -> "compare the ways of consuming and choosing PIDs on this machine"
            | Commands.Completion _ -> "print a script that makes a shell complete nslp's command lines"
