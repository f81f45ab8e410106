# Makes fish complete command lines of nslp. Printed by 'nslp completion fish'.

# Whether the command of that name is being typed; without a name: whether no command was typed yet.
function __nslp_in
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"; and not contains -- -- $words
end

# Whether the line of another command is being typed.
function __nslp_runs
    set -l words (commandline -opc)
    test "$words[2]" = spawn; and contains -- -- $words
end

function __nslp_rest
    complete -C (commandline -cp | string replace -r '.*? -- +' '')
end

complete -c nslp -f
complete -c nslp -n __nslp_in -l help -d 'print what commands there are'
complete -c nslp -n __nslp_in -l version -d 'print the version'
complete -c nslp -n __nslp_runs -a '(__nslp_rest)'
complete -c nslp -n __nslp_in -a get -d 'print the last PID'
complete -c nslp -n '__nslp_in get' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of that process'
complete -c nslp -n '__nslp_in get' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in get' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a set -d 'make a PID the last one: the next process gets the one above it'
complete -c nslp -n '__nslp_in set' -l method -x -a 'auto write cycle' -d 'write ns_last_pid, consume PIDs, or the first of these that works here'
complete -c nslp -n '__nslp_in set' -l timeout -x -d 'give up after that time; without it cycling gives up after ten laps'
complete -c nslp -n '__nslp_in set' -l target -x -a '(__fish_complete_pids)' -d 'act in the PID namespace of that process'
complete -c nslp -n '__nslp_in set' -l flavour -x -a 'pidfd-table-thread-legacy cgroup-thread pidfd-emfile-thread pidfd-emfile-thread-legacy cgroup-process pidfd-emfile-process pidfd-emfile-process-legacy pidfd-efault-thread pidfd-efault-thread-legacy pidfd-efault-process pidfd-efault-process-legacy exiting-thread exiting-process' -d 'consume PIDs only in this way, by its name in \'nslp set -v\''
complete -c nslp -n '__nslp_in set' -l server -r -F -d 'let the server on that socket do it, in its PID namespace'
complete -c nslp -n '__nslp_in set' -l verbose -s v -d 'say on stderr what was done'
complete -c nslp -n '__nslp_in set' -l json -d 'say on stdout what was done, as one JSON object'
complete -c nslp -n '__nslp_in set' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a spawn -d 'run a command with the PID of your choice, or not at all'
complete -c nslp -n '__nslp_in spawn' -l method -x -a 'auto clone3 write cycle' -d 'choose the PID in clone3, write ns_last_pid, consume PIDs, or the first that works here'
complete -c nslp -n '__nslp_in spawn' -l timeout -x -d 'give up after that time (10)'
complete -c nslp -n '__nslp_in spawn' -l target -x -a '(__fish_complete_pids)' -d 'start the command in the PID namespace of that process'
complete -c nslp -n '__nslp_in spawn' -l new-pidns -d 'start it in a new PID namespace, which ends with the command'
complete -c nslp -n '__nslp_in spawn' -l map-root -d 'with --new-pidns: be root in there, in a user namespace made for it'
complete -c nslp -n '__nslp_in spawn' -l detach -d 'print the PID and return when the command runs'
complete -c nslp -n '__nslp_in spawn' -l verbose -s v -d 'say on stderr what was done'
complete -c nslp -n '__nslp_in spawn' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a who -d 'say who holds a PID'
complete -c nslp -n '__nslp_in who' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of that process'
complete -c nslp -n '__nslp_in who' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in who' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a predict -d 'print the PIDs that the next processes get'
complete -c nslp -n '__nslp_in predict' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of that process'
complete -c nslp -n '__nslp_in predict' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in predict' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a map -d 'draw the PID space: what is in use, the cursor, the way to a PID'
complete -c nslp -n '__nslp_in map' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of that process'
complete -c nslp -n '__nslp_in map' -l watch -d 'keep drawing, with the rate at which PIDs are consumed, until Ctrl-C'
complete -c nslp -n '__nslp_in map' -l svg -r -F -d 'write the picture to that file, which must not exist, or with \'-\' to stdout'
complete -c nslp -n '__nslp_in map' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in map' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a doctor -d 'say what works here, and what would make the rest work'
complete -c nslp -n '__nslp_in doctor' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in doctor' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a serve -d 'choose the last PID for others, who ask on a socket'
complete -c nslp -n '__nslp_in serve' -l method -x -a 'auto write cycle' -d 'write ns_last_pid, consume PIDs, or the first of these that works here'
complete -c nslp -n '__nslp_in serve' -l mode -x -d 'the permissions of the socket, octal; without it 0600'
complete -c nslp -n '__nslp_in serve' -l group -x -a '(__fish_complete_groups)' -d 'the group of the socket'
complete -c nslp -n '__nslp_in serve' -l allow-user -x -a '(__fish_complete_users)' -d 'serve only this user, and others given likewise'
complete -c nslp -n '__nslp_in serve' -l timeout -x -d 'give up on a request after that time; without it cycling gives up after ten laps'
complete -c nslp -n '__nslp_in serve' -l verbose -s v -d 'say on stderr of each request what was done'
complete -c nslp -n '__nslp_in serve' -l help -d 'print this text'
complete -c nslp -n '__nslp_in serve' -r -F
complete -c nslp -n __nslp_in -a verify -d 'check the model of PID allocation against the running kernel'
complete -c nslp -n '__nslp_in verify' -l runs -x -d 'make so many runs, each in a PID namespace of its own (500)'
complete -c nslp -n '__nslp_in verify' -l steps -x -d 'of so many operations each (50)'
complete -c nslp -n '__nslp_in verify' -l seed -x -d 'draw the operations from this number, which is said after each run with another one'
complete -c nslp -n '__nslp_in verify' -l replay -r -F -d 'run the operations of that file instead, which is written when model and kernel differ'
complete -c nslp -n '__nslp_in verify' -l json -d 'say on stdout what came of it, as one JSON object'
complete -c nslp -n '__nslp_in verify' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a bench -d 'compare the ways of consuming and choosing PIDs on this machine'
complete -c nslp -n '__nslp_in bench' -l seconds -x -d 'take so long (10)'
complete -c nslp -n '__nslp_in bench' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in bench' -l help -d 'print this text'
complete -c nslp -n __nslp_in -a completion -d 'print what makes a shell complete command lines of nslp'
complete -c nslp -n '__nslp_in completion' -l help -d 'print this text'
complete -c nslp -n '__nslp_in completion' -x -a 'bash zsh fish'
