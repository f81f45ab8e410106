namespace SetNsLastPid.Verification

open System
open System.Globalization
open System.Text
open SetNsLastPid

/// One run on a kernel: what was done, and what was seen of each operation.
type TracedRun =
    {
        Start: Observation
        Rows: (Operation * Observation) list
    }

/// What a kernel did, to be compared with what another one does.
type KernelTrace =
    {
        /// Its release.
        Kernel: string
        Setting: Setting
        Runs: TracedRun list
    }

    /// Why the same operations need not come to the same in this setting; null where they must. What is asked of levels further
    /// out depends on how many there are, and on whose they are.
    member trace.WhyNotIn(here: Setting) : string | null =
        let there = trace.Setting
        let without is = if is then "" else "out"

        let where (setting: Setting) =
            let user =
                if setting.OwnUser then
                    "in a user namespace"
                else
                    "outside user namespaces"

            $"{user}, {string setting.OuterLevels} levels deep"

        if there.IsHere <> here.IsHere then
            $"it was recorded with{without there.IsHere} --here"
        elif there.Kernel.WritesStrictly <> here.Kernel.WritesStrictly then
            let was = if there.Kernel.WritesStrictly then "was" else "was not"
            $"kernel.sysctl_writes_strict {was} 1 when it was recorded"
        elif there.OuterLevels <> here.OuterLevels || there.OwnUser <> here.OwnUser then
            $"it was recorded {where there}, and this is {where here}"
        else
            null

