namespace SetNsLastPid.Verification

open System
open System.Globalization
open System.Text
open SetNsLastPid

/// Operations as lines of text, the form they are replayed from.
[<RequireQualifiedAccess>]
module OperationText =
    let private relative name distance =
        if distance = 0 then name
        elif distance > 0 then $"{name}+{string distance}"
        else name + string distance

    let private number n =
        match n with
        | Number.Exactly value -> string value
        | Number.FromCursor distance -> relative "cursor" distance
        | Number.FromPidMax distance -> relative "max" distance
        | Number.InUse index -> "used#" + string index

    let private yesNo flag = if flag then "yes" else "no"

    // A word in quotes; what is not printable ASCII as \xNN.
    let private quote (text: string) =
        let quoted = StringBuilder("\"")

        for c in text do
            match c with
            | '"' -> quoted.Append "\\\"" |> ignore
            | '\\' -> quoted.Append "\\\\" |> ignore
            | '\n' -> quoted.Append "\\n" |> ignore
            | '\t' -> quoted.Append "\\t" |> ignore
            | c when c >= ' ' && c <= '~' -> quoted.Append c |> ignore
            | c ->
                quoted.Append("\\x").Append((int c).ToString("x2", CultureInfo.InvariantCulture))
                |> ignore

        quoted.Append('"').ToString()

    let private nestings =
        [
            "same", Nesting.Same
            "pid", Nesting.NewPid
            "user+pid", Nesting.NewUserAndPid
        ]

    let private endings =
        [
            "exits", Ending.Exits
            "lives", Ending.Lives
            "lingers", Ending.Lingers
            "fails-cgroup", Ending.Fails(Late.Cgroup, false)
            "fails-nofile", Ending.Fails(Late.DescriptorLimit, false)
            "fails-pidfd", Ending.Fails(Late.PidfdPointer, false)
            "thread-fails-cgroup", Ending.Fails(Late.Cgroup, true)
            "thread-fails-nofile", Ending.Fails(Late.DescriptorLimit, true)
            "thread-fails-pidfd", Ending.Fails(Late.PidfdPointer, true)
        ]

    let private bonds =
        [
            "group", Bond.Group
            "session", Bond.Session
            "session-alone", Bond.SessionAlone
        ]

    let private spellings =
        [
            "decimal", Spelling.Decimal
            "hex", Spelling.Hexadecimal
            "octal", Spelling.Octal
            "spaced", Spelling.Spaced
            "trailed", Spelling.Trailed
            "cut", Spelling.Cut
            "20-bytes", Spelling.Filled 20
            "21-bytes", Spelling.Filled 21
            "22-bytes", Spelling.Filled 22
        ]

    let private nameOf names value =
        names |> List.find (fun (_, v) -> v = value) |> fst

    /// The name of what becomes of a child.
    let endingName (ending: Ending) : string = nameOf endings ending

    /// The name of a bond.
    let bondName (bond: Bond) : string = nameOf bonds bond

    /// The text in quotes on one line, with C's escapes.
    let quoted (text: string) : string = quote text

    /// The operation on one line.
    let format (operation: Operation) : string =
        match operation with
        | Operation.Clone(from, nesting, setTid, capable, ending) ->
            let setTid =
                match setTid with
                | [] -> ""
                | setTid -> " set_tid=" + String.Join(",", List.map number setTid)

            $"clone from={string from} new={nameOf nestings nesting}{setTid} capable={yesNo capable} child={nameOf endings ending}"
        | Operation.End child -> "end child=" + string child
        | Operation.EndInit index -> "end-init of=" + string index
        | Operation.Forsake(from, bond) -> $"forsake from={string from} as={nameOf bonds bond}"
        | Operation.Unshare(from, capable) -> $"unshare from={string from} capable={yesNo capable}"
        | Operation.Enter(from, into, capable) -> $"enter from={string from} into={string into} capable={yesNo capable}"
        | Operation.Leave from -> "leave from=" + string from
        | Operation.WriteLastPid(index, text, offset, capable) ->
            let text =
                match text with
                | Text.Raw raw -> $"text={quote raw}"
                | Text.Spelled(n, spelling) -> $"number={number n} spelling={nameOf spellings spelling}"

            $"write-last-pid in={string index} {text} offset={string offset} capable={yesNo capable}"
        | Operation.WritePidMax(index, n) -> $"write-pid-max in={string index} number={number n}"

    // key=value words; a value in quotes may hold spaces.
    let private words (line: string) : Result<string list, string> =
        let found = ResizeArray<string>()
        let word = StringBuilder()
        let mutable isQuoted = false
        let mutable wasQuoted = false
        let mutable error = ""
        let mutable at = 0

        let finish () =
            if word.Length > 0 || wasQuoted then
                found.Add(word.ToString())

            word.Clear() |> ignore
            wasQuoted <- false

        while error = "" && at < line.Length do
            let c = line[at]

            if isQuoted && c = '\\' then
                match (if at + 1 < line.Length then line[at + 1] else ' ') with
                | 'n' -> word.Append '\n' |> ignore
                | 't' -> word.Append '\t' |> ignore
                | '"' -> word.Append '"' |> ignore
                | '\\' -> word.Append '\\' |> ignore
                | 'x' when at + 3 < line.Length ->
                    match Int32.TryParse(line.AsSpan(at + 2, 2), NumberStyles.AllowHexSpecifier, null) with
                    | true, code ->
                        word.Append(char code) |> ignore
                        at <- at + 2
                    | false, _ -> error <- "a bad escape"
                | _ -> error <- "a bad escape"

                at <- at + 2
            else
                if c = '"' then
                    isQuoted <- not isQuoted
                    wasQuoted <- true
                elif c = ' ' && not isQuoted then
                    finish ()
                else
                    word.Append c |> ignore

                at <- at + 1

        finish ()

        if error <> "" then Error error
        elif isQuoted then Error "a quote without an end"
        else Ok(List.ofSeq found)

    let private tryInt (text: string) =
        match Int32.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, n -> Some n
        | false, _ -> None

    let private parseNumber (text: string) =
        let after (prefix: string) make =
            let rest = text.Substring prefix.Length

            if rest = "" then
                Some(make 0)
            elif rest[0] = '+' || rest[0] = '-' then
                Option.map make (tryInt rest)
            else
                None

        let found =
            if text.StartsWith("cursor", StringComparison.Ordinal) then
                after "cursor" Number.FromCursor
            elif text.StartsWith("max", StringComparison.Ordinal) then
                after "max" Number.FromPidMax
            elif text.StartsWith("used#", StringComparison.Ordinal) then
                Option.map Number.InUse (tryInt (text.Substring 5))
            else
                Option.map Number.Exactly (tryInt text)

        match found with
        | Some n -> Ok n
        | None -> Error $"'{text}' is no number"

    let private oneOf names (text: string) =
        match List.tryFind (fun (name, _) -> name = text) names with
        | Some(_, value) -> Ok value
        | None -> Error $"'{text}' is not known"

    let private parseYesNo = oneOf [ "yes", true; "no", false ]

    let private parseInt text =
        match tryInt text with
        | Some n -> Ok n
        | None -> Error $"'{text}' is no number"

    let private traverse parse texts =
        List.foldBack
            (fun text rest ->
                match parse text, rest with
                | Ok n, Ok ns -> Ok(n :: ns)
                | Error e, _
                | _, Error e -> Error e)
            texts
            (Ok [])

    type private Parsing() =
        member _.Bind(result, next) = Result.bind next result
        member _.BindReturn(result, make) = Result.map make result
        member _.Return value = Ok value
        member _.ReturnFrom(result: Result<_, string>) = result

    let private parsing = Parsing()

    /// The operation that a line stands for, or what is wrong with the line.
    let parse (line: string) : Result<Operation, string> =
        let build verb (pairs: Map<string, string>) =
            let need key parse =
                match pairs.TryFind key with
                | Some text -> parse text
                | None -> Error $"'{key}=' is missing"

            let int key = need key parseInt
            let flag () = need "capable" parseYesNo

            match verb with
            | "clone" ->
                parsing {
                    let! from = int "from"
                    let! nesting = need "new" (oneOf nestings)

                    let! setTid =
                        match pairs.TryFind "set_tid" with
                        | None -> Ok []
                        | Some text -> traverse parseNumber (List.ofArray (text.Split ','))

                    let! capable = flag ()
                    let! ending = need "child" (oneOf endings)
                    return Operation.Clone(from, nesting, setTid, capable, ending)
                }
            | "end" -> int "child" |> Result.map Operation.End
            | "end-init" -> int "of" |> Result.map Operation.EndInit
            | "forsake" ->
                parsing {
                    let! from = int "from"
                    let! bond = need "as" (oneOf bonds)
                    return Operation.Forsake(from, bond)
                }
            | "unshare" ->
                parsing {
                    let! from = int "from"
                    let! capable = flag ()
                    return Operation.Unshare(from, capable)
                }
            | "enter" ->
                parsing {
                    let! from = int "from"
                    let! into = int "into"
                    let! capable = flag ()
                    return Operation.Enter(from, into, capable)
                }
            | "leave" -> int "from" |> Result.map Operation.Leave
            | "write-last-pid" ->
                parsing {
                    let! index = int "in"

                    let! text =
                        match pairs.TryFind "text" with
                        | Some raw -> Ok(Text.Raw raw)
                        | None ->
                            parsing {
                                let! n = need "number" parseNumber
                                let! spelling = need "spelling" (oneOf spellings)
                                return Text.Spelled(n, spelling)
                            }

                    let! offset = int "offset"
                    let! capable = flag ()
                    return Operation.WriteLastPid(index, text, offset, capable)
                }
            | "write-pid-max" ->
                parsing {
                    let! index = int "in"
                    let! n = need "number" parseNumber
                    return Operation.WritePidMax(index, n)
                }
            | verb -> Error $"'{verb}' is no operation"

        let pair (word: string) =
            match word.IndexOf '=' with
            | -1 -> Error $"'{word}' is no key=value"
            | i -> Ok(word.Substring(0, i), word.Substring(i + 1))

        // What is said and not understood must not be lost: the line has to come out again.
        let checkedAgainst (pairs: (string * string) list) operation =
            let known =
                words (format operation)
                |> Result.defaultValue []
                |> List.map (fun word -> word.Split('=', 2) |> Array.head)

            match List.tryFind (fun (key, _) -> not (List.contains key known)) pairs with
            | Some(key, _) -> Error $"'{key}=' has no place here"
            | None when (List.distinctBy fst pairs).Length < pairs.Length -> Error "a key stands twice"
            | None -> Ok operation

        parsing {
            match! words line with
            | [] -> return! Error "nothing there"
            | verb :: rest ->
                let! pairs = traverse pair rest
                let! operation = build verb (Map.ofList pairs)
                return! checkedAgainst pairs operation
        }

