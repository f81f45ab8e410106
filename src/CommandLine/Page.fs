namespace SetNsLastPid

open System
open System.Globalization

/// What the text of a value must be.
[<RequireQualifiedAccess>]
type Value =
    /// There is no value: the option is given or not.
    | Nothing
    /// Any text.
    | Text
    /// One of these words; case does not matter.
    | Choice of Words: string list
    /// A decimal number, both limits included.
    | Whole of Least: uint64 * Most: uint64
    /// The same, but only behind "=", where it may be left out.
    | Maybe of Least: uint64 * Most: uint64
    /// A decimal number that fits an `int`. Whether it is below pid_max, the command says.
    | Pid of Least: uint64
    /// An octal number from 0.
    | Octal of Most: uint64
    /// A number of seconds above 0, which may have decimals.
    | Seconds of Most: uint64
    /// Numbers as of `Pid 0` or ranges of them from 1 on, which may lack the last number, joined by commas.
    | PidList of Longest: int
    /// A decimal number from 0, or two joined by a dash, the second not below the first.
    | PidRange of Most: uint64

/// An operand or an option of a command.
type Argument =
    {
        /// As it is typed, the long name first; empty for an operand.
        Names: string list
        /// What stands for the value, such as FILE; empty for an option without one.
        Placeholder: string
        /// What the value must be.
        Value: Value
        /// An operand that cannot be left out.
        IsRequired: bool
        /// Each one that is given counts. Of others the last does, and of operands there may be one only.
        IsRepeatable: bool
        /// What it is for, without a full stop.
        Text: string
    }

    /// What messages and code call it: the long name of an option, the placeholder of an operand.
    member argument.Name: string =
        match argument.Names with
        | name :: _ -> name
        | [] -> argument.Placeholder

    /// The only values there are; empty when there are others.
    member argument.Choices: string list =
        match argument.Value with
        | Value.Choice words -> words
        | _ -> []

/// What there is to know about a command: by this it is parsed and documented.
type Page =
    {
        /// Its name.
        Name: string
        /// What it does, imperative, without a capital and a full stop.
        Summary: string
        /// The operand first, if there is one; `--help` last.
        Arguments: Argument list
        /// What has to follow `--`, such as `<COMMAND>`, or may, if in brackets; empty when `--` only ends the options.
        Rest: string
        /// A command line to learn from.
        Example: string
    }

    /// Whether something has to follow `--`.
    member page.NeedsRest: bool = page.Rest <> "" && page.Rest[0] <> '['

    /// Its operand, if it takes one.
    member page.Operand: Argument option = page.Arguments |> List.tryFind _.Names.IsEmpty

    /// Its options, `--help` last.
    member page.Options: Argument list =
        page.Arguments |> List.filter (fun argument -> not argument.Names.IsEmpty)

/// How `Grammar` spells pages.
module Page =
    /// An operand that can be left out.
    let operand (placeholder: string) (value: Value) (text: string) : Argument =
        {
            Names = []
            Placeholder = placeholder
            Value = value
            IsRequired = false
            IsRepeatable = false
            Text = text
        }

    /// An operand that cannot.
    let required (placeholder: string) (value: Value) (text: string) : Argument =
        { operand placeholder value text with
            IsRequired = true
        }

    /// An option with a value, by names such as "--verbose, -v".
    let option (names: string) (placeholder: string) (value: Value) (text: string) : Argument =
        { operand placeholder value text with
            Names = List.ofArray (names.Split ", ")
        }

    /// An option without one.
    let flag (names: string) (text: string) : Argument = option names "" Value.Nothing text

    /// The same, where each one counts that is given.
    let repeatable (argument: Argument) : Argument = { argument with IsRepeatable = true }

    /// A page, with --help for its last option.
    let page (name: string) (summary: string) (rest: string) (example: string) (arguments: Argument list) : Page =
        {
            Name = name
            Summary = summary
            Arguments = arguments @ [ flag "--help, -h" "print this help" ]
            Rest = rest
            Example = example
        }

