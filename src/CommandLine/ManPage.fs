namespace SetNsLastPid

/// nslp(1): what people wrote about the commands, with what the grammar knows of them.
[<RequireQualifiedAccess>]
module ManPage =
    let private escaped (text: string) =
        text.Replace("\\", "\\e").Replace("-", "\\-").Replace("'", "\\(aq")

    let private width = 80

    let private sentence (text: string) =
        Document.wrap width (escaped (Document.sentence text))

    let private bold (name: string) = $"\\fB{escaped name}\\fR"

    // <PID> as PID in italics, and the rest as it is.
    let private operands (text: string) =
        (escaped text).Replace("<", "\\fI").Replace(">", "\\fR")

    let private item (argument: Argument) =
        let value =
            match argument.Choices with
            | [] when argument.Placeholder = "" -> ""
            | [] -> $"\\fI{argument.Placeholder}\\fR"
            | choices -> choices |> List.map bold |> String.concat "|"

        let names = argument.Names |> List.map bold |> String.concat ", "

        [
            ".TP"
            if argument.Value.IsMaybe then $"{names}[={value}]"
            elif names <> "" && value <> "" then $"{names}={value}"
            else names + value
            yield! sentence argument.Text
        ]

    let private synopsis (page: Page) =
        ".HP"
        :: Document.wrap
            width
            ($"\\fBnslp {page.Name}\\fR [\\fIoptions\\fR] {operands (Document.operands page)}".TrimEnd())

    let private command (page: Page) =
        [
            $".SS nslp {page.Name}"
            yield! sentence page.Summary
            yield! List.collect item page.Arguments
        ]

    /// The exit statuses of all commands, each with what it means; names in backquotes.
    let exitStatuses: struct (string * string) list =
        [
            "0",
            "Done. `who`: somebody holds one of the numbers. `preflight`: nothing is in the way. `reserve` without COMMAND: a signal ended it. `doctor`: a PID can be chosen. `verify`: model and kernel agree."
            "1",
            "Not done. `who`: nobody holds any. `predict`: fewer PIDs than asked for are left. `preflight`: something is in the way. `reserve`: PIDs of the range may have been given. `doctor`: no PID can be chosen. `verify`: model and kernel differ."
            "2", "Wrong usage, except of `spawn` and `reserve`."
            "3",
            "`who`, `preflight`, `doctor`, `verify`: that cannot be told, because a file or namespace it needs cannot be had or others disturb it, or the result cannot be written."
            "125", "`spawn`, `reserve`: nslp failed, or was used wrongly."
            "126", "`spawn`, `reserve`: COMMAND cannot be executed."
            "127", "`spawn`, `reserve`: COMMAND is not found."
            "128 + n", "Signal n ended it."
            "any other", "`spawn`, `reserve`: that of COMMAND."
        ]
        |> List.map (fun (status, meaning) -> struct (status, meaning))

    let private status (struct (status: string, meaning: string)) =
        let words =
            meaning.Split '`'
            |> Array.mapi (fun i part -> if i % 2 = 1 then bold part else escaped part)

        [ ".TP"; bold status; yield! Document.wrap width (String.concat "" words) ]

    /// The page out of a template: comments there, `.\" SYNOPSIS`, `.\" STATUS` and `.\" COMMAND name`, give way to what is
    /// generated.
    let fill (template: string) : string =
        let pages = Grammar.pages ()

        let line (text: string) =
            match text.Split ' ' with
            | [| ".\\\""; "SYNOPSIS" |] -> List.collect synopsis pages
            | [| ".\\\""; "STATUS" |] -> List.collect status exitStatuses
            | [| ".\\\""; "COMMAND"; name |] -> pages |> List.find (fun page -> page.Name = name) |> command
            | _ -> [ text ]

        template.Split '\n' |> List.ofArray |> List.collect line |> String.concat "\n"
