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

    /// A word in quotes, on one line, with C's escapes; what is not printable ASCII as \xNN.
    let quote (text: string) : string =
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
            "fails-pids", Ending.Fails(Late.PidsCgroup, false)
            "thread-fails-pids", Ending.Fails(Late.PidsCgroup, true)
        ]

    let internal bonds =
        [
            "group", Bond.Group
            "session", Bond.Session
            "session-alone", Bond.SessionAlone
            "sibling", Bond.Sibling
        ]

    let private fates = [ "stays", Fate.Stays; "execs", Fate.Execs ]

    let internal flaws =
        [
            "size-without-array", Flaw.SizeWithoutArray
            "array-without-size", Flaw.ArrayWithoutSize
            "size-too-large", Flaw.SizeTooLarge
            "unreadable-array", Flaw.UnreadableArray
            "cut-before-size", Flaw.CutBeforeSize
            "exit-signal", Flaw.ExitSignal
            "unknown-flag", Flaw.UnknownFlag
            "thread-alone", Flaw.ThreadAlone
            "sibling-of-init", Flaw.SiblingOfInit
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

    let private chosen setTid =
        match setTid with
        | [] -> ""
        | setTid -> " set_tid=" + String.Join(",", List.map number setTid)

    let private written text =
        match text with
        | Text.Raw raw -> $"text={quote raw}"
        | Text.Spelled(n, spelling) -> $"number={number n} spelling={nameOf spellings spelling}"

    /// The operation on one line.
    let format (operation: Operation) : string =
        match operation with
        | Operation.Clone(from, nesting, setTid, capable, ending) ->
            $"clone from={string from} new={nameOf nestings nesting}"
            + chosen setTid
            + $" capable={yesNo capable} child={nameOf endings ending}"
        | Operation.End child -> "end child=" + string child
        | Operation.EndInit index -> "end-init of=" + string index
        | Operation.Thread(from, setTid, fate) ->
            $"thread from={string from}" + chosen setTid + " fate=" + nameOf fates fate
        | Operation.Forsake(from, bond) -> $"forsake from={string from} as={nameOf bonds bond}"
        | Operation.Race from -> "race from=" + string from
        | Operation.Unshare(from, capable) -> $"unshare from={string from} capable={yesNo capable}"
        | Operation.Enter(from, into, capable) ->
            $"enter from={string from} into={string into}" + " capable=" + yesNo capable
        | Operation.Leave from -> "leave from=" + string from
        | Operation.WriteLastPid(index, text, offset, capable) ->
            $"write-last-pid in={string index} {written text}"
            + $" offset={string offset} capable={yesNo capable}"
        | Operation.Pass(index, route, text, offset, capable) ->
            let route =
                match route with
                | Route.OpenedBy by -> "opened by=" + string by
                | Route.Splice -> "splice"
                | Route.SendFile -> "sendfile"

            $"pass in={string index} route={route}"
            + $" {written text} offset={string offset}"
            + " capable="
            + yesNo capable
        | Operation.WritePidMax(index, n) -> $"write-pid-max in={string index} number={number n}"
        | Operation.Malformed(from, flaw) -> $"malformed from={string from} flaw={nameOf flaws flaw}"

    // What is wrong with a line; nobody sees it but `parse`, and that of traces.
    exception internal Wrong of string

    let internal wrong message = raise (Wrong message)

    // What an escape stands for, from its backslash on, and how long it is.
    let private unescape (text: string) =
        match text.Substring(0, min 2 text.Length) with
        | "\\n" -> struct ('\n', 2)
        | "\\t" -> struct ('\t', 2)
        | "\\\"" -> struct ('"', 2)
        | "\\\\" -> struct ('\\', 2)
        | "\\x" when text.Length = 4 && Seq.forall Char.IsAsciiHexDigit (text.Substring 2) ->
            struct (char (Convert.ToInt32(text.Substring 2, 16)), 4)
        | _ -> wrong "a bad escape"

    // key=value words; a value in quotes may hold spaces.
    let private words (line: string) =
        let found = ResizeArray<string>()
        let word = StringBuilder()
        let mutable isQuoted, isWord, at = false, false, 0

        let finish () =
            if isWord then
                found.Add(word.ToString())

            word.Clear() |> ignore
            isWord <- false

        while at < line.Length do
            let struct (c, length) =
                if isQuoted && line[at] = '\\' then
                    unescape (line.Substring(at, min 4 (line.Length - at)))
                else
                    struct (line[at], 1)

            if length = 1 && c = '"' then
                isQuoted <- not isQuoted
                isWord <- true
            elif length = 1 && c = ' ' && not isQuoted then
                finish ()
            else
                word.Append c |> ignore
                isWord <- true

            at <- at + length

        finish ()

        if isQuoted then
            wrong "an unterminated quote"

        List.ofSeq found

    let private intFrom (start: int) (text: string) : int =
        match Int32.TryParse(text.AsSpan(start), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, n -> n
        | false, _ -> wrong $"'{text}' is not a number"

    let internal parseInt (text: string) : int = intFrom 0 text

    let private parseNumber (text: string) =
        let isNear (name: string) =
            text.StartsWith(name, StringComparison.Ordinal)
            && (text.Length = name.Length || text[name.Length] = '+' || text[name.Length] = '-')

        let distance (name: string) =
            if text.Length = name.Length then
                0
            else
                intFrom name.Length text

        if isNear "cursor" then
            Number.FromCursor(distance "cursor")
        elif isNear "max" then
            Number.FromPidMax(distance "max")
        elif text.StartsWith("used#", StringComparison.Ordinal) then
            Number.InUse(intFrom 5 text)
        else
            Number.Exactly(parseInt text)

    let internal oneOf (names: (string * 'a) list) (text: string) : 'a =
        match List.tryFind (fun (name, _) -> name = text) names with
        | Some(_, value) -> value
        | None -> wrong $"'{text}' is not known"

    let internal valueIn (pairs: Map<string, string>) (key: string) : string =
        match pairs.TryFind key with
        | Some text -> text
        | None -> wrong $"'{key}=' is missing"

    let private build verb (pairs: Map<string, string>) =
        let value = valueIn pairs
        let int key = parseInt (value key)

        let capable () =
            oneOf [ "yes", true; "no", false ] (value "capable")

        let setTid () =
            match pairs.TryFind "set_tid" with
            | None -> []
            | Some text ->
                let entries = text.Split ','

                if entries.Length > Resolve.MostEntries then
                    wrong (
                        $"set_tid has {string entries.Length} entries"
                        + $", and at most {string Resolve.MostEntries} are taken"
                    )

                entries |> List.ofArray |> List.map parseNumber

        let text () =
            match pairs.TryFind "text" with
            | Some raw when raw.Length > Resolve.MostBytes ->
                wrong (
                    $"text has {string raw.Length} bytes"
                    + $", and at most {string Resolve.MostBytes} are taken"
                )
            | Some raw -> Text.Raw raw
            | None -> Text.Spelled(parseNumber (value "number"), oneOf spellings (value "spelling"))

        match verb with
        | "clone" ->
            Operation.Clone(
                int "from",
                oneOf nestings (value "new"),
                setTid (),
                capable (),
                oneOf endings (value "child")
            )
        | "thread" -> Operation.Thread(int "from", setTid (), oneOf fates (value "fate"))
        | "end" -> Operation.End(int "child")
        | "end-init" -> Operation.EndInit(int "of")
        | "forsake" -> Operation.Forsake(int "from", oneOf bonds (value "as"))
        | "race" -> Operation.Race(int "from")
        | "unshare" -> Operation.Unshare(int "from", capable ())
        | "enter" -> Operation.Enter(int "from", int "into", capable ())
        | "leave" -> Operation.Leave(int "from")
        | "write-last-pid" -> Operation.WriteLastPid(int "in", text (), int "offset", capable ())
        | "pass" ->
            let route =
                match value "route" with
                | "opened" -> Route.OpenedBy(int "by")
                | route -> oneOf [ "splice", Route.Splice; "sendfile", Route.SendFile ] route

            Operation.Pass(int "in", route, text (), int "offset", capable ())
        | "write-pid-max" -> Operation.WritePidMax(int "in", parseNumber (value "number"))
        | "malformed" -> Operation.Malformed(int "from", oneOf flaws (value "flaw"))
        | verb -> wrong $"'{verb}' is no operation"

    let internal pair (word: string) : string * string =
        match word.IndexOf '=' with
        | -1 -> wrong $"'{word}' is no key=value"
        | i -> word.Substring(0, i), word.Substring(i + 1)

    /// The operation that a line stands for, or what is wrong with the line.
    let parse (line: string) : Result<Operation, string> =
        try
            match words line with
            | [] -> Error "nothing there"
            | verb :: rest ->
                let pairs = List.map pair rest
                let operation = build verb (Map.ofList pairs)
                // What is said and not understood must not be lost: the line has to come out again.
                let known = words (format operation) |> List.tail |> List.map (pair >> fst)

                match List.tryFind (fun (key, _) -> not (List.contains key known)) pairs with
                | Some(key, _) -> Error $"'{key}=' does not belong here"
                | None when (List.distinctBy fst pairs).Length < pairs.Length -> Error "a key is given twice"
                | None -> Ok operation
        with Wrong message ->
            Error message

/// Files of operations.
[<RequireQualifiedAccess>]
module ReplayText =
    /// The version of the format, which is in the first line. Those before had fewer operations, and are read as well.
    [<Literal>]
    let Version = 4

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
            if List.exists (fun version -> first = Header + " " + string version) [ 1..Version ] then
                go 2 [] rest
            else
                Error("its version is not 1 to " + string Version)
        | _ -> Error $"it does not begin with '{Header}'"
