namespace SetNsLastPid

open System
open Argu

/// An operand or an option of a command.
type Argument =
    {
        /// As it is typed, the long name first; empty for an operand.
        Names: string list
        /// What stands for the value, such as FILE; empty for an option without one.
        Placeholder: string
        /// The only values there are; empty when there are others.
        Choices: string list
        /// What it is for, without a full stop.
        Text: string
    }

/// What there is to read about a command.
type Page =
    {
        /// Its name.
        Name: string
        /// What it does, imperative, without a capital and a full stop.
        Summary: string
        /// What follows the options on the command line; empty for nothing.
        Operands: string
        /// The operand first, if there is one.
        Arguments: Argument list
        /// A command line to learn from.
        Example: string
    }

/// What there is to read about commands, taken from the grammar they are parsed by: here the texts of --help.
[<RequireQualifiedAccess>]
module Document =
    let private width = 80
    let private column = 26

    let private choices (value: Type) =
        let single =
            if value.IsGenericType then
                value.GenericTypeArguments[0]
            else
                value

        if single.IsEnum then
            [ for name in Enum.GetNames single -> name.ToLowerInvariant() ]
        else
            []

    let private argument (case: ArgumentCaseInfo) =
        let value = case.UnionCaseInfo.GetFields() |> Array.tryHead

        {
            Names =
                if case.IsMainCommand then
                    []
                else
                    case.CommandLineNames.Value
            Placeholder = value |> Option.map _.Name |> Option.defaultValue ""
            Choices = value |> Option.map (_.PropertyType >> choices) |> Option.defaultValue []
            Text = case.Description.Value
        }

    /// The arguments of a grammar, --help included.
    let internal arguments (parser: ArgumentParser<'T>) : Argument list =
        let operands, options =
            parser.GetArgumentCases() |> List.map argument |> List.partition _.Names.IsEmpty

        let help =
            {
                Names = [ "--help" ]
                Placeholder = ""
                Choices = []
                Text = "print this text"
            }

        operands @ options @ [ help ]

    // FILE, or auto|write|cycle.
    let private value (argument: Argument) =
        match argument.Choices with
        | [] -> argument.Placeholder
        | choices -> String.concat "|" choices

    let private label (argument: Argument) =
        match argument.Names, value argument with
        | [], value -> $"<%s{value}>"
        | names, "" -> String.concat ", " names
        | names, value -> String.concat ", " names + $"=<%s{value}>"

    /// The words in lines of at most so many characters.
    let internal wrap (most: int) (text: string) =
        let add (lines: string list) (word: string) =
            match lines with
            | line :: rest when line.Length + 1 + word.Length <= most -> $"%s{line} %s{word}" :: rest
            | lines -> word :: lines

        text.Split ' ' |> Array.fold add [] |> List.rev

    let private item (argument: Argument) =
        let indent = String(' ', column)
        let head = "    " + label argument

        let lines =
            wrap (width - column) argument.Text |> List.map (fun line -> indent + line)

        if head.Length + 2 <= column then
            head.PadRight column + lines.Head.TrimStart() :: lines.Tail
        else
            head :: lines

    let private unlines (lines: string list) = String.concat "\n" lines + "\n"

    /// The line after "nslp" that shows how a command is called.
    let internal synopsis (page: Page) : string =
        [ page.Name; "[<options>]"; page.Operands ]
        |> List.filter (fun word -> word <> "")
        |> String.concat " "

    /// A text with a capital and a full stop.
    let internal sentence (text: string) : string =
        $"%c{Char.ToUpperInvariant text[0]}%s{text[1..]}."

    /// The text of `nslp COMMAND --help`, in 80 columns.
    let internal help (page: Page) : string =
        let operands, options = List.partition _.Names.IsEmpty page.Arguments

        [
            $"USAGE: nslp %s{synopsis page}"
            ""
            yield! wrap width (sentence page.Summary)
            ""
            if not operands.IsEmpty then
                yield! List.collect item operands
                ""
            "OPTIONS:"
            ""
            yield! List.collect item options
            ""
            "EXAMPLE:"
            ""
            $"    %s{page.Example}"
        ]
        |> unlines

    /// The text of `nslp --help`.
    let internal index (summaries: (string * string) list) : string =
        [
            "USAGE: nslp <command> [<options>]"
            ""
            "nslp chooses the PID that the next Linux process gets."
            ""
            "COMMANDS:"
            ""
            for name, summary in summaries do
                $"    %-11s{name} %s{summary}"
            ""
            "OPTIONS:"
            ""
            "    --help      print this text; 'nslp <command> --help' that of a command"
            "    --version   print the version"
        ]
        |> unlines
