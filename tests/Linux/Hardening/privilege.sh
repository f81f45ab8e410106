#!/bin/bash
# Whether an untrusted caller's environment variables change what nslp does, with a file capability and without: a line each.
# Usage, as root: privilege.sh NSLP
# "ignored": get and a set by write make the same system calls as with no such variable, "obeyed": they do not.
set -u
[ "${inside:-}" ] || inside=1 exec unshare -pfm --mount-proc --kill-child bash "$0" "$@"

mount -t tmpfs none /mnt
cp "$1" /mnt/plain && cp "$1" /mnt/capable && setcap cap_checkpoint_restore+ep /mnt/capable || exit 77
command -v strace >/dev/null || exit 77
mkdir -m 1777 /mnt/out
mkfifo -m 666 /mnt/fifo
chmod 755 /mnt /mnt/plain /mnt/capable
# Whoever runs this, dotnet test for one, has variables of its own.
for name in $(compgen -e); do
    [ "$name" = PATH ] || unset "$name"
done

# calls VARIABLE=VALUE NSLP ARGUMENT...: the names of its system calls, and how it ended, without what depends on chance (where the heap
# and mappings begin) or on others (who has the lock of ns_last_pid).
calls() {
    # The next processes are far from the number that is set below.
    echo 1000 >/proc/sys/kernel/ns_last_pid
    timeout 20 strace -u nobody -f -o /mnt/trace -E "$1" "${@:2}" >/mnt/stdout 2>/mnt/stderr
    echo $?
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' /mnt/trace | grep -vxE 'brk|munmap|flock|clock_nanosleep'
}

capable() { calls "$1" /mnt/capable get; calls "$1" /mnt/capable set 30000 --method write; }
plain() { calls "$1" /mnt/plain get; }

without_capable=$(capable A=B)
without_plain=$(plain A=B)

while read -r variable; do
    [ "$(capable "$variable")" = "$without_capable" ] && with=ignored || with=obeyed
    [ "$(plain "$variable")" = "$without_plain" ] && bare=ignored || bare=obeyed
    files=(/mnt/out/*)
    [ ! -e "${files[0]}" ] || with="makes ${files[*]}"
    rm -rf /mnt/out/*
    echo "${variable%%=*}: $with, $bare"
done <<'END'
A=B
LD_PRELOAD=/mnt/capable
LD_AUDIT=/mnt/capable
LD_LIBRARY_PATH=/mnt/out
LD_DEBUG=all
LD_DEBUG_OUTPUT=/mnt/out/debug
LD_PROFILE_OUTPUT=/mnt/out
LD_SHOW_AUXV=1
GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1
MALLOC_ARENA_MAX=1
MALLOC_CHECK_=3
MALLOC_MMAP_THRESHOLD_=1
MALLOC_TOP_PAD_=10000000
MALLOC_TRACE=/mnt/out/trace
LANG=de_DE.UTF-8
LC_ALL=de_DE.UTF-8
LOCPATH=/mnt/out
NLSPATH=/mnt/fifo
GCONV_PATH=/mnt/out
TZ=/mnt/fifo
TZDIR=/mnt/out
TMPDIR=/mnt/out
HOME=/mnt/out
PATH=/mnt/out
RES_OPTIONS=debug
LOCALDOMAIN=x
HOSTALIASES=/mnt/fifo
DOTNET_GCHeapHardLimit=1
DOTNET_GCRegionRange=1
DOTNET_GCgen0size=1
DOTNET_GCHeapAffinitizeMask=4
DOTNET_gcServer=1
DOTNET_gcConcurrent=1
DOTNET_GCName=/mnt/capable
DOTNET_GCPath=/mnt/capable
COMPlus_GCPath=/mnt/capable
DOTNET_DbgEnableMiniDump=1
DOTNET_DbgMiniDumpName=/mnt/out/dump
DOTNET_STARTUP_HOOKS=/mnt/capable
DOTNET_ADDITIONAL_DEPS=/mnt/capable
DOTNET_ROOT=/mnt/out
DOTNET_ROOT_X64=/mnt/out
CORECLR_ENABLE_PROFILING=1
CORECLR_PROFILER_PATH=/mnt/capable
DOTNET_PROFILER_PATH=/mnt/capable
DOTNET_DiagnosticPorts=/mnt/out/port,suspend
DOTNET_DefaultDiagnosticPortSuspend=1
DOTNET_EnableEventPipe=1
DOTNET_EventPipeOutputPath=/mnt/out/pipe
DOTNET_PerfMapEnabled=1
COMPlus_PerfMapEnabled=1
DOTNET_JitStdOutFile=/mnt/out/jit
COREHOST_TRACEFILE=/mnt/out/host
DOTNET_BUNDLE_EXTRACT_BASE_DIR=/mnt/out
NO_COLOR=1
TERM=x
LISTEN_FDS=1
NOTIFY_SOCKET=/mnt/out/socket
END
