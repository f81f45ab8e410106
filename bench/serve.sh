#!/bin/bash
# What the server costs: requests by write side by side with the C server of serve.c, by cycle at three distances,
# time from start to ready, memory when idle.
#
#     bench/serve.sh NSLP [ROUNDS]
#
# needs root and a C compiler. All runs in a PID namespace of its own with a pid_max of 32768 (Linux 6.14).
set -eu
if [ "${1-}" != inside ]; then
    here=$(dirname "$(readlink -f "$0")")
    D=$(mktemp -d)
    trap 'rm -r "$D"' EXIT
    cc -O2 -o "$D/serve" "$here/serve.c"
    cc -O2 -o "$D/ask" "$here/ask.c"
    unshare -pfm --mount-proc --kill-child "$0" inside "$D" "$(readlink -f "$1")" "${2-15}"
    exit
fi

D=$2 N=$3 ROUNDS=$4
echo 32768 >/proc/sys/kernel/pid_max

# Of a column of numbers.
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

# Starts nslp on socket $1 with the other arguments; P is its PID, READY the milliseconds until it is ready.
start() {
    local socket=$1 from
    shift
    from=$(date +%s%N)
    : >"$D/log"
    "$N" serve "$socket" "$@" 2>>"$D/log" &
    P=$!
    until grep -q listening "$D/log"; do kill -0 $P; done
    READY=$((($(date +%s%N) - from) / 1000000))
}

"$D/serve" "$D/c" &
C=$!
for i in $(seq 5); do
    [ "$i" = 1 ] || { kill $P; wait $P; }
    start "$D/n" --method write
    echo $READY >>"$D/ready"
done

"$D/ask" "$D/c" time 20000 1 >/dev/null
"$D/ask" "$D/n" time 20000 1 >/dev/null
for i in $(seq "$ROUNDS"); do
    "$D/ask" "$D/c" time 20000 1 >>"$D/c.txt"
    "$D/ask" "$D/n" time 20000 1 >>"$D/n.txt"
done

for who in c n; do
    echo "by write, $who: $(awk '{ print $5 }' "$D/$who.txt" | median) requests/s," \
        "p50 $(awk '{ print $6 }' "$D/$who.txt" | median) us, p99 $(awk '{ print $7 }' "$D/$who.txt" | median) us"
done

paste "$D/c.txt" "$D/n.txt" | awk '{ print $13 / $5 }' | median | sed 's/^/n to c, requests\/s: /'
paste "$D/c.txt" "$D/n.txt" | awk '{ print $6 / $14 }' | median | sed 's/^/c to n, p50: /'
sleep 1
echo "ready after $(median <"$D/ready") ms, idle: $(grep VmRSS /proc/$P/status | tr -s '\t ' ' ')," \
    "$(awk '/^Pss:/ { print "Pss: " $2 " kB" }' /proc/$P/smaps_rollup), $(grep Threads /proc/$P/status | tr '\t' ' ')"
kill $P $C
wait $P

start "$D/n" --method cycle
"$D/ask" "$D/n" time 50 1 >/dev/null
for way in '1000 1' '300 1000' '50 -1'; do
    set -- $way
    echo "by cycle, step $2: $("$D/ask" "$D/n" time "$1" "$2" | awk '{ print "p50 " $6 " us, p99 " $7 " us, worst " $8 " us" }')"
done
echo "idle: $(grep VmRSS /proc/$P/status | tr -s '\t ' ' ')"
kill $P
wait $P
