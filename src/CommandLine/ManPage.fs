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

    /// The page out of a template: comments there, `.\" SYNOPSIS` and `.\" COMMAND name`, give way to what is generated.
    let fill (template: string) : string =
        let pages = CommandLine.pages ()

        let line (text: string) =
            match text.Split ' ' with
            | [| ".\\\""; "SYNOPSIS" |] -> List.collect synopsis pages
            | [| ".\\\""; "COMMAND"; name |] -> pages |> List.find (fun page -> page.Name = name) |> command
            | _ -> [ text ]

        template.Split '\n' |> List.ofArray |> List.collect line |> String.concat "\n"
