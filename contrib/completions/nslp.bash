# Makes bash complete command lines of nslp. Printed by 'nslp completion bash'.

_nslp() {
    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} before=$((COMP_CWORD - 1)) i what keep=
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
        1:*) what=(-W 'get set spawn who reserve predict preflight map doctor serve verify bench completion --help --version') ;;
        0:get:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:get:*) what=(-W '--target --json --help') ;;
        0:set:--room) return ;;
        0:set:--method) what=(-W 'auto write cycle') ;;
        0:set:--timeout) return ;;
        0:set:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:set:--flavour) what=(-W 'pidfd-table-thread-legacy cgroup-thread pidfd-emfile-thread pidfd-emfile-thread-legacy cgroup-process pidfd-emfile-process pidfd-emfile-process-legacy pidfd-efault-thread pidfd-efault-thread-legacy pidfd-efault-process pidfd-efault-process-legacy exiting-thread exiting-process') ;;
        0:set:--server) what=(-f) keep=sockets ;;
        0:set:*) what=(-W '--room --method --timeout --target --flavour --server --verbose --json --help') ;;
        0:spawn:--room) return ;;
        0:spawn:--method) what=(-W 'auto clone3 write cycle') ;;
        0:spawn:--timeout) return ;;
        0:spawn:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:spawn:--pid-max) return ;;
        0:spawn:--json) what=(-f) ;;
        0:spawn:*) what=(-W '--room --method --timeout --target --new-pidns --pid-max --no-proc --map-root --setsid --detach --json --verbose --help') ;;
        0:who:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:who:*) [[ $current == -* ]] && what=(-W '--held --target --json --help') || what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:reserve:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:reserve:*) what=(-W '--target --verbose --help') ;;
        0:predict:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:predict:*) what=(-W '--target --json --help') ;;
        0:preflight:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:preflight:--color) what=(-W 'auto always never') ;;
        0:preflight:*) [[ $current == -* ]] && what=(-W '--target --make-way --color --json --help') || what=(-f) ;;
        0:map:--target) what=(-W "$(cd /proc && echo [1-9]*)") ;;
        0:map:--svg) what=(-f) ;;
        0:map:--color) what=(-W 'auto always never') ;;
        0:map:*) what=(-W '--target --watch --svg --color --json --help') ;;
        0:doctor:--color) what=(-W 'auto always never') ;;
        0:doctor:*) what=(-W '--color --json --help') ;;
        0:serve:--method) what=(-W 'auto write cycle') ;;
        0:serve:--mode) return ;;
        0:serve:--group) what=(-g) ;;
        0:serve:--allow-user) what=(-u) ;;
        0:serve:--timeout) return ;;
        0:serve:*) [[ $current == -* ]] && what=(-W '--method --mode --group --allow-user --timeout --verbose --help') || what=(-f) ;;
        0:verify:--runs) return ;;
        0:verify:--steps) return ;;
        0:verify:--seed) return ;;
        0:verify:--replay) what=(-f) ;;
        0:verify:--record) what=(-f) ;;
        0:verify:--junit) what=(-f) ;;
        0:verify:*) what=(-W '--runs --steps --seed --replay --record --here --tap --junit --json --help') ;;
        0:bench:--seconds) return ;;
        0:bench:--color) what=(-W 'auto always never') ;;
        0:bench:*) what=(-W '--seconds --color --json --help') ;;
        0:completion:*) [[ $current == -* ]] && what=(-W '--help') || what=(-W 'bash zsh fish') ;;
        *) return ;;
        esac
    fi

    [[ ${what[0]} == -f ]] && compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${what[@]}" -- "$current" |
        while read -r word; do [[ -z $keep || -d $word || -S $word ]] && echo "$word"; done)
}

complete -F _nslp nslp
complete -o default -W -v set_ns_last_pid
