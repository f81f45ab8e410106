# Makes bash complete command lines of nslp. Printed by 'nslp completion bash'.

_nslp() {
    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} before=$((COMP_CWORD - 1)) i what keep=
    local word meaning line width=0
    local -A means=()
    COMPREPLY=()

    # The line of another command.
    if [[ $command == @(spawn|reserve) ]]; then
        for ((i = 2; i < COMP_CWORD; i++)); do
            if [[ ${COMP_WORDS[i]} == -- ]]; then
                if declare -F _command_offset >/dev/null; then
                    _command_offset $((i + 1))
                    return
                fi
                ((i + 1 == COMP_CWORD)) && what=(-c) || what=(-f)
            fi
        done
    fi

    # An equals sign is a word of its own.
    [[ $current == = ]] && current=
    [[ ${COMP_WORDS[before]} == = ]] && ((before--))
    if [[ -z ${what-} ]]; then
        case $((COMP_CWORD == 1)):$command:${COMP_WORDS[before]} in
        1:*) means=([get]='print the last PID' [set]='make a PID the last one: the next process gets the one above it' [spawn]='run a command with the PID of your choice, or not at all' [who]='say who holds a PID' [reserve]='keep new processes out of a range of PIDs' [predict]='print the PIDs that the next processes will get' [preflight]='say whether a restore of CRIU images would get its PIDs here' [map]='draw the PID space: what is in use, the cursor, the way to a PID' [doctor]='say what works here, and what would make the rest work' [serve]='set the last PID for clients that ask on a socket' [verify]='check the model of PID allocation against the running kernel' [bench]='compare the ways of consuming and choosing PIDs on this machine' [completion]='print a script that makes a shell complete nslp'\''s command lines' [--help]='print what commands there are' [--version]='print the version') what=(-W 'get set spawn who reserve predict preflight map doctor serve verify bench completion --help --version') ;;
        0:get:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:get:*) means=([--target]='look in the PID namespace of this process' [--json]='print one JSON object' [--help]='print this help') what=(-W '--target --json --help') ;;
        0:set:--room) return ;;
        0:set:--method) means=([auto]='the first that works' [write]='write ns_last_pid' [cycle]='consume PIDs, which needs no privilege') what=(-W 'auto write cycle') ;;
        0:set:--timeout) return ;;
        0:set:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:set:--flavour) means=([pidfd-table-thread-legacy]='fails with EMFILE, since Linux 6.9' [cgroup-thread]='fails with EBADF, since Linux 5.7' [pidfd-emfile-thread]='fails with EMFILE, since Linux 6.9' [pidfd-emfile-thread-legacy]='fails with EMFILE, since Linux 6.9' [cgroup-process]='fails with EBADF, since Linux 5.7' [pidfd-emfile-process]='fails with EMFILE, since Linux 5.3' [pidfd-emfile-process-legacy]='fails with EMFILE, since Linux 5.2' [pidfd-efault-thread]='fails with EFAULT, since Linux 6.9' [pidfd-efault-thread-legacy]='fails with EFAULT, since Linux 6.9' [pidfd-efault-process]='fails with EFAULT, since Linux 5.3' [pidfd-efault-process-legacy]='fails with EFAULT, since Linux 5.2' [exiting-thread]='makes a task, on any Linux' [exiting-process]='makes a task, on any Linux') what=(-W 'pidfd-table-thread-legacy cgroup-thread pidfd-emfile-thread pidfd-emfile-thread-legacy cgroup-process pidfd-emfile-process pidfd-emfile-process-legacy pidfd-efault-thread pidfd-efault-thread-legacy pidfd-efault-process pidfd-efault-process-legacy exiting-thread exiting-process') ;;
        0:set:--server) what=(-f) keep=sockets ;;
        0:set:*) means=([--room]='with a range: also want this many free numbers after that PID (0)' [--method]='write ns_last_pid, consume PIDs, or use the first of these that works (auto)' [--timeout]='give up after this time; by default cycling gives up after ten laps' [--target]='act in the PID namespace of this process' [--flavour]='consume PIDs by this flavour only; '\''nslp set -v'\'' names the one it used' [--server]='ask the server on this socket to do it, in the server'\''s PID namespace' [--verbose]='report on stderr what was done' [--json]='report on stdout what was done, as one JSON object' [--help]='print this help') what=(-W '--room --method --timeout --target --flavour --server --verbose --json --help') ;;
        0:spawn:--room) return ;;
        0:spawn:--method) means=([auto]='the first that works' [clone3]='the kernel gives this PID or none' [write]='write ns_last_pid' [cycle]='consume PIDs, which needs no privilege') what=(-W 'auto clone3 write cycle') ;;
        0:spawn:--timeout) return ;;
        0:spawn:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:spawn:--pid-max) return ;;
        0:spawn:--json) what=(-f) ;;
        0:spawn:*) means=([--room]='also want this many free numbers after the PID, for threads and children of the command (0)' [--method]='choose the PID in clone3, write ns_last_pid, consume PIDs, or use the first of these that works (auto)' [--timeout]='give up after this time (10)' [--target]='start the command in the PID namespace of this process' [--new-pidns]='start the command in a new PID namespace, which ends with it; with NUMBER, in the innermost of that many nested ones. With PID 1 the command is its init; without a PID it gets the next one' [--pid-max]='with --new-pidns: all PIDs inside stay below this number (Linux 6.14)' [--no-proc]='with --new-pidns: keep the old /proc, for where mounting a new one is forbidden' [--map-root]='with --new-pidns: also make a user namespace, in which you are root' [--setsid]='have the command lead a session of its own' [--detach]='print the PID and return as soon as the command runs; stdout or stderr that is a pipe becomes /dev/null' [--json]='report what was done as one JSON object to this new file, or to a descriptor from 3 on, which the command does not get' [--verbose]='report on stderr what was done' [--help]='print this help') what=(-W '--room --method --timeout --target --new-pidns --pid-max --no-proc --map-root --setsid --detach --json --verbose --help') ;;
        0:who:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:who:*)
            if [[ $current == -* ]]; then means=([--held]='print only what somebody holds' [--target]='look in the PID namespace of this process' [--json]='print one JSON object' [--help]='print this help') what=(-W '--held --target --json --help')
            else keep=processes what=(-W "$(cd /proc && echo [1-9]*)"); fi ;;
        0:reserve:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:reserve:*) means=([--target]='keep them free in the PID namespace of this process' [--verbose]='report on stderr what was done' [--help]='print this help') what=(-W '--target --verbose --help') ;;
        0:predict:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:predict:*) means=([--target]='look in the PID namespace of this process' [--json]='print one JSON object' [--help]='print this help') what=(-W '--target --json --help') ;;
        0:preflight:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:preflight:--color) means=([auto]='where a terminal shows them') what=(-W 'auto always never') ;;
        0:preflight:*)
            if [[ $current == -* ]]; then means=([--target]='look in the PID namespace of this process' [--make-way]='move last_pid to where criu and what it starts get no number of the images' [--color]='use colours always, never, or where a terminal shows them (auto)' [--json]='print one JSON object' [--help]='print this help') what=(-W '--target --make-way --color --json --help')
            else what=(-f); fi ;;
        0:map:--target) keep=processes what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:map:--svg) what=(-f) ;;
        0:map:--color) means=([auto]='where a terminal shows them') what=(-W 'auto always never') ;;
        0:map:*) means=([--target]='look in the PID namespace of this process' [--watch]='keep drawing until q or Ctrl-C, with the rate at which PIDs are consumed' [--svg]='write the picture to this file, which must not exist yet; '\''-'\'' is stdout' [--color]='use colours always, never, or where a terminal shows them (auto)' [--json]='print one JSON object' [--help]='print this help') what=(-W '--target --watch --svg --color --json --help') ;;
        0:doctor:--color) means=([auto]='where a terminal shows them') what=(-W 'auto always never') ;;
        0:doctor:*) means=([--color]='use colours always, never, or where a terminal shows them (auto)' [--json]='print one JSON object' [--help]='print this help') what=(-W '--color --json --help') ;;
        0:serve:--method) means=([auto]='the first that works' [write]='write ns_last_pid' [cycle]='consume PIDs, which needs no privilege') what=(-W 'auto write cycle') ;;
        0:serve:--mode) return ;;
        0:serve:--group) what=(-g) ;;
        0:serve:--allow-user) what=(-u) ;;
        0:serve:--timeout) return ;;
        0:serve:*)
            if [[ $current == -* ]]; then means=([--method]='write ns_last_pid, consume PIDs, or use the first of these that works (auto)' [--mode]='the permissions of the socket, in octal (0600)' [--group]='the group of the socket' [--allow-user]='serve only this user; give it again for more users' [--timeout]='give up on a request after this time; by default cycling gives up after ten laps' [--verbose]='report on stderr what was done for each request' [--help]='print this help') what=(-W '--method --mode --group --allow-user --timeout --verbose --help')
            else what=(-f); fi ;;
        0:verify:--runs) return ;;
        0:verify:--steps) return ;;
        0:verify:--seed) return ;;
        0:verify:--replay) what=(-f) ;;
        0:verify:--record) what=(-f) ;;
        0:verify:--junit) what=(-f) ;;
        0:verify:*) means=([--runs]='the number of runs, each in a PID namespace of its own (500)' [--steps]='the number of operations in a run (50)' [--seed]='the random seed; each report has one, to repeat the run with' [--replay]='run the operations in this file, saved at a difference, or compare with what --record wrote elsewhere' [--record]='write what the kernel did to this new file, for --replay on another kernel' [--here]='run in this PID namespace if no other can be made; it moves last_pid, and others must not fork' [--tap]='print test points, as TAP' [--junit]='write the test points to this new file, as JUnit'\''s XML' [--json]='report on stdout what was found, as one JSON object' [--help]='print this help') what=(-W '--runs --steps --seed --replay --record --here --tap --junit --json --help') ;;
        0:bench:--seconds) return ;;
        0:bench:--color) means=([auto]='where a terminal shows them') what=(-W 'auto always never') ;;
        0:bench:*) means=([--seconds]='how long it may take (10)' [--color]='use colours always, never, or where a terminal shows them (auto)' [--json]='print one JSON object' [--help]='print this help') what=(-W '--seconds --color --json --help') ;;
        0:completion:*)
            if [[ $current == -* ]]; then means=([--help]='print this help') what=(-W '--help')
            else means=() what=(-W 'bash zsh fish'); fi ;;
        *) return ;;
        esac
    fi

    [[ ${what[0]} == -f ]] && compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${what[@]}" -- "$current" |
        while read -r word; do [[ $keep != sockets || -d $word || -S $word ]] && echo "$word"; done)

    # Where it lists several (and does not insert them in turn), it says what each means.
    ((${#COMPREPLY[@]} > 1 && COMP_TYPE != 37 && COMP_TYPE != 42)) || return 0
    for word in "${COMPREPLY[@]}"; do ((${#word} > width && (width = ${#word}))); done
    for i in "${!COMPREPLY[@]}"; do
        word=${COMPREPLY[i]} meaning=${means[${COMPREPLY[i]}]-}
        [[ $keep == processes ]] && { read -r meaning <"/proc/$word/comm"; } 2>/dev/null
        [[ -n $meaning ]] || continue
        printf -v line '%-*s  (%s)' $width "$word" "${meaning//[^[:print:]]/?}"
        COMPREPLY[i]=${line:0:${COLUMNS:-80} - 1}
    done
}

complete -F _nslp nslp
complete -o default -W -v set_ns_last_pid
