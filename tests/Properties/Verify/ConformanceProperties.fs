/// What verify says of a kernel as test points, the fixed cases, and kernels that are wrong on purpose.
module SetNsLastPid.Tests.Properties.ConformanceProperties

open System
open System.Collections.Generic
open System.Xml.Linq
open SetNsLastPid
open SetNsLastPid.Verification
open Xunit

let private setting kernel =
    {
        Kernel = kernel
        OuterLevels = 1
        OwnUser = false
        PidMax = if kernel.PidMaxPerNamespace then Limits.PidMax else 32768
        Lacks = []
        Surprises = []
    }

let private today = setting (KernelRules.ofVersion 6 18)
let private never = Func<bool>(fun () -> false)

let private defaults =
    match CommandLine.parse [| "verify" |] with
    | Command.Verify options -> options
    | _ -> failwith "no verify"

let private verify sandboxes runs seed =
    Runner.runAll
        sandboxes
        null
        false
        (Action<int> ignore)
        never
        FixedCases.all
        (Runner.sequences seed runs defaults.Steps)

let private lacking facilities =
    { today with
        Lacks =
            facilities
            |> List.map (fun facility ->
                {
                    Facility = facility
                    Why = $"no {facility}"
                })
    }

// What the last operation of a case comes to.
let private lastOf setting (case: FixedCase) =
    let step (_, world) operation =
        let struct (seen, next) =
            Perform.step Allocator.model world (Resolve.step world operation)

        seen.Outcomes, next

    List.fold step ([], Perform.start Allocator.model setting) case.Operations
    |> fst

[<Fact>]
let ``each fixed case comes to what was observed on Linux 6.18`` () =
    for case in FixedCases.all do
        Assert.True((lastOf today case = case.Last), $"{case.Name}: {Show.outcomes (lastOf today case)}")

[<Fact>]
let ``no two fixed cases have the same name or the same operations`` () =
    let distinct by =
        (List.distinctBy by FixedCases.all).Length

    Assert.Equal(FixedCases.all.Length, distinct _.Name)

    Assert.Equal(
        FixedCases.all.Length,
        distinct (fun case -> case.Operations |> List.map OperationText.format |> String.concat "\n")
    )

[<Fact>]
let ``a fixed case differs between kernels only where a rule of theirs does`` () =
    let differing version =
        let kernel = setting (version ||> KernelRules.ofVersion)

        FixedCases.all
        |> List.filter (fun case -> lastOf kernel case <> case.Last)
        |> List.map _.Name
        |> Set.ofList

    let sharedPidMax =
        set
            [
                "set_tid: pid_max - 1"
                "pid_max: the outer one limits a nested namespace by running out"
                "pid_max: the inner cursor moves when the outer runs out"
            ]

    Assert.Empty(differing (6, 14))

    Assert.Empty(
        differing (6, 8)
        - Set.add "cursor: moves when a thread fails for CLONE_PIDFD" sharedPidMax
    )

    Assert.Contains("cursor: moves when a thread fails for CLONE_PIDFD", differing (6, 8))
    Assert.Equal<Set<string>>(set [ "namespace: its first clone fails late" ], differing (7, 1))

