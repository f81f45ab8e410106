/// Writes src/Model/*.fs with all mutants in it, each switched on by the number in NSLP_MUTANT, so that one build serves all:
/// `dotnet fsi Mutate.fsx SOURCES TARGET`. The list of mutants, number and name, comes on standard output; a name is the
/// file and the line as the mutant has it. The lines of TARGET/left-out are names that were found not to compile.
#nowarn "3886"
#r "FSharp.Compiler.Service"

open System
open System.Collections.Generic
open System.IO
open System.Text
open FSharp.Compiler.CodeAnalysis
open FSharp.Compiler.Syntax
open FSharp.Compiler.SyntaxTrivia
open FSharp.Compiler.Text

let sources, target =
    match fsi.CommandLineArgs with
    | [| _; sources; target |] -> sources, target
    | _ -> failwith "Mutate.fsx SOURCES TARGET"

let files =
    [
        "Core.PidSet.fs"
        "Core.Kernel.fs"
        "Core.fs"
        "Core.Race.fs"
        "Core.SetTid.fs"
        "Core.Goal.fs"
        "Core.Cycle.fs"
        "Core.Landing.fs"
        "Core.Reserve.fs"
        "Core.Pick.fs"
        "Core.Approach.fs"
    ]

let leftOut =
    let list = Path.Combine(target, "left-out")

    if File.Exists list then
        set (File.ReadAllLines list)
    else
        Set.empty

let opposite =
    dict
        [
            "<", "<="
            "<=", "<"
            ">", ">="
            ">=", ">"
            "=", "<>"
            "<>", "="
            "+", "-"
            "-", "+"
            "*", "+"
            "/", "*"
            "%", "/"
            "&&&", "|||"
            "|||", "&&&"
            "<<<", ">>>"
            ">>>", "<<<"
        ]

// Constants by name, and values that stand for another case.
let literals =
    set
        [
            "PageLimit"
            "TokenLimit"
            "AllocationLimit"
            "Capacity"
            "TopShift"
            "Limits.Reserved"
            "Limits.PidMax"
            "Limits.Levels"
        ]

let other =
    dict
        [
            "Errno.EINVAL", "Errno.EPERM"
            "Errno.EPERM", "Errno.EINVAL"
            "Errno.EEXIST", "Errno.EINVAL"
            "Errno.EAGAIN", "Errno.ENOMEM"
            "Errno.ENOMEM", "Errno.EAGAIN"
            "Errno.ENOSPC", "Errno.EINVAL"
            "Life.Unborn", "Life.Stillborn"
            "Life.Alive", "Life.Unborn"
            "Life.Dead", "Life.Alive"
            "Life.Stillborn", "Life.Dead"
            "Obstacle.OutOfRange", "Obstacle.NoneFree"
            "Obstacle.BelowReserved", "Obstacle.NoneFree"
            "Obstacle.NoneFree", "Obstacle.BelowReserved"
            "CycleStep.Landed", "CycleStep.Consume 1"
            "PidSet.empty", "(PidSet.add 1 PidSet.empty)"
            "true", "false"
            "false", "true"
        ]

/// A place in a file, which lies on one line, and the texts that a mutant has there.
type Site = { Range: range; Mutants: string list }

let (|Infix|_|) expr =
    match expr with
    | SynExpr.App(
        funcExpr = SynExpr.App(isInfix = true; funcExpr = SynExpr.LongIdent(longDotId = op); argExpr = a); argExpr = b) ->
        match op with
        | SynLongIdent(trivia = [ Some(IdentTrivia.OriginalNotation name) ]) -> Some(name, a, b)
        | _ -> None
    | _ -> None

