namespace SetNsLastPid

open Argu

type internal GetArguments =
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Target _ -> "look in the PID namespace of that process"
            | Json -> "print one JSON object"

type internal SetArguments =
    | [<MainCommand>] Pid of PID: string list
    | [<EqualsAssignmentOrSpaced>] Method of SetMethod
    | [<EqualsAssignmentOrSpaced>] Timeout of SECONDS: string
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | [<EqualsAssignmentOrSpaced>] Flavour of FLAVOUR: string
    | [<EqualsAssignmentOrSpaced>] Server of SOCKET: string
    | [<AltCommandLine("-v")>] Verbose
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ -> "the number to become the last PID: the next process gets the first free one above it"
            | Method _ -> "write ns_last_pid, consume PIDs, or the first of these that works here"
            | Timeout _ -> "give up after that time; without it cycling gives up after ten laps"
            | Target _ -> "act in the PID namespace of that process"
            | Flavour _ -> "consume PIDs only in this way, by its name in 'nslp set -v'"
            | Server _ -> "let the server on that socket do it, in its PID namespace"
            | Verbose -> "say on stderr what was done"
            | Json -> "say on stdout what was done, as one JSON object"

type internal VerifyArguments =
    | [<EqualsAssignmentOrSpaced>] Runs of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Steps of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Seed of NUMBER: string
    | [<EqualsAssignmentOrSpaced>] Replay of FILE: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Runs _ -> "make so many runs, each in a PID namespace of its own (500)"
            | Steps _ -> "of so many operations each (50)"
            | Seed _ -> "draw the operations from this number, which is said after each run with another one"
            | Replay _ -> "run the operations of that file instead, which is written when model and kernel differ"
            | Json -> "say on stdout what came of it, as one JSON object"

type internal BenchArguments =
    | [<EqualsAssignmentOrSpaced>] Seconds of SECONDS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Seconds _ -> "take so long (10)"
            | Json -> "print one JSON object"

type internal ServeArguments =
    | [<MainCommand>] Socket of SOCKET: string list
    | [<EqualsAssignmentOrSpaced>] Method of SetMethod
    | [<EqualsAssignmentOrSpaced>] Mode of MODE: string
    | [<EqualsAssignmentOrSpaced>] Group of GROUP: string
    | [<EqualsAssignmentOrSpaced>] Allow_User of USER: string
    | [<EqualsAssignmentOrSpaced>] Timeout of SECONDS: string
    | [<AltCommandLine("-v")>] Verbose

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Socket _ -> "the path of the unix datagram socket to make; left out, the socket that systemd passes on"
            | Method _ -> "write ns_last_pid, consume PIDs, or the first of these that works here"
            | Mode _ -> "the permissions of the socket, octal; without it 0600"
            | Group _ -> "the group of the socket"
            | Allow_User _ -> "serve only this user, and others given likewise"
            | Timeout _ -> "give up on a request after that time; without it cycling gives up after ten laps"
            | Verbose -> "say on stderr of each request what was done"

type internal SpawnArguments =
    | [<MainCommand>] Pids of PID: string list
    | [<EqualsAssignmentOrSpaced>] Method of SpawnMethod
    | [<EqualsAssignmentOrSpaced>] Timeout of SECONDS: string
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | [<CustomCommandLine("--new-pidns")>] New_Pidns
    | [<CustomCommandLine("--map-root")>] Map_Root
    | Detach
    | [<AltCommandLine("-v")>] Verbose

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pids _ -> "the PID; several, joined by commas, are those in nested namespaces, the innermost first"
            | Method _ -> "choose the PID in clone3, write ns_last_pid, consume PIDs, or the first that works here"
            | Timeout _ -> "give up after that time (10)"
            | Target _ -> "start the command in the PID namespace of that process"
            | New_Pidns -> "start it in a new PID namespace, which ends with the command"
            | Map_Root -> "with --new-pidns: be root in there, in a user namespace made for it"
            | Detach -> "print the PID and return when the command runs"
            | Verbose -> "say on stderr what was done"

type internal WhoArguments =
    | [<MainCommand>] Pid of PID: string list
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ -> "a number, or a range such as 1000-1010"
            | Target _ -> "look in the PID namespace of that process"
            | Json -> "print one JSON object"

type internal PredictArguments =
    | [<MainCommand>] Count of N: string list
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Count _ -> "how many PIDs (1)"
            | Target _ -> "look in the PID namespace of that process"
            | Json -> "print one JSON object"

type internal DoctorArguments =
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Json -> "print one JSON object"

type internal MapArguments =
    | [<MainCommand>] Pid of PID: string list
    | [<EqualsAssignmentOrSpaced>] Target of PROCESS: string
    | Watch
    | [<EqualsAssignmentOrSpaced>] Svg of FILE: string
    | Json

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pid _ -> "a number to show the place of"
            | Target _ -> "look in the PID namespace of that process"
            | Watch -> "keep drawing, with the rate at which PIDs are consumed, until Ctrl-C"
            | Svg _ -> "write the picture to that file, which must not exist, or with '-' to stdout"
            | Json -> "print one JSON object"

type internal CompletionArguments =
    | [<MainCommand>] Shell of ShellKind list

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Shell _ -> "the shell that is to complete command lines of nslp"
