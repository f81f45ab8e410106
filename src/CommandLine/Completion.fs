namespace SetNsLastPid

/// Scripts that make shells complete command lines of nslp, out of the grammar of its commands.
[<RequireQualifiedAccess>]
module Completion =
    // What a value can be completed from. The placeholder says it: users read there the same that the shells do.
    [<RequireQualifiedAccess>]
    type private Values =
        | Unknown
        /// Each with what it means, "" where it says so itself.
        | Words of struct (string * string) list
        | Files
        | Sockets
        | Processes
        | Users
        | Groups

    let private meaning (argument: Argument) (word: string) =
        match argument.Name, word with
        | "--method", "auto" -> "the first that works"
        | _, "clone3" -> "the kernel gives this PID or none"
        | _, "write" -> "write ns_last_pid"
        | _, "cycle" -> "consume PIDs, which needs no privilege"
        | "--color", "auto" -> "where a terminal shows them"
        | _ -> ""

    let private values (flavours: struct (string * string) list) (argument: Argument) =
        match argument.Placeholder with
        | _ when not argument.Choices.IsEmpty ->
            Values.Words [ for word in argument.Choices -> struct (word, meaning argument word) ]
        | "FLAVOUR" -> Values.Words flavours
        | "SOCKET" when not argument.Names.IsEmpty -> Values.Sockets
        | "FILE"
        | "IMAGES"
        | "SOCKET" -> Values.Files
        | "PID" when argument.IsRepeatable -> Values.Processes
        | "PROCESS" -> Values.Processes
        | "USER" -> Values.Users
        | "GROUP" -> Values.Groups
        | _ -> Values.Unknown

    let private takesValue (argument: Argument) =
        not argument.Value.IsNothing && not argument.Value.IsMaybe

    let private joined (words: string list) = String.concat " " words

    // The commands that run another.
    let private runners (separator: string) (pages: Page list) =
        pages
        |> List.filter (fun page -> page.Rest <> "")
        |> List.map _.Name
        |> String.concat separator

    let private quoted (text: string) = "'" + text.Replace("'", "'\\''") + "'"

    let private bash (values: Argument -> Values) (pages: Page list) =
        let generate what =
            match what with
            | Values.Unknown -> "return"
            | Values.Words words ->
                let meanings =
                    [
                        for struct (word: string, meaning) in words do
                            if meaning <> "" then
                                $"[{word}]={quoted meaning}"
                    ]

                $"means=({joined meanings}) what=(-W '"
                + joined [ for struct (word, _) in words -> word ]
                + "')"
            | Values.Files -> "what=(-f)"
            | Values.Sockets -> "what=(-f) keep=sockets"
            | Values.Processes -> "keep=processes what=(-W \"$(cd /proc && echo [1-9]*)\")"
            | Values.Users -> "what=(-u)"
            | Values.Groups -> "what=(-g)"

        let commands =
            [
                for page in pages do
                    struct (page.Name, page.Summary)
                struct ("--help", "print what commands there are")
                struct ("--version", "print the version")
            ]

        [
            "# Makes bash complete command lines of nslp. Printed by 'nslp completion bash'."
            ""
            "_nslp() {"
            "    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} before=$((COMP_CWORD - 1)) i what keep="
            "    local word meaning line width=0"
            "    local -A means=()"
            "    COMPREPLY=()"
            ""
            "    # The line of another command."
            "    if [[ $command == @(" + runners "|" pages + ") ]]; then"
            "        for ((i = 2; i < COMP_CWORD; i++)); do"
            "            if [[ ${COMP_WORDS[i]} == -- ]]; then"
            "                if declare -F _command_offset >/dev/null; then"
            "                    _command_offset $((i + 1))"
            "                    return"
            "                fi"
            "                ((i + 1 == COMP_CWORD)) && what=(-c) || what=(-f)"
            "            fi"
            "        done"
            "    fi"
            ""
            "    # An equals sign is a word of its own."
            "    [[ $current == = ]] && current="
            "    [[ ${COMP_WORDS[before]} == = ]] && ((before--))"
            "    if [[ -z ${what-} ]]; then"
            "        case $((COMP_CWORD == 1)):$command:${COMP_WORDS[before]} in"
            "        1:*) " + generate (Values.Words commands) + " ;;"
            for page in pages do
                for option in page.Options |> List.filter takesValue do
                    for name in option.Names do
                        "        0:" + page.Name + ":" + name + ") " + generate (values option) + " ;;"

                let names =
                    generate (Values.Words [ for option in page.Options -> struct (option.Names.Head, option.Text) ])

                match page.Operand |> Option.map values with
                | None
                | Some Values.Unknown -> $"        0:{page.Name}:*) " + names + " ;;"
                | Some known ->
                    $"        0:{page.Name}:*)"
                    $"            if [[ $current == -* ]]; then {names}"
                    $"            else {generate known}; fi ;;"
            "        *) return ;;"
            "        esac"
            "    fi"
            ""
            "    [[ ${what[0]} == -f ]] && compopt -o filenames"
            "    mapfile -t COMPREPLY < <(compgen \"${what[@]}\" -- \"$current\" |"
            "        while read -r word; do [[ $keep != sockets || -d $word || -S $word ]] && echo \"$word\"; done)"
            ""
            "    # Where it lists several (and does not insert them in turn), it says what each means."
            "    ((${#COMPREPLY[@]} > 1 && COMP_TYPE != 37 && COMP_TYPE != 42)) || return 0"
            "    for word in \"${COMPREPLY[@]}\"; do ((${#word} > width && (width = ${#word}))); done"
            "    for i in \"${!COMPREPLY[@]}\"; do"
            "        word=${COMPREPLY[i]} meaning=${means[${COMPREPLY[i]}]-}"
            "        [[ $keep == processes ]] && { read -r meaning <\"/proc/$word/comm\"; } 2>/dev/null"
            "        [[ -n $meaning ]] || continue"
            "        printf -v line '%-*s  (%s)' $width \"$word\" \"${meaning//[^[:print:]]/?}\""
            "        COMPREPLY[i]=${line:0:${COLUMNS:-80} - 1}"
            "    done"
            "}"
            ""
            "complete -F _nslp nslp"
            "complete -o default -W -v set_ns_last_pid"
        ]

    let private zsh (values: Argument -> Values) (pages: Page list) =
        let explained (text: string) =
            text.Replace("[", "\\[").Replace("]", "\\]")

        let action (argument: Argument) =
            let generate =
                match values argument with
                | Values.Unknown -> " "
                | Values.Words words ->
                    let item (struct (word: string, meaning: string)) =
                        if meaning = "" then
                            word
                        else
                            word + "\\:\"" + meaning + "\""

                    $"(({words |> List.map item |> joined}))"
                | Values.Files -> "_files"
                | Values.Sockets -> "_files -g \"*(=)\""
                | Values.Processes -> "_nslp_processes"
                | Values.Users -> "_users"
                | Values.Groups -> "_groups"

            let name =
                if argument.Choices.IsEmpty then
                    argument.Placeholder
                else
                    "value"

            $":{name}:{generate}"

        let option (argument: Argument) =
            let text = $"[{explained argument.Text}]"

            match argument.Names with
            | [ name ] when takesValue argument ->
                let again = if argument.IsRepeatable then "*" else ""
                [ again + name + "=" + text + action argument ]
            | [ name ] -> [ name + text ]
            | names -> [ for name in names -> "(" + joined names + ")" + name + text ]

        [
            "#compdef nslp set_ns_last_pid"
            "# Makes zsh complete command lines of nslp. Printed by 'nslp completion zsh'."
            ""
            "_nslp_processes() {"
            "    local process name"
            "    local -a found=()"
            "    for process in /proc/<1->(N); do"
            "        name="
            "        { read -r name <$process/comm } 2>/dev/null"
            "        found+=(\"${process:t}:${name//:/\\\\:}\")"
            "    done"
            "    _describe -V -t processes process found"
            "}"
            ""
            "_nslp() {"
            "    if [[ $service == set_ns_last_pid ]]; then"
            "        _arguments '-v[report on stderr what was done]' '1:PID or socket:_files'"
            "        return"
            "    fi"
            ""
            "    # Not \"commands\" and \"options\", which mean something to the completions of other commands."
            "    local -a names=("
            for page in pages do
                "        " + quoted $"{page.Name}:{page.Summary}"
            "    )"
            "    local -a general=('--help:print what commands there are' '--version:print the version')"
            "    if ((CURRENT == 2)); then"
            "        _describe -t commands command names"
            "        _describe -o option general"
            "        return"
            "    fi"
            ""
            "    local command=$words[2]"
            "    local -i dashes=$words[(i)--]"
            "    if [[ $command == ("
            + runners "|" pages
            + ") ]] && ((dashes < CURRENT)); then"
            "        shift $dashes words"
            "        ((CURRENT -= dashes))"
            "        _normal"
            "        return"
            "    fi"
            ""
            "    shift words"
            "    ((CURRENT--))"
            "    case $command in"
            for page in pages do
                $"    {page.Name})"
                "        _arguments \\"

                // Without one for the operand no option after it is completed, nor with one that shows a message.
                let operands =
                    match page.Operand with
                    | Some argument when values argument = Values.Unknown -> [ $"*:{argument.Placeholder}:()" ]
                    | Some argument when argument.IsRepeatable -> [ "*" + action argument ]
                    | Some argument -> [ $"1{action argument}" ]
                    | None -> []

                let specifications =
                    (page.Options |> List.collect option) @ operands |> List.map quoted

                "            " + String.concat " \\\n            " specifications
                "        ;;"
            "    esac"
            "}"
            ""
            "# The file of a function, or a script that is sourced."
            "if [[ $funcstack[1] == _nslp ]]; then"
            "    _nslp \"$@\""
            "else"
            "    compdef _nslp nslp set_ns_last_pid"
            "fi"
        ]

    let private fish (values: Argument -> Values) (pages: Page list) =
        let quoted (text: string) =
            "'" + text.Replace("\\", "\\\\").Replace("'", "\\'") + "'"

        let generate what =
            match what with
            | Values.Unknown -> " -x"
            | Values.Words words ->
                let item (struct (word: string, meaning: string)) =
                    if meaning = "" then
                        word
                    else
                        word + "\\t\"" + meaning + "\""

                // In quotes of its own kind: \t is to be read when it is completed.
                $" -x -a '{words |> List.map item |> joined}'"
            | Values.Files -> " -r -F"
            | Values.Sockets -> " -x -a '(__nslp_sockets)'"
            | Values.Processes -> " -x -a '(__fish_complete_pids)'"
            | Values.Users -> " -x -a '(__fish_complete_users)'"
            | Values.Groups -> " -x -a '(__fish_complete_groups)'"

        let name (name: string) =
            if name.StartsWith "--" then
                $" -l {name[2..]}"
            else
                $" -s {name[1..]}"

        let option (argument: Argument) =
            let names = argument.Names |> List.map name |> String.concat ""

            let value =
                if takesValue argument then
                    generate (values argument)
                else
                    ""

            $"{names}{value} -d {quoted argument.Text}"

        [
            "# Makes fish complete command lines of nslp. Printed by 'nslp completion fish'."
            ""
            "# Whether the command of that name is being typed; without a name: whether no command was typed yet."
            "function __nslp_in"
            "    set -l words (commandline -opc)"
            "    test \"$words[2]\" = \"$argv[1]\"; and not contains -- -- $words"
            "end"
            ""
            "# Whether the line of another command is being typed."
            "function __nslp_runs"
            "    set -l words (commandline -opc)"
            "    contains -- \"$words[2]\" "
            + runners " " pages
            + "; and contains -- -- $words"
            "end"
            ""
            "function __nslp_rest"
            "    complete -C (commandline -cp | string replace -r '.*? -- +' '')"
            "end"
            ""
            "function __nslp_sockets"
            "    for found in (__fish_complete_path (commandline -ct | string replace -r '^--[a-z]+=' ''))"
            "        set -l path (string split -f 1 \\t -- $found)"
            "        if test -S $path; or test -d $path"
            "            echo $path"
            "        end"
            "    end"
            "end"
            ""
            "complete -c set_ns_last_pid -s v -d 'report on stderr what was done'"
            "complete -c nslp -f"
            "complete -c nslp -n __nslp_in -l help -d 'print what commands there are'"
            "complete -c nslp -n __nslp_in -l version -d 'print the version'"
            "complete -c nslp -n __nslp_runs -a '(__nslp_rest)'"
            for page in pages do
                $"complete -c nslp -n __nslp_in -a {page.Name} -d {quoted page.Summary}"

                for argument in page.Options do
                    $"complete -c nslp -n '__nslp_in {page.Name}'{option argument}"

                match page.Operand |> Option.map values with
                | None
                | Some Values.Unknown -> ()
                | Some known -> $"complete -c nslp -n '__nslp_in {page.Name}'{generate known}"
        ]

    /// The script for a shell.
    /// <param name="flavours">The values of --flavour, each with what it is.</param>
    /// <param name="shell">Which.</param>
    let script (flavours: struct (string * string) seq) (shell: ShellKind) : string =
        let values = values (List.ofSeq flavours)

        let write =
            match shell with
            | ShellKind.Bash -> bash
            | ShellKind.Zsh -> zsh
            | _ -> fish

        String.concat "\n" (write values (Grammar.pages ())) + "\n"
