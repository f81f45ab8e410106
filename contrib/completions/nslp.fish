# Makes fish complete command lines of nslp. Printed by 'nslp completion fish'.

# Whether the command of that name is being typed; without a name: whether no command was typed yet.
function __nslp_in
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"; and not contains -- -- $words
end

# Whether the line of another command is being typed.
function __nslp_runs
    set -l words (commandline -opc)
    contains -- "$words[2]" spawn reserve; and contains -- -- $words
end

function __nslp_rest
    complete -C (commandline -cp | string replace -r '.*? -- +' '')
end

function __nslp_sockets
    for found in (__fish_complete_path (commandline -ct | string replace -r '^--[a-z]+=' ''))
        set -l path (string split -f 1 \t -- $found)
        if test -S $path; or test -d $path
            echo $path
        end
    end
end

complete -c set_ns_last_pid -s v -d 'report on stderr what was done'
complete -c nslp -f
complete -c nslp -n __nslp_in -l help -d 'print what commands there are'
complete -c nslp -n __nslp_in -l version -d 'print the version'
complete -c nslp -n __nslp_runs -a '(__nslp_rest)'
complete -c nslp -n __nslp_in -a get -d 'print the last PID'
complete -c nslp -n '__nslp_in get' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of this process'
complete -c nslp -n '__nslp_in get' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in get' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a set -d 'make a PID the last one: the next process gets the one above it'
complete -c nslp -n '__nslp_in set' -l room -x -d 'with a range: also want this many free numbers after that PID (0)'
complete -c nslp -n '__nslp_in set' -l method -x -a 'auto\t"the first that works" write\t"write ns_last_pid" cycle\t"consume PIDs, which needs no privilege"' -d 'write ns_last_pid, consume PIDs, or use the first of these that works (auto)'
complete -c nslp -n '__nslp_in set' -l timeout -x -d 'give up after this time; by default cycling gives up after ten laps'
complete -c nslp -n '__nslp_in set' -l target -x -a '(__fish_complete_pids)' -d 'act in the PID namespace of this process'
complete -c nslp -n '__nslp_in set' -l flavour -x -a 'pidfd-table-thread-legacy\t"fails with EMFILE, since Linux 6.9" cgroup-thread\t"fails with EBADF, since Linux 5.7" pidfd-emfile-thread\t"fails with EMFILE, since Linux 6.9" pidfd-emfile-thread-legacy\t"fails with EMFILE, since Linux 6.9" cgroup-process\t"fails with EBADF, since Linux 5.7" pidfd-emfile-process\t"fails with EMFILE, since Linux 5.3" pidfd-emfile-process-legacy\t"fails with EMFILE, since Linux 5.2" pidfd-efault-thread\t"fails with EFAULT, since Linux 6.9" pidfd-efault-thread-legacy\t"fails with EFAULT, since Linux 6.9" pidfd-efault-process\t"fails with EFAULT, since Linux 5.3" pidfd-efault-process-legacy\t"fails with EFAULT, since Linux 5.2" exiting-thread\t"makes a task, on any Linux" exiting-process\t"makes a task, on any Linux"' -d 'consume PIDs by this flavour only; \'nslp set -v\' names the one it used'
complete -c nslp -n '__nslp_in set' -l server -x -a '(__nslp_sockets)' -d 'ask the server on this socket to do it, in the server\'s PID namespace'
complete -c nslp -n '__nslp_in set' -l verbose -s v -d 'report on stderr what was done'
complete -c nslp -n '__nslp_in set' -l json -d 'report on stdout what was done, as one JSON object'
complete -c nslp -n '__nslp_in set' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a spawn -d 'run a command with the PID of your choice, or not at all'
complete -c nslp -n '__nslp_in spawn' -l room -x -d 'also want this many free numbers after the PID, for threads and children of the command (0)'
complete -c nslp -n '__nslp_in spawn' -l method -x -a 'auto\t"the first that works" clone3\t"the kernel gives this PID or none" write\t"write ns_last_pid" cycle\t"consume PIDs, which needs no privilege"' -d 'choose the PID in clone3, write ns_last_pid, consume PIDs, or use the first of these that works (auto)'
complete -c nslp -n '__nslp_in spawn' -l timeout -x -d 'give up after this time (10)'
complete -c nslp -n '__nslp_in spawn' -l target -x -a '(__fish_complete_pids)' -d 'start the command in the PID namespace of this process'
complete -c nslp -n '__nslp_in spawn' -l new-pidns -d 'start the command in a new PID namespace, which ends with it; with NUMBER, in the innermost of that many nested ones. With PID 1 the command is its init; without a PID it gets the next one'
complete -c nslp -n '__nslp_in spawn' -l pid-max -x -d 'with --new-pidns: all PIDs inside stay below this number (Linux 6.14)'
complete -c nslp -n '__nslp_in spawn' -l no-proc -d 'with --new-pidns: keep the old /proc, for where mounting a new one is forbidden'
complete -c nslp -n '__nslp_in spawn' -l map-root -d 'with --new-pidns: also make a user namespace, in which you are root'
complete -c nslp -n '__nslp_in spawn' -l setsid -d 'have the command lead a session of its own'
complete -c nslp -n '__nslp_in spawn' -l detach -d 'print the PID and return as soon as the command runs; stdout or stderr that is a pipe becomes /dev/null'
complete -c nslp -n '__nslp_in spawn' -l json -r -F -d 'report what was done as one JSON object to this new file, or to a descriptor from 3 on, which the command does not get'
complete -c nslp -n '__nslp_in spawn' -l verbose -s v -d 'report on stderr what was done'
complete -c nslp -n '__nslp_in spawn' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a who -d 'say who holds a PID'
complete -c nslp -n '__nslp_in who' -l held -d 'print only what somebody holds'
complete -c nslp -n '__nslp_in who' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of this process'
complete -c nslp -n '__nslp_in who' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in who' -l help -s h -d 'print this help'
complete -c nslp -n '__nslp_in who' -x -a '(__fish_complete_pids)'
complete -c nslp -n __nslp_in -a reserve -d 'keep new processes out of a range of PIDs'
complete -c nslp -n '__nslp_in reserve' -l target -x -a '(__fish_complete_pids)' -d 'keep them free in the PID namespace of this process'
complete -c nslp -n '__nslp_in reserve' -l verbose -s v -d 'report on stderr what was done'
complete -c nslp -n '__nslp_in reserve' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a predict -d 'print the PIDs that the next processes will get'
complete -c nslp -n '__nslp_in predict' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of this process'
complete -c nslp -n '__nslp_in predict' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in predict' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a preflight -d 'say whether a restore of CRIU images would get its PIDs here'
complete -c nslp -n '__nslp_in preflight' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of this process'
complete -c nslp -n '__nslp_in preflight' -l make-way -d 'move last_pid to where criu and what it starts get no number of the images'
complete -c nslp -n '__nslp_in preflight' -l color -x -a 'auto\t"where a terminal shows them" always never' -d 'use colours always, never, or where a terminal shows them (auto)'
complete -c nslp -n '__nslp_in preflight' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in preflight' -l help -s h -d 'print this help'
complete -c nslp -n '__nslp_in preflight' -r -F
complete -c nslp -n __nslp_in -a map -d 'draw the PID space: what is in use, the cursor, the way to a PID'
complete -c nslp -n '__nslp_in map' -l target -x -a '(__fish_complete_pids)' -d 'look in the PID namespace of this process'
complete -c nslp -n '__nslp_in map' -l watch -d 'keep drawing until q or Ctrl-C, with the rate at which PIDs are consumed'
complete -c nslp -n '__nslp_in map' -l svg -r -F -d 'write the picture to this file, which must not exist yet; \'-\' is stdout'
complete -c nslp -n '__nslp_in map' -l color -x -a 'auto\t"where a terminal shows them" always never' -d 'use colours always, never, or where a terminal shows them (auto)'
complete -c nslp -n '__nslp_in map' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in map' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a doctor -d 'say what works here, and what would make the rest work'
complete -c nslp -n '__nslp_in doctor' -l color -x -a 'auto\t"where a terminal shows them" always never' -d 'use colours always, never, or where a terminal shows them (auto)'
complete -c nslp -n '__nslp_in doctor' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in doctor' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a serve -d 'set the last PID for clients that ask on a socket'
complete -c nslp -n '__nslp_in serve' -l method -x -a 'auto\t"the first that works" write\t"write ns_last_pid" cycle\t"consume PIDs, which needs no privilege"' -d 'write ns_last_pid, consume PIDs, or use the first of these that works (auto)'
complete -c nslp -n '__nslp_in serve' -l mode -x -d 'the permissions of the socket, in octal (0600)'
complete -c nslp -n '__nslp_in serve' -l group -x -a '(__fish_complete_groups)' -d 'the group of the socket'
complete -c nslp -n '__nslp_in serve' -l allow-user -x -a '(__fish_complete_users)' -d 'serve only this user; give it again for more users'
complete -c nslp -n '__nslp_in serve' -l timeout -x -d 'give up on a request after this time; by default cycling gives up after ten laps'
complete -c nslp -n '__nslp_in serve' -l verbose -s v -d 'report on stderr what was done for each request'
complete -c nslp -n '__nslp_in serve' -l help -s h -d 'print this help'
complete -c nslp -n '__nslp_in serve' -r -F
complete -c nslp -n __nslp_in -a verify -d 'check the model of PID allocation against the running kernel'
complete -c nslp -n '__nslp_in verify' -l runs -x -d 'the number of runs, each in a PID namespace of its own (500)'
complete -c nslp -n '__nslp_in verify' -l steps -x -d 'the number of operations in a run (50)'
complete -c nslp -n '__nslp_in verify' -l seed -x -d 'the random seed; each report has one, to repeat the run with'
complete -c nslp -n '__nslp_in verify' -l replay -r -F -d 'run the operations in this file, saved at a difference, or compare with what --record wrote elsewhere'
complete -c nslp -n '__nslp_in verify' -l record -r -F -d 'write what the kernel did to this new file, for --replay on another kernel'
complete -c nslp -n '__nslp_in verify' -l here -d 'run in this PID namespace if no other can be made; it moves last_pid, and others must not fork'
complete -c nslp -n '__nslp_in verify' -l tap -d 'print test points, as TAP'
complete -c nslp -n '__nslp_in verify' -l junit -r -F -d 'write the test points to this new file, as JUnit\'s XML'
complete -c nslp -n '__nslp_in verify' -l json -d 'report on stdout what was found, as one JSON object'
complete -c nslp -n '__nslp_in verify' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a bench -d 'compare the ways of consuming and choosing PIDs on this machine'
complete -c nslp -n '__nslp_in bench' -l seconds -x -d 'how long it may take (10)'
complete -c nslp -n '__nslp_in bench' -l color -x -a 'auto\t"where a terminal shows them" always never' -d 'use colours always, never, or where a terminal shows them (auto)'
complete -c nslp -n '__nslp_in bench' -l json -d 'print one JSON object'
complete -c nslp -n '__nslp_in bench' -l help -s h -d 'print this help'
complete -c nslp -n __nslp_in -a completion -d 'print a script that makes a shell complete nslp\'s command lines'
complete -c nslp -n '__nslp_in completion' -l help -s h -d 'print this help'
complete -c nslp -n '__nslp_in completion' -x -a 'bash zsh fish'
