namespace SetNsLastPid.Verification

open System
open System.Globalization
open System.Security
open SetNsLastPid

/// What verify says about one thing that a kernel has to do.
type Point =
    {
        /// `case`, `run` or `class`.
        Kind: string
        Name: string
        Verdict: Verdict
    }

/// A report as test points: TAP, and the XML that continuous integration reads.
[<RequireQualifiedAccess>]
module Points =
    // The classes of the step that differs, by what the model makes of it.
    let private classesOf setting (difference: Difference) =
        let rec go world steps operations =
            match operations with
            | [] -> []
            | operation :: rest ->
                match Resolve.step world operation with
                | Step.Nothing -> go world steps rest
                | step ->
                    let struct (seen, next) = Perform.step Allocator.model world step

                    if steps = difference.Rows.Length - 2 then
                        Coverage.classify world step seen next
                    else
                        go next (steps + 1) rest

        go (Perform.start Allocator.model setting) 0 difference.Operations

    /// What a kernel is compared with: the model, or the kernel of this release, which was recorded.
    let other (recorded: string | null) : string =
        match recorded with
        | null -> "model"
        | release -> "Linux " + release

    /// One point for each fixed case, one for all other sequences, which `sequences` names, and one for each class of
    /// `Coverage`, where they were counted.
    let ofReport (sequences: string) (setting: Setting) (report: Report) : Point list =
        let failing =
            match report.Difference with
            | ValueSome difference -> classesOf setting difference
            | ValueNone -> []

        let ofClass (name, why) =
            match why, report.Difference, report.Coverage.TryGetValue name with
            | ValueSome why, _, _ -> Verdict.Skipped why
            | _, ValueSome difference, _ when List.contains name failing -> Verdict.Failed difference
            | _, _, (true, count) when count > 0L -> Verdict.Passed
            | _, ValueSome _, _ -> Verdict.Skipped "not met before the difference"
            | _ -> Verdict.Skipped "not met"

        [
            for case in report.Cases do
                {
                    Kind = "case"
                    Name = case.Name
                    Verdict = case.Verdict
                }

            {
                Kind = "run"
                Name = sequences
                Verdict =
                    match report.Difference with
                    | ValueSome difference -> Verdict.Failed difference
                    | ValueNone ->
                        match report.Doubt with
                        | null -> Verdict.Passed
                        | doubt -> Verdict.Skipped doubt
            }

            if report.Coverage.Count > 0 then
                for name, why in Coverage.all setting do
                    {
                        Kind = "class"
                        Name = name
                        Verdict = ofClass (name, why)
                    }
        ]

    // A YAML string in single quotes.
    let private yaml (text: string) = "'" + text.Replace("'", "''") + "'"

    let private differing (difference: Difference) =
        let row = List.last difference.Rows

        match row.Step with
        | ValueSome step -> Show.step step, row
        | ValueNone -> "the sandbox is made", row

    let private seen (observation: Observation) =
        [
            Show.outcomes observation.Outcomes

            for reading in observation.Readings do
                Show.reading reading
        ]
        |> List.filter (fun text -> text <> "")
        |> String.concat "; "

    let private diagnosis kernel recorded (difference: Difference) =
        let step, row = differing difference
        let left = if isNull recorded then "model" else "recorded"

        [
            "  ---"
            "  message: " + yaml (other recorded + " and kernel differ")
            "  severity: fail"
            "  release: " + yaml kernel
            "  step: " + yaml step
            $"  {left}: " + yaml (seen row.Model)
            "  kernel: " + yaml (seen row.Kernel)
            "  sequence:"
            for operation in difference.Operations do
                "    - " + yaml (OperationText.format operation)
            "  ..."
        ]

    /// TAP, version 13, which readers of version 14 and of KTAP take as well. `recorded` is as of `other`; `remarks` come last.
    let tap (kernel: string) (recorded: string | null) (remarks: string list) (points: Point list) : string =
        let escape (text: string) =
            text.Replace("\\", "\\\\").Replace("#", "\\#")

        let lines =
            [
                "TAP version 13"
                $"1..{string points.Length}"

                for i, point in List.indexed points do
                    let head = $"ok {string (i + 1)} - " + $"{point.Kind}: {escape point.Name}"

                    match point.Verdict with
                    | Verdict.Passed -> head
                    | Verdict.Skipped why -> $"{head} # SKIP {why}"
                    | Verdict.Failed difference ->
                        "not " + head
                        yield! diagnosis kernel recorded difference

                for remark in remarks do
                    "# " + remark
            ]

        String.Join("\n", lines) + "\n"

    // XML cannot say control characters at all; none should come.
    let private xml (text: string) =
        SecurityElement.Escape(String.map (fun c -> if c < ' ' && c <> '\n' then '?' else c) text)

    /// The same as JUnit's XML; `seconds` is how long all of it took.
    let junit (kernel: string) (recorded: string | null) (seconds: float) (points: Point list) : string =
        let count kind =
            points |> List.filter (fun point -> kind point.Verdict) |> List.length |> string

        let time = seconds.ToString("F3", CultureInfo.InvariantCulture)
        let failures = count _.IsFailed

        let counts =
            $"tests=\"{string points.Length}\""
            + $" failures=\"{failures}\" errors=\"0\""
            + $" time=\"{time}\""

        let lines =
            [
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                $"<testsuites {counts}>"
                $"  <testsuite name=\"nslp verify\" {counts}"
                + $" skipped=\"{count _.IsSkipped}\">"
                "    <properties>"
                $"      <property name=\"kernel\" value=\"{xml kernel}\"/>"
                match recorded with
                | null -> ()
                | recorded -> $"      <property name=\"recorded\" value=\"{xml recorded}\"/>"
                "    </properties>"

                for point in points do
                    let head =
                        $"    <testcase classname=\"nslp.verify.{point.Kind}\""
                        + $" name=\"{xml point.Name}\""

                    match point.Verdict with
                    | Verdict.Passed -> head + "/>"
                    | Verdict.Skipped why -> $"{head}><skipped message=\"{xml why}\"/></testcase>"
                    | Verdict.Failed difference ->
                        let step, _ = differing difference
                        let text = String.Join("\n", Show.rows (other recorded) difference.Rows)
                        $"{head}><failure message=\"{xml step}\">" + xml text + "</failure></testcase>"

                "  </testsuite>"
                "</testsuites>"
            ]

        String.Join("\n", lines) + "\n"
