namespace SetNsLastPid

/// The grammar of the command line as data. Generated from CommandLine/Arguments.fs:
/// NSLP_WRITE=1 dotnet test --project tests/Properties --filter-class '*CommandLineTests'
[<RequireQualifiedAccess>]
module Grammar =
    open Page

    /// Every command's page. A function, as a value would be made at every start.
    let pages () : Page list =
        [
            page "get" "print the last PID"
                "" "nslp get"
                [
                    option "--target" "PROCESS" (Value.Pid 1UL) "look in the PID namespace of this process"
                    flag "--json" "print one JSON object"
                ]
            page "set" "make a PID the last one: the next process gets the one above it"
                "" "nslp set 4242 && sh -c 'echo $$'    # prints 4243"
                [
                    required "PID" (Value.PidList 1)
                        "the number to make the last PID: the next process gets the first free one above it; or a range, such as 1000-1999 or 1000-, which the PID of the next process is to lie in"
                    option "--room" "NUMBER" (Value.Whole(0UL, 4194303UL))
                        "with a range: also want this many free numbers after that PID (0)"
                    option "--method" "METHOD" (Value.Choice [ "auto"; "write"; "cycle" ])
                        "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    option "--timeout" "SECONDS" (Value.Seconds 1000000UL)
                        "give up after this time; by default cycling gives up after ten laps"
                    option "--target" "PROCESS" (Value.Pid 1UL) "act in the PID namespace of this process"
                    option "--flavour" "FLAVOUR" Value.Text
                        "consume PIDs by this flavour only; 'nslp set -v' names the one it used"
                    option "--server" "SOCKET" Value.Text
                        "ask the server on this socket to do it, in the server's PID namespace"
                    flag "--verbose, -v" "report on stderr what was done"
                    flag "--json" "report on stdout what was done, as one JSON object"
                ]
            page "spawn" "run a command with the PID of your choice, or not at all"
                "<COMMAND> [<ARGUMENT>...]" "nslp spawn 4242 -- sh -c 'echo $$'    # prints 4242"
                [
                    operand "PID" (Value.PidList 32)
                        "the PID, or a range to take it from, such as 1000-1999 or 1000-; or several, joined by commas, for nested PID namespaces, the innermost first"
                    option "--room" "NUMBER" (Value.Whole(0UL, 4194303UL))
                        "also want this many free numbers after the PID, for threads and children of the command (0)"
                    option "--method" "METHOD" (Value.Choice [ "auto"; "clone3"; "write"; "cycle" ])
                        "choose the PID in clone3, write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    option "--timeout" "SECONDS" (Value.Seconds 1000000UL) "give up after this time (10)"
                    option "--target" "PROCESS" (Value.Pid 1UL) "start the command in the PID namespace of this process"
                    option "--new-pidns" "NUMBER" (Value.Maybe(1UL, 32UL))
                        "start the command in a new PID namespace, which ends with it; with NUMBER, in the innermost of that many nested ones. With PID 1 the command is its init; without a PID it gets the next one"
                    option "--pid-max" "NUMBER" (Value.Whole(301UL, 4194304UL))
                        "with --new-pidns: all PIDs inside stay below this number (Linux 6.14)"
                    flag "--no-proc" "with --new-pidns: keep the old /proc, for where mounting a new one is forbidden"
                    flag "--map-root" "with --new-pidns: also make a user namespace, in which you are root"
                    flag "--setsid" "have the command lead a session of its own"
                    flag "--detach"
                        "print the PID and return as soon as the command runs; stdout or stderr that is a pipe becomes /dev/null"
                    option "--json" "FILE" Value.Text
                        "report what was done as one JSON object to this new file, or to a descriptor from 3 on, which the command does not get"
                    flag "--verbose, -v" "report on stderr what was done"
                ]
            page "who" "say who holds a PID"
                "" "nslp who 4242 1000-1010"
                [
                    repeatable <| required "PID" (Value.PidRange 4194303UL) "a number, or a range such as 1000-1010"
                    flag "--held" "print only what somebody holds"
                    option "--target" "PROCESS" (Value.Pid 1UL) "look in the PID namespace of this process"
                    flag "--json" "print one JSON object"
                ]
            page "reserve" "keep new processes out of a range of PIDs"
                "[<COMMAND> [<ARGUMENT>...]]" "nslp reserve 1000-1999 -- criu restore -D images"
                [
                    required "RANGE" (Value.PidRange 4194303UL) "the numbers to keep free, such as 1000-1999"
                    option "--target" "PROCESS" (Value.Pid 1UL) "keep them free in the PID namespace of this process"
                    flag "--verbose, -v" "report on stderr what was done"
                ]
            page "predict" "print the PIDs that the next processes will get"
                "" "nslp predict 3"
                [
                    operand "COUNT" (Value.Whole(1UL, 4194304UL)) "how many PIDs (1)"
                    option "--target" "PROCESS" (Value.Pid 1UL) "look in the PID namespace of this process"
                    flag "--json" "print one JSON object"
                ]
            page "preflight" "say whether a restore of CRIU images would get its PIDs here"
                "" "nslp preflight images && criu restore -D images -d"
                [
                    required "IMAGES" Value.Text
                        "the directory of the images, or an exported archive (tar or tar.gz) of podman or the kubelet"
                    option "--target" "PROCESS" (Value.Pid 1UL) "look in the PID namespace of this process"
                    flag "--make-way" "move last_pid to where criu and what it starts get no number of the images"
                    option "--color" "WHEN" (Value.Choice [ "auto"; "always"; "never" ])
                        "use colours always, never, or where a terminal shows them (auto)"
                    flag "--json" "print one JSON object"
                ]
            page "map" "draw the PID space: what is in use, the cursor, the way to a PID"
                "" "nslp map 4242 --svg map.svg"
                [
                    operand "PID" (Value.Whole(0UL, 4194303UL)) "a PID to mark on the map"
                    option "--target" "PROCESS" (Value.Pid 1UL) "look in the PID namespace of this process"
                    flag "--watch" "keep drawing until q or Ctrl-C, with the rate at which PIDs are consumed"
                    option "--svg" "FILE" Value.Text
                        "write the picture to this file, which must not exist yet; '-' is stdout"
                    option "--color" "WHEN" (Value.Choice [ "auto"; "always"; "never" ])
                        "use colours always, never, or where a terminal shows them (auto)"
                    flag "--json" "print one JSON object"
                ]
            page "doctor" "say what works here, and what would make the rest work"
                "" "nslp doctor"
                [
                    option "--color" "WHEN" (Value.Choice [ "auto"; "always"; "never" ])
                        "use colours always, never, or where a terminal shows them (auto)"
                    flag "--json" "print one JSON object"
                ]
            page "serve" "set the last PID for clients that ask on a socket"
                "" "nslp serve /run/nslp.sock & nslp set 4242 --server /run/nslp.sock"
                [
                    operand "SOCKET" Value.Text
                        "the path of the unix datagram socket to make; by default the socket that systemd passes on"
                    option "--method" "METHOD" (Value.Choice [ "auto"; "write"; "cycle" ])
                        "write ns_last_pid, consume PIDs, or use the first of these that works (auto)"
                    option "--mode" "MODE" (Value.Octal 511UL) "the permissions of the socket, in octal (0600)"
                    option "--group" "GROUP" Value.Text "the group of the socket"
                    repeatable <| option "--allow-user" "USER" Value.Text
                        "serve only this user; give it again for more users"
                    option "--timeout" "SECONDS" (Value.Seconds 1000000UL)
                        "give up on a request after this time; by default cycling gives up after ten laps"
                    flag "--verbose, -v" "report on stderr what was done for each request"
                ]
            page "verify" "check the model of PID allocation against the running kernel"
                "" "nslp verify --runs 1000 --seed 1"
                [
                    option "--runs" "NUMBER" (Value.Whole(1UL, 1000000UL))
                        "the number of runs, each in a PID namespace of its own (500)"
                    option "--steps" "NUMBER" (Value.Whole(1UL, 10000UL)) "the number of operations in a run (50)"
                    option "--seed" "NUMBER" (Value.Whole(0UL, 18446744073709551615UL))
                        "the random seed; each report has one, to repeat the run with"
                    option "--replay" "FILE" Value.Text
                        "run the operations in this file, saved at a difference, or compare with what --record wrote elsewhere"
                    option "--record" "FILE" Value.Text
                        "write what the kernel did to this new file, for --replay on another kernel"
                    flag "--here"
                        "run in this PID namespace if no other can be made; it moves last_pid, and others must not fork"
                    flag "--tap" "print test points, as TAP"
                    option "--junit" "FILE" Value.Text "write the test points to this new file, as JUnit's XML"
                    flag "--json" "report on stdout what was found, as one JSON object"
                ]
            page "bench" "compare the ways of consuming and choosing PIDs on this machine"
                "" "nslp bench --seconds 5"
                [
                    option "--seconds" "SECONDS" (Value.Seconds 1000000UL) "how long it may take (10)"
                    option "--color" "WHEN" (Value.Choice [ "auto"; "always"; "never" ])
                        "use colours always, never, or where a terminal shows them (auto)"
                    flag "--json" "print one JSON object"
                ]
            page "completion" "print a script that makes a shell complete nslp's command lines"
                "" "source <(nslp completion bash)"
                [
                    required "SHELL" (Value.Choice [ "bash"; "zsh"; "fish" ])
                        "the shell that is to complete nslp's command lines"
                ]
        ]