/// Reading the values of a command line. Nothing here throws.
[<RequireQualifiedAccess>]
module Value =
    /// A number in nothing but digits, up to 2^64 - 1; none for any other text. .NET's own parsers take more than that.
    let number (radix: uint64) (text: string) : uint64 voption =
        let rec go at sum =
            if at = text.Length then
                ValueSome sum
            else
                let digit = uint64 text[at] - uint64 '0'

                if text[at] < '0' || digit >= radix || sum > (UInt64.MaxValue - digit) / radix then
                    ValueNone
                else
                    go (at + 1) (sum * radix + digit)

        if text = "" then ValueNone else go 0 0UL

    let private between least most (number: uint64 voption) =
        match number with
        | ValueSome n -> least <= n && n <= most
        | ValueNone -> false

    let private isPid least (text: string) =
        number 10UL text |> between least (uint64 Int32.MaxValue)

    /// The position of the word among the choices, whatever its case; -1 for none.
    let choice (words: string list) (text: string) : int =
        let text = text.Trim()

        let isIt (word: string) =
            word.Equals(text, StringComparison.OrdinalIgnoreCase)

        match List.tryFindIndex isIt words with
        | Some index -> index
        | None -> -1

    /// A number of seconds, if it is above 0 and up to `most`.
    let seconds (most: uint64) (text: string) : float voption =
        match Double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
        | true, value when value > 0.0 && value <= float most -> ValueSome value
        | _ -> ValueNone

    /// First and last number of `12` or `10-20`.
    let range (text: string) : struct (uint64 * uint64) voption =
        let dash = text.IndexOf '-'

        let first, last =
            if dash < 0 then
                text, text
            else
                text[.. dash - 1], text[dash + 1 ..]

        match number 10UL first, number 10UL last with
        | ValueSome first, ValueSome last -> ValueSome(struct (first, last))
        | _ -> ValueNone

    // The same where the last number may be missing: it is the largest PID there can be.
    let private openRange (text: string) =
        range (
            if text.EndsWith '-' then
                text + string (Limits.PidMax - 1)
            else
                text
        )

    /// First and last number of `12`, `10-20` or `10-`, which ends below the largest pid_max.
    let goal (text: string) : struct (uint64 * uint64) voption =
        match openRange text with
        | ValueSome(struct (first, last)) when
            first > last
            || last > uint64 Int32.MaxValue
            || (first = 0UL && text.Contains '-')
            ->
            ValueNone
        | goal -> goal

    // 1234567 as 1,234,567.
    let rec private grouped (n: uint64) : string =
        if n < 1000UL then
            string n
        else
            grouped (n / 1000UL) + "," + string(n % 1000UL).PadLeft(3, '0')

    /// The words joined by commas, the last by "or".
    let rec oneOf (words: string list) : string =
        match words with
        | [] -> ""
        | [ word ] -> word
        | [ word; last ] -> word + " or " + last
        | word :: rest -> word + ", " + oneOf rest

    /// What the value has to be, in words; empty for any text.
    let rec describe (value: Value) : string =
        match value with
        | Value.Nothing
        | Value.Text -> ""
        | Value.Choice words -> oneOf words
        | Value.Maybe(least, most)
        | Value.Whole(least, most) -> "a number from " + grouped least + " to " + grouped most
        | Value.Pid least -> "a number from " + grouped least + " to " + grouped (uint64 Limits.PidMax - 1UL)
        | Value.Octal most -> "an octal number from 0 to 0" + Convert.ToString(int64 most, 8)
        | Value.Seconds most -> "a number of seconds above 0, at most " + grouped most
        | Value.PidList _ -> describe (Value.Pid 0UL) + ", or a range such as 1000-1999 or 1000-"
        | Value.PidRange most -> "a number from 0 to " + grouped most + ", or a range such as 1000-1010"

    /// What is wrong with the text as a value of the operand or option; null for nothing.
    let fault (argument: Argument) (text: string) : string | null =
        let unlessIn (isRight: bool) (text: string) : string | null =
            if isRight then
                null
            else
                argument.Name + " must be " + describe argument.Value + ", not '" + text + "'"

        match argument.Value with
        | Value.Nothing
        | Value.Text -> null
        | Value.Choice words -> unlessIn (choice words text >= 0) text
        | Value.Maybe _ when text = "" -> null
        | Value.Maybe(least, most)
        | Value.Whole(least, most) -> unlessIn (number 10UL text |> between least most) text
        | Value.Pid least -> unlessIn (isPid least text) text
        | Value.Octal most -> unlessIn (number 8UL text |> between 0UL most) text
        | Value.Seconds most -> unlessIn (seconds most text).IsValueSome text
        | Value.PidRange most ->
            match range text with
            | ValueSome(first, last) when first <= last -> unlessIn (last <= most) text
            | ValueSome _ -> "range '" + text + "' ends before it starts"
            | ValueNone -> unlessIn false text
        | Value.PidList longest ->
            let entries = text.Split ','

            match entries |> Array.tryFind (fun entry -> (goal entry).IsNone) with
            | Some "" when entries.Length > 1 -> argument.Name + " list '" + text + "' has an empty entry"
            | Some entry ->
                match openRange entry with
                | ValueSome(0UL, _) when entry.Contains '-' -> "range '" + entry + "' begins with 0, which is no PID"
                | ValueSome(first, last) when first > last -> "range '" + entry + "' ends before it starts"
                | _ -> unlessIn false entry
            | None when entries.Length > longest && longest = 1 -> unlessIn false text
            | None when entries.Length > longest ->
                argument.Name
                + " list has "
                + string entries.Length
                + " entries: at most "
                + string longest
                + " PID namespaces are nested"
            | None -> null
