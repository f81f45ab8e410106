#!/bin/bash
# What hostile clients of one user do to another user's requests: how many of these are answered, p50 and p99 in quiet and
# with each attack running, by turns, and how many lines a second the log gets. Prints the medians of ROUNDS=5 rounds, and in
# brackets each p99 as a multiple of the quiet one. Floods are measured once, with a quiet run of their own.
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
    awk -v what="$1" -v lines="$lines" -v ms="$from" \
        '{ printf "%s\t%d\t%.1f\t%.1f\t%.0f\t%.1f\n", what, $1, $6, $7, $8, lines * 1000 / (ms < 1000 ? 1000 : ms) }' "$D/times" >>"$D/all"
}

# The medians of what was measured so far, which is forgotten.
summary() {
    awk -F '\t' -v wanted="$((REQUESTS * rounds))" '
        function median(values,   list, n, i, j, x) {
            n = split(values, list, " ")
            for (i = 2; i <= n; i++) {
                x = list[i] + 0
                for (j = i - 1; j >= 1 && list[j] + 0 > x; j--) list[j + 1] = list[j]
                list[j + 1] = x
            }
            return list[int((n + 1) / 2)]
        }
        !($1 in answered) { names[++count] = $1 }
        { answered[$1] += $2; p50[$1] = p50[$1] " " $3; p99[$1] = p99[$1] " " $4
          if ($5 > worst[$1]) worst[$1] = $5; if ($6 > logged[$1]) logged[$1] = $6 }
        END { for (i = 1; i <= count; i++) { n = names[i]
            printf "%-28s %d of %d answered, p50 %.1f us, p99 %.1f us (%.2f), worst %.0f us, %.1f log lines/s at most\n",
                n, answered[n], wanted, median(p50[n]), median(p99[n]), median(p99[n]) / median(p99["quiet"]), worst[n], logged[n] } }' "$D/all"
    rm "$D/all"
}

# On the one CPU, and what is measured on the other: else the scheduler is measured.
as_other() { exec setsid taskset -c 0 setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }

attack() {
    local name=$1
    shift
    : >"$D/log"
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
rounds=${ROUNDS:-5}
for round in $(seq "$rounds"); do
    attack quiet
    attack 'its own address' sh -c "cd '$D/own' && exec '$D/hostile' post '${S#/}' '$S' 2000000000 4"
    attack '320 unread, one socket' "$D/hostile" deaf "$S" 320 1
    attack '2000 unread, 2000 sockets' "$D/hostile" deaf "$S" 2000 2000
    attack '10000 unread, 10000 sockets' sh -c "ulimit -n 10100 && exec '$D/hostile' deaf '$S' 10000 10000"
done
summary
rounds=1
attack quiet
attack 'unread, then read, again' "$D/hostile" breathe "$S" 250 60
attack '1 process floods' "$D/hostile" crowd "$S" 1 60 4
attack '100 processes flood' "$D/hostile" crowd "$S" 100 60 4
attack '10 processes, 65507 bytes' "$D/hostile" crowd "$S" 10 60 65507
summary