/// What a kernel may do wrong with a step, beyond its allocator.
let private tampered: (string * (Step -> Step)) list =
    [
        "whoever asks may choose",
        (function
        | Step.Clone(from, Nesting.Same, tids, _, ending) -> Step.Clone(from, Nesting.Same, tids, true, ending)
        | step -> step)
        "nobody needs a capability for a new namespace",
        (function
        | Step.Clone(from, nesting, [], _, ending) -> Step.Clone(from, nesting, [], true, ending)
        | step -> step)
        "set_tid is not read",
        (function
        | Step.Clone(from, nesting, _, capable, ending) -> Step.Clone(from, nesting, [], capable, ending)
        | step -> step)
        "set_tid is read from the other end",
        (function
        | Step.Clone(from, nesting, tids, capable, ending) -> Step.Clone(from, nesting, List.rev tids, capable, ending)
        | step -> step)
        "only the first entry of set_tid is read",
        (function
        | Step.Clone(from, nesting, tids, capable, ending) ->
            Step.Clone(from, nesting, List.truncate 1 tids, capable, ending)
        | step -> step)
        "a zombie's number is free",
        (function
        | Step.Clone(from, nesting, tids, capable, Ending.Lingers) ->
            Step.Clone(from, nesting, tids, capable, Ending.Exits)
        | step -> step)
        "unshare needs no capability",
        (function
        | Step.Unshare(from, _) -> Step.Unshare(from, true)
        | step -> step)
        "setns needs no capability",
        (function
        | Step.Enter(from, into, _) -> Step.Enter(from, into, true)
        | step -> step)
        "ns_last_pid needs no capability",
        (function
        | Step.WriteLastPid(space, text, offset, _) -> Step.WriteLastPid(space, text, offset, true)
        | step -> step)
        "ns_last_pid is parsed at every offset",
        (function
        | Step.WriteLastPid(space, text, _, capable) -> Step.WriteLastPid(space, text, 0, capable)
        | step -> step)
        "ns_last_pid is trimmed",
        (function
        | Step.WriteLastPid(space, text, offset, capable) -> Step.WriteLastPid(space, text.Trim(), offset, capable)
        | step -> step)
        "ns_last_pid of a nested namespace is the outermost one's",
        (function
        | Step.WriteLastPid(_, text, offset, capable) -> Step.WriteLastPid(0, text, offset, capable)
        | step -> step)
        "pid_max of a nested namespace is the outermost one's",
        (function
        | Step.WritePidMax(_, value) -> Step.WritePidMax(0, value)
        | step -> step)
        "pid_max has no lower bound but 300",
        (function
        | Step.WritePidMax(space, 300) -> Step.WritePidMax(space, 301)
        | step -> step)
        "a thread fails as a process does",
        (function
        | Step.Clone(from, nesting, tids, capable, Ending.Fails(how, true)) ->
            Step.Clone(from, nesting, tids, capable, Ending.Fails(how, false))
        | step -> step)
        "a closed cgroup is taken for none",
        (function
        | Step.Clone(from, nesting, tids, capable, Ending.Fails(Late.Cgroup, _)) ->
            Step.Clone(from, nesting, tids, capable, Ending.Exits)
        | step -> step)
        "a full pids cgroup is no obstacle",
        (function
        | Step.Clone(from, nesting, tids, capable, Ending.Fails(Late.PidsCgroup, _)) ->
            Step.Clone(from, nesting, tids, capable, Ending.Exits)
        | step -> step)
        "one of two forks at once is lost",
        (function
        | Step.Race from -> Step.Forsake(from, Bond.Group)
        | step -> step)
        "CLONE_PIDFD fails for the pointer first",
        (function
        | Step.Clone(from, nesting, tids, capable, Ending.Fails(Late.DescriptorLimit, asThread)) ->
            Step.Clone(from, nesting, tids, capable, Ending.Fails(Late.PidfdPointer, asThread))
        | step -> step)
        "a group keeps no number",
        (function
        | Step.Forsake(from, Bond.Group) -> Step.Clone(from, Nesting.Same, [], true, Ending.Exits)
        | step -> step)
        "a session keeps no number",
        (function
        | Step.Forsake(from, (Bond.Session | Bond.SessionAlone)) ->
            Step.Clone(from, Nesting.Same, [], true, Ending.Exits)
        | step -> step)
        "CLONE_PARENT makes a child that keeps its maker's number",
        (function
        | Step.Forsake(from, Bond.Sibling) -> Step.Forsake(from, Bond.Group)
        | step -> step)
        "what one of two siblings makes is the other's",
        (function
        | Step.Clone(2, nesting, tids, capable, ending) -> Step.Clone(1, nesting, tids, capable, ending)
        | step -> step)
        "a descriptor of ns_last_pid stands for where it was opened",
        (function
        | Step.Pass(_, Route.OpenedBy by, text, offset, capable) -> Step.WriteLastPid(by, text, offset, capable)
        | step -> step)
        "splice stops where write does",
        (function
        | Step.Pass(space, Route.Splice, text, offset, capable) -> Step.WriteLastPid(space, text, offset, capable)
        | step -> step)
        "sendfile needs no capability",
        (function
        | Step.Pass(space, Route.SendFile, text, offset, _) -> Step.Pass(space, Route.SendFile, text, offset, true)
        | step -> step)
        "set_tid of a thread is not read",
        (function
        | Step.Thread(from, _, fate) -> Step.Thread(from, [], fate)
        | step -> step)
        "exec by a thread keeps its number",
        (function
        | Step.Thread(from, tids, Fate.Execs) -> Step.Thread(from, tids, Fate.Stays)
        | step -> step)
        "a thread that lives has no number",
        (function
        | Step.Thread(from, tids, Fate.Stays) -> Step.Thread(from, tids, Fate.Execs)
        | step -> step)
        "a new user namespace owns nothing",
        (function
        | Step.Clone(from, Nesting.NewUserAndPid, tids, capable, ending) ->
            Step.Clone(from, Nesting.NewPid, tids, capable, ending)
        | step -> step)
        "a malformed clone makes a process",
        (function
        | Step.Malformed(from, _) -> Step.Clone(from, Nesting.Same, [], true, Ending.Exits)
        | step -> step)
        "an array that cannot be read is EINVAL",
        (function
        | Step.Malformed(from, Flaw.UnreadableArray) -> Step.Malformed(from, Flaw.SizeWithoutArray)
        | step -> step)
    ]

