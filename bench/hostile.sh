#!/bin/bash
# What hostile clients of one user do to another user's requests: how many of these are answered, p50 and p99 in quiet and
# with each attack running, and how many lines a second the log gets.
#
#     bench/hostile.sh NSLP [REQUESTS]
#
# needs root, util-linux, two CPUs and a C compiler. All runs in a PID namespace of its own.
set -eu
if [ "${1-}" != inside ]; then
    here=$(dirname "$(readlink -f "$0")")
    D=$(mktemp -d)
    trap 'rm -r "$D"' EXIT
    chmod 755 "$D"
    cc -O2 -o "$D/ask" "$here/ask.c"
    cc -O2 -o "$D/hostile" "$here/hostile.c"
    unshare -pfm --mount-proc --kill-child "$0" inside "$D" "$(readlink -f "$1")" "${2-20000}"
    exit
fi

D=$2 N=$3 REQUESTS=$4 S=$D/s
cd /
measure() {
    local from lines
    from=$(date +%s%N) lines=$(wc -l <"$D/log")
    timeout 60 taskset -c 1 "$D/ask" "$S" time "$REQUESTS" 1 >"$D/times" 2>"$D/errors" || true
    from=$((($(date +%s%N) - from) / 1000000 + 1)) lines=$(($(wc -l <"$D/log") - lines))
    awk -v what="$1" -v lines="$lines" -v ms="$from" -v wanted="$REQUESTS" \
        '{ n = $1; p50 = $6; p99 = $7; worst = $8 }
         END { printf "%-28s %d of %d answered, p50 %.1f us, p99 %.1f us, worst %.0f us, %.1f log lines/s\n",
               what, n, wanted, p50, p99, worst, lines * 1000 / ms }' "$D/times"
}

# On the one CPU, and what is measured on the other: else the scheduler is measured.
as_other() { exec setsid taskset -c 0 setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }

attack() {
    local name=$1
    shift
    taskset -c 1 "$N" serve "$S" --mode 666 --method write 2>"$D/log" &
    local server=$!
    until grep -q listening "$D/log"; do kill -0 $server; sleep 0.01; done
    [ $# = 0 ] || { as_other "$@" >"$D/attack" 2>&1 & }
    local attacker=$!
    [ $# = 0 ] || sleep 2
    measure "$name"
    [ $# = 0 ] || kill -- -$attacker 2>/dev/null || true
    kill $server
    wait || true
}

mkdir -p "$D/own$D"
chmod 777 "$D/own$D"
attack quiet
attack 'its own address' sh -c "cd '$D/own' && exec '$D/hostile' post '${S#/}' '$S' 2000000000 4"
attack '320 unread, one socket' "$D/hostile" deaf "$S" 320 1
attack '2000 unread, 2000 sockets' "$D/hostile" deaf "$S" 2000 2000
attack '10000 unread, 10000 sockets' sh -c "ulimit -n 10100 && exec '$D/hostile' deaf '$S' 10000 10000"
attack 'unread, then read, again' "$D/hostile" breathe "$S" 250 60
attack '1 process floods' "$D/hostile" crowd "$S" 1 60 4
attack '100 processes flood' "$D/hostile" crowd "$S" 100 60 4
attack '10 processes, 65507 bytes' "$D/hostile" crowd "$S" 10 60 65507
attack quiet
