namespace SetNsLastPid

open System

/// The words after a command's name, sorted by its page.
type Line =
    {
        /// The operands and options with their values, "" where there is none, the last one first.
        Given: struct (Argument * string) list
        /// What follows `--`, where the page has a `Rest`.
        Rest: string list
    }

/// What becomes of the words after a command's name.
[<RequireQualifiedAccess>]
type Parsed =
    /// They are right, as far as one can tell of each alone.
    | Right of Line
    /// One of them asks for help.
    | Help
    /// What is wrong with the first that is wrong.
    | Wrong of Message: string

/// From words to options, operands and values, by nothing but a page. Nothing here throws.
[<RequireQualifiedAccess>]
module Line =
    // What a word is where no option waits for a value.
    [<RequireQualifiedAccess>]
    type private Word =
        | Operand
        | Option of Argument
        | Assignment of Argument * string
        // One-letter options without values, in one word.
        | Letters of Argument list
        | Wrong of string

    // Insertions, deletions, replacements and swaps of neighbours that make b of a.
    let private distance (a: string) (b: string) : int =
        let d =
            Array.init (a.Length + 1) (fun i -> Array.init (b.Length + 1) (fun j -> i + j))

        for i in 1 .. a.Length do
            for j in 1 .. b.Length do
                let cost = if a[i - 1] = b[j - 1] then 0 else 1
                d[i][j] <- min (min (d[i - 1][j] + 1) (d[i][j - 1] + 1)) (d[i - 1][j - 1] + cost)

                if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                    d[i][j] <- min (d[i][j]) (d[i - 2][j - 2] + 1)

        d[a.Length][b.Length]

    /// "; did you mean '--json'?", or nothing where no name is near.
    let hint (names: string list) (word: string) : string =
        // A long word is near to nothing.
        let bare (word: string) =
            word[.. min word.Length 32 - 1].TrimStart('-').ToLowerInvariant()

        let word = bare word

        let isAbbreviated (name: string) =
            word <> "" && (bare name).StartsWith(word, StringComparison.Ordinal)

        let near =
            match List.filter isAbbreviated names with
            | [] ->
                names
                |> List.map (fun name -> struct (distance word (bare name), name))
                |> List.filter (fun (struct (distance, _)) -> distance <= min 2 (word.Length / 2) && word <> "")
                |> List.sortBy (fun (struct (distance, _)) -> distance)
                |> List.truncate 1
                |> List.map (fun (struct (_, name)) -> name)
            | abbreviated -> abbreviated

        match near with
        | [] -> ""
        | names -> "; did you mean " + Value.oneOf [ for name in names -> "'" + name + "'" ] + "?"

    let private names (page: Page) = page.Arguments |> List.collect _.Names

    let private tryFind (page: Page) (name: string) =
        page.Arguments
        |> List.tryFind (fun argument -> List.contains name argument.Names)

    let private needsValue (argument: Argument) =
        match Value.describe argument.Value with
        | "" -> argument.Name + " needs a value"
        | words -> argument.Name + " needs a value: " + words

    let private letters (page: Page) (word: string) =
        let letter (c: char) =
            match tryFind page ("-" + string c) with
            | Some argument when argument.Value.IsNothing && argument.Name <> "--help" -> Some argument
            | _ -> None

        let found =
            if word[1] = '-' then
                []
            else
                [ for c in word[1..] -> letter c ]

        if List.contains None found then
            []
        else
            List.choose id found

    let private classify (page: Page) (word: string) =
        if word.Length < 2 || word[0] <> '-' || Char.IsAsciiDigit word[1] then
            Word.Operand
        else
            let equals = word.IndexOf '='
            let name = if equals < 0 then word else word[.. equals - 1]

            match tryFind page name with
            | Some argument when equals < 0 -> Word.Option argument
            | Some argument when argument.Value.IsNothing -> Word.Wrong(name + " takes no value")
            | Some argument when equals = word.Length - 1 -> Word.Wrong(needsValue argument)
            | Some argument -> Word.Assignment(argument, word[equals + 1 ..])
            | None ->
                match letters page word with
                | [] -> Word.Wrong("'" + name + "' is not an option" + hint (names page) name)
                | letters -> Word.Letters letters

    // An option as it may stand anywhere is nobody's value.
    let private isOption page word =
        match classify page word with
        | Word.Operand
        | Word.Wrong _ -> false
        | _ -> true

    // A method that only spawn has, asked of set.
    let private elsewhere (argument: Argument) (text: string) =
        let takes (page: Page) =
            page.Arguments
            |> List.exists (fun other -> other.Name = argument.Name && Value.choice other.Choices text >= 0)

        match Grammar.pages () |> List.filter takes with
        | [] -> ""
        | pages -> ": that is for " + Value.oneOf (List.map _.Name pages)

    let private finish (page: Page) (line: Line) =
        match page.Operand with
        | None -> Parsed.Right line
        | Some operand ->
            let isOperand (struct (argument: Argument, _: string)) = argument.Names.IsEmpty
            let count = line.Given |> List.filter isOperand |> List.length

            if count = 0 && operand.IsRequired then
                match operand.Choices with
                | [] -> Parsed.Wrong(operand.Name + " is missing")
                | words -> Parsed.Wrong(operand.Name + " is missing: " + Value.oneOf words)
            elif count > 1 && not operand.IsRepeatable then
                Parsed.Wrong("expected one " + operand.Name + ", got " + string count)
            else
                Parsed.Right line

    // Whether a second operand must be the command of one who forgot "--".
    let private isTooMuch (page: Page) (operand: Argument) (line: Line) =
        page.Rest <> ""
        && line.Rest.IsEmpty
        && not operand.IsRepeatable
        && line.Given |> List.exists (fun (struct (given, _)) -> given.Names.IsEmpty)

    // Words before "--" while `optionsEnd` is false.
    let rec private go (page: Page) (optionsEnd: bool) (words: string list) (line: Line) : Parsed =
        let take argument text rest =
            match Value.fault argument text with
            | null ->
                go
                    page
                    optionsEnd
                    rest
                    { line with
                        Given = struct (argument, text) :: line.Given
                    }
            | fault -> Parsed.Wrong(fault + elsewhere argument text)

        match words with
        | [] -> finish page line
        | "--" :: rest when not optionsEnd -> go page true rest line
        | word :: rest ->
            match (if optionsEnd then Word.Operand else classify page word), rest with
            | Word.Wrong message, _ -> Parsed.Wrong message
            | Word.Letters letters, _ ->
                go
                    page
                    optionsEnd
                    rest
                    { line with
                        Given = [ for letter in List.rev letters -> struct (letter, "") ] @ line.Given
                    }
            | Word.Assignment(argument, text), _ -> take argument text rest
            | Word.Option argument, _ when argument.Value.IsNothing || argument.Value.IsMaybe -> take argument "" rest
            | Word.Option argument, text :: rest when text <> "--" && not (isOption page text) ->
                take argument text rest
            | Word.Option argument, _ -> Parsed.Wrong(needsValue argument)
            | Word.Operand, _ ->
                match page.Operand with
                | Some operand when isTooMuch page operand line ->
                    Parsed.Wrong("unexpected argument '" + word + "': a command goes after '--'")
                | Some operand -> take operand word rest
                | None -> Parsed.Wrong("unexpected argument '" + word + "'" + hint (names page) word)

    /// The words after a command's name, understood by its page. Options and operands may be mixed; `--` ends the options.
    let read (page: Page) (words: string list) : Parsed =
        let own = words |> List.takeWhile (fun word -> word <> "--")

        if own |> List.exists (fun word -> word = "--help" || word = "-h") then
            Parsed.Help
        elif page.Rest = "" then
            go page false words { Given = []; Rest = [] }
        else
            match List.skip own.Length words with
            | [] when not page.NeedsRest -> go page false own { Given = []; Rest = [] }
            | []
            | [ _ ] -> Parsed.Wrong "no command given: put it after '--'"
            | _ :: rest -> go page false own { Given = []; Rest = rest }

    /// Whether the operand or option of that name is given.
    let has (name: string) (line: Line) : bool =
        line.Given |> List.exists (fun (struct (argument, _)) -> argument.Name = name)

    /// The values given, in their order.
    let all (name: string) (line: Line) : string list =
        let add found (struct (argument: Argument, text)) =
            if argument.Name = name then text :: found else found

        List.fold add [] line.Given

    /// The last value given, or null.
    let text (name: string) (line: Line) : string | null =
        match line.Given |> List.tryFind (fun (struct (argument, _)) -> argument.Name = name) with
        | Some(struct (_, text)) -> text
        | None -> null