// The numbers of threads are in use from so many steps after their process was reaped, for one step or, without an end, for
// ever.
let private late setting after hasEnd =
    { new ISandboxes with
        member _.Setting = setting

        member _.Open() =
            let mutable world = Perform.start Allocator.model setting
            let mutable waiting: (int * WorldNumber) list = []

            let change edit (number: WorldNumber) =
                for id, pid in
                    List.zip
                        (World.chain world number.Space)
                        (List.truncate (World.depth world number.Space) number.Pids) do
                    let space = world.Spaces[id]

                    world <-
                        { world with
                            Spaces =
                                Map.add
                                    id
                                    { space with
                                        Ns =
                                            { space.Ns with
                                                InUse = edit pid space.Ns.InUse
                                            }
                                    }
                                    world.Spaces
                        }

            { new ISandbox with
                member _.Before = ValueNone
                member _.IsDisturbed() = false

                member _.Settle() =
                    if hasEnd then
                        waiting <- []

                member _.Start = World.observe [] world

                member _.Perform step =
                    let threads =
                        match step with
                        | Step.End id ->
                            world.Processes[id].Holds
                            |> List.map (fun id -> world.Held[id])
                            |> List.filter _.IsThread
                        | _ -> []

                    let isFree (number: WorldNumber) =
                        not (PidSet.contains number.Pids.Head world.Spaces[number.Space].Ns.InUse)

                    let due =
                        waiting
                        |> List.filter (fun (left, number) -> left <= 0 && isFree number)
                        |> List.map snd

                    List.iter (change PidSet.add) due
                    let struct (seen, next) = Perform.step Allocator.model world step
                    world <- next
                    List.iter (change PidSet.remove) due

                    waiting <-
                        (waiting
                         |> List.map (fun (left, number) -> left - 1, number)
                         |> List.filter (fun (left, _) -> left >= 0 || not hasEnd))
                        @ List.map (fun number -> after, number) threads

                    seen

                member _.Dispose() = ()
            }
    }

[<Fact>]
let ``a thread's number may be in use once after its process, on kernels that free it late`` () =
    let once = verify (late today 0 true) defaults.Runs 1UL
    Assert.True(once.First.IsNone, $"{once.First}")
    Assert.True(once.Late > 10)
    let before = setting (KernelRules.ofVersion 6 14)
    Assert.Equal(0, (verify (late before 100 true) 100 1UL).Late)

    for name, sandboxes in
        [
            "6.14", late before 0 true
            "for ever", late today 0 false
            "after it was free", late today 1 true
        ] do
        Assert.True((verify sandboxes defaults.Runs 1UL).First.IsSome, name)

// The model in the kernel's place, with something done at each step.
let private around setting (perform: ISandbox -> Step -> Observation) =
    let right = ModelSandbox.create Allocator.model setting

    { new ISandboxes with
        member _.Setting = setting

        member _.Open() =
            let inner = right.Open()

            { new ISandbox with
                member _.Before = inner.Before
                member _.IsDisturbed() = false
                member _.Settle() = inner.Settle()
                member _.Start = inner.Start
                member _.Perform step = perform inner step
                member _.Dispose() = inner.Dispose()
            }
    }