let sitesOf (file: string) (text: string) =
    let lines = text.Split '\n'

    let cut (r: range) =
        if r.StartLine = r.EndLine then
            lines[r.StartLine - 1].Substring(r.StartColumn, r.EndColumn - r.StartColumn)
        else
            ""

    // One that compares or joins has mutants of its own.
    let condition (expr: SynExpr) =
        match expr with
        | Infix _ -> []
        | _ -> [ expr.Range, [ $"not ({cut expr.Range})" ] ]

    let mutantsOf path expr =
        let here = cut (expr: SynExpr).Range

        let isLiteral =
            match path with
            | SyntaxNode.SynBinding(SynBinding(attributes = attributes)) :: _ -> not attributes.IsEmpty
            | _ -> false

        match expr with
        | Infix(("&&" | "||"), a, b) ->
            let a, b = cut a.Range, cut b.Range
            [ expr.Range, [ a; b ] ]
        | Infix("@", a, b) -> [ expr.Range, [ cut a.Range; cut b.Range ] ]
        | Infix(op, a, b) when opposite.ContainsKey op ->
            [ expr.Range, [ $"{cut a.Range} {opposite[op]} {cut b.Range}" ] ]
        | SynExpr.Const _ when isLiteral -> []
        | SynExpr.Const((SynConst.Int32 _ | SynConst.Byte _ | SynConst.UInt64 _ | SynConst.Int64 _), _) ->
            match here.EndsWith "uy", here.EndsWith "UL", here.EndsWith "L" with
            | true, _, _ -> [ expr.Range, [ here + " + 1uy"; here + " - 1uy" ] ]
            | _, true, _ -> [ expr.Range, [ here + " + 1UL" ] ]
            | _, _, true -> [ expr.Range, [ here + " + 1L" ] ]
            | _ -> [ expr.Range, [ here + " + 1"; (if here = "0" then "" else here + " - 1") ] ]
        | SynExpr.Const(SynConst.Bool _, _) when not isLiteral -> [ expr.Range, [ other[here] ] ]
        | SynExpr.Const(SynConst.String _, _) -> [ expr.Range, [ "\"?\"" ] ]
        | SynExpr.Ident _
        | SynExpr.LongIdent _ when literals.Contains here -> [ expr.Range, [ $"{here} + 1"; $"{here} - 1" ] ]
        | SynExpr.LongIdent _ when other.ContainsKey here -> [ expr.Range, [ other[here] ] ]
        | SynExpr.App(funcExpr = SynExpr.Ident name; argExpr = arg) ->
            match name.idText with
            | "not" -> [ expr.Range, [ cut arg.Range ] ]
            | "Some" -> [ expr.Range, [ "None" ] ]
            | "ValueSome" -> [ expr.Range, [ "ValueNone" ] ]
            | _ -> []
        | SynExpr.App(funcExpr = SynExpr.App(funcExpr = SynExpr.Ident name; argExpr = a); argExpr = b) when
            name.idText = "min" || name.idText = "max"
            ->
            [
                expr.Range,
                [
                    (if name.idText = "min" then "max " else "min ")
                    + cut a.Range
                    + " "
                    + cut b.Range
                ]
            ]
        | SynExpr.IfThenElse(ifExpr = c) -> condition c
        | SynExpr.Match(clauses = clauses) ->
            clauses
            |> List.collect (fun (SynMatchClause(whenExpr = guard)) ->
                guard |> Option.map (fun guard -> guard.Range, [ "true" ]) |> Option.toList)
        | SynExpr.Record(copyInfo = Some(original, _); recordFields = fields) ->
            fields
            |> List.choose (fun (SynExprRecordField(fieldName = (SynLongIdent(id = name), _); expr = value)) ->
                value
                |> Option.map (fun value -> value.Range, [ $"({cut original.Range}).{(List.last name).idText}" ]))
        | _ -> []
        |> List.filter (fun (r, _) -> r.StartLine = r.EndLine)

    let checker = FSharpChecker.Create()

    let options =
        { FSharpParsingOptions.Default with
            SourceFiles = [| file |]
        }

    let parsed =
        checker.ParseFile(file, SourceText.ofString text, options)
        |> Async.RunSynchronously

    ([], parsed.ParseTree)
    ||> ParsedInput.fold (fun found path node ->
        match node with
        | SyntaxNode.SynExpr expr -> mutantsOf path expr @ found
        | _ -> found)
    |> List.groupBy fst
    |> List.map (fun (range, all) ->
        {
            Range = range
            Mutants =
                all
                |> List.collect snd
                |> List.distinct
                |> List.filter (fun text -> text <> "" && text <> cut range)
        })
    |> List.sortBy (fun site -> site.Range.StartLine, site.Range.StartColumn, -site.Range.EndColumn)

let mutable number = 0
let names = HashSet<string>()

let mutate (file: string) =
    let text = File.ReadAllText(Path.Combine(sources, file))
    let lines = text.Split '\n'
    let byLine = sitesOf file text |> List.groupBy _.Range.StartLine |> dict

    let render lineNumber (line: string) =
        let named (site: Site) mutant =
            let changed =
                line.Substring(0, site.Range.StartColumn)
                + mutant
                + line.Substring site.Range.EndColumn

            let name = $"{file}: {changed.Trim()}"

            let rec unused n =
                (let name = (if n = 1 then name else $"{name} ({n})") in if names.Add name then name else unused (n + 1))

            unused 1

        // From one column to another, the sites that lie in between replaced.
        let rec span from until (sites: Site list) =
            match sites with
            | [] -> line.Substring(from, until - from)
            | site :: rest ->
                let first, last = site.Range.StartColumn, site.Range.EndColumn
                let inside, after = rest |> List.partition (fun s -> s.Range.EndColumn <= last)
                let original = span first last inside
                let text = StringBuilder(line.Substring(from, first - from))
                let mutable isOpen = false

                for mutant in site.Mutants do
                    let name = named site mutant

                    if not (leftOut.Contains name) then
                        number <- number + 1
                        Console.WriteLine $"{number}\t{name}"

                        text.Append(if isOpen then " elif" else "(if").Append($" Mutant.is {number} then ({mutant})")
                        |> ignore

                        isOpen <- true

                (if isOpen then
                     text.Append($" else ({original}))")
                 else
                     text.Append original)
                |> ignore

                text.Append(span last until after).ToString()

        match byLine.TryGetValue lineNumber with
        | true, sites -> span 0 line.Length sites
        | _ -> line

    let mutated = lines |> Array.mapi (fun i line -> render (i + 1) line)

    if file = files.Head then
        mutated[0] <-
            mutated[0]
            + String.Join(
                "\n",
                [
                    ""
                    "module internal Mutant ="
                    "    let mutable active = int (System.Environment.GetEnvironmentVariable \"NSLP_MUTANT\")"
                    "    let mutable isStarted = false"
                    "    // Asked before the start is over: what it decides there stays."
                    "    let early = System.Collections.Generic.HashSet<int>()"
                    "    let is number ="
                    "        if not isStarted then early.Add number |> ignore"
                    "        active = number"
                ]
            )

    File.WriteAllText(Path.Combine(target, file), String.Join("\n", mutated))

for file in files do
    mutate file