/// Files of operations.
[<RequireQualifiedAccess>]
module ReplayText =
    /// The version of the format, which is in the first line.
    [<Literal>]
    let Version = 1

    [<Literal>]
    let private Header = "nslp-verify-replay"

    [<Literal>]
    let private Footer = "end-of-replay"

    /// The operations as the text of a file, with remarks at its head.
    let format (remarks: string list) (operations: Operation list) : string =
        let lines =
            [
                Header + " " + string Version

                for remark in remarks do
                    "# " + remark

                for operation in operations do
                    OperationText.format operation

                Footer
            ]

        String.Join("\n", lines) + "\n"

    /// The operations of a file, or what is wrong with it. A file without its last line is truncated.
    let parse (text: string) : Result<Operation list, string> =
        let lines = text.Split '\n' |> List.ofArray |> List.map _.TrimEnd('\r')

        let rec go number operations lines =
            match lines with
            | [] -> Error "it is truncated: its last line is missing"
            | Footer :: rest when List.forall (fun line -> line = "") rest -> Ok(List.rev operations)
            | Footer :: _ -> Error $"line {string number}: something follows the last line"
            | line: string :: rest when line = "" || line.StartsWith '#' -> go (number + 1) operations rest
            | [ _ ] -> Error "it is truncated: its last line is missing"
            | line :: rest ->
                match OperationText.parse line with
                | Ok operation -> go (number + 1) (operation :: operations) rest
                | Error message -> Error $"line {string number}: {message}"

        match lines with
        | first :: rest when first.StartsWith(Header + " ", StringComparison.Ordinal) ->
            if first = Header + " " + string Version then
                go 2 [] rest
            else
                Error("it has another version than " + string Version)
        | _ -> Error $"it does not begin with '{Header}'"