let private tamperedSandboxes edit =
    around today (fun inner step ->
        // What it did before may have left nobody to do this to, and that shows.
        try
            inner.Perform(edit step)
        with :? KeyNotFoundException ->
            { Outcomes = []; Readings = [] })

[<Fact>]
let ``the default run finds every kernel that does something else than it is asked`` () =
    Assert.True(tampered.Length >= 20)

    for seed in [ 1UL; 20UL ] do
        for name, edit in tampered do
            let report = verify (tamperedSandboxes edit) defaults.Runs seed
            Assert.True(report.Difference.IsSome, $"{name}, seed {seed}")

[<Fact>]
let ``the fixed cases alone find most wrong allocators and kernels`` () =
    let isFound sandboxes =
        (verify sandboxes 0 1UL).Cases |> List.exists _.Verdict.IsFailed

    let missed =
        [
            for name, edit in tampered do
                if not (isFound (tamperedSandboxes edit)) then
                    name

            for name, wrong in WrongModels.all do
                if not (isFound (ModelSandbox.create wrong today)) then
                    name
        ]

    Assert.True(missed.Length * 3 < tampered.Length + WrongModels.all.Length, String.Join("; ", missed))
    Assert.False(isFound (ModelSandbox.create Allocator.model today))

[<Fact>]
let ``without a facility nothing that needs it is done, and the rest agrees`` () =
    for facilities in
        [
            [ Facility.SetTid; Facility.Threads ]
            [ Facility.Threads ]
            [
                Facility.Clone3
                Facility.SetTid
                Facility.IntoCgroup
                Facility.Pidfd
                Facility.PidsCgroup
                Facility.Threads
            ]
            [ Facility.PidsCgroup ]
            [ Facility.PidMax ]
            [ Facility.LastPid ]
            [ Facility.Splice ]
            [ Facility.Users ]
            [ Facility.Setns ]
            [ Facility.Namespaces; Facility.Users; Facility.Setns ]
            [ Facility.Init ]
        ] do
        let setting = lacking facilities

        let watched =
            around setting (fun inner step ->
                let isWrong =
                    match step with
                    | Step.Clone(_, nesting, tids, _, ending) ->
                        (not tids.IsEmpty && not (setting.Has Facility.SetTid))
                        || (nesting <> Nesting.Same && not (setting.Has Facility.Namespaces))
                        || (nesting = Nesting.NewUserAndPid && not (setting.Has Facility.Users))
                        || (match ending with
                            | Ending.Fails(Late.PidsCgroup, _) -> not (setting.Has Facility.PidsCgroup)
                            | Ending.Fails _ -> not (setting.Has Facility.Pidfd)
                            | _ -> false)
                    | Step.Thread _ -> not (setting.Has Facility.Threads)
                    | Step.Unshare _ -> not (setting.Has Facility.Namespaces)
                    | Step.Enter _ -> not (setting.Has Facility.Setns)
                    | Step.Pass(_, (Route.Splice | Route.SendFile), _, _, _) when not (setting.Has Facility.Splice) ->
                        true
                    | Step.WriteLastPid _
                    | Step.Pass _ -> not (setting.Has Facility.LastPid)
                    | Step.WritePidMax _ -> not (setting.Has Facility.PidMax)
                    | Step.Malformed(_, flaw) ->
                        not (setting.Has Facility.Clone3)
                        || (flaw = Flaw.SiblingOfInit && not (setting.Has Facility.Init))
                    | _ -> false

                Assert.False(isWrong, Show.step step)
                inner.Perform step)

        let report = verify watched 100 3UL
        Assert.True report.First.IsNone

        for case in FixedCases.all do
            let needed = List.collect Facility.neededBy case.Operations

            let expected =
                match List.tryFind (fun facility -> List.contains facility needed) facilities with
                | Some facility -> Verdict.Skipped $"no {facility}"
                | None -> Verdict.Passed

            let actual = report.Cases |> List.find (fun c -> c.Name = case.Name)
            Assert.Equal(expected, actual.Verdict)

        // What is out of the draw is skipped with the reason, and all else can be met.
        for point in Points.ofReport "random sequences" setting report do
            match point.Verdict with
            | Verdict.Skipped why ->
                Assert.True(why.StartsWith "no " || why = "not on this kernel" || why = "not met", why)
            | verdict -> Assert.Equal(Verdict.Passed, verdict)

