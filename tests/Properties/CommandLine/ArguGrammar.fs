namespace SetNsLastPid.Tests.Properties

open System
open System.Text.RegularExpressions
open Argu
open FSharp.Reflection
open SetNsLastPid

/// A command as Argu sees it.
type ArguCommand =
    {
        /// What there is to know about it.
        Page: Page
        /// The names and values of what these words give, in their order; none where they are wrong for Argu.
        Judge: string list -> (string * string) list option
    }

/// The unions of CommandLine/Arguments.fs by Argu, and the source file that is made of them.
[<RequireQualifiedAccess>]
module ArguGrammar =
    let private attribute<'A> (case: ArgumentCaseInfo) =
        case.UnionCaseInfo.GetCustomAttributes() |> Seq.tryPick tryUnbox<'A>

    let private choices (enum: Type) =
        let values = Enum.GetValues enum |> Seq.cast<int> |> List.ofSeq

        if values <> [ 0 .. values.Length - 1 ] then
            failwith $"%s{enum.Name} does not count from 0"

        [ for name in Enum.GetNames enum -> name.ToLowerInvariant() ]

    let private argument (case: ArgumentCaseInfo) : Argument =
        let field = case.UnionCaseInfo.GetFields() |> Array.tryHead

        {
            Names =
                if case.IsMainCommand then
                    []
                else
                    case.CommandLineNames.Value
            Placeholder = field |> Option.map _.Name |> Option.defaultValue ""
            Value =
                match field, attribute<ValueAttribute> case with
                | None, _ -> Value.Nothing
                | Some field, _ when field.PropertyType.IsEnum -> Value.Choice(choices field.PropertyType)
                | Some _, Some attribute -> attribute.Value
                | Some _, None -> Value.Text
            IsRequired = case.IsMandatory.Value
            IsRepeatable = (attribute<RepeatableAttribute> case).IsSome
            Text = case.Description.Value
        }

    let private help = Page.flag "--help, -h" "print this help"

    let private given (result: 'T) =
        let case, fields = FSharpValue.GetUnionFields(result, typeof<'T>, true)

        let text =
            match fields with
            | [||] -> ""
            | fields when (case.GetFields()[0]).PropertyType.IsEnum -> (string fields[0]).ToLowerInvariant()
            | fields -> string fields[0]

        case.Name, text

    let private command (case: ArgumentCaseInfo) (nested: ArgumentParser) =
        let page: Page =
            {
                Name = case.Name.Value
                Summary = case.Description.Value
                Arguments =
                    (nested.GetArgumentCases()
                     |> List.map argument
                     |> List.sortBy (fun argument -> not argument.Names.IsEmpty))
                    @ [ help ]
                Rest = attribute<RestAttribute> case |> Option.map _.Text |> Option.defaultValue ""
                Example = (attribute<ExampleAttribute> case).Value.Line
            }

        let names =
            Map
                [
                    for case in nested.GetArgumentCases() -> case.UnionCaseInfo.Name, (argument case).Name
                ]

        let judge =
            nested.Accept
                { new IArgumentParserVisitor<_> with
                    member _.Visit<'T when 'T :> IArgParserTemplate>(_: ArgumentParser<'T>) =
                        // Without a width Argu asks the terminal.
                        let parser =
                            ArgumentParser.Create<'T>(programName = "nslp", usageStringCharacterWidth = 80)

                        fun words ->
                            try
                                let results = parser.Parse(Array.ofList words, raiseOnUsage = false)

                                if results.IsUsageRequested then
                                    failwith "Argu is not asked about help"

                                Some
                                    [
                                        for result in results.GetAllResults() do
                                            let case, text = given result
                                            names[case], text
                                    ]
                            with :? ArguParseException ->
                                None
                }

        { Page = page; Judge = judge }

    /// All commands.
    let commands: ArguCommand list =
        let parser =
            ArgumentParser.Create<Commands>(programName = "nslp", usageStringCharacterWidth = 80)

        let nested = parser.GetSubCommandParsers()

        [
            for case in parser.GetArgumentCases() ->
                nested
                |> List.find (fun parser ->
                    parser.ParentInfo
                    |> Option.exists (fun info -> info.Name.Value = case.Name.Value))
                |> command case
        ]

    let private literal (text: string) =
        "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\""

    let private value (value: Value) =
        match value with
        | Value.Text -> "Value.Text"
        | Value.Choice words -> $"""(Value.Choice [ %s{words |> List.map literal |> String.concat "; "} ])"""
        // As it is written, with the suffixes of its numbers.
        | value -> Regex.Replace($"(Value.%A{value})", @" \((.*)\)\)$", "($1))")

    /// The text of CommandLine/Grammar.fs: an operand or option a line, or two where its text does not fit.
    let source: string =
        let argument (argument: Argument) =
            let head =
                match argument.Names, argument.Value with
                | [], _ when argument.IsRequired ->
                    $"required %s{literal argument.Placeholder} %s{value argument.Value}"
                | [], _ -> $"operand %s{literal argument.Placeholder} %s{value argument.Value}"
                | names, Value.Nothing -> $"""flag %s{literal (String.concat ", " names)}"""
                | names, _ ->
                    $"""option %s{literal (String.concat ", " names)} %s{literal argument.Placeholder} %s{value argument.Value}"""

            let head =
                if argument.IsRepeatable then
                    $"repeatable <| %s{head}"
                else
                    head

            let text = literal argument.Text

            if head.Length + text.Length < 100 then
                [ $"%s{head} %s{text}" ]
            else
                [ head; $"    %s{text}" ]

        let page (page: Page) =
            [
                $"page %s{literal page.Name} %s{literal page.Summary}"
                $"    %s{literal page.Rest} %s{literal page.Example}"
                "    ["
                for line in page.Arguments |> List.filter ((<>) help) |> List.collect argument do
                    "        " + line
                "    ]"
            ]

        [
            "namespace SetNsLastPid"
            ""
            "/// The grammar of the command line as data. Generated from CommandLine/Arguments.fs:"
            "/// NSLP_WRITE=1 dotnet test --project tests/Properties --filter-class '*CommandLineTests'"
            "[<RequireQualifiedAccess>]"
            "module Grammar ="
            "    open Page"
            ""
            "    /// Every command's page. A function, as a value would be made at every start."
            "    let pages () : Page list ="
            "        ["
            for line in commands |> List.collect (fun command -> page command.Page) do
                "            " + line
            "        ]"
            ""
        ]
        |> String.concat "\n"
