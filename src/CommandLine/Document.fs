namespace SetNsLastPid

open System

/// What there is to read about commands, taken from the grammar they are parsed by: here the texts of --help.
[<RequireQualifiedAccess>]
module Document =
    let private width = 80
    let private column = 26

    // FILE, or auto|write|cycle.
    let private value (argument: Argument) =
        match argument.Choices with
        | [] -> argument.Placeholder
        | choices -> String.concat "|" choices

    let private label (argument: Argument) =
        match argument.Names, value argument with
        | [], value -> "<" + value + ">"
        | names, "" -> String.concat ", " names
        | names, value when argument.Value.IsMaybe -> String.concat ", " names + "[=<" + value + ">]"
        | names, value -> String.concat ", " names + "=<" + value + ">"

    /// The words in lines of at most so many characters.
    let wrap (most: int) (text: string) : string list =
        let add (lines: string list) (word: string) =
            match lines with
            | line :: rest when line.Length + 1 + word.Length <= most -> line + " " + word :: rest
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

    /// What follows the options on the command line; empty for nothing.
    let internal operands (page: Page) : string =
        let operand =
            match page.Operand with
            | None -> ""
            | Some operand ->
                let one =
                    match operand.Value with
                    | Value.PidList longest when longest > 1 -> "<PID>[,<PID>...]"
                    | _ -> label operand

                let all = if operand.IsRepeatable then one + "..." else one
                if operand.IsRequired then all else "[" + all + "]"

        if page.Rest = "" then
            operand
        else
            operand
            + (if page.NeedsRest then
                   " -- " + page.Rest
               else
                   " [-- " + page.Rest[1..])

    /// A text with a capital and a full stop.
    let internal sentence (text: string) : string =
        string (Char.ToUpperInvariant text[0]) + text[1..] + "."

    /// The text of `nslp COMMAND --help`, in 80 columns.
    let internal help (page: Page) : string =
        [
            ("USAGE: nslp " + page.Name + " [<options>] " + operands page).TrimEnd()
            ""
            yield! wrap width (sentence page.Summary)
            ""
            match page.Operand with
            | Some operand ->
                yield! item operand
                ""
            | None -> ()
            "OPTIONS:"
            ""
            yield! List.collect item page.Options
            ""
            "EXAMPLE:"
            ""
            "    " + page.Example
        ]
        |> unlines

    /// The text of `nslp --help`.
    let internal index (pages: Page list) : string =
        [
            "USAGE: nslp <command> [<options>]"
            ""
            "nslp chooses the PID that the next Linux process gets."
            ""
            "COMMANDS:"
            ""
            for page in pages do
                "    " + page.Name.PadRight 12 + page.Summary
            ""
            "OPTIONS:"
            ""
            "    --help, -h      print this help; 'nslp <command> --help' explains a command"
            "    --version, -V   print the version"
        ]
        |> unlines
