namespace SetNsLastPid

/// The grammar of the command line as data. Generated from CommandLine/Arguments.fs:
/// NSLP_WRITE=1 dotnet test --project tests/Properties --filter-class '*CommandLineTests'
[<RequireQualifiedAccess>]
module Grammar =
    // Functions, as values would all be made at every start.
    let private get () : Page =
        {
            Name = "get"
            Summary = "print the last PID"
            Arguments =
                [
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "look in the PID namespace of this process"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp get"
        }

    let private set () : Page =
        {
            Name = "set"
            Summary = "make a PID the last one: the next process gets the one above it"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "PID"
                        Value = Value.Pid 0UL
                        IsRequired = true
                        IsRepeatable = false
                        Text = "the number to make the last PID: the next process gets the first free one above it"
                    }
                    {
                        Names = [ "--method" ]
                        Placeholder = "METHOD"
                        Value = Value.Choice [ "auto"; "write"; "cycle" ]
                        IsRequired = false
                        IsRepeatable = false
                        Text = "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    }
                    {
                        Names = [ "--timeout" ]
                        Placeholder = "SECONDS"
                        Value = Value.Seconds 1000000UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "give up after this time; by default cycling gives up after ten laps"
                    }
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "act in the PID namespace of this process"
                    }
                    {
                        Names = [ "--flavour" ]
                        Placeholder = "FLAVOUR"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text = "consume PIDs only in this way; 'nslp set -v' names the one it used"
                    }
                    {
                        Names = [ "--server" ]
                        Placeholder = "SOCKET"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text = "ask the server on this socket to do it, in the server's PID namespace"
                    }
                    {
                        Names = [ "--verbose"; "-v" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "report on stderr what was done"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "report on stdout what was done, as one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp set 4242 && sh -c 'echo $$'    # prints 4243"
        }

    let private spawn () : Page =
        {
            Name = "spawn"
            Summary = "run a command with the PID of your choice, or not at all"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "PID"
                        Value = Value.PidList 32
                        IsRequired = true
                        IsRepeatable = false
                        Text = "the PID; or several, joined by commas, for nested PID namespaces, the innermost first"
                    }
                    {
                        Names = [ "--method" ]
                        Placeholder = "METHOD"
                        Value = Value.Choice [ "auto"; "clone3"; "write"; "cycle" ]
                        IsRequired = false
                        IsRepeatable = false
                        Text =
                            "choose the PID in clone3, write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    }
                    {
                        Names = [ "--timeout" ]
                        Placeholder = "SECONDS"
                        Value = Value.Seconds 1000000UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "give up after this time (10)"
                    }
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "start the command in the PID namespace of this process"
                    }
                    {
                        Names = [ "--new-pidns" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "start the command in a new PID namespace, which ends with it"
                    }
                    {
                        Names = [ "--map-root" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "with --new-pidns: also make a user namespace, in which you are root"
                    }
                    {
                        Names = [ "--detach" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text =
                            "print the PID and return as soon as the command runs; a pipe that it would write to becomes /dev/null"
                    }
                    {
                        Names = [ "--verbose"; "-v" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "report on stderr what was done"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = "<COMMAND> [<ARGUMENT>...]"
            Example = "nslp spawn 4242 -- sh -c 'echo $$'    # prints 4242"
        }

    let private who () : Page =
        {
            Name = "who"
            Summary = "say who holds a PID"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "PID"
                        Value = Value.PidRange 4194303UL
                        IsRequired = true
                        IsRepeatable = true
                        Text = "a number, or a range such as 1000-1010"
                    }
                    {
                        Names = [ "--held" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print only what somebody holds"
                    }
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "look in the PID namespace of this process"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp who 4242 1000-1010"
        }

    let private predict () : Page =
        {
            Name = "predict"
            Summary = "print the PIDs that the next processes will get"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "COUNT"
                        Value = Value.Whole(1UL, 4194304UL)
                        IsRequired = false
                        IsRepeatable = false
                        Text = "how many PIDs (1)"
                    }
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "look in the PID namespace of this process"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp predict 3"
        }

    let private map () : Page =
        {
            Name = "map"
            Summary = "draw the PID space: what is in use, the cursor, the way to a PID"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "PID"
                        Value = Value.Whole(0UL, 4194303UL)
                        IsRequired = false
                        IsRepeatable = false
                        Text = "a number whose place to show"
                    }
                    {
                        Names = [ "--target" ]
                        Placeholder = "PROCESS"
                        Value = Value.Pid 1UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "look in the PID namespace of this process"
                    }
                    {
                        Names = [ "--watch" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "keep drawing until Ctrl-C, with the rate at which PIDs are consumed"
                    }
                    {
                        Names = [ "--svg" ]
                        Placeholder = "FILE"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text = "write the picture to this file, which must not exist yet; '-' is stdout"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp map 4242 --svg map.svg"
        }

    let private doctor () : Page =
        {
            Name = "doctor"
            Summary = "say what works here, and what would make the rest work"
            Arguments =
                [
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp doctor"
        }

    let private serve () : Page =
        {
            Name = "serve"
            Summary = "set the last PID for others, who ask on a socket"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "SOCKET"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text =
                            "the path of the unix datagram socket to make; by default the socket that systemd passes on"
                    }
                    {
                        Names = [ "--method" ]
                        Placeholder = "METHOD"
                        Value = Value.Choice [ "auto"; "write"; "cycle" ]
                        IsRequired = false
                        IsRepeatable = false
                        Text = "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    }
                    {
                        Names = [ "--mode" ]
                        Placeholder = "MODE"
                        Value = Value.Octal 511UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "the permissions of the socket, in octal (0600)"
                    }
                    {
                        Names = [ "--group" ]
                        Placeholder = "GROUP"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text = "the group of the socket"
                    }
                    {
                        Names = [ "--allow-user" ]
                        Placeholder = "USER"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = true
                        Text = "serve only this user; give it again for more users"
                    }
                    {
                        Names = [ "--timeout" ]
                        Placeholder = "SECONDS"
                        Value = Value.Seconds 1000000UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "give up on a request after this time; by default cycling gives up after ten laps"
                    }
                    {
                        Names = [ "--verbose"; "-v" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "report on stderr what was done for each request"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp serve /run/nslp.sock & nslp set 4242 --server /run/nslp.sock"
        }

    let private verify () : Page =
        {
            Name = "verify"
            Summary = "check the model of PID allocation against the running kernel"
            Arguments =
                [
                    {
                        Names = [ "--runs" ]
                        Placeholder = "NUMBER"
                        Value = Value.Whole(1UL, 1000000UL)
                        IsRequired = false
                        IsRepeatable = false
                        Text = "the number of runs, each in a PID namespace of its own (500)"
                    }
                    {
                        Names = [ "--steps" ]
                        Placeholder = "NUMBER"
                        Value = Value.Whole(1UL, 10000UL)
                        IsRequired = false
                        IsRepeatable = false
                        Text = "the number of operations in a run (50)"
                    }
                    {
                        Names = [ "--seed" ]
                        Placeholder = "NUMBER"
                        Value = Value.Whole(0UL, 18446744073709551615UL)
                        IsRequired = false
                        IsRepeatable = false
                        Text = "the random seed; each report has one, to repeat the run with"
                    }
                    {
                        Names = [ "--replay" ]
                        Placeholder = "FILE"
                        Value = Value.Text
                        IsRequired = false
                        IsRepeatable = false
                        Text = "run the operations in this file, which verify saved when model and kernel differed"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "report on stdout what was found, as one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp verify --runs 1000 --seed 1"
        }

    let private bench () : Page =
        {
            Name = "bench"
            Summary = "compare the ways of consuming and choosing PIDs on this machine"
            Arguments =
                [
                    {
                        Names = [ "--seconds" ]
                        Placeholder = "SECONDS"
                        Value = Value.Seconds 1000000UL
                        IsRequired = false
                        IsRepeatable = false
                        Text = "how long it may take (10)"
                    }
                    {
                        Names = [ "--json" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print one JSON object"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "nslp bench --seconds 5"
        }

    let private completion () : Page =
        {
            Name = "completion"
            Summary = "print a script that makes a shell complete nslp's command lines"
            Arguments =
                [
                    {
                        Names = []
                        Placeholder = "SHELL"
                        Value = Value.Choice [ "bash"; "zsh"; "fish" ]
                        IsRequired = true
                        IsRepeatable = false
                        Text = "the shell that is to complete nslp's command lines"
                    }
                    {
                        Names = [ "--help"; "-h" ]
                        Placeholder = ""
                        Value = Value.Nothing
                        IsRequired = false
                        IsRepeatable = false
                        Text = "print this help"
                    }
                ]
            Rest = ""
            Example = "source <(nslp completion bash)"
        }

    /// Every command's page.
    let pages () : Page list =
        [
            get ()
            set ()
            spawn ()
            who ()
            predict ()
            map ()
            doctor ()
            serve ()
            verify ()
            bench ()
            completion ()
        ]

    /// The page of the command of that name.
    let tryFind (name: string) : Page option =
        match name with
        | "get" -> Some(get ())
        | "set" -> Some(set ())
        | "spawn" -> Some(spawn ())
        | "who" -> Some(who ())
        | "predict" -> Some(predict ())
        | "map" -> Some(map ())
        | "doctor" -> Some(doctor ())
        | "serve" -> Some(serve ())
        | "verify" -> Some(verify ())
        | "bench" -> Some(bench ())
        | "completion" -> Some(completion ())
        | _ -> None
