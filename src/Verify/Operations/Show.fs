namespace SetNsLastPid.Verification

open System
open SetNsLastPid

/// Steps and what was seen of them, in words for a person.
[<RequireQualifiedAccess>]
module Show =
    let private joined (numbers: int list) =
        String.Join(" ", numbers |> List.map string)

    let private without capable =
        if capable then "" else ", without the capability"

    let private chosen setTid =
        if List.isEmpty setTid then
            ""
        else
            $" with set_tid [{joined setTid}]"

    let private at offset =
        if offset = 0 then "" else $" at offset {string offset}"

    let private late how =
        match how with
        | Late.Cgroup -> "CLONE_INTO_CGROUP and a closed descriptor"
        | Late.DescriptorLimit -> "CLONE_PIDFD and RLIMIT_NOFILE 0"
        | Late.PidfdPointer -> "CLONE_PIDFD and a bad pointer"
        | Late.PidsCgroup -> "its pids cgroup full"

    let private bond b =
        match b with
        | Bond.Group -> "of a group, leaves a member behind"
        | Bond.Session -> "of a session, leaves a member behind"
        | Bond.SessionAlone -> "of a session, leaves a member with a group of its own behind"
        | Bond.Sibling -> "of nobody, makes a sibling by CLONE_PARENT"

    let private flaw f =
        match f with
        | Flaw.SizeWithoutArray -> "a set_tid_size of 1 and no set_tid"
        | Flaw.ArrayWithoutSize -> "a set_tid and no set_tid_size"
        | Flaw.SizeTooLarge -> "a set_tid_size of 33 and no set_tid"
        | Flaw.UnreadableArray -> "a set_tid that cannot be read"
        | Flaw.CutBeforeSize -> "a set_tid in a structure of 72 bytes"
        | Flaw.ExitSignal -> "exit_signal 0x100"
        | Flaw.UnknownFlag -> "CLONE_DETACHED"
        | Flaw.ThreadAlone -> "CLONE_THREAD alone"
        | Flaw.SiblingOfInit -> "CLONE_PARENT"

    let private shortened (text: string) =
        let text = OperationText.quote text

        if text.Length > 50 then
            $"{text.Substring(0, 50)}... ({string text.Length})"
        else
            text

    let private init (space: int) words = $"init of ns {string space}: " + words

    /// What is done, on one line; `ns` stands for PID namespace.
    let step (step: Step) : string =
        match step with
        | Step.Clone(from, nesting, setTid, capable, ending) ->
            let into =
                match nesting with
                | Nesting.Same -> ""
                | Nesting.NewPid -> " with a new ns"
                | Nesting.NewUserAndPid -> " with a new user ns and a new ns"

            let ending =
                match ending with
                | Ending.Exits -> "the child exits and is reaped"
                | Ending.Lives -> "the child stays"
                | Ending.Lingers -> "the child exits and is not reaped"
                | Ending.Fails(how, asThread) ->
                    (if asThread then
                         "as a thread, with "
                     else
                         "as a process, with ")
                    + late how

            init from ("clone" + chosen setTid + into + without capable + "; " + ending)
        | Step.End id -> $"process {string id}: killed and reaped"
        | Step.EndInit(space, _) -> init space "killed and reaped"
        | Step.Forsake(from, b) -> init from $"its child, leader {bond b} and dies"
        | Step.Thread(from, setTid, fate) ->
            let fate =
                match fate with
                | Fate.Stays -> "which stays"
                | Fate.Execs -> "which executes a program that exits"

            init from $"its child makes a thread{chosen setTid}, {fate}"
        | Step.Race from ->
            init from "it and a child of its fork at once; both stay, and that child is killed and reaped"
        | Step.Unshare(from, capable) -> init from $"unshare(CLONE_NEWPID){without capable}"
        | Step.Enter(from, into, capable) -> init from $"setns to ns {string into}{without capable}"
        | Step.WriteLastPid(space, text, offset, capable) ->
            init space $"write {shortened text} to ns_last_pid{at offset}" + without capable
        | Step.Pass(space, route, text, offset, capable) ->
            let route =
                match route with
                | Route.OpenedBy by ->
                    $"write {shortened text} to ns_last_pid"
                    + $" as the init of ns {string by} opened it"
                | Route.Splice -> $"splice {shortened text} to ns_last_pid"
                | Route.SendFile -> $"sendfile {shortened text} to ns_last_pid"

            init space $"{route}{at offset}{without capable}"
        | Step.WritePidMax(space, value) -> init space $"write {string value} to pid_max"
        | Step.Malformed(from, f) -> init from $"clone3 with {flaw f}"
        | Step.Nothing -> "nothing"

    /// What it came to, on one line; of PIDs the one in the innermost namespace first.
    let outcomes (outcomes: Outcome list) : string =
        let one outcome =
            match outcome with
            | Outcome.Given pids -> $"PID {joined pids}"
            | Outcome.Refused errno -> string errno
            | Outcome.Wrote count -> "wrote " + string count
            | Outcome.Done -> "done"

        String.Join(", then ", outcomes |> List.map one)

    /// The sysctls of a namespace, on one line.
    let reading (r: Reading) : string =
        $"ns {string r.Space}: last_pid {string r.LastPid}"
        + $", pid_max {string r.PidMax}"

    // Both sides' lines, those that tell nothing new left out.
    let private lines (before: Observation voption) (row: Row) =
        let known r =
            match before with
            | ValueSome seen -> List.contains r seen.Readings
            | ValueNone -> false

        let readings side =
            side.Readings |> List.map (fun r -> r.Space, r) |> Map.ofList

        let model, kernel = readings row.Model, readings row.Kernel

        [
            if not row.Model.Outcomes.IsEmpty || not row.Kernel.Outcomes.IsEmpty then
                outcomes row.Model.Outcomes, outcomes row.Kernel.Outcomes

            for space in Set.union (model |> Map.keys |> Set.ofSeq) (kernel |> Map.keys |> Set.ofSeq) do
                match model.TryFind space, kernel.TryFind space with
                | Some m, Some k when m = k && known m -> ()
                | m, k ->
                    let text r =
                        match r with
                        | Some r -> reading r
                        | None -> $"ns {string space}: no init"

                    text m, text k
        ]

    /// The steps as a numbered list, under each what the model, or another kernel as `left` names it, and the kernel say, side
    /// by side; what differs is marked.
    let rows (left: string) (rows: Row list) : string list =
        let width = 44

        let side (model: string, kernel: string) =
            let mark = if model = kernel then " " else "*"
            "   " + mark + " " + model.PadRight width + " " + kernel

        let numbered =
            rows
            |> List.mapi (fun i row ->
                let before = if i = 0 then ValueNone else ValueSome rows[i - 1].Model

                [
                    match row.Step with
                    | ValueSome s -> (string i).PadLeft 3 + ". " + step s
                    | ValueNone -> "  0. the sandbox is made"

                    for line in lines before row do
                        side line
                ])

        ("     " + left.PadRight width + " kernel") :: List.concat numbered

    /// The classes as a table, how often first, in columns.
    let coverage (report: Report) : string list =
        [
            for KeyValue(name, count) in report.Coverage do
                (string count).PadLeft 8 + "  " + name
        ]