let private wrong =
    tamperedSandboxes (
        tampered
        |> List.find (fun (name, _) -> name = "a zombie's number is free")
        |> snd
    )

[<Fact>]
let ``a difference fails its case, the runs and the classes of its step, and nothing else`` () =
    let report = verify wrong 500 1UL
    let points = Points.ofReport "random sequences" today report

    let failed =
        points
        |> List.filter _.Verdict.IsFailed
        |> List.map (fun point -> point.Kind, point.Name)

    Assert.Contains(("case", "set_tid: a zombie's number"), failed)
    Assert.Contains(("run", "random sequences"), failed)
    Assert.Contains("class", List.map fst failed)
    let unfound = [ "fork: child stays"; "write pid_max" ]
    Assert.DoesNotContain(failed, (fun (_, name) -> List.contains name unfound))

    Assert.Empty(
        (Points.ofReport "random sequences" today (verify (ModelSandbox.create Allocator.model today) 20 1UL))
        |> List.filter _.Verdict.IsFailed
    )

// TAP read by its grammar: the plan, each line numbered in turn, and YAML blocks closed.
let private readTap (text: string) =
    let lines = text.TrimEnd('\n').Split '\n' |> List.ofArray
    Assert.Equal("TAP version 13", lines[0])
    let count = Int32.Parse(lines[1].Substring 3)

    let rec go number inBlock (lines: string list) results =
        match lines with
        | [] ->
            Assert.False inBlock
            Assert.Equal(count + 1, number)
            List.rev results
        | "  ..." :: rest when inBlock -> go number false rest results
        | line :: rest when inBlock ->
            Assert.StartsWith("  ", line)
            go number true rest results
        | "  ---" :: rest -> go number true rest results
        | line :: rest when line.StartsWith '#' -> go number false rest results
        | line :: rest ->
            let isOk = not (line.StartsWith "not ")
            Assert.StartsWith((if isOk then "" else "not ") + $"ok {number} - ", line)
            go (number + 1) false rest (isOk :: results)

    go 1 false (List.skip 2 lines) []

[<Fact>]
let ``TAP has a numbered line for each point and the sequence below what failed`` () =
    for sandboxes in [ wrong; ModelSandbox.create Allocator.model today ] do
        let points = Points.ofReport "random sequences" today (verify sandboxes 100 1UL)
        let text = Points.tap "6.18.0 #1" null [ "a remark" ] points
        Assert.Equal<bool list>(points |> List.map (fun point -> not point.Verdict.IsFailed), readTap text)

        for point in points do
            match point.Verdict with
            | Verdict.Failed difference ->
                for operation in difference.Operations do
                    Assert.Contains("    - '" + (OperationText.format operation).Replace("'", "''") + "'", text)
            | Verdict.Skipped why -> Assert.Contains($"{point.Name} # SKIP {why}", text)
            | Verdict.Passed -> ()

[<Fact>]
let ``JUnit's XML counts what it holds`` () =
    for sandboxes in [ wrong; ModelSandbox.create Allocator.model today ] do
        let points = Points.ofReport "random sequences" today (verify sandboxes 100 1UL)
        let document = XDocument.Parse(Points.junit "<6.18>" null 1.5 points)

        let elements (parent: XContainer) name =
            parent.Descendants(XName.Get name) |> List.ofSeq

        let attribute name (element: XElement) =
            element.Attributes() |> Seq.find (fun a -> a.Name.LocalName = name) |> _.Value

        let suite = (elements document "testsuite").Head
        let cases = elements suite "testcase"

        let number (kind: string) =
            cases
            |> List.filter (fun case -> not (elements case kind).IsEmpty)
            |> List.length
            |> string

        Assert.Equal<string list>(points |> List.map (fun point -> point.Name), List.map (attribute "name") cases)
        Assert.Equal(string cases.Length, attribute "tests" suite)
        Assert.Equal(number "failure", attribute "failures" suite)
        Assert.Equal(number "skipped", attribute "skipped" suite)
        Assert.Equal(string (points |> List.filter _.Verdict.IsFailed |> List.length), number "failure")