/// Traces as text. Each run begins with a line `run`, each operation is a line as in a replay file, and below each stands what
/// was seen: `> given=1,2 ns=0:2:4194304`, the PIDs from the innermost level outwards, and each namespace with its last_pid and
/// pid_max.
[<RequireQualifiedAccess>]
module TraceText =
    [<Literal>]
    let private Header = "nslp-verify-trace 1"

    [<Literal>]
    let internal Footer = "end-of-trace"

    let private rules =
        [
            "pid-max-per-namespace", KernelRule.PidMaxPerNamespace
            "pidfd-of-thread", KernelRule.PidfdOfThread
            "failed-first-clone-is-harmless", KernelRule.FailedFirstCloneKills
            "checks-before-picks", KernelRule.ChecksBeforePicks
            "checks-init-after-pick", KernelRule.ChecksInitAfterPick
            "frees-threads-late", KernelRule.FreesThreadsLate
            "clones-into-cgroup", KernelRule.ClonesIntoCgroup
        ]

    let private facilities =
        [
            "clone3", Facility.Clone3
            "set_tid", Facility.SetTid
            "into-cgroup", Facility.IntoCgroup
            "pidfd", Facility.Pidfd
            "pids-cgroup", Facility.PidsCgroup
            "threads", Facility.Threads
            "namespaces", Facility.Namespaces
            "users", Facility.Users
            "setns", Facility.Setns
            "last_pid", Facility.LastPid
            "splice", Facility.Splice
            "pid_max", Facility.PidMax
            "init", Facility.Init
        ]

    let private joined (separator: string) (words: string list) = String.Join(separator, words)

    let private outcome (result: Outcome) =
        match result with
        | Outcome.Given pids -> "given=" + joined "," (List.map string pids)
        | Outcome.Refused errno -> "refused=" + string (int errno)
        | Outcome.Wrote bytes -> "wrote=" + string bytes
        | Outcome.Done -> "done=yes"

    let private observation (seen: Observation) =
        [
            ">"
            yield! List.map outcome seen.Outcomes

            for r in seen.Readings do
                $"ns={string r.Space}" + $":{string r.LastPid}:{string r.PidMax}"
        ]
        |> joined " "

    /// The lines before the first run.
    let head (kernel: string) (setting: Setting) : string list =
        let isNew =
            [
                for name, rule in rules do
                    if KernelRules.isNew rule setting.Kernel then
                        name
            ]

        let lacks =
            [
                for name, facility in facilities do
                    if not (setting.Has facility) then
                        name
            ]

        [
            Header
            "kernel " + kernel
            $"setting levels={string setting.OuterLevels} own-user={string setting.OwnUser}"
            + $" pid_max={string setting.PidMax} page={string setting.Kernel.PageSize}"
            + " strict="
            + string setting.Kernel.WritesStrictly
            "new " + joined " " isNew
            "lacks " + joined " " lacks
        ]

    /// The lines of one step, of which the first of a run has no operation.
    let row (operation: Operation voption) (seen: Observation) : string list =
        match operation with
        | ValueSome operation -> [ OperationText.format operation; observation seen ]
        | ValueNone -> [ "run"; observation seen ]

    /// Whether a text means to be a trace.
    let isTrace (text: string) : bool =
        text.StartsWith("nslp-verify-trace ", StringComparison.Ordinal)

    let private words (line: string) =
        line.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

    let private ints (separator: char) (text: string) =
        text.Split separator |> List.ofArray |> List.map OperationText.parseInt

    let private parseObservation (line: string) =
        let part (seen: Observation) word =
            let add outcome =
                { seen with
                    Outcomes = seen.Outcomes @ [ outcome ]
                }

            match OperationText.pair word with
            | "given", pids -> add (Outcome.Given(ints ',' pids))
            | "refused", errno -> add (Outcome.Refused(enum<Errno>(OperationText.parseInt errno)))
            | "wrote", bytes -> add (Outcome.Wrote(OperationText.parseInt bytes))
            | "done", _ -> add Outcome.Done
            | "ns", reading ->
                match ints ':' reading with
                | [ space; lastPid; pidMax ] ->
                    { seen with
                        Readings =
                            seen.Readings
                            @ [
                                {
                                    Space = space
                                    LastPid = lastPid
                                    PidMax = pidMax
                                }
                            ]
                    }
                | _ -> OperationText.wrong $"'{reading}' is no namespace"
            | key, _ -> OperationText.wrong $"'{key}=' does not belong here"

        match words line with
        | ">" :: rest -> List.fold part { Outcomes = []; Readings = [] } rest
        | _ -> OperationText.wrong "what was seen is missing"

    let private parseSetting (at: int -> unit) (setting: string) (isNew: string) (lacks: string) =
        at 3
        let pairs = words setting |> List.tail |> List.map OperationText.pair |> Map.ofList
        let value = OperationText.valueIn pairs

        let within low high key =
            let n = OperationText.parseInt (value key)

            if n < low || n > high then
                OperationText.wrong ($"{key} must be {string low}" + $" to {string high}, not {string n}")

            n

        let page = within 4096 65536 "page"
        let levels = within 0 (Limits.Levels - 1) "levels"
        let pidMax = within (Limits.Reserved + 1) Limits.PidMax "pid_max"

        if page &&& (page - 1) <> 0 then
            OperationText.wrong $"page is {string page}, which is no power of 2"

        let ownUser = value "own-user" = "True"
        at 4
        let known = words isNew |> List.skip 1 |> List.map (OperationText.oneOf rules)
        at 5

        let seen =
            [
                for _, rule in rules do
                    {
                        Rule = rule
                        IsNew = List.contains rule known
                    }
            ]

        {
            Kernel =
                KernelRules.newest
                |> KernelRules.withSeen seen
                |> KernelRules.withPageSize page
                // Older ones do not say so.
                |> KernelRules.withStrictWrites (pairs.TryFind "strict" <> Some "False")
            OuterLevels = levels
            OwnUser = ownUser
            PidMax = pidMax
            Lacks =
                words lacks
                |> List.skip 1
                |> List.map (fun name ->
                    {
                        Facility = OperationText.oneOf facilities name
                        Why = "not there when it was recorded"
                    })
            Surprises = []
        }

    let private parseOperation line =
        match OperationText.parse line with
        | Ok operation -> operation
        | Error message -> OperationText.wrong message

    /// The trace in a text, or what is wrong with it. A text without its last line is truncated.
    let parse (text: string) : Result<KernelTrace, string> =
        let mutable number = 0
        let lines = text.Split '\n' |> List.ofArray |> List.map _.TrimEnd('\r')

        let finish run = { run with Rows = List.rev run.Rows }

        let rec go at (runs: TracedRun list) (lines: string list) =
            number <- at

            match lines, runs with
            | Footer :: rest, _ when List.forall (fun line -> line = "") rest -> List.rev (List.map finish runs)
            | ([] | [ _ ]), _ -> OperationText.wrong "it is truncated: its last line is missing"
            | "run" :: seen :: rest, _ ->
                let run =
                    {
                        Start = parseObservation seen
                        Rows = []
                    }

                go (at + 2) (run :: runs) rest
            | operation :: seen :: rest, run :: before ->
                let row = parseOperation operation, parseObservation seen
                go (at + 2) ({ run with Rows = row :: run.Rows } :: before) rest
            | _ -> OperationText.wrong "no run has begun"

        try
            match lines with
            | Header :: kernel :: setting :: isNew :: lacks :: rest when
                kernel.StartsWith "kernel "
                && setting.StartsWith "setting "
                && isNew.StartsWith "new "
                && lacks.StartsWith "lacks "
                ->
                number <- 2
                let release = kernel.Substring 7

                if String.exists Char.IsControl release || release.Trim() = "" then
                    OperationText.wrong "its kernel has no name, or one with control characters"

                let setting = parseSetting (fun line -> number <- line) setting isNew lacks

                Ok
                    {
                        Kernel = release
                        Setting = setting
                        Runs = go 6 [] rest
                    }
            | _ -> Error $"it does not begin as '{Header}' does"
        with OperationText.Wrong message ->
            Error $"line {string number}: {message}"

/// Writes down what a kernel does, step by step.
type Recorder(kernel: string, setting: Setting) =
    let text = StringBuilder()

    let add lines =
        for line: string in lines do
            text.Append(line).Append('\n') |> ignore

    do add (TraceText.head kernel setting)

    /// Takes note of a step; the first of a run has no operation.
    member _.Add(operation: Operation voption, seen: Observation) : unit = add (TraceText.row operation seen)

    /// All that was written down, as a whole text.
    member _.Text: string = text.ToString() + TraceText.Footer + "\n"