let private recording (sandboxes: ISandboxes) runs seed =
    let recorder = Recorder("6.18.0", sandboxes.Setting)

    Runner.runAll
        sandboxes
        recorder
        false
        (Action<int> ignore)
        never
        FixedCases.all
        (Runner.sequences seed runs defaults.Steps)
    |> ignore

    match TraceText.parse recorder.Text with
    | Ok trace -> recorder.Text, trace
    | Error message -> failwith message

let private replay sandboxes trace =
    Runner.replay sandboxes (Action<int> ignore) never trace

[<Fact>]
let ``a trace is read back as it was written, and none that is cut`` () =
    for setting in
        [
            today
            lacking [ Facility.Users; Facility.PidMax ]
            setting (KernelRules.ofVersion 5 5)
        ] do
        let text, trace = recording (ModelSandbox.create Allocator.model setting) 5 1UL

        let copy = Recorder(trace.Kernel, trace.Setting)

        for run in trace.Runs do
            copy.Add(ValueNone, run.Start)

            for operation, seen in run.Rows do
                copy.Add(ValueSome operation, seen)

        Assert.Equal(text, copy.Text)
        Assert.Equal(setting.Kernel, trace.Setting.Kernel)

        Assert.Equal<Facility list>(
            List.map _.Facility setting.Lacks |> List.sort,
            List.map _.Facility trace.Setting.Lacks |> List.sort
        )

        for at in 0 .. text.Length / 200 .. text.Length - 2 do
            Assert.True((TraceText.parse (text.Substring(0, at))).IsError, string at)

[<Theory>]
[<InlineData("", "it does not begin as 'nslp-verify-trace 1' does")>]
[<InlineData("nslp-verify-trace 2\n", "it does not begin as 'nslp-verify-trace 1' does")>]
[<InlineData("H", "line 6: it is truncated: its last line is missing")>]
[<InlineData("Hend child=0\n>\nend-of-trace\n", "line 6: no run has begun")>]
[<InlineData("Hrun\nend-of-trace\n", "line 6: what was seen is missing")>]
[<InlineData("Hrun\n> ns=0:1\nend-of-trace\n", "line 6: '0:1' is no namespace")>]
[<InlineData("Hrun\n> given=x\nend-of-trace\n", "line 6: 'x' is not a number")>]
let ``what is wrong with a trace is said`` (text: string, message: string) =
    let head = String.Join("\n", TraceText.head "6.18.0" today) + "\n"

    let text =
        if text.StartsWith 'H' then
            head + text.Substring 1
        else
            text

    match TraceText.parse text with
    | Ok _ -> Assert.Fail "it was read"
    | Error actual -> Assert.Equal(message, actual)

[<Theory>]
[<InlineData("kernel 6.18.0", "kernel \u001b[31m", "line 2: its kernel has no name, or one with control characters")>]
[<InlineData("page=4096", "page=0", "line 3: page must be 4096 to 65536, not 0")>]
[<InlineData("page=4096", "page=5000", "line 3: page is 5000, which is no power of 2")>]
[<InlineData("levels=1", "levels=-1", "line 3: levels must be 0 to 31, not -1")>]
[<InlineData("pid_max=4194304", "pid_max=300", "line 3: pid_max must be 301 to 4194304, not 300")>]
[<InlineData("new ", "new foo ", "line 4: 'foo' is not known")>]
[<InlineData("lacks ", "lacks foo", "line 5: 'foo' is not known")>]
let ``a head that no kernel has is refused by its line`` (right: string, wrong: string, message: string) =
    let head = String.Join("\n", TraceText.head "6.18.0" today)
    Assert.Contains(right, head)

    match TraceText.parse (head.Replace(right, wrong) + "\nend-of-trace\n") with
    | Ok _ -> Assert.Fail "it was read"
    | Error actual -> Assert.Equal(message, actual)

[<Fact>]
let ``where nothing was compared, or much was disturbed, nobody says that all agrees`` () =
    let agreeing = verify (ModelSandbox.create Allocator.model today) 20 1UL
    Assert.Null agreeing.Doubt
    let few = (agreeing.Runs + agreeing.Cases.Length) / 10

    for report, doubt in
        [
            { agreeing with Steps = 0L }, "there is nothing to compare"
            { agreeing with Disturbed = few + 1 }, "others make processes in this PID namespace"
        ] do
        Assert.Equal(doubt, report.Doubt)

        let runs =
            Points.ofReport "random sequences" today report
            |> List.filter (fun point -> point.Kind = "run")

        Assert.Equal<Verdict list>([ Verdict.Skipped doubt ], runs |> List.map (fun (point: Point) -> point.Verdict))

    Assert.Null { agreeing with Disturbed = few }.Doubt

[<Fact>]
let ``a kernel agrees with what it did, and one with another rule differs from it in little`` () =
    let sandboxes kernel =
        ModelSandbox.create Allocator.model (setting kernel)

    let kernel = KernelRules.ofVersion 6 18
    let _, trace = recording (sandboxes kernel) 100 1UL
    let same = replay (sandboxes kernel) trace
    Assert.True same.Difference.IsNone
    Assert.Equal(trace.Runs.Length, same.Runs)

    for rule, isNew in
        [
            KernelRule.PidfdOfThread, false
            KernelRule.ChecksBeforePicks, true
            KernelRule.FailedFirstCloneKills, true
            KernelRule.ClonesIntoCgroup, false
        ] do
        let other = KernelRules.withSeen [ { Rule = rule; IsNew = isNew } ] kernel

        match (replay (sandboxes other) trace).Difference with
        | ValueNone -> Assert.Fail $"{rule}"
        | ValueSome difference ->
            // Of a hundred runs of fifty, four operations at most.
            Assert.InRange(difference.Operations.Length, 1, 4)
            let last = List.last difference.Rows
            Assert.NotEqual(last.Model, last.Kernel)

[<Fact>]
let ``what another kernel did counts, and not what the model makes of it`` () =
    let wrongTrace = snd (recording wrong 20 1UL)
    let right = ModelSandbox.create Allocator.model today
    Assert.True((replay right wrongTrace).Difference.IsSome)
    Assert.True((replay wrong wrongTrace).Difference.IsNone)

[<Fact>]
let ``runs that need what is not there are left out of a comparison`` () =
    let _, trace = recording (ModelSandbox.create Allocator.model today) 30 1UL
    let poor = ModelSandbox.create Allocator.model (lacking [ Facility.SetTid ])
    let report = replay poor trace
    Assert.True report.Difference.IsNone
    Assert.InRange(report.Runs, 1, trace.Runs.Length - 1)

// Sandboxes in a namespace that others use too: every `period`-th step somebody else forks.
let private shared period isNoticed =
    let mutable steps = 0

    let before =
        PidNamespace.observed 500 Limits.PidMax (PidSet.ofSeq [ 1; 2; 17; 300; 501 ])

    { new ISandboxes with
        member _.Setting =
            lacking
                [
                    Facility.Namespaces
                    Facility.Users
                    Facility.Setns
                    Facility.PidMax
                    Facility.Init
                ]

        member this.Open() =
            let mutable world = Perform.startIn before Allocator.model this.Setting
            let mutable isDisturbed = false

            { new ISandbox with
                member _.Before = ValueSome before
                member _.IsDisturbed() = isDisturbed && isNoticed
                member _.Settle() = ()
                member _.Start = World.observe [] world

                member _.Perform step =
                    steps <- steps + 1

                    if period > 0 && steps % period = 0 then
                        isDisturbed <- true
                        let fork = Step.Clone(0, Nesting.Same, [], true, Ending.Exits)
                        let struct (_, other) = Perform.step Allocator.model world fork

                        world <-
                            { other with
                                NextProcess = world.NextProcess
                            }

                    let struct (seen, next) = Perform.step Allocator.model world step
                    world <- next
                    seen

                member _.Dispose() = ()
            }
    }

[<Fact>]
let ``in a namespace that was there before the model begins with what was in use`` () =
    let report = verify (shared 0 true) 50 1UL
    Assert.True report.First.IsNone
    Assert.Equal(0, report.Disturbed)
    Assert.True(report.Coverage["number in use skipped"] > 0L)

[<Fact>]
let ``what somebody else did is no difference, and is counted`` () =
    for isNoticed in [ true; false ] do
        let report = verify (shared 997 isNoticed) 50 1UL
        Assert.True report.First.IsNone
        Assert.InRange(report.Disturbed, 1, report.Runs)
